//! Calls that come again, several in one, and results that are too large.

use super::*;
use crate::estimator;

impl Gateway {
    fn calls_charged(&mut self) -> u64 {
        self.counted("mcp_quota_units.limit.calls.stage.settled")
    }
}

/// The result that asks for input, with this state.
fn asking(state: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "result": {"resultType": "input_required",
        "inputRequests": {}, "requestState": state}})
    .to_string()
}

#[test]
fn a_call_that_was_asked_to_come_again_is_charged_once() {
    let mut gateway = Gateway::new(json!({"limits": [requests(10)]}));
    let retry =
        |state: &str| modern(&format!(r#""requestState":"{state}","inputResponses":{{}},"#));
    assert!(gateway.exchange(ANA, &modern(""), &asking("secret")));
    assert_eq!(gateway.calls_charged(), 1);
    // Somebody else, or with what no server said: a call like any other.
    assert!(gateway.exchange(BEN, &retry("secret"), "{}"));
    assert!(gateway.exchange(ANA, &retry("invented"), "{}"));
    assert_eq!(gateway.calls_charged(), 3);
    // The one that was asked for, once.
    assert!(gateway.exchange(ANA, &retry("secret"), &asking("another")));
    assert_eq!(gateway.calls_charged(), 3);
    assert!(gateway.exchange(ANA, &retry("secret"), "{}"));
    assert_eq!(gateway.calls_charged(), 4);
    // And not for ever.
    gateway.world.now += 16 * 60 * 1_000;
    assert!(gateway.exchange(ANA, &retry("another"), "{}"));
    assert_eq!(gateway.calls_charged(), 5);
}

#[test]
fn a_call_that_was_asked_to_come_again_may_be_refused_in_between() {
    let open = json!({"name": "open", "key": ["principal"], "unit": "concurrent", "limit": 1});
    let mut gateway = Gateway::new(json!({"limits": [requests(10), open]}));
    let retry = modern(r#""requestState":"secret","inputResponses":{},"#);
    assert!(gateway.exchange(ANA, &modern(""), &asking("secret")));
    let mut other = gateway.call(ANA, LIST).expect("another");
    gateway.refused(ANA, &retry);
    gateway.pipeline.finish(&mut other, Ending::Cut, &mut gateway.world);
    assert!(gateway.exchange(ANA, &retry, "{}"));
    assert_eq!(gateway.calls_charged(), 2);
}

#[test]
fn the_same_call_again_and_again_is_told_to_stop() {
    let mut gateway = Gateway::new(json!({"loop_breaker": {"calls": 3, "window": "1m"}}));
    let spellings = [r#"{"a":1,"b":[true]}"#, r#"{ "b": [true], "a": 1 }"#];
    let calls = spellings.map(|arguments| tool("search", arguments));
    for index in 0..3 {
        assert!(gateway.exchange(ANA, &calls[index % 2], "{}"), "{index}");
    }
    let reply = gateway.refused(ANA, &calls[1]);
    assert_eq!(reply.status, 200);
    let body = body(&reply);
    assert_eq!((&body["id"], &body["result"]["isError"]), (&json!("ab"), &json!(true)));
    let words = body["result"]["content"][0]["text"].as_str().expect("words");
    assert!(words.starts_with("This call was made more than 3 times within 60 s"), "{words}");
    assert!(gateway.exchange(ANA, &tool("search", r#"{"a":2}"#), "{}"));
    assert!(gateway.exchange(ANA, &tool("other", spellings[0]), "{}"));
    assert!(gateway.exchange(BEN, &calls[0], "{}"));
    gateway.world.now += 61_000;
    assert!(gateway.exchange(ANA, &calls[0], "{}"));
}

#[test]
fn each_request_of_a_batch_counts_and_all_are_refused_or_none() {
    let mut gateway = Gateway::new(json!({"limits": [requests(5)]}));
    let batch = format!(r#"[{LIST},{{"jsonrpc":"2.0","method":"notifications/x"}},{LIST}]"#);
    assert_eq!(gateway.passing(3, ANA, &batch), 2);
    assert_eq!(gateway.calls_charged(), 4);
    let reply = gateway.refused(ANA, &batch);
    assert_eq!((reply.status, &body(&reply)["id"]), (429, &Value::Null));
    assert_eq!(gateway.passing(3, ANA, LIST), 1);
}

#[test]
fn what_a_client_answers_is_charged_and_never_refused() {
    let limit = json!({"name": "calls", "key": ["tenant"], "unit": "input_tokens", "limit": 5,
        "window": "1h"});
    let mut gateway = Gateway::new(json!({"limits": [limit]}));
    let text = "a sampled answer of rather many words that is longer than is left";
    let sampled = json!({"jsonrpc": "2.0", "id": 4, "result": {"model": "m", "role": "assistant",
        "content": {"type": "text", "text": text}}})
    .to_string();
    assert_eq!(gateway.passing(2, ANA, &sampled), 2);
    assert_eq!(gateway.calls_charged(), estimator::tokens(text) * 2);
    gateway.refused(ANA, &tool("search", r#"{"q":"x"}"#));
}

const WORDS: &str = " one two three four five six seven eight nine ten one two three four five six";

#[test]
fn a_result_is_no_larger_than_its_cap() {
    let quota = |action: &str| json!({"result_caps": [{"names": ["search"], "max_tokens": 8, "action": action}]});
    let mut gateway = Gateway::new(quota("refuse"));
    for (text, passes) in [("short", true), (WORDS, false)] {
        let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
        let answer = result(text);
        let (_, out) = gateway.answer(&mut exchange, &Answer(200, JSON), &[&answer]);
        assert_eq!(out == answer, passes, "{out}");
        assert_eq!(out.contains("The result is too large: 8 tokens are allowed."), !passes);
        let mut exchange = gateway.call(ANA, &tool("other", "{}")).expect("it passes");
        let (_, out) = gateway.answer(&mut exchange, &Answer(200, JSON), &[&answer]);
        assert_eq!(out, answer);
    }
    let mut gateway = Gateway::new(quota("cut"));
    let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
    let event = format!("id: 5\ndata: {}\n\n", result(WORDS));
    let (_, out) = gateway.answer(&mut exchange, &Answer(200, EVENTS), &[&event]);
    let data = out.strip_prefix("id: 5\ndata: ").expect("the same event").trim_end();
    let data: Value = serde_json::from_str(data).expect("JSON");
    let content = data["result"]["content"].as_array().expect("content");
    let kept = content[0]["text"].as_str().expect("text");
    assert!(WORDS.starts_with(kept) && !kept.is_empty(), "{kept}");
    assert!(estimator::tokens(kept) <= 8);
    assert!(content[1]["text"].as_str().is_some_and(|label| label.contains("gateway cut")));
}

#[test]
fn a_host_that_cannot_change_answers_has_no_caps_and_no_hard_limits() {
    let capabilities = Capabilities { bodies: false, ..Capabilities::ALL };
    let mut hard = requests(1);
    hard["unit"] = "tokens".into();
    hard["hard"] = true.into();
    let cases = [
        (json!({"result_caps": [{"max_tokens": 8}]}), "quota.result_caps"),
        (json!({"limits": [hard]}), "quota.limits[0].hard"),
    ];
    for (quota, path) in cases {
        let configuration = json!({"quota": quota}).to_string();
        let error = crate::plan(configuration.as_bytes(), &capabilities).expect_err(path);
        assert_eq!(error.path, path, "{error}");
    }
}
