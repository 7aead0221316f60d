//! What a call costs once it is answered.

use super::*;
use crate::estimator;

/// A quota of one limit.
fn budget(limit: u64, unit: &str, more: Value) -> Value {
    let mut limit = json!({"name": "budget", "key": ["tenant"], "unit": unit, "limit": limit,
        "window": "1h"});
    for (key, value) in more.as_object().expect("an object") {
        limit[key] = value.clone();
    }
    json!({"limits": [limit], "remaining_headers": true})
}

impl Gateway {
    fn settled(&mut self) -> u64 {
        self.counted("mcp_quota_units.limit.budget.stage.settled")
    }
}

const WORDS: &str = " one two three four five six seven eight nine ten one two three four five six";

#[test]
fn a_call_is_charged_what_it_cost_and_the_rest_is_given_back() {
    let mut gateway = Gateway::new(budget(10_000, "output_tokens", json!({"reserve": 1_000})));
    let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
    assert_eq!(gateway.counted("mcp_quota_units.limit.budget.stage.reserved"), 1_000);
    gateway.answer(&mut exchange, &Answer(200, JSON), &[&result(WORDS)]);
    let settled = gateway.settled();
    assert_eq!(settled, estimator::tokens(WORDS));
    assert_eq!(gateway.counted("mcp_quota_units.limit.budget.stage.refunded"), 1_000 - settled);
    assert_eq!(gateway.counted("mcp_quota_usage.provenance.estimated"), 1);
    // The next one reserves again.
    assert_eq!(gateway.remaining(ANA, "budget"), 10_000 - settled - 1_000);
}

#[test]
fn bytes_are_those_of_both_bodies() {
    let call = tool("search", "{}");
    let sent = u64::try_from(call.len()).expect("small");
    for (unit, cost) in [("request_bytes", sent), ("response_bytes", 10), ("bytes", sent + 10)] {
        let mut gateway = Gateway::new(budget(100_000, unit, json!({})));
        assert!(gateway.exchange(ANA, &call, "0123456789"));
        assert_eq!(gateway.settled(), cost, "{unit}");
    }
}

#[test]
fn who_leaves_pays_for_what_passed() {
    let mut gateway = Gateway::new(budget(10_000, "output_tokens", json!({"reserve": 1_000})));
    let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
    gateway.pipeline.response_head(&mut exchange, &Answer(200, EVENTS), &mut gateway.world);
    let event = format!("data: {}\n\n", result(WORDS));
    for chunk in [event.as_bytes(), b"data: {\"jsonrpc\":"] {
        let changed =
            gateway.pipeline.response_body(&mut exchange, chunk, false, &mut gateway.world);
        assert_eq!(changed, None, "it passes at once");
    }
    gateway.pipeline.finish(&mut exchange, Ending::Cut, &mut gateway.world);
    assert_eq!(gateway.settled(), estimator::tokens(WORDS));
}

#[test]
fn who_leaves_before_the_answer_pays_for_the_request() {
    let mut gateway = Gateway::new(budget(10_000, "tokens", json!({"reserve": 1_000})));
    let arguments = json!({"q": WORDS}).to_string();
    let mut exchange = gateway.call(ANA, &tool("search", &arguments)).expect("it passes");
    gateway.pipeline.finish(&mut exchange, Ending::Cut, &mut gateway.world);
    assert_eq!(gateway.settled(), estimator::tokens(&arguments));
}

#[test]
fn what_the_upstream_fails_costs_nothing_unless_it_shall() {
    for (policy, each) in [("refund", 0), ("charge", 1)] {
        let quota = json!({"limits": [requests(5)], "upstream_failure": policy});
        let mut gateway = Gateway::new(quota);
        for status in [502, 503, 504] {
            let mut exchange = gateway.call(ANA, LIST).expect("it passes");
            gateway.answer(&mut exchange, &Answer(status, "text/plain"), &["no"]);
            gateway.pipeline.finish(&mut exchange, Ending::Complete, &mut gateway.world);
        }
        let settled = gateway.counted("mcp_quota_units.limit.calls.stage.settled");
        assert_eq!(settled, each * 3, "{policy}");
    }
}

