//! Calls to scripted HTTP services: answers, failures, timeouts, and what may call when.

use std::time::Duration;

use mcp_harness::{
    Exchange, Headers, Host, Module, Options, Outcome, Profile, Request, ServiceAnswer,
};

use crate::guest::{Guest, RESULT, ZERO, said};
use crate::{get, host};

const SERVICE: &str = "keys.test:80";
const HEADERS: [(&str, &str); 4] =
    [(":method", "GET"), (":path", "/jwks"), (":scheme", "http"), (":authority", "keys.test")];

/// A call to a service, as an expression.
fn dispatch(guest: &mut Guest, service: &str, headers: &[(&str, &str)], timeout: i32) -> String {
    let (service, headers, body) = (guest.text(service), guest.pairs(headers), guest.text("ask"));
    guest.call(
        "proxy_http_call",
        &format!("{service} {headers} {body} {ZERO} {ZERO} (i32.const {timeout}) {RESULT}"),
    )
}

/// Calls at the request headers; at the answer says what came and lets the request go on.
fn caller(timeout: i32) -> Module {
    let mut guest = Guest::new();
    let call = dispatch(&mut guest, SERVICE, &HEADERS, timeout);
    let call = guest.say_number("call", &call);
    let root = guest.say_number("context", "(local.get $0)");
    let count = guest.say_number("headers", "(local.get $2)");
    let size = guest.say_number("size", "(local.get $3)");
    let read = format!("(i32.const 6) {} (i32.const 16) (i32.const 20)", guest.text(":status"));
    let read = guest.say("read", "proxy_get_header_map_value", &read);
    let show = guest.say_returned();
    let select = guest.call("proxy_set_effective_context", "(i32.const 2)");
    let resume = guest.call("proxy_continue_stream", ZERO);
    guest
        .on("proxy_on_request_headers", &format!("{call} (i32.const 1)"))
        .on(
            "proxy_on_http_call_response",
            &format!(
                "{root} {count} {size} {read} (if (local.get $2) (then {show}))
                 (drop {select}) (drop {resume})"
            ),
        )
        .module()
}

fn scripted(module: &Module, profile: Profile, answers: Vec<ServiceAnswer>) -> Host {
    let options = Options {
        services: [(SERVICE.as_bytes().to_vec(), answers)].into_iter().collect(),
        ..Options::default()
    };
    Host::new(module, profile, options).expect("it loads")
}

fn respond(after_ms: u64, status: u16, body: &str) -> ServiceAnswer {
    ServiceAnswer::Respond {
        after: Duration::from_millis(after_ms),
        status,
        headers: [("X-Kind", "keys")].into_iter().collect(),
        body: body.into(),
    }
}

#[test]
fn an_answer_comes_to_the_plugins_own_context_and_lets_the_request_go_on() {
    for profile in Profile::ALL {
        let mut host = scripted(&caller(1000), profile, vec![respond(20, 200, "four")]);
        let transcript = host.exchange(0, &get());
        assert_eq!(transcript.outcome, Outcome::Proxied, "{profile}");
        let expected = ["call=00", "context=01", "headers=02", "size=04", "read=00", "200"];
        assert_eq!(said(&transcript), expected, "{profile}");
        assert_eq!(transcript.took, Duration::from_millis(20));
        let call = &transcript.service_calls[0];
        assert_eq!((&call.service[..], &call.body[..]), (SERVICE.as_bytes(), &b"ask"[..]));
        assert_eq!(call.headers, HEADERS.into_iter().collect::<Headers>());
        assert_eq!(call.timeout, Duration::from_secs(1));
    }
}

#[test]
fn tokens_are_the_hosts_own() {
    for (profile, tokens) in
        [(Profile::Envoy, ["token=04", "token=08"]), (Profile::Apisix, ["token=00", "token=01"])]
    {
        let mut guest = Guest::new();
        let call = dispatch(&mut guest, SERVICE, &HEADERS, 50);
        let token = guest.say_number("token", "(local.get $1)");
        let module = guest
            .on("proxy_on_request_headers", &format!("(drop {call}) (i32.const 0)"))
            .on("proxy_on_http_call_response", &token)
            .module();
        let mut host = scripted(&module, profile, vec![respond(1, 200, "")]);
        for expected in tokens {
            let id = host.open(0, &get());
            host.advance(Duration::from_millis(1));
            assert_eq!(said(&host.finish(id)), [expected], "{profile}");
        }
    }
}

