//! Results that are cut, and such as cannot be.

use serde_json::{Value, json};

use super::*;

fn caps(entries: Value) -> Result<Caps, ConfigError> {
    #[derive(Debug, Deserialize)]
    struct Example {
        result_caps: Vec<Section<CapConfig>>,
    }
    let text = json!({"result_caps": entries}).to_string();
    let example: Example = mcp_core::config::parse(text.as_bytes())?;
    Caps::build(example.result_caps, &Capabilities::ALL)
}

fn judged(entry: Value, result: &Value) -> Option<Value> {
    let message = format!(r#"{{"jsonrpc":"2.0","id":1e,"result":{result}}}"#)
        .replace("1e", "12345678901234567890");
    match caps(json!([entry])).expect("valid").judge(
        0,
        Piece::Message(message.as_bytes()),
        Shape::JsonRpc,
    ) {
        Observation::Pass => None,
        Observation::Replace(text) => {
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(text.contains(r#""id":12345678901234567890"#), "{text}");
            Some(serde_json::from_str(&text).expect("JSON"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cap_needs_a_number() {
    for wrong in [json!({}), json!({"max_tokens": 0}), json!({"max_bytes": "0B", "max_tokens": 1})]
    {
        let error = caps(json!([wrong])).expect_err("no cap");
        assert_eq!(error.path, "result_caps[0]");
    }
}

#[test]
fn text_is_kept_from_the_start_and_never_in_half_a_character() {
    let block = |text: &str| json!({"type": "text", "text": text});
    let result =
        json!({"content": [block("ä".repeat(40).as_str()), block("second")], "isError": false});
    let cut = judged(json!({"max_bytes": "60B", "action": "cut"}), &result).expect("it is cut");
    let content = cut["result"]["content"].as_array().expect("content");
    assert_eq!(content[0]["text"], "ä".repeat(30));
    assert_eq!((content.len(), &cut["result"]["isError"]), (2, &json!(false)));
    assert!(content[1]["text"].as_str().is_some_and(|text| text.contains("gateway cut")));
}

#[test]
fn what_is_more_than_text_is_refused_rather_than_cut() {
    let text = json!({"type": "text", "text": "x".repeat(99)});
    let image = json!({"type": "image", "mimeType": "image/png", "data": "A".repeat(99)});
    for result in [
        json!({"content": [text.clone()], "structuredContent": {"x": 1}}),
        json!({"content": [image]}),
    ] {
        let refused =
            judged(json!({"max_bytes": "50B", "action": "cut"}), &result).expect("refused");
        assert_eq!(refused["error"]["code"], 50201, "{refused}");
    }
    assert_eq!(judged(json!({"max_bytes": "5KiB"}), &json!({"content": [text]})), None);
    assert_eq!(judged(json!({"max_bytes": "1B"}), &json!({"tools": []})), None);
}