#[test]
fn an_answer_ends_where_a_hard_limit_does() {
    let quota = budget(40, "output_tokens", json!({"hard": true, "reserve": 5}));
    let mut gateway = Gateway::new(quota);
    let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
    let chat = |text: &str| {
        let content = json!({"type": "text", "text": text});
        let params = json!({"messages": [{"role": "user", "content": content}]});
        let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage",
            "params": params});
        format!("data: {ask}\n\n")
    };
    let first = chat(WORDS);
    let chunks = [&*first, &chat(&WORDS.repeat(9)), &chat("more")];
    let (_, out) = gateway.answer(&mut exchange, &Answer(200, EVENTS), &chunks);
    let rest = out.strip_prefix(&first).expect("the first passes");
    let start = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"error\"";
    assert!(rest.starts_with(start) && rest.contains("Quota exceeded"), "{rest}");
    assert_eq!(rest.matches("data:").count(), 1, "{rest}");
    assert!(exchange.has_ended());
    // The server had said it, so it is charged, and the next call finds nothing left.
    gateway.refused(ANA, &tool("search", "{}"));
}

#[test]
fn where_an_answer_may_end_one_that_cannot_be_read_is_an_error() {
    let mut gateway = Gateway::new(budget(4_000_000, "output_tokens", json!({"hard": true})));
    let long = "a ".repeat(600_000);
    for (kind, before) in [(JSON, ""), (EVENTS, "data: ")] {
        let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
        let body = format!("{before}{}\n\n", result(&long));
        let (_, out) = gateway.answer(&mut exchange, &Answer(200, kind), &[&body]);
        let error = r#"{"jsonrpc":"2.0","id":"a\u0062","error":{"code":50200"#;
        assert!(out.contains(error), "{kind}: {:.200}", out);
    }
}

#[test]
fn of_who_has_less_less_is_reserved() {
    let overrides = json!([{"tenants": ["acme"], "limit": 100}]);
    let limit = json!({"reserve": 1_000, "overrides": overrides});
    let mut gateway = Gateway::new(budget(10_000, "output_tokens", limit));
    for _ in 0..3 {
        assert!(gateway.exchange(ANA, &tool("search", "{}"), &result(WORDS)));
    }
    assert_eq!(gateway.counted("mcp_quota_units.limit.budget.stage.reserved"), 3 * 10);
    let mut gateway = Gateway::with(
        json!({"limits": [{"name": "budget", "key": ["tenant"], "unit": "output_tokens",
            "limit": 1_000, "window": "1h", "reserve": 500}], "workers": 8}),
        Capabilities { shared_data: false, ..Capabilities::ALL },
    );
    assert!(gateway.exchange(ANA, &tool("search", "{}"), "{}"));
    assert_eq!(gateway.counted("mcp_quota_units.limit.budget.stage.reserved"), 62);
}

#[test]
fn an_answer_that_cannot_be_read_costs_what_was_reserved_unless_it_is_free() {
    for (policy, settled) in [("reserved", 500), ("free", 0)] {
        let mut quota = budget(10_000, "output_tokens", json!({"reserve": 500}));
        quota["missing_usage"] = policy.into();
        let mut gateway = Gateway::new(quota);
        let mut exchange = gateway.call(ANA, &tool("search", "{}")).expect("it passes");
        gateway.answer(&mut exchange, &Answer(200, JSON), &["no JSON"]);
        assert_eq!(gateway.counted("mcp_quota_usage.provenance.missing"), 1);
        assert_eq!(gateway.settled(), settled, "{policy}");
        assert_eq!(gateway.world.warned.len(), 1, "{:?}", gateway.world.warned);
    }
}

#[test]
fn a_stream_is_opened_whatever_is_used_up_and_what_it_brings_is_charged() {
    let mut gateway = Gateway::new(budget(1, "output_tokens", json!({})));
    for _ in 0..2 {
        let mut stream = gateway.call(ANA, "").expect("it is opened");
        let event = format!("data: {}\n\n", result(WORDS));
        gateway.answer(&mut stream, &Answer(200, EVENTS), &[&event]);
    }
    assert_eq!(gateway.settled(), estimator::tokens(WORDS) * 2);
    gateway.refused(ANA, LIST);
}

