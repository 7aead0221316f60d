//! Messages in every shape, and in none.

use proptest::prelude::*;

use super::super::Provenance::{Estimated, Exact, Missing, Partial};
use super::super::{Provenance, Usage};
use super::{Measured, Meter, Seen, Traffic};
use crate::estimator::tokens;

const MCP: Traffic = Traffic::Mcp { counts: true };
const LLM: Traffic = Traffic::Llm { prompt: 50 };

fn measure(traffic: Traffic, messages: &[&str]) -> Measured {
    let mut meter = Meter::new(traffic);
    for message in messages {
        meter.message(message.as_bytes());
    }
    meter.finish(true)
}

fn output(tokens: u64) -> Usage {
    Usage { output: tokens, ..Usage::default() }
}

#[test]
fn results_of_mcp_servers() {
    // Result, the texts that count, bytes of blobs.
    let table: [(&str, &[&str], u64); 19] = [
        (r#"{"content":[]}"#, &[], 0),
        (r#"{"content":[{"type":"text","text":"a \"b\"\u00e9 c"}]}"#, &["a \"b\"é c"], 0),
        (
            r#"{"content":[{"text":"one","type":"text"},{"type":"text","text":"two"}]}"#,
            &["one", "two"],
            0,
        ),
        // Half of a surrogate pair, as JavaScript sends it.
        (r#"{"content":[{"type":"text","text":"half \ud83d"}]}"#, &[r"half \ud83d"], 0),
        (
            r#"{"content":[{"type":"image","data":"QUJD","mimeType":"image/png"},{"type":"audio","data":"QQ==","mimeType":"audio/wav"}]}"#,
            &[],
            8,
        ),
        (
            r#"{"content":[{"type":"resource","resource":{"uri":"file:///x","mimeType":"text/plain","text":"inside"}}]}"#,
            &["inside"],
            0,
        ),
        (
            r#"{"content":[{"type":"resource","resource":{"uri":"file:///x","blob":"QUJDRA=="}}]}"#,
            &[],
            8,
        ),
        (
            r#"{"content":[ {"uri":"file:///x", "name":"x", "type":"resource_link"} ]}"#,
            &[r#"{"uri":"file:///x", "name":"x", "type":"resource_link"}"#],
            0,
        ),
        // The same twice: once.
        (
            r#"{"structuredContent":{"n": 1},"content":[{"type":"text","text":"{\"n\":1}"}]}"#,
            &[r#"{"n":1}"#],
            0,
        ),
        (r#"{"content":[],"structuredContent":{"n": 1}}"#, &[r#"{"n": 1}"#], 0),
        (
            r#"{"content":[{"type":"image","data":"QUJD"}],"structuredContent":{"n": 1}}"#,
            &[r#"{"n": 1}"#],
            4,
        ),
        (
            r#"{"tools":[{"name":"x","inputSchema":{"type":"object"}}],"ttlMs":1}"#,
            &[r#"[{"name":"x","inputSchema":{"type":"object"}}]"#],
            0,
        ),
        (r#"{"prompts":[{"name":"p"}],"nextCursor":"abc"}"#, &[r#"[{"name":"p"}]"#], 0),
        (r#"{"resources":[{"uri":"u:1"}]}"#, &[r#"[{"uri":"u:1"}]"#], 0),
        (
            r#"{"resourceTemplates":[{"uriTemplate":"u:{x}"}]}"#,
            &[r#"[{"uriTemplate":"u:{x}"}]"#],
            0,
        ),
        (
            r#"{"description":"no","messages":[{"role":"user","content":{"type":"text","text":"Review this."}}]}"#,
            &["Review this."],
            0,
        ),
        (
            r#"{"contents":[{"uri":"u:1","text":"page one"},{"uri":"u:2","blob":"QQ=="}]}"#,
            &["page one"],
            4,
        ),
        (r#"{"resultType":"task","taskId":"t-1","content":[{"type":"text","text":"no"}]}"#, &[], 0),
        // Nothing a model reads.
        (
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s"}}"#,
            &[],
            0,
        ),
    ];
    for (result, texts, blob_bytes) in table {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let expect = texts.iter().map(|text| tokens(text)).sum();
        let measured = Measured { usage: output(expect), provenance: Estimated, blob_bytes };
        assert_eq!(measure(MCP, &[&message]), measured, "{result}");
        // A batch of two is twice as much; what polls costs nothing.
        let batch = measure(MCP, &[&format!("[{message},{message}]")]);
        assert_eq!(batch.usage.output, expect.saturating_mul(2), "{result}");
        let polled = measure(Traffic::Mcp { counts: false }, &[&message]);
        assert_eq!(polled.usage, Usage::default(), "{result}");
    }
}

#[test]
fn other_messages_of_mcp_servers() {
    let table: [(&str, &[&str]); 7] = [
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"No such tool."}}"#,
            &["No such tool."],
        ),
        (r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"log"}}"#, &[]),
        (r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"message":"half"}}"#, &[]),
        (
            r#"{"jsonrpc":"2.0","id":9,"method":"elicitation/create","params":{"message":"Name?"}}"#,
            &[],
        ),
        (
            r#"{"jsonrpc":"2.0","id":9,"params":{"systemPrompt":"Be brief.","messages":[{"role":"user","content":{"type":"text","text":"Hi"}}]},"method":"sampling/createMessage"}"#,
            &["Be brief.", "Hi"],
        ),
        (
            r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"x","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","toolUseId":"1","content":[{"type":"text","text":"two"}]}]}]}}"#,
            &[r#"{"a":1}"#, "two"],
        ),
        ("{}", &[]),
    ];
    for (message, texts) in table {
        let expect = texts.iter().map(|text| tokens(text)).sum();
        assert_eq!(measure(MCP, &[message]).usage, output(expect), "{message}");
    }
}

#[test]
fn what_a_message_was() {
    let seen = |answers, failed, state: Option<&str>| Seen {
        answers,
        failed,
        request_state: state.map(Into::into),
    };
    let table = [
        (MCP, r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#, seen(true, false, None)),
        (MCP, r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#, seen(true, true, None)),
        (
            MCP,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
            seen(true, true, None),
        ),
        (MCP, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, seen(false, false, None)),
        (
            MCP,
            r#"{"jsonrpc":"2.0","id":1,"result":{"requestState":"a\/b=","resultType":"input_required","inputRequests":{}}}"#,
            seen(true, false, Some("a/b=")),
        ),
        // Only with a result that asks for input.
        (MCP, r#"{"jsonrpc":"2.0","id":1,"result":{"requestState":"a"}}"#, seen(true, false, None)),
        (LLM, r#"{"error":{"message":"no"}}"#, seen(false, true, None)),
        (LLM, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, seen(false, true, None)),
        (LLM, r#"{"type":"response.failed","response":{}}"#, seen(false, true, None)),
        (LLM, r#"{"object":"response","error":null}"#, seen(false, false, None)),
        (LLM, "[DONE]", seen(false, false, None)),
    ];
    for (traffic, message, expect) in table {
        assert_eq!(Meter::new(traffic).message(message.as_bytes()), expect, "{message}");
    }
}

#[test]
fn input_that_is_asked_for_costs_nothing() {
    let message = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required",
        "inputRequests":{"k":{"method":"elicitation/create","params":{"message":"Who?"}}},
        "content":[{"type":"text","text":"no"}],"requestState":"s"}}"#;
    assert_eq!(measure(MCP, &[message]).usage, Usage::default());
}

#[test]
fn how_an_answer_is_known() {
    const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    const LOG: &str = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    // Messages (`None`: unreadable), known at its end, known if it breaks off.
    let table: [(&[Option<&str>], Provenance, Provenance); 12] = [
        (&[], Estimated, Missing),
        (&[Some("")], Estimated, Missing),
        (&[Some(RESULT)], Estimated, Estimated),
        (&[Some(LOG)], Estimated, Partial),
        (&[Some(LOG), Some(RESULT)], Estimated, Estimated),
        (&[None], Missing, Missing),
        (&[Some(LOG), None], Partial, Partial),
        (&[Some(RESULT), Some(r#"{"jsonrpc":"#)], Partial, Partial),
        (&[Some(r#"{"jsonrpc":"2.0","id":1,"result":{}"#)], Missing, Missing),
        (&[Some("{} {}")], Missing, Missing),
        (&[Some("<html>")], Missing, Missing),
        // The first event of the 2024-11-05 transport.
        (&[Some("/messages?sessionId=1"), Some(LOG)], Estimated, Partial),
    ];
    for (messages, ended, broken) in table {
        let mut meter = Meter::new(MCP);
        for message in messages {
            match message {
                Some(text) => drop(meter.message(text.as_bytes())),
                None => meter.unreadable(),
            }
        }
        let known = [true, false].map(|ended| meter.finish(ended).provenance);
        assert_eq!(known, [ended, broken], "{messages:?}");
    }
}

#[test]
fn counts_that_are_none() {
    let exact = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
    assert_eq!(measure(LLM, &[exact]).provenance, Exact);
    for absurd in
        ["-1", "1.5", "10.0", "1e30", "18446744073709551616", "\"10\"", "true", "{}", "[1]"]
    {
        let document = exact.replace("10", absurd);
        let measured = measure(LLM, &[&document]);
        let expect = Usage { input: 50, output: 5, ..Usage::default() };
        assert_eq!((measured.usage, measured.provenance), (expect, Estimated), "{absurd}");
        // Also if the class is told well by something else.
        let details = format!(
            r#"{{"completion_tokens":5,"prompt_tokens":10,"prompt_tokens_details":{{"cached_tokens":{absurd}}}}}"#
        );
        let measured = measure(LLM, &[&format!(r#"{{"usage":{details}}}"#)]);
        let expect = Usage { input: 10, output: 5, ..Usage::default() };
        assert_eq!((measured.usage, measured.provenance), (expect, Estimated), "{absurd}");
    }
}

#[test]
fn no_sum_overflows() {
    let most = u64::MAX;
    for usage in [
        format!(
            r#"{{"input_tokens":{most},"cache_creation_input_tokens":{most},"cache_read_input_tokens":{most},"output_tokens":{most}}}"#
        ),
        format!(
            r#"{{"promptTokenCount":{most},"toolUsePromptTokenCount":{most},"thoughtsTokenCount":{most},"candidatesTokenCount":{most}}}"#
        ),
        format!(
            r#"{{"prompt_tokens":1,"prompt_tokens_details":{{"cached_tokens":{most}}},"completion_tokens":1,"completion_tokens_details":{{"reasoning_tokens":{most}}}}}"#
        ),
    ] {
        let text = r#"{"choices":[{"delta":{"content":"and more"}}]}"#;
        let measured = measure(LLM, &[&format!(r#"{{"usage":{usage}}}"#), text]);
        assert_eq!(measured.usage.total(), most, "{usage}");
    }
}

#[test]
fn text_behind_a_report_is_estimated() {
    let report = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
    let text = r#"{"choices":[{"delta":{"content":"one more thing"}}]}"#;
    let measured = measure(LLM, &[report, text]);
    let expect = Usage { input: 10, output: tokens("one more thing") + 5, ..Usage::default() };
    assert_eq!((measured.usage, measured.provenance), (expect, Estimated));
}

#[test]
fn an_answer_that_failed_before_any_text_is_not_exact() {
    let start =
        r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#;
    let measured = measure(LLM, &[start, r#"{"type":"error","error":{"type":"api_error"}}"#]);
    let expect = Usage { input: 9, ..Usage::default() };
    assert_eq!((measured.usage, measured.provenance), (expect, Estimated));
}

#[test]
fn thoughts_are_told_from_text_wherever_that_is_said() {
    for part in [r#"{"text":"Hm.","thought":true}"#, r#"{"thought":true,"text":"Hm."}"#] {
        let document = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{part},{{"text":"Yes, it is."}}]}}}}]}}"#
        );
        let usage = measure(LLM, &[&document]).usage;
        assert_eq!((usage.reasoning, usage.output), (tokens("Hm."), tokens("Yes, it is.")));
    }
}

/// A gateway that speaks OpenAI's dialect for Anthropic's models tells the cache twice.
#[test]
fn a_cache_that_is_told_twice_counts_once() {
    let document = r#"{"usage":{"cache_creation_input_tokens":100,"cache_read_input_tokens":300,
        "prompt_tokens":1000,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":300}}}"#;
    let expect = Usage { input: 700, cached: 300, output: 20, reasoning: 0 };
    assert_eq!(measure(LLM, &[document]).usage, expect);
}

#[test]
fn one_of_several_choices_that_stops_is_not_the_end() {
    let event = |index, text, reason| {
        format!(
            r#"{{"choices":[{{"index":{index},"delta":{{"content":"{text}"}},"finish_reason":{reason}}}]}}"#
        )
    };
    let mut meter = Meter::new(LLM);
    meter.message(event(0, "a", "\"stop\"").as_bytes());
    meter.message(event(1, "b", "null").as_bytes());
    assert_eq!(meter.finish(false).provenance, Partial);
    meter.message(event(1, "", "\"stop\"").as_bytes());
    assert_eq!(meter.finish(false).provenance, Estimated);
}

#[test]
fn audio_is_no_text() {
    let event = |kind| format!(r#"{{"type":"response.{kind}.delta","delta":"QUJDREVGRw=="}}"#);
    assert_eq!(measure(LLM, &[&event("audio")]).usage.output, 0);
    assert_eq!(measure(LLM, &[&event("audio.transcript")]).usage.output, tokens("QUJDREVGRw=="));
}

#[test]
fn an_estimate_that_was_too_high_is_not_taken_back_in_a_stream() {
    let text = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "word ".repeat(400));
    let mut meter = Meter::new(LLM);
    meter.message(text.as_bytes());
    let before = meter.so_far();
    meter.message(br#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#);
    assert_eq!(meter.so_far(), before);
    assert_eq!(meter.finish(true).usage, Usage { input: 1, output: 2, ..Usage::default() });
}

/// Pieces of messages; most of what is put together from them is nearly one.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "7",
        "1e9",
        "\"usage\":{",
        "\"input_tokens\":9",
        "\"output_tokens\":4",
        "\"prompt_tokens\":5,\"completion_tokens\":2",
        "\"type\":\"text\"",
        "\"delta\":",
        "\"choices\":[{\"delta\":{\"content\":\"some words\"}}]",
        "\"text\":\"a b c\"",
        "\"result\":{",
        "\"content\":[",
        "\"error\":{\"message\":\"no\"}",
        "\"structuredContent\":",
        "{\"usageMetadata\":{\"promptTokenCount\":3}}",
        "{\"result\":{\"content\":[{\"text\":\"x y\"}]}}",
        "{\"choices\":[{\"delta\":{\"content\":\"more and more words\"},\"finish_reason\":\"stop\"}]}",
        "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
        "\\ud800",
        "\"",
        "\u{feff}",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_passed_never_grows_less(
        messages in prop::collection::vec(message(), 0..12),
        traffic in prop::sample::select(vec![LLM, MCP, Traffic::Mcp { counts: false }]),
    ) {
        let mut meter = Meter::new(traffic);
        let mut before = meter.so_far().total();
        for message in &messages {
            meter.message(message);
            let now = meter.so_far().total();
            prop_assert!(now >= before, "{} after {}: {}", now, before, message.escape_ascii());
            before = now;
            prop_assert!(meter.finish(false).usage.total() <= now);
        }
        prop_assert!(meter.finish(true).provenance <= meter.finish(false).provenance);
    }
}