#[test]
fn an_answer_can_be_read_in_its_callback_only() {
    let mut guest = Guest::new();
    let call = dispatch(&mut guest, SERVICE, &HEADERS, 50);
    let read = format!("(i32.const 6) {} (i32.const 16) (i32.const 20)", guest.text(":status"));
    let at_once = guest.say("at once", "proxy_get_header_map_value", &read);
    let later = guest.say("later", "proxy_get_header_map_value", &read);
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {call}) (i32.const 0)"))
        .on("proxy_on_http_call_response", &at_once)
        .on("proxy_on_response_headers", &format!("{later} (i32.const 0)"))
        .module();
    for (profile, later) in [(Profile::Envoy, "later=02"), (Profile::Apisix, "later=01")] {
        let mut host = scripted(&module, profile, vec![respond(1, 200, "")]);
        let id = host.open(0, &get());
        host.advance(Duration::from_millis(1));
        host.response_head(id, &mcp_harness::Response::new(200));
        assert_eq!(said(&host.finish(id)), ["at once=00", later], "{profile}");
    }
}

#[test]
fn failures_and_timeouts_come_without_headers() {
    let failing = ServiceAnswer::Fail { after: Duration::from_millis(3) };
    for (answer, took) in
        [(failing, 3), (ServiceAnswer::Silence, 500), (respond(900, 200, ""), 500)]
    {
        for (profile, read) in [(Profile::Envoy, "read=02"), (Profile::Apisix, "read=01")] {
            let mut host = scripted(&caller(500), profile, vec![answer.clone()]);
            let transcript = host.exchange(0, &get());
            let expected = ["call=00", "context=01", "headers=00", "size=00", read];
            assert_eq!(said(&transcript), expected, "{profile} {answer:?}");
            assert_eq!(transcript.took, Duration::from_millis(took), "{profile} {answer:?}");
            assert_eq!(transcript.outcome, Outcome::Proxied);
        }
    }
}

#[test]
fn a_timeout_of_zero_is_none_on_envoy() {
    let mut host = scripted(&caller(0), Profile::Envoy, vec![ServiceAnswer::Silence]);
    assert_eq!(host.exchange(0, &get()).outcome.word(), "hang");
}

#[test]
fn answers_come_in_order_and_the_last_is_repeated() {
    let answers = vec![respond(1, 200, "a"), respond(1, 503, "bb")];
    let mut host = scripted(&caller(1000), Profile::Apisix, answers);
    let sizes: Vec<String> =
        (0..3).map(|_| said(&host.exchange(0, &get()))[3].to_owned()).collect();
    assert_eq!(sizes, ["size=01", "size=02", "size=02"]);
    host.script_service(SERVICE.as_bytes(), vec![respond(1, 200, "ccc")]);
    assert_eq!(said(&host.exchange(0, &get()))[3], "size=03");
}

#[test]
fn a_service_that_is_not_there_is_refused_by_envoy_and_fails_on_apisix() {
    let transcript = host(&caller(1000), Profile::Envoy).exchange(0, &get());
    assert_eq!(said(&transcript), ["call=02"]);
    let transcript = host(&caller(1000), Profile::Apisix).exchange(0, &get());
    assert_eq!(said(&transcript)[..3], ["call=00", "context=01", "headers=00"]);
}

#[test]
fn what_a_call_must_have() {
    type Without = Option<&'static str>;
    // service, header left out, timeout, Envoy's answer, APISIX's (None: it crashes)
    let cases: [(&str, Without, i32, u32, Option<u32>); 8] = [
        (SERVICE, None, 5, 0, Some(0)),
        (SERVICE, Some(":path"), 5, 2, None),
        (SERVICE, Some(":authority"), 5, 2, None),
        (SERVICE, Some(":scheme"), 5, 0, None),
        (SERVICE, None, -1, 2, Some(10)),
        ("", None, 5, 2, Some(2)),
        ("keys.test:0", None, 5, 2, Some(2)),
        ("keys.test:http", None, 5, 2, Some(2)),
    ];
    for (service, without, timeout, envoy, apisix) in cases {
        let mut guest = Guest::new();
        let headers: Vec<_> =
            HEADERS.into_iter().filter(|(name, _)| Some(*name) != without).collect();
        let call = dispatch(&mut guest, service, &headers, timeout);
        let say = guest.say_number("call", &call);
        let module = guest.on("proxy_on_request_headers", &format!("{say} (i32.const 0)")).module();
        let mut host = scripted(&module, Profile::Envoy, vec![respond(1, 200, "")]);
        let expected = format!("call={envoy:02}");
        assert_eq!(said(&host.exchange(0, &get())), [expected], "{service} {without:?}");
        let mut host = scripted(&module, Profile::Apisix, vec![respond(1, 200, "")]);
        let transcript = host.exchange(0, &get());
        match apisix {
            Some(status) => assert_eq!(said(&transcript), [format!("call={status:02}")]),
            None => assert_eq!(transcript.outcome.word(), "crash", "{without:?}"),
        }
    }
}

#[test]
fn apisix_takes_one_call_at_a_time_and_envoy_any_number() {
    let mut guest = Guest::new();
    let first = dispatch(&mut guest, SERVICE, &HEADERS, 50);
    let first = guest.say_number("first", &first);
    let second = dispatch(&mut guest, SERVICE, &HEADERS, 50);
    let second = guest.say_number("second", &second);
    let module =
        guest.on("proxy_on_request_headers", &format!("{first} {second} (i32.const 0)")).module();
    for (profile, second) in [(Profile::Envoy, "second=00"), (Profile::Apisix, "second=10")] {
        let mut host = scripted(&module, profile, vec![respond(1, 200, "")]);
        assert_eq!(said(&host.exchange(0, &get())), ["first=00", second], "{profile}");
    }
}