#[test]
fn polling_for_a_result_counts_as_a_request_and_costs_no_tokens() {
    let mut quota = budget(9_000, "tokens", json!({}));
    quota["limits"].as_array_mut().expect("a list").push(requests(2));
    let mut gateway = Gateway::new(quota);
    let poll = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}"#;
    for passes in [true, true, false] {
        assert_eq!(gateway.exchange(ANA, poll, &result(WORDS)), passes);
    }
    assert_eq!(gateway.settled(), 0);
}

#[test]
fn a_model_says_what_it_cost() {
    let answer = json!({"object": "chat.completion", "choices": [], "usage": {
        "prompt_tokens": 100, "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20}}})
    .to_string();
    let ask = r#"{"model":"gpt-x","messages":[{"role":"user","content":"Hello"}]}"#;
    let cases = [("tokens", 150), ("input_tokens", 100), ("output_tokens", 50), ("cost", 610)];
    for (unit, settled) in cases {
        let mut quota = budget(100_000, unit, json!({}));
        quota["weights"] = json!([{"names": ["gpt-*"], "input": 2, "cached": 0.5, "output": 10}]);
        let mut gateway = Gateway::new(quota);
        let (mut exchange, edits) =
            gateway.send("/v1/chat/completions", ANA, ask).expect("it passes");
        assert_eq!(edits, [Edit::Remove(b"accept-encoding".to_vec())]);
        gateway.answer(&mut exchange, &Answer(200, JSON), &[&answer]);
        assert_eq!(gateway.settled(), settled, "{unit}");
        assert_eq!(gateway.counted("mcp_quota_usage.provenance.exact"), 1);
        // Whatever the limit counts; what came from a cache was read as well.
        let usage = |kind: &str, tokens: u64| {
            let name = format!("gen_ai_client_token_usage.gen_ai_token_type.{kind}");
            (name, Some("gpt-x".to_owned()), tokens)
        };
        assert_eq!(gateway.world.noted, [usage("input", 100), usage("output", 50)]);
    }
    // Nothing is removed that is not there: each edit is a call to the host.
    let mut gateway = Gateway::new(budget(100_000, "tokens", json!({})));
    gateway.compressed = false;
    let (_, edits) = gateway.send("/v1/chat/completions", ANA, ask).expect("it passes");
    assert_eq!(edits, []);
    // Refused, a model's client is told by status.
    let mut gateway = Gateway::new(budget(1, "tokens", json!({})));
    let reply = gateway.send("/v1/messages", ANA, ask).map(drop).expect_err("it is refused");
    assert_eq!(reply.status, 429);
    assert!(body(&reply)["error"]["message"].is_string());
}

#[test]
fn a_prompt_that_no_model_read_costs_nothing() {
    let ask = r#"{"model":"m","messages":[{"role":"user","content":"Hello, is anybody there?"}]}"#;
    let nothing = json!({"object": "chat.completion", "choices": [],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0}});
    let failed = json!({"error": {"message": "No such model", "type": "invalid_request_error"}});
    for (status, answer) in [(200, nothing), (404, failed)] {
        let mut gateway = Gateway::new(budget(100_000, "tokens", json!({})));
        let (mut exchange, _) = gateway.send("/v1/chat/completions", ANA, ask).expect("it passes");
        gateway.answer(&mut exchange, &Answer(status, JSON), &[&answer.to_string()]);
        assert_eq!(gateway.settled(), 0, "{status}");
    }
    // One that was read and not counted by its provider does.
    let mut gateway = Gateway::new(budget(100_000, "input_tokens", json!({})));
    let (mut exchange, _) = gateway.send("/v1/chat/completions", ANA, ask).expect("it passes");
    gateway.answer(&mut exchange, &Answer(200, JSON), &[r#"{"choices":[]}"#]);
    assert!(gateway.settled() > 3);
}
