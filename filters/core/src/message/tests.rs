//! Bodies as clients send them, and as attackers do.

#[cfg(not(target_arch = "wasm32"))]
mod random;

use std::borrow::Cow;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Body, Fault, Kind, Message, Meta, Params, ScanError, ScanLimits, Slot, scan};
use crate::json::Syntax;

fn read(body: &[u8]) -> Result<Body<'_>, ScanError<'_>> {
    scan(body, &ScanLimits::default())
}

fn single(body: &[u8]) -> Message<'_> {
    match read(body) {
        Ok(Body::Single(message)) => message,
        other => panic!("{}: {other:?}", body.escape_ascii()),
    }
}

#[test]
fn modern_call() {
    let body = br#" {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather",
        "arguments":{"name":"not this","_meta":{"progressToken":0}},
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{"x":[{}]},
            "io.modelcontextprotocol/clientInfo":{"version":"1","name":"agent \u00e9"},
            "io.modelcontextprotocol/logLevel":"info","progressToken":7,
            "traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate":"a=1"}}}
    "#;
    let message = single(body);
    assert_eq!(message.kind, Kind::Request);
    assert_eq!(message.id.map(|id| id.token()), Some("1"));
    assert_eq!(message.method.as_deref(), Some("tools/call"));
    assert_eq!(
        message.params,
        Params {
            name: Some("get_weather".into()),
            arguments: Some(r#"{"name":"not this","_meta":{"progressToken":0}}"#),
            meta: Some(Meta {
                protocol_version: Some("2026-07-28".into()),
                client_capabilities: true,
                client_name: Some("agent é".into()),
                progress_token: Some("7"),
                trace_parent: Some(
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()
                ),
                trace_state: Some("a=1".into()),
                is_traced: true,
                ..Meta::default()
            }),
            ..Params::default()
        }
    );
}

#[test]
fn legacy_initialize() {
    let message = single(
        br#"{"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":
            {"name":"no"},"clientInfo":{"name":"inspector","version":"0"}},"jsonrpc":"2.0","id":0}"#,
    );
    assert_eq!(message.kind, Kind::Request);
    assert_eq!(message.id.map(|id| id.token()), Some("0"));
    assert_eq!(
        message.params,
        Params {
            protocol_version: Some("2025-06-18".into()),
            client_name: Some("inspector".into()),
            ..Params::default()
        }
    );
}

