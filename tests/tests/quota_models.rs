//! Models in each dialect, through the built module on both hosts: what providers say is charged to
//! the token, wherever their streams are cut, and every byte passes unchanged and at once.

use mcp_harness::{Exchange, Host, Options, Outcome, Profile, Request, Response, Transcript};
use mcp_tests::place::Place;
use mcp_tests::{message, module, planted};
use serde_json::json;

const MODULE: &str = "mcp_quota";

/// Of each unit there is as much.
const LIMIT: u64 = 1_000_000_000;

/// Path, answer, and its tokens as its provider tells them: input, cached, output, reasoning.
type Row = (&'static str, &'static str, [u64; 4]);

const TOLD: [Row; 11] = [
    ("/v1/chat/completions", "openai-chat.json", [19, 0, 6, 4]),
    ("/v1/chat/completions", "openai-chat.sse", [176, 1024, 54, 256]),
    ("/v1/chat/completions", "openai-chat-running-usage.sse", [40, 0, 3, 0]),
    ("/v1/responses", "openai-responses.json", [36, 0, 7, 80]),
    ("/v1/responses", "openai-responses.sse", [116, 384, 33, 64]),
    ("/v1/embeddings", "openai-embeddings.json", [8, 0, 0, 0]),
    ("/v1/messages", "anthropic.json", [12, 2048, 12, 38]),
    ("/v1/messages", "anthropic.sse", [1531, 9000, 142, 0]),
    ("/v1beta/models/m:generateContent", "gemini.json", [7, 0, 2, 0]),
    ("/v1beta/models/m:streamGenerateContent", "gemini-array.json", [11, 0, 4, 90]),
    ("/v1beta/models/m:streamGenerateContent?alt=sse", "gemini.sse", [403, 512, 21, 35]),
];

const UNITS: [&str; 4] = ["input_tokens", "output_tokens", "tokens", "cost"];

fn host(place: Place) -> Host {
    let limits = UNITS.map(|unit| {
        json!({"name": unit, "key": ["tenant"], "unit": unit, "limit": LIMIT, "window": "1h"})
    });
    let configuration = json!({
        "admission": {"llm_paths": ["/v1/*", "/v1beta/*"]},
        "quota": {"limits": limits, "remaining_headers": true, "weights": [
            {"names": ["m"], "input": 2, "cached": 0.5, "output": 10, "reasoning": 7, "call": 100}]},
    });
    let configuration = configuration.to_string().into();
    place.host(Options { configuration, ..Options::default() })
}

fn stored(name: &str) -> Vec<u8> {
    let path = module::repository().join("filters/quota/tests/streams").join(name);
    std::fs::read(path).expect("a stream of ours")
}

/// Asks a model, whose answer comes in chunks of this size.
fn ask(host: &mut Host, path: &str, name: &str, size: usize) -> Transcript {
    let prompt = r#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::new("POST", path)
        .header("content-type", "application/json")
        .header("accept-encoding", "br, gzip")
        .body(prompt);
    let kind = if name.ends_with(".sse") { "text/event-stream" } else { "application/json" };
    let mut response = Response::new(200).header("content-type", kind);
    response.chunks = stored(name).chunks(size).map(<[u8]>::to_vec).collect();
    host.exchange(0, &Exchange::with(request, response))
}

/// What is left of each unit, by the answer to a call that the upstream fails; it reserves one of
/// each while it is told.
fn used(host: &mut Host) -> Vec<u64> {
    let list = message::legacy(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let transcript = host.exchange(0, &Exchange::with(list, Response::new(503)));
    let field = transcript.client_header("ratelimit").expect("the field");
    let field = String::from_utf8_lossy(field).into_owned();
    let left = |unit: &&str| {
        let own = field.split(", ").find_map(|item| item.strip_prefix(&format!("\"{unit}\";r=")));
        own?.split(';').next()?.parse::<u64>().ok()
    };
    UNITS.iter().map(|unit| LIMIT - 1 - left(unit).expect(&field)).collect()
}

#[test]
fn what_a_provider_says_is_charged_wherever_its_answer_is_cut() {
    for place in Place::all(MODULE) {
        for (path, name, [input, cached, output, reasoning]) in TOLD {
            let cost = input * 2 + cached.div_ceil(2) + output * 10 + reasoning * 7 + 100;
            let (read, written) = (input + cached, output + reasoning);
            let expected = [read, written, read + written, cost];
            for size in [1, 7, 64, usize::MAX] {
                let mut host = host(place);
                let transcript = ask(&mut host, path, name, size);
                assert_eq!(transcript.outcome, Outcome::Proxied, "{place} {name}");
                assert_eq!(planted::leak(&transcript), None);
                assert_eq!(transcript.upstream_header("accept-encoding"), None, "{name}");
                let answer = transcript.client.expect("an answer").response;
                let chunks: Vec<Vec<u8>> = stored(name).chunks(size).map(<[u8]>::to_vec).collect();
                assert!(answer.chunks == chunks, "{place} {name}: as it came, in {size}");
                assert_eq!(used(&mut host), expected, "{place} {name} in chunks of {size}");
            }
        }
    }
}

#[test]
fn where_no_provider_says_it_the_text_is_estimated_and_that_is_told() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place);
        for (name, exact) in [("openai-chat.sse", 1), ("openai-chat-no-usage.sse", 1)] {
            ask(&mut host, "/v1/chat/completions", name, 64);
            host.advance(std::time::Duration::from_secs(10));
            let exactly = host.metrics().get("mcp_quota_usage.provenance.exact").copied();
            assert_eq!(exactly, Some(exact), "{name}");
        }
        assert_eq!(host.metrics().get("mcp_quota_usage.provenance.estimated"), Some(&1));
    }
}

#[test]
fn a_failing_model_costs_nothing() {
    for place in Place::all(MODULE) {
        let mut host = host(place);
        let request = Request::new("POST", "/v1/messages")
            .header("content-type", "application/json")
            .body(r#"{"model":"m","messages":[]}"#);
        let response = Response::new(529)
            .header("content-type", "application/json")
            .body(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
        let transcript = host.exchange(0, &Exchange::with(request, response));
        assert_eq!(transcript.status(), 529, "{place}");
        assert_eq!(used(&mut host), [0; 4], "{place}");
    }
}
