//! A hundred thousand callers of which none comes back, calls of every kind, and one caller that never
//! stops: what host and guest remember of them has a size that it keeps.

use std::time::Duration;

use mcp_harness::{Exchange, Host, Options, Outcome, Profile, Request, Response};
use mcp_tests::place::{GATEWAY, Place};
use mcp_tests::{message, planted};
use serde_json::json;

/// Each by a caller of its own; a million takes a quarter of an hour in this build. Half of them in the gateway
/// module.
const REQUESTS: usize = 100_000;
/// Requests after which nothing may grow any more, save by chance: how full cells are, varies.
const WARM_UP: usize = 20_000;
/// Pages of 64 KiB that chance may take.
const CHANCE: u64 = 4;

/// Cells of the table; each has place for twelve subjects at most.
const CELLS: usize = 4_096;
/// Bytes of a cell: key and version, and twelve subjects with four counters each.
const CELL: usize = 64 + 12 * (17 + 4 * 45);
/// Cells for calls that come again, with eight notes each, and their bytes.
const NOTES: usize = 8_192;
const NOTE_CELL: usize = 64 + 8 * 32;

#[test]
fn memory_stays_as_it_was_after_warm_up_on_envoy() {
    Place::of("mcp_quota", Profile::Envoy).into_iter().for_each(endure);
}

#[test]
fn memory_stays_as_it_was_after_warm_up_on_apisix() {
    Place::of("mcp_quota", Profile::Apisix).into_iter().for_each(endure);
}

fn endure(place: Place) {
    let requests = if place.module == GATEWAY { REQUESTS / 2 } else { REQUESTS };
    let options = Options { configuration: configuration().into(), ..Options::default() };
    let mut host = place.host(options);
    let (mut pages, mut refused) = (0, 0);
    for number in 0..requests {
        refused += usize::from(one(&mut host, number) == Outcome::Replied);
        if number == WARM_UP {
            pages = host.memory_pages(0);
        }
        if number % 500 == 0 {
            assert_eq!(planted::leak_in_log(&host.log()), None);
            host.forget_journal();
            host.advance(Duration::from_secs(1));
        }
    }
    assert!(refused > requests / 10 * 9 / 10 && refused <= requests / 10, "{place}: {refused}");
    let now = host.memory_pages(0);
    assert!(now <= pages + CHANCE, "{place}: {pages} pages of 64 KiB grew to {now}");
    let (keys, bytes) = host.shared_data_size();
    // Besides the two tables there is the key of hashes.
    assert!(keys <= CELLS + NOTES + 1, "{place}: {keys} keys");
    assert!(bytes <= CELLS * CELL + NOTES * NOTE_CELL, "{place}: {bytes} bytes");
    assert_eq!(keys > CELLS / 2, place.profile == Profile::Envoy);
    assert!(host.metrics().keys().all(|name| !name.contains(planted::MARK)), "{place}");
}

fn configuration() -> String {
    let limit = |name: &str, key: &str, unit: &str, limit: u64| json!({"name": name, "key": [key], "unit": unit, "limit": limit, "window": "5s"});
    json!({
        "admission": {"llm_paths": ["/v1/*"]},
        "quota": {
            "principal_header": "x-user", "identity_headers_trusted": true,
            "remaining_headers": true, "max_subjects": CELLS,
            "limits": [
                limit("calls", "principal", "requests", 2),
                limit("tokens", "principal", "tokens", 1_000_000),
                limit("open", "principal", "concurrent", 2),
                limit("bytes", "session", "bytes", 10_000_000),
                limit("all", "tenant", "bytes", 1 << 50),
            ],
            "loop_breaker": {"calls": 5, "window": "5s"},
        },
    })
    .to_string()
}

/// One request of the mix; how it ended.
fn one(host: &mut Host, number: usize) -> Outcome {
    let kind = number % 10;
    let exchange = exchange(kind, number);
    let (outcome, expected) = match kind {
        1 | 7 => (abandoned(host, &exchange), Outcome::Aborted),
        _ => (host.exchange(0, &exchange).outcome, Outcome::Proxied),
    };
    // The one that never stops has its share, and no more.
    let is_turned_away = kind == BUSY && outcome == Outcome::Replied;
    assert!(outcome == expected || is_turned_away, "request {number}: {outcome}");
    outcome
}

/// The kind of request that always the same caller makes.
const BUSY: usize = 3;

/// The request and its answer.
fn exchange(kind: usize, number: usize) -> Exchange {
    let json = |status: u16| Response::new(status).header("content-type", "application/json");
    let events = || Response::new(200).header("content-type", "text/event-stream");
    let text = format!("the answer to number {number} is as long as this");
    let result = json!({"jsonrpc": "2.0", "id": 7, "result":
        {"content": [{"type": "text", "text": text}], "requestState": "planted"}});
    let asks = json!({"jsonrpc": "2.0", "id": 7, "result":
        {"resultType": "input_required", "requestState": format!("planted-{number}")}});
    let (request, mut response) = match kind {
        1 | 2 => (model(), events()),
        BUSY => return Exchange::new(call("busy")),
        4 => (notification(), Response::new(202)),
        5 => (message::modern_call("ask"), json(200).body(asks.to_string())),
        6 => (call("zip"), json(200).header("content-encoding", "gzip").body("\u{1f}")),
        7 => (Request::new("GET", "/mcp").header("accept", "text/event-stream"), events()),
        8 => (call("fail"), json(503)),
        _ if number.is_multiple_of(1_000) => (call("large"), json(200).body("[".repeat(1_200_000))),
        _ => (message::modern_call("add"), json(200).body(result.to_string())),
    };
    if matches!(kind, 1 | 2 | 7) {
        let usage = json!({"prompt_tokens": number % 100, "completion_tokens": 5});
        let delta = json!({"choices": [{"delta": {"content": text}}]});
        let last = json!({"choices": [], "usage": usage});
        let stream = format!("data: {delta}\n\ndata: {last}\n\ndata: [DONE]\n\n");
        response.chunks = stream.as_bytes().chunks(40).map(<[u8]>::to_vec).collect();
    }
    let request = request
        .header("x-user", format!("planted-{number}"))
        .header("mcp-session-id", format!("planted-{number}"));
    Exchange::with(request, response)
}

fn call(tool: &str) -> Request {
    let params = json!({"name": tool, "arguments": {"q": "planted"}});
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    message::legacy(&call.to_string())
}

fn model() -> Request {
    Request::new("POST", "/v1/chat/completions")
        .header("content-type", "application/json")
        .body(r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"planted"}]}"#)
}

fn notification() -> Request {
    message::legacy(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#)
}

/// A client that leaves when the first bytes of the answer came.
fn abandoned(host: &mut Host, exchange: &Exchange) -> Outcome {
    let id = host.open(0, exchange);
    if let [body] = &exchange.request.chunks[..] {
        host.request_body(id, body, true);
    }
    assert!(host.wait_for_upstream(id));
    host.response_head(id, &exchange.response);
    host.response_body(id, &exchange.response.chunks[0], false);
    host.abort(id);
    host.finish(id).outcome
}
