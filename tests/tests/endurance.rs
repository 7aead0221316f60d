//! A module runs for weeks in one virtual machine whose memory never shrinks: 100,000 requests of
//! every kind leave it the size it had after the first few thousand. So do 30,000 the gateway, whose
//! callers come with tokens, many of them, and get results and streams that are counted.

use std::time::Duration;

use mcp_harness::{Exchange, Host, Module, Options, Outcome, Profile, Request, Response};
use mcp_tests::callers::{self, bearer};
use mcp_tests::warm::{self, Answer};
use mcp_tests::{message, module, planted};
use serde_json::json;

/// Requests after which nothing may grow any more.
const WARM_UP: usize = 3_000;

/// Callers of the gateway; it remembers the tokens of fewer.
const CALLERS: usize = 1_000;

#[test]
fn memory_stays_as_it_was_after_warm_up_on_envoy() {
    session(Profile::Envoy);
}

#[test]
fn memory_stays_as_it_was_after_warm_up_on_apisix() {
    session(Profile::Apisix);
}

#[test]
fn memory_of_the_gateway_stays_as_it_was_on_envoy() {
    gateway(Profile::Envoy);
}

#[test]
fn memory_of_the_gateway_stays_as_it_was_on_apisix() {
    gateway(Profile::Apisix);
}

fn session(profile: Profile) {
    let configuration = format!(
        r#"{{"session":{{"secrets":["{}"],"export_key":"{}"}},
            "admission":{{"body_timeout":"2s","max_body":"256KiB"}}}}"#,
        planted::RING,
        planted::EXPORT
    );
    endure(&module::load("mcp_session"), profile, configuration, 100_000, |_, exchange| exchange);
}

fn gateway(profile: Profile) {
    let mut configuration = callers::everything();
    configuration["admission"] = json!({"body_timeout": "2s", "max_body": "256KiB"});
    let tokens: Vec<String> = (0..CALLERS).map(bearer).collect();
    let answers = [warm::response(Answer::Json), warm::response(Answer::Events(5))];
    endure(
        &module::load("mcp_gateway"),
        profile,
        configuration.to_string(),
        30_000,
        |number, mut exchange| {
            // A session is its first caller's.
            let is_bound = exchange.request.headers.get("mcp-session-id").is_some();
            let caller = if is_bound { 0 } else { number % CALLERS };
            exchange.request.headers.add("authorization", &tokens[caller]);
            if exchange.response == Response::new(200) {
                exchange.response = answers[number / 10 % 2].clone();
            }
            exchange
        },
    );
}

/// Sends so many requests, as `sent` makes them of those of the mix.
fn endure(
    module: &Module,
    profile: Profile,
    configuration: String,
    requests: usize,
    sent: impl Fn(usize, Exchange) -> Exchange,
) {
    let options = Options { configuration: configuration.into(), ..Options::default() };
    let mut host = Host::new(module, profile, options).expect("it loads");
    let transcript = host.exchange(0, &sent(0, initialize(0)));
    let session = transcript.client_header("mcp-session-id").expect("a sealed id").to_vec();
    let mut pages = 0;
    for number in 0..requests {
        one(&mut host, number, &session, &sent);
        if number == WARM_UP {
            pages = host.memory_pages(0);
        }
        if number % 1_000 == 0 {
            assert_eq!(planted::leak_in_log(&host.log()), None);
            host.forget_journal();
        }
    }
    assert_eq!(host.memory_pages(0), pages, "{profile}: pages of 64 KiB after {requests} requests");
}

fn initialize(number: usize) -> Exchange {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"clientInfo":{{"name":"c{number}"}}}}}}"#
    );
    let response = Response::new(200).header("mcp-session-id", format!("planted-{number}"));
    Exchange::with(message::legacy(&body), response)
}

/// One request of the mix, of which no two are quite alike.
fn one(
    host: &mut Host,
    number: usize,
    session: &[u8],
    sent: &impl Fn(usize, Exchange) -> Exchange,
) {
    let exchange = match number % 10 {
        0 => initialize(number),
        1 => return abandoned(host, number, sent),
        2 if number % 100 == 2 => large(number),
        kind => Exchange::new(request(kind, number, session)),
    };
    let outcome = host.exchange(0, &sent(number, exchange)).outcome;
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
fn large(number: usize) -> Exchange {
    let filler = "x".repeat(200_000 + number % 1_000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":"{filler}"}}}}"#
    );
    Exchange::new(message::legacy(&body))
}

/// A client that leaves before its body is complete, or waits until it is given up.
fn abandoned(host: &mut Host, number: usize, sent: &impl Fn(usize, Exchange) -> Exchange) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#);
    let id = host.open(0, &sent(number, Exchange::new(message::legacy(&body))));
    host.request_body(id, &body.as_bytes()[..20], false);
    if number % 200 == 1 {
        host.advance(Duration::from_secs(5));
    }
    host.abort(id);
    host.finish(id);
}