#[test]
fn apisix_calls_only_in_request_phases() {
    for (callback, apisix) in [
        ("proxy_on_configure", "call=02"),
        ("proxy_on_request_headers", "call=00"),
        ("proxy_on_response_headers", "call=02"),
    ] {
        let mut guest = Guest::new();
        let call = dispatch(&mut guest, SERVICE, &HEADERS, 50);
        let call = guest.say_number("call", &call);
        let result = if callback == "proxy_on_configure" { 1 } else { 0 };
        let module = guest.on(callback, &format!("{call} (i32.const {result})")).module();
        for (profile, expected) in [(Profile::Envoy, "call=00"), (Profile::Apisix, apisix)] {
            let mut host = scripted(&module, profile, vec![respond(1, 200, "")]);
            assert_eq!(said(&host.exchange(0, &get())), [expected], "{profile} {callback}");
        }
    }
}

#[test]
fn a_call_and_a_reply_at_once_lose_the_reply_on_apisix() {
    let mut guest = Guest::new();
    let call = dispatch(&mut guest, SERVICE, &HEADERS, 50);
    let (body, headers) = (guest.text("no"), guest.pairs(&[]));
    let reply = guest.call(
        "proxy_send_local_response",
        &format!("(i32.const 403) {ZERO} {ZERO} {body} {headers} (i32.const -1)"),
    );
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {call}) (drop {reply}) (i32.const 1)"))
        .module();
    let mut apisix = scripted(&module, Profile::Apisix, vec![respond(1, 200, "")]);
    let transcript = apisix.exchange(0, &get());
    assert_eq!((transcript.status(), &transcript.outcome), (200, &Outcome::Proxied));
    let mut envoy = scripted(&module, Profile::Envoy, vec![respond(1, 200, "")]);
    assert_eq!(envoy.exchange(0, &get()).status(), 403);
}

#[test]
fn a_reply_at_the_answer_reaches_the_client() {
    let mut guest = Guest::new();
    let call = dispatch(&mut guest, SERVICE, &HEADERS, 50);
    let (body, headers) = (guest.text("no"), guest.pairs(&[]));
    let select = guest.call("proxy_set_effective_context", "(i32.const 2)");
    let reply = guest.call(
        "proxy_send_local_response",
        &format!("(i32.const 401) {ZERO} {ZERO} {body} {headers} (i32.const -1)"),
    );
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {call}) (i32.const 1)"))
        .on("proxy_on_http_call_response", &format!("(drop {select}) (drop {reply})"))
        .module();
    for profile in Profile::ALL {
        let mut host = scripted(&module, profile, vec![respond(1, 200, "")]);
        let transcript = host.exchange(0, &get());
        assert_eq!((transcript.status(), &transcript.outcome), (401, &Outcome::Replied));
        assert_eq!(transcript.upstream, None, "{profile}");
    }
}

#[test]
fn a_trap_at_an_answer_is_503_for_the_request_that_waited_for_it_alone() {
    let mut guest = Guest::new();
    let call = dispatch(&mut guest, SERVICE, &HEADERS, 5000);
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {call}) (i32.const 1)"))
        .on("proxy_on_http_call_response", "(if (i32.eqz (local.get $1)) (then (unreachable)))")
        .module();
    let answers = vec![respond(10, 200, ""), respond(20, 200, "")];
    let mut host = scripted(&module, Profile::Apisix, answers);
    let (first, second) = (host.open(0, &get()), host.open(0, &get()));
    host.advance(Duration::from_millis(15));
    assert_eq!(host.outcome(second), None);
    let transcript = host.finish(first);
    assert_eq!((transcript.status(), transcript.outcome.word()), (503, "trap"));
    host.wait_for_upstream(second);
    host.response_head(second, &mcp_harness::Response::new(200));
    assert_eq!(host.finish(second).outcome, Outcome::Proxied);
}

#[test]
fn calls_outlive_the_exchange_on_envoy_and_end_with_it_on_apisix() {
    for (profile, answered) in [(Profile::Envoy, true), (Profile::Apisix, false)] {
        let mut host = scripted(&caller(1000), profile, vec![respond(20, 200, "four")]);
        let id = host.open(0, &Exchange::new(Request::new("GET", "/")));
        host.abort(id);
        assert_eq!(host.finish(id).outcome, Outcome::Aborted);
        host.advance(Duration::from_secs(1));
        let came = host.log().iter().any(|line| line.text == "size=04");
        assert_eq!(came, answered, "{profile}");
        assert_eq!(said(&host.exchange(0, &get())).last(), Some(&"200"), "the worker goes on");
    }
}
