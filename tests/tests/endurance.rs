//! A module runs for weeks in one virtual machine whose memory never shrinks: 100,000 requests of
//! every kind leave it the size it had after the first few thousand.

use std::time::Duration;

use mcp_harness::{Exchange, Host, Options, Outcome, Profile, Request, Response};
use mcp_tests::place::{GATEWAY, Place};
use mcp_tests::{message, planted};

/// In the gateway module it is a quarter of them.
const REQUESTS: usize = 100_000;
/// Requests after which nothing may grow any more.
const WARM_UP: usize = 3_000;

#[test]
fn memory_stays_as_it_was_after_warm_up_on_envoy() {
    Place::of("mcp_session", Profile::Envoy).into_iter().for_each(endure);
}

#[test]
fn memory_stays_as_it_was_after_warm_up_on_apisix() {
    Place::of("mcp_session", Profile::Apisix).into_iter().for_each(endure);
}

fn endure(place: Place) {
    let requests = if place.module == GATEWAY { REQUESTS / 4 } else { REQUESTS };
    let configuration = format!(
        r#"{{"session":{{"secrets":["{}"],"export_key":"{}"}},
            "admission":{{"body_timeout":"2s","max_body":"256KiB"}}}}"#,
        planted::RING,
        planted::EXPORT
    );
    let options = Options { configuration: configuration.into(), ..Options::default() };
    let mut host = place.host(options);
    let session = open_session(&mut host);
    let mut pages = 0;
    for number in 0..requests {
        one(&mut host, number, &session);
        if number == WARM_UP {
            pages = host.memory_pages(0);
        }
        if number % 1_000 == 0 {
            assert_eq!(planted::leak_in_log(&host.log()), None);
            host.forget_journal();
        }
    }
    assert_eq!(host.memory_pages(0), pages, "{place}: pages of 64 KiB after {requests} requests");
}

fn open_session(host: &mut Host) -> Vec<u8> {
    let transcript = host.exchange(0, &initialize(0));
    transcript.client_header("mcp-session-id").expect("a sealed id").to_vec()
}

fn initialize(number: usize) -> Exchange {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"clientInfo":{{"name":"c{number}"}}}}}}"#
    );
    let response = Response::new(200).header("mcp-session-id", format!("planted-{number}"));
    Exchange::with(message::legacy(&body), response)
}

/// One request of the mix, of which no two are quite alike.
fn one(host: &mut Host, number: usize, session: &[u8]) {
    let outcome = match number % 10 {
        0 => host.exchange(0, &initialize(number)).outcome,
        1 => return abandoned(host, number),
        2 if number % 100 == 2 => large(host, number),
        kind => host.exchange(0, &Exchange::new(request(kind, number, session))).outcome,
    };
    let expected = match number % 10 {
        4..=7 => Outcome::Replied,
        _ => Outcome::Proxied,
    };
    assert_eq!(outcome, expected, "request {number}");
}

fn request(kind: usize, number: usize, session: &[u8]) -> Request {
    let tool = format!("tool-{number}");
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"{tool}"}}}}"#
    );
    match kind {
        2 => message::modern_call(&tool),
        3 => message::legacy(&call).header("mcp-session-id", session),
        4 => message::modern_call(&tool).header("mcp-name", "planted-other"),
        5 => message::legacy(&call).header("mcp-session-id", format!("planted-{number}")),
        6 => message::legacy(&call[..call.len() - 1]),
        7 => message::legacy(&call).header("origin", format!("https://planted-{number}.example")),
        8 => Request::new("GET", "/mcp").header("mcp-session-id", session),
        _ => message::legacy(&call).header("x-mcp-principal", "planted"),
    }
}

/// A body near the limit.
fn large(host: &mut Host, number: usize) -> Outcome {
    let filler = "x".repeat(200_000 + number % 1_000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":"{filler}"}}}}"#
    );
    host.exchange(0, &Exchange::new(message::legacy(&body))).outcome
}

/// A client that leaves before its body is complete, or waits until it is given up.
fn abandoned(host: &mut Host, number: usize) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#);
    let id = host.open(0, &Exchange::new(message::legacy(&body)));
    host.request_body(id, &body.as_bytes()[..20], false);
    if number % 200 == 1 {
        host.advance(Duration::from_secs(5));
    }
    host.abort(id);
    host.finish(id);
}