#[test]
fn resources_and_tasks() {
    let message = single(
        br#"{"jsonrpc":"2.0","id":"a","method":"resources/read","params":{"uri":"file:\/\/\/x"}}"#,
    );
    assert_eq!(message.params.uri.as_deref(), Some("file:///x"));
    let message =
        single(br#"{"jsonrpc":"2.0","id":"a","method":"tasks/get","params":{"taskId":"t-1"}}"#);
    assert_eq!(message.params.task_id.as_deref(), Some("t-1"));
}

#[test]
fn arguments_are_the_exact_text_that_goes_upstream() {
    let cases: [(&str, Option<&str>); 6] = [
        (r#"{}"#, None),
        (r#"{"arguments" : { "a" : "\u0061" } , "name":"x"}"#, Some(r#"{ "a" : "\u0061" }"#)),
        (r#"{"\u0061rguments":{"a":[1,{"b":2}]}}"#, Some(r#"{"a":[1,{"b":2}]}"#)),
        // What is not an object is for its reader to refuse.
        (r#"{"arguments":null}"#, Some("null")),
        (r#"{"arguments":[1, 2]}"#, Some("[1, 2]")),
        (r#"{"_meta":{"arguments":{"no":1}}}"#, None),
    ];
    for (params, expect) in cases {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        assert_eq!(single(body.as_bytes()).params.arguments, expect, "{params}");
    }
}

#[test]
fn request_state_is_the_same_however_it_is_spelled() {
    let cases: [(&str, Option<&str>); 6] = [
        (r#"{}"#, None),
        (r#"{"requestState":"a/b=="}"#, Some("a/b==")),
        (r#"{"requestState":"a\/b\u003d=","inputResponses":{"k":{}}}"#, Some("a/b==")),
        (r#"{"requestState":""}"#, Some("")),
        (r#"{"requestState":7}"#, None),
        (r#"{"_meta":{"requestState":"no"},"arguments":{"requestState":"no"}}"#, None),
    ];
    for (params, expect) in cases {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        assert_eq!(single(body.as_bytes()).params.request_state.as_deref(), expect, "{params}");
    }
}

#[test]
fn only_strings_with_escapes_are_copied() {
    let message = single(br#"{"jsonrpc":"2.0","method":"a","params":{"name":"\u0061"}}"#);
    assert!(matches!(message.method, Some(Cow::Borrowed("a"))));
    assert!(matches!(message.params.name, Some(Cow::Owned(name)) if name == "a"));
}

/// Body, kind, id's token, method.
type Accepted = (&'static str, Kind, Option<&'static str>, Option<&'static str>);

#[test]
fn kinds_and_ids() {
    use Kind::{Notification, Request, Response};
    let table: [Accepted; 17] = [
        (r#"{"jsonrpc":"2.0","id":0,"method":"p"}"#, Request, Some("0"), Some("p")),
        (r#"{"jsonrpc":"2.0","id":-0,"method":"p"}"#, Request, Some("-0"), Some("p")),
        (r#"{"jsonrpc":"2.0","id":"","method":"p"}"#, Request, Some(r#""""#), Some("p")),
        (r#"{"jsonrpc":"2.0","id":"1","method":"p"}"#, Request, Some(r#""1""#), Some("p")),
        // The token is echoed as it stood, escapes and all.
        (
            r#"{"jsonrpc":"2.0","id" : "\u0061\"" ,"method":"p"}"#,
            Request,
            Some(r#""\u0061\"""#),
            Some("p"),
        ),
        // Past 2^53, where a double loses digits, and past 2^64.
        (
            r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"p"}"#,
            Request,
            Some("9007199254740993"),
            Some("p"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":-18446744073709551617,"method":"p"}"#,
            Request,
            Some("-18446744073709551617"),
            Some("p"),
        ),
        (r#"{"jsonrpc":"2.0","method":"n"}"#, Notification, None, Some("n")),
        (r#"{"jsonrpc":"2.0","method":""}"#, Notification, None, Some("")),
        (r#"{"jsonrpc":"2.0","method":"n","params":{}}"#, Notification, None, Some("n")),
        (r#"{"jsonrpc":"2.0","id":3,"result":{}}"#, Response, Some("3"), None),
        (r#"{"jsonrpc":"2.0","id":3,"error":{"code":1}}"#, Response, Some("3"), None),
        (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, Response, None, None),
        (r#"{"jsonrpc":"2.0","error":{}}"#, Response, None, None),
        (r#"{"\u006asonrpc":"2\u002e0","m\u0065thod":"n"}"#, Notification, None, Some("n")),
        (
            "\t\r\n {\"jsonrpc\" :\n\"2.0\"\r, \"method\":\t\"n\" } \n",
            Notification,
            None,
            Some("n"),
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":\"\u{e9}\u{1f600}\\ud83d\\ude00\"}",
            Notification,
            None,
            Some("\u{e9}\u{1f600}\u{1f600}"),
        ),
    ];
    for (body, kind, id, method) in table {
        let message = single(body.as_bytes());
        let seen = (message.kind, message.id.map(|id| id.token()), message.method.as_deref());
        assert_eq!(seen, (kind, id, method), "{body}");
    }
}

#[test]
fn what_policy_does_not_need_may_be_of_any_type() {
    let message = single(
        br#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"protocolVersion":1,"clientInfo":[],
            "_meta":{"io.modelcontextprotocol/protocolVersion":{},"traceparent":null,"tracestate":[],
                "io.modelcontextprotocol/clientCapabilities":[],"progressToken":1.5,
                "io.modelcontextprotocol/clientInfo":{"name":["x"]}}}}"#,
    );
    let meta = Meta { is_traced: true, ..Meta::default() };
    assert_eq!(message.params, Params { meta: Some(meta), ..Params::default() });
    let message = single(br#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":"x"}}"#);
    assert_eq!(message.params, Params::default());
}

#[test]
fn progress_tokens() {
    for (token, seen) in [
        ("7", Some("7")),
        (r#""\u0061""#, Some(r#""\u0061""#)),
        ("7.0", None),
        ("7e1", None),
        ("null", None),
        ("[7]", None),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"m","params":{{"_meta":{{"progressToken": {token} }}}}}}"#
        );
        let meta = single(body.as_bytes()).params.meta;
        assert_eq!(meta.and_then(|meta| meta.progress_token), seen, "{token}");
    }
}

#[test]
fn batches() {
    let body = br#" [ {"jsonrpc":"2.0","method":"a"} , {"jsonrpc":"2.0","id":2,"method":"b"} ]"#;
    let Ok(Body::Batch(messages)) = read(body) else { panic!("{:?}", read(body)) };
    let seen: Vec<_> = messages.iter().map(|each| (each.kind, each.method.as_deref())).collect();
    assert_eq!(seen, [(Kind::Notification, Some("a")), (Kind::Request, Some("b"))]);
}

/// Body, fault, id's token that can be answered with.
type Refused<'b> = (&'b str, Fault, Option<&'static str>);

#[test]
fn not_json() {
    let table: [(&[u8], Syntax, usize); 49] = [
        (b"", Syntax::Empty, 0),
        (b" \n", Syntax::Empty, 2),
        (b"\xef\xbb\xbf{}", Syntax::ByteOrderMark, 0),
        (b"\xff\xfe{\0}\0", Syntax::NotUtf8, 0),
        (b"{\0\"\0", Syntax::Unexpected, 1),
        (b"\0{\0}", Syntax::Unexpected, 0),
        (b"{\"a\":\"\xc3\"}", Syntax::NotUtf8, 6),
        (b"{\"a\":\"\xc0\xaf\"}", Syntax::NotUtf8, 6),
        (b"{\"a\":\"\xed\xa0\x80\"}", Syntax::NotUtf8, 6),
        (b"{\"id\":1} x", Syntax::Trailing, 9),
        (b"{\"id\":1}{\"id\":1}", Syntax::Trailing, 8),
        (b"{\"id\":1}\0", Syntax::Trailing, 8),
        (b"{\"id\":1},", Syntax::Trailing, 8),
        (b"1 2", Syntax::Trailing, 2),
        (b"{", Syntax::End, 1),
        (b"{\"id\"", Syntax::End, 5),
        (b"{\"id\":", Syntax::End, 6),
        (b"{\"id\":1", Syntax::End, 7),
        (b"{\"id\":1,", Syntax::End, 8),
        (b"{\"a\":[1", Syntax::End, 7),
        (b"{\"a\":{\"b\"", Syntax::End, 9),
        (b"{\"a\":tru", Syntax::End, 5),
        (b"{\"a\":-", Syntax::End, 6),
        (b"{\"a\":\"\\", Syntax::End, 6),
        (b"{\"a\":\"no end}", Syntax::End, 13),
        (b"{\"id\":1,}", Syntax::Unexpected, 8),
        (b"{,}", Syntax::Unexpected, 1),
        (b"{\"a\" 1}", Syntax::Unexpected, 5),
        (b"{a:1}", Syntax::Unexpected, 1),
        (b"{'a':1}", Syntax::Unexpected, 1),
        (b"{\"a\":[1,]}", Syntax::Unexpected, 8),
        (b"{\"a\":[1}}", Syntax::Unexpected, 7),
        (b"{\"a\":{\"b\":1]}", Syntax::Unexpected, 11),
        (b"{\"a\":True}", Syntax::Unexpected, 5),
        (b"{\"a\":NaN}", Syntax::Unexpected, 5),
        (b"{\"a\":/**/1}", Syntax::Unexpected, 5),
        (b"{\"a\":\x0b1}", Syntax::Unexpected, 5),
        (b"{\"a\":\xc2\xa01}", Syntax::Unexpected, 5),
        (b"{\"a\":+1}", Syntax::Unexpected, 5),
        (b"{\"a\":.5}", Syntax::Unexpected, 5),
        (b"{\"a\":01}", Syntax::Number, 6),
        (b"{\"a\":1.}", Syntax::Number, 7),
        (b"{\"a\":1e}", Syntax::Number, 7),
        (b"{\"a\":-x}", Syntax::Number, 6),
        (b"{\"a\":\"tab\there\"}", Syntax::Control, 9),
        (b"{\"a\":\"0123456789\x1f\"}", Syntax::Control, 16),
        (b"{\"a\":\"\\x41\"}", Syntax::Escape, 6),
        (b"{\"a\":\"\\u00g0\"}", Syntax::Escape, 6),
        (b"{\"method\":\"\\ud800\"}", Syntax::Surrogate, 10),
    ];
    for (body, syntax, offset) in table {
        let error = read(body).expect_err(&body.escape_ascii().to_string());
        assert_eq!(
            (error.fault, error.offset, error.id, error.code()),
            (Fault::Syntax(syntax), offset, None, -32700),
            "{}",
            body.escape_ascii()
        );
    }
}

#[test]
fn lone_surrogates() {
    for body in [
        r#"{"\udc00":1}"#,
        r#"{"method":"\ud800x"}"#,
        r#"{"method":"\ud800\n"}"#,
        r#"{"method":"\ud800\ud800"}"#,
        r#"{"params":{"name":"\udfff"}}"#,
        r#"{"params":{"_meta":{"\ud834":1}}}"#,
    ] {
        let error = read(body.as_bytes()).expect_err(body);
        assert_eq!(error.fault, Fault::Syntax(Syntax::Surrogate), "{body}");
    }
    // What is not read is not judged: JavaScript may well send it.
    single(br#"{"jsonrpc":"2.0","method":"m","params":{"arguments":{"\ud800":"\udc00"}}}"#);
}

#[test]
fn not_a_message() {
    let table: [Refused<'_>; 35] = [
        ("7", Fault::NotObject, None),
        ("null", Fault::NotObject, None),
        (r#""jsonrpc""#, Fault::NotObject, None),
        ("[]", Fault::BatchEmpty, None),
        ("[7]", Fault::BatchElement, None),
        (r#"[[{"jsonrpc":"2.0","id":1,"method":"m"}]]"#, Fault::BatchElement, None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"m"},{"id":2}]"#, Fault::Jsonrpc, None),
        (r#"["tools/call",1]"#, Fault::BatchElement, None),
        ("{}", Fault::Jsonrpc, None),
        (r#"{"id":7,"method":"m"}"#, Fault::Jsonrpc, Some("7")),
        (r#"{"jsonrpc":"2.1","id":7,"method":"m"}"#, Fault::Jsonrpc, Some("7")),
        (r#"{"jsonrpc":2.0,"id":7,"method":"m"}"#, Fault::Jsonrpc, Some("7")),
        (r#"{"jsonrpc":"2.0"}"#, Fault::MethodMissing, None),
        (r#"{"jsonrpc":"2.0","id":7}"#, Fault::MethodMissing, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"params":{}}"#, Fault::MethodMissing, Some("7")),
        (r#"{"jsonrpc":"2.0","method":null,"id":7}"#, Fault::MethodType, Some("7")),
        (r#"{"jsonrpc":"2.0","method":["m"],"id":7}"#, Fault::MethodType, Some("7")),
        (r#"{"jsonrpc":"2.0","method":"m","id":null}"#, Fault::IdNull, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":true}"#, Fault::IdType, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":1.0}"#, Fault::IdType, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":1e2}"#, Fault::IdType, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":1E2}"#, Fault::IdType, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":[1]}"#, Fault::IdType, None),
        (r#"{"jsonrpc":"2.0","method":"m","id":{}}"#, Fault::IdType, None),
        (r#"{"jsonrpc":"2.0","result":1}"#, Fault::IdMissing, None),
        (r#"{"jsonrpc":"2.0","result":1,"id":null}"#, Fault::IdNull, None),
        (r#"{"jsonrpc":"2.0","result":1,"error":{},"id":7}"#, Fault::ResultAndError, Some("7")),
        (
            r#"{"jsonrpc":"2.0","method":"m","result":1,"id":7}"#,
            Fault::RequestWithResult,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"m","error":{},"id":7}"#,
            Fault::RequestWithResult,
            Some("7"),
        ),
        (r#"{"jsonrpc":"2.0","method":"m","params":[1],"id":7}"#, Fault::ParamsType, Some("7")),
        (r#"{"jsonrpc":"2.0","method":"m","params":null,"id":7}"#, Fault::ParamsType, Some("7")),
        (
            r#"{"jsonrpc":"2.0","method":"m","params":{"name":1},"id":7}"#,
            Fault::NameType,
            Some("7"),
        ),
        (r#"{"jsonrpc":"2.0","method":"m","params":{"uri":{}},"id":7}"#, Fault::UriType, Some("7")),
        (
            r#"{"jsonrpc":"2.0","method":"m","params":{"taskId":null},"id":7}"#,
            Fault::TaskIdType,
            Some("7"),
        ),
        // The first of several counts.
        (r#"{"jsonrpc":"2.0","params":[],"id":{},"method":7}"#, Fault::ParamsType, None),
    ];
    refused(&table);
}

#[test]
fn duplicate_keys() {
    let table: [Refused<'_>; 15] = [
        (r#"{"jsonrpc":"2.0","method":"a","method":"b","id":7}"#, Fault::DuplicateKey, Some("7")),
        (
            r#"{"jsonrpc":"2.0","method":"a","m\u0065thod":"b","id":7}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","jsonrpc":"2.0","method":"a","id":7}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (r#"{"jsonrpc":"2.0","method":"a","x":1,"x":1,"id":7}"#, Fault::DuplicateKey, Some("7")),
        // Which id the server would take is unknown, so none is echoed.
        (r#"{"jsonrpc":"2.0","id":7,"method":"a","id":7}"#, Fault::DuplicateKey, None),
        (r#"{"jsonrpc":"2.0","id":null,"method":"a","id":7}"#, Fault::DuplicateKey, None),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{},"params":{}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (r#"{"jsonrpc":"2.0","id":7,"result":1,"result":2}"#, Fault::DuplicateKey, Some("7")),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"name":"x","name":"x"}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"requestState":"x","requestState":"y"}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"\u005fmeta":{},"_meta":{}}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"é":1,"\u00e9":1}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"_meta":{"v/x":1,"v/x":1}}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"clientInfo":{"name":"x","name":"y"}}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"x","n\u0061me":"y"}}}}"#,
            Fault::DuplicateKey,
            Some("7"),
        ),
    ];
    refused(&table);
    // Objects nobody decides on may hold what they like.
    single(br#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"arguments":{"x":1,"x":1}}}"#);
}

#[test]
fn duplicates_among_many_keys() {
    let keys: Vec<_> = (0..1000).map(|number| format!(r#""k{number}":0"#)).collect();
    for again in [0, 5, 8, 9, 500, 999] {
        let members = [&keys[..], &keys[again..=again]].concat().join(",");
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{{members}}}}}"#);
        refused(&[(&body, Fault::DuplicateKey, Some("7"))]);
    }
}

#[test]
fn look_alikes_at_the_top_and_in_params() {
    for name in [
        "jsonrpc",
        "id",
        "method",
        "params",
        "name",
        "uri",
        "arguments",
        "_meta",
        "taskId",
        "result",
        "error",
    ] {
        let mut others = vec![
            name.to_ascii_uppercase(),
            format!("{name}\\u0000"),
            format!("{name}\\u0000\\u0000"),
            format!("{name}\\u0000x"),
            format!("{}\\u0000", name.to_ascii_uppercase()),
        ];
        if name.contains('s') {
            others.push(name.replace('s', "\u{17f}"));
            others.push(name.replace('s', "\\u017F"));
        }
        if name.contains('k') {
            others.push(name.replace('k', "\u{212a}"));
        }
        if name == "taskId" {
            others.push("taskid".into());
        }
        for other in others {
            let top = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","{other}":1}}"#);
            let params =
                format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{"{other}":1}}}}"#);
            for body in [top, params] {
                let error = read(body.as_bytes()).expect_err(&body);
                assert_eq!(error.fault, Fault::KeyLookAlike, "{body}");
                assert_eq!(error.id.map(|id| id.token()), Some("7"), "{body}");
                assert_eq!(error.code(), -32600);
            }
        }
    }
}

#[test]
fn look_alikes_deeper() {
    for params in [
        r#"{"ProtocolVersion":"2025-06-18"}"#,
        r#"{"clientinfo":{}}"#,
        r#"{"requeststate":"x"}"#,
        r#"{"clientInfo":{"Name":"x"}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/protocolversion":"x"}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities\u0000":{}}}"#,
        r#"{"_meta":{"IO.modelcontextprotocol/clientInfo":{}}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/clientInfo":{"nam\u0045":"x"}}}"#,
        r#"{"_meta":{"progre\u017f\u017fToken":1}}"#,
        r#"{"_meta":{"Traceparent":"x"}}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{params}}}"#);
        let error = read(body.as_bytes()).expect_err(&body);
        assert_eq!(error.fault, Fault::KeyLookAlike, "{body}");
    }
}

#[test]
fn near_look_alikes_pass() {
    for key in ["names", "nam", "\u{131}d", "na me", "", "\\u0000name", "Task-Id", "\\u0000"] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","{key}":1,"params":{{"{key}":1}}}}"#);
        single(body.as_bytes());
    }
}

#[test]
fn limits_hold_exactly() {
    let limits = ScanLimits::default();
    let request = |id: &str, method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","params":{{{params}}},"method":"{method}","id":{id}}}"#)
    };
    let text = |length: usize| "x".repeat(length);
    let array = |depth: usize| format!(r#""a":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    let keys = |count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!(r#""k{number}":0"#)).collect();
        members.join(",")
    };
    // Body at a measure, the most it may be, the fault beyond, whether the id is still told.
    type Row<'r> = (&'r dyn Fn(usize) -> String, usize, Fault, bool);
    let depth = usize::try_from(limits.depth).expect("small");
    let table: [Row<'_>; 8] = [
        (&|n| request("7", &text(n), ""), limits.method, Fault::MethodTooLong, true),
        (
            &|n| request("7", "m", &format!(r#""name":"{}""#, text(n))),
            limits.name,
            Fault::NameTooLong,
            true,
        ),
        (
            &|n| request("7", "m", &format!(r#""taskId":"{}""#, text(n))),
            limits.name,
            Fault::TaskIdTooLong,
            true,
        ),
        (
            &|n| request("7", "m", &format!(r#""uri":"{}""#, text(n))),
            limits.uri,
            Fault::UriTooLong,
            true,
        ),
        (&|n| request(&"7".repeat(n), "m", ""), limits.integer_id, Fault::IdTooLong, false),
        (
            &|n| request(&format!("\"{}\"", text(n - 2)), "m", ""),
            limits.string_id,
            Fault::IdTooLong,
            false,
        ),
        // The message and its params are two levels.
        (&|n| request("7", "m", &array(n - 2)), depth, Fault::Syntax(Syntax::Depth), false),
        // The message has four keys of its own.
        (&|n| request("7", "m", &keys(n - 4)), limits.keys, Fault::TooManyKeys, true),
    ];
    for (body, most, fault, id) in table {
        single(body(most).as_bytes());
        let body = body(most + 1);
        let error = read(body.as_bytes()).expect_err("past the limit");
        assert_eq!(error.fault, fault);
        assert_eq!(error.id.is_some(), id, "{fault:?}");
    }
}

#[test]
fn batch_limit() {
    let batch = |count| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"m"}"#; count].join(","));
    let most = ScanLimits::default().batch;
    assert!(matches!(read(batch(most).as_bytes()), Ok(Body::Batch(all)) if all.len() == most));
    let error = read(batch(most + 1).as_bytes()).expect_err("too long").fault;
    assert_eq!(error, Fault::BatchTooLong);
}

#[test]
fn inspected_objects_count_as_levels_too() {
    let limits = ScanLimits { depth: 2, ..ScanLimits::default() };
    let body = br#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{}}}"#;
    let error = scan(body, &limits).expect_err("three levels");
    assert_eq!(error.fault, Fault::Syntax(Syntax::Depth));
    assert!(scan(body, &ScanLimits { depth: 3, ..limits }).is_ok());
}

#[test]
fn depth_stops_at_what_the_scan_can_count() {
    let limits = ScanLimits { depth: u32::MAX, ..ScanLimits::default() };
    let nested = |depth| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","method":"m","x":{open}{close}}}"#)
    };
    assert!(scan(nested(63).as_bytes(), &limits).is_ok());
    assert!(scan(nested(64).as_bytes(), &limits).is_err());
    assert!(scan(nested(500_000).as_bytes(), &limits).is_err());
}

#[test]
fn errors_are_told_without_what_the_client_sent() {
    let error = read(br#"{"jsonrpc":"2.0","id":7,"method":"m","seCret":1,"seCret":2}"#);
    let error = error.expect_err("duplicate");
    assert_eq!(error.to_string(), "duplicate key at byte 57");
    let error = read(b"{\"seCret\":\"\x01\"}").expect_err("control character");
    assert_eq!(error.to_string(), "unescaped control character in a JSON string at byte 11");
}

fn refused(table: &[Refused<'_>]) {
    for (body, fault, id) in table {
        let error = read(body.as_bytes()).expect_err(body);
        let seen = (error.fault, error.id.map(|id| id.token()), error.code());
        assert_eq!(seen, (*fault, *id, -32600), "{body}");
    }
}

#[test]
fn members_are_added_where_there_is_room_for_them() {
    let texts = [("traceparent", "a"), ("tracestate", r#"b="c\"#)];
    let members = r#""traceparent":"a","tracestate":"b=\"c\\""#;
    let cases = [
        (r#"{"_meta":{"x": 1.0}}"#, format!(r#"{{"_meta":{{{members},"x": 1.0}}}}"#)),
        ("{ \"_meta\" : { } }", format!("{{ \"_meta\" : {{{members} }} }}")),
        (r#"{"name":"n"}"#, format!(r#"{{"_meta":{{{members}}},"name":"n"}}"#)),
        ("{}", format!(r#"{{"_meta":{{{members}}}}}"#)),
    ];
    for (params, expected) in cases {
        let body = |params: &str| {
            format!(r#" {{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}} "#)
        };
        let original = body(params);
        let slot = single(original.as_bytes()).slot.expect(params);
        let filled = slot.fill(original.as_bytes(), &texts).expect(params);
        assert_eq!(String::from_utf8_lossy(&filled), body(&expected));
    }
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let filled = single(body).slot.and_then(|slot| slot.fill(body, &texts)).expect("room");
    let expected =
        format!(r#"{{"params":{{"_meta":{{{members}}}}},"jsonrpc":"2.0","id":1,"method":"ping"}}"#);
    assert_eq!(String::from_utf8_lossy(&filled), expected);
    // Of another body nothing is made.
    assert_eq!(Slot::Meta(usize::MAX).fill(body, &texts), None);
    assert_eq!(Slot::Meta(body.len()).fill(body, &texts), None);
}

#[test]
fn what_is_no_object_has_no_room() {
    for meta in ["null", "[]", "\"x\"", "1"] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{meta}}}}}"#);
        assert_eq!(single(body.as_bytes()).slot, None, "{meta}");
    }
}

#[test]
fn whatever_stands_for_a_trace_is_noticed() {
    for (meta, expected) in [
        ("{}", false),
        (r#"{"progressToken":1}"#, false),
        (r#"{"traceparent":null}"#, true),
        (r#"{"tracestate":{}}"#, true),
        (r#"{"b\u0061ggage":""}"#, true),
    ] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{meta}}}}}"#);
        let meta = single(body.as_bytes()).params.meta.expect("an object");
        assert_eq!(meta.is_traced, expected, "{body}");
    }
}
