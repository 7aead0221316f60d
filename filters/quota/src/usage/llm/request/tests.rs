//! Requests in each dialect.

use super::{LlmRequest, of_llm_request};
use crate::estimator::tokens;

/// Path, body, model, texts of the prompt, most output.
type Row<'r> = (&'r str, &'r str, Option<&'r str>, &'r [&'r str], Option<u64>);

#[test]
fn every_dialect() {
    let table: [Row<'_>; 14] = [
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-x","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJDREVG"}}]}],"tools":[{"type":"function","function":{"name":"f"}}],"max_tokens":100,"max_completion_tokens":300,"n":2,"stream":true}"#,
            Some("gpt-x"),
            &["Be brief.", "What is this?", r#"[{"type":"function","function":{"name":"f"}}]"#],
            Some(600),
        ),
        (
            "/v1/responses",
            r#"{"model":"gpt-x","instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"Count."},{"type":"input_file","file_data":"QUJDREVG"}]},{"type":"function_call_output","call_id":"call_abcdef","output":"41"}],"max_output_tokens":64}"#,
            Some("gpt-x"),
            &["Be brief.", "Count.", "41"],
            Some(64),
        ),
        (
            "/v1/responses",
            r#"{"input":"Hi there","model":"gpt-x"}"#,
            Some("gpt-x"),
            &["Hi there"],
            None,
        ),
        (
            "/v1/messages",
            r#"{"model":"claude-x","max_tokens":1024,"system":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"Good\nday"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"t","input":{"city":"Oslo"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJDREVG"}}]}]}]}"#,
            Some("claude-x"),
            &["Be kind.", "Good\nday", "t", "Oslo"],
            Some(1024),
        ),
        (
            "/v1beta/models/gemini-x-pro:streamGenerateContent?alt=sse",
            r#"{"model":"another","systemInstruction":{"parts":[{"text":"Be exact."}]},"contents":[{"role":"user","parts":[{"text":"Where?"},{"inlineData":{"mimeType":"image/png","data":"QUJDREVG"}}]}],"generationConfig":{"maxOutputTokens":50,"candidateCount":3}}"#,
            Some("gemini-x-pro"),
            &["Be exact.", "Where?"],
            Some(150),
        ),
        (
            "/v1/projects/p/locations/eu/publishers/google/models/gemini-x:generateContent",
            r#"{"contents":[]}"#,
            Some("gemini-x"),
            &[],
            None,
        ),
        // Of two models the provider takes the last.
        (
            "/v1/embeddings",
            r#"{"model":"a","model":"b","input":["one","two"]}"#,
            Some("b"),
            &["one", "two"],
            None,
        ),
        (
            "/v1/completions",
            r#"{"model":"a","prompt":"Once","max_tokens":-1}"#,
            Some("a"),
            &["Once"],
            None,
        ),
        (
            "/v1/completions",
            r#"{"model":"a","max_tokens":18446744073709551615,"n":2}"#,
            Some("a"),
            &[],
            Some(u64::MAX),
        ),
        ("/v1/models/x/y:z", r#"{"model":7}"#, None, &[], None),
        ("/v1/models/x:y/z", "{}", None, &[], None),
        ("/v1/chat/completions", r#"{"model":"a"} {"model":"b"}"#, None, &[], None),
        ("/v1/models/x:generateContent", "not JSON", Some("x"), &[], None),
        ("/v1/chat/completions", r#"{"model":"a","messages":[{"content":"cut"#, None, &[], None),
    ];
    for (path, body, model, texts, max_output) in table {
        let expect = LlmRequest {
            model: model.map(Into::into),
            input: texts.iter().map(|text| tokens(text)).sum(),
            max_output,
        };
        assert_eq!(of_llm_request(path, body.as_bytes()), expect, "{path} {body}");
    }
}

#[test]
fn a_prompt_may_be_tokens() {
    let body = br#"{"model":"a","input":[[1,20,300],[4]]}"#;
    assert_eq!(of_llm_request("/v1/embeddings", body).input, 4);
}
