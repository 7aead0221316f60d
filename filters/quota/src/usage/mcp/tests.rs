//! What clients send.

use mcp_core::message::{Body, ScanLimits, scan};

use super::{of_request, of_response_body, sent};
use crate::estimator::tokens;

#[test]
fn requests() {
    let table = [
        (
            r#""method":"tools/call","params":{"name":"x","arguments":{"q":"what now"}}"#,
            r#"{"q":"what now"}"#,
        ),
        (r#""method":"tools/call","params":{"name":"x"}"#, ""),
        (r#""method":"tasks/get","params":{"taskId":"t","arguments":{"q":"what now"}}"#, ""),
        (r#""method":"tools/list""#, ""),
    ];
    for (members, text) in table {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
        let Ok(Body::Single(message)) = scan(body.as_bytes(), &ScanLimits::default()) else {
            panic!("{body}")
        };
        assert_eq!(of_request(&message), sent(tokens(text)), "{body}");
    }
}

#[test]
fn posted_responses() {
    let sample = r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant","model":"m","content":{"type":"text","text":"It rains."}}}"#;
    let blocks = r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant","content":[{"type":"text","text":"It rains."},{"type":"tool_use","id":"1","name":"x","input":{"a":1}},{"type":"image","data":"QUJD"}]}}"#;
    let elicited = r#"{"jsonrpc":"2.0","id":1,"result":{"content":{"type":"text","text":"a form"},"action":"accept"}}"#;
    let batch = format!("[{sample},{elicited}]");
    let cut_off = format!("[{sample},");
    let table: [(&str, &[&str]); 9] = [
        (&cut_off, &[]),
        (sample, &["It rains."]),
        (blocks, &["It rains.", r#"{"a":1}"#]),
        (elicited, &[r#"{"type":"text","text":"a form"}"#]),
        (&batch, &["It rains.", r#"{"type":"text","text":"a form"}"#]),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}"#, &[]),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[{"uri":"file:///x"}]}}"#, &[]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{"content":"no"}}"#, &[]),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":"cut off"}"#, &[]),
    ];
    for (body, texts) in table {
        let expect = texts.iter().map(|text| tokens(text)).sum();
        assert_eq!(of_response_body(body.as_bytes()), sent(expect), "{body}");
    }
}
