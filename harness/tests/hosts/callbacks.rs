//! Which callbacks come, what they are told, and what pauses, replies and resets lead to.

use mcp_harness::{Exchange, Headers, Host, Options, Outcome, Profile, Request, Response, Version};

use crate::guest::{Guest, ZERO, said};
use crate::{get, host, post, run};

/// Adds a callback that logs its name and its arguments after the context, and then runs `code`.
fn note(guest: &mut Guest, name: &str, code: &str) -> String {
    let arguments: &[&str] = match name {
        "request_trailers" | "response_trailers" => &["$1"],
        "request_headers" | "request_body" | "response_headers" | "response_body" => &["$1", "$2"],
        _ => &[],
    };
    let mut body = guest.say_number(name, "(i32.const 0)");
    for argument in arguments {
        body += &guest.say_number(argument, &format!("(local.get {argument})"));
    }
    body + code
}

const STREAM: [&str; 4] = ["request_headers", "request_body", "response_headers", "response_body"];

/// Logs every callback; `wanting` asks APISIX for both bodies.
fn diary(wanting: bool) -> Guest {
    let mut guest = Guest::new();
    let mut callbacks = Vec::new();
    for name in ["context_create", "log", "delete"] {
        callbacks.push((name, note(&mut guest, name, "")));
    }
    for name in ["vm_start", "configure", "done"] {
        callbacks.push((name, note(&mut guest, name, "(i32.const 1)")));
    }
    for name in STREAM.into_iter().chain(["request_trailers", "response_trailers"]) {
        let property = match name {
            "request_headers" => Some("wasm_process_req_body"),
            "response_headers" => Some("wasm_process_resp_body"),
            _ => None,
        };
        let ask = property.filter(|_| wanting).map_or(String::new(), |property| {
            let arguments = format!("{} {}", guest.text(property), guest.text("1"));
            format!("(drop {})", guest.call("proxy_set_property", &arguments))
        });
        callbacks.push((name, note(&mut guest, name, &format!("{ask} (i32.const 0)"))));
    }
    callbacks
        .into_iter()
        .fold(guest, |guest, (name, code)| guest.on(&format!("proxy_on_{name}"), &code))
}

#[test]
fn callbacks_come_in_each_hosts_order_with_its_arguments() {
    let module = diary(true).module();
    let exchange = post("question");
    let envoy = "context_create=00 vm_start=00 configure=00 \
        context_create=00 request_headers=00 $1=07 $2=00 \
        request_body=00 $1=08 $2=00 request_body=00 $1=00 $2=01 \
        response_headers=00 $1=03 $2=00 \
        response_body=00 $1=06 $2=00 response_body=00 $1=00 $2=01 \
        log=00 done=00 delete=00";
    let apisix = "context_create=00 configure=00 \
        context_create=00 request_headers=00 $1=00 $2=01 \
        request_body=00 $1=08 $2=01 \
        response_headers=00 $1=00 $2=01 \
        response_body=00 $1=06 $2=00 response_body=00 $1=00 $2=01 \
        done=00 delete=00";
    for (profile, expected) in [(Profile::Envoy, envoy), (Profile::Apisix, apisix)] {
        let transcript = run(&module, profile, &exchange);
        assert_eq!(said(&transcript).join(" "), expected, "{profile}");
        assert_eq!(transcript.outcome, Outcome::Proxied);
    }
}

#[test]
fn apisix_shows_bodies_only_when_asked_and_never_for_head() {
    let transcript = run(&diary(false).module(), Profile::Apisix, &post("question"));
    assert!(!said(&transcript).iter().any(|line| line.contains("body")));
    let head = Exchange::with(Request::new("HEAD", "/"), Response::new(200).body("x"));
    let transcript = run(&diary(true).module(), Profile::Apisix, &head);
    assert!(!said(&transcript).contains(&"response_body=00"));
    assert!(said(&transcript).contains(&"request_body=00"), "even an empty request body is shown");
}

#[test]
fn apisix_cuts_response_bodies_at_its_buffer_and_keeps_request_bodies_whole() {
    let mut exchange = post(&"q".repeat(40));
    exchange.request.chunks = vec![b"a".to_vec(); 40];
    exchange.response.chunks = vec![vec![b'r'; 20_000]];
    let transcript = run(&diary(true).module(), Profile::Apisix, &exchange);
    let lines = said(&transcript);
    assert_eq!(lines.iter().filter(|line| **line == "request_body=00").count(), 1);
    assert_eq!(lines.iter().filter(|line| **line == "response_body=00").count(), 4);
    let client = transcript.client.expect("an answer");
    assert_eq!(client.response.whole_body(), vec![b'r'; 20_000]);
}

#[test]
fn http2_ends_a_body_with_its_last_bytes() {
    let mut exchange = post("question");
    exchange.request.version = Version::Http2;
    let transcript = run(&diary(true).module(), Profile::Envoy, &exchange);
    assert!(said(&transcript).join(" ").contains("request_body=00 $1=08 $2=01"));
    // APISIX does not read such a body without Content-Length.
    let transcript = run(&diary(true).module(), Profile::Apisix, &exchange);
    assert_eq!((transcript.status(), transcript.outcome.word()), (503, "host-replied"));
    exchange.request.headers.add("content-length", "8");
    assert_eq!(run(&diary(true).module(), Profile::Apisix, &exchange).status(), 200);
}

#[test]
fn requests_a_host_refuses_never_meet_the_filter() {
    let mut old = get();
    old.request.version = Version::Http10;
    old.request.headers = Headers::new();
    let mut hostless = get();
    hostless.request.headers = Headers::new();
    for (exchange, envoy, apisix) in [(old, 426, 200), (hostless, 400, 400)] {
        for (profile, status) in [(Profile::Envoy, envoy), (Profile::Apisix, apisix)] {
            let transcript = run(&diary(false).module(), profile, &exchange);
            assert_eq!(transcript.status(), status, "{profile}");
            let met = said(&transcript).contains(&"request_headers=00");
            assert_eq!(met, status == 200, "{profile}");
        }
    }
}

#[test]
fn a_request_answered_before_us_is_met_at_its_response_on_apisix_alone() {
    let mut exchange = get();
    exchange.response = Response::new(401);
    exchange.answered_before = true;
    for (profile, met) in [(Profile::Envoy, false), (Profile::Apisix, true)] {
        let transcript = run(&diary(false).module(), profile, &exchange);
        let lines = said(&transcript);
        assert_eq!(transcript.status(), 401);
        assert!(!lines.contains(&"request_headers=00"));
        assert_eq!(lines.contains(&"response_headers=00"), met, "{profile}");
        assert!(lines.ends_with(&["done=00", "delete=00"]), "{lines:?}");
        assert_eq!(transcript.upstream, None);
    }
}

#[test]
fn trailers_end_a_body_that_never_said_it_would() {
    let mut exchange = post("q");
    exchange.request.trailers.add("X-Sum", "1");
    exchange.response.trailers.add("x-end", "2");
    let transcript = run(&diary(true).module(), Profile::Envoy, &exchange);
    let lines = said(&transcript).join(" ");
    assert!(lines.contains("request_body=00 $1=01 $2=00 request_trailers=00 $1=01"), "{lines}");
    assert!(lines.contains("response_body=00 $1=06 $2=00 response_trailers=00 $1=01"), "{lines}");
    assert_eq!(transcript.upstream.expect("asked").trailers.get("x-sum"), Some(&b"1"[..]));
    let client = transcript.client.expect("answered");
    assert_eq!(client.response.trailers.get("x-end"), Some(&b"2"[..]));
    // nginx drops them, and the body ends as usual.
    let transcript = run(&diary(true).module(), Profile::Apisix, &exchange);
    assert!(said(&transcript).join(" ").contains("request_body=00 $1=01 $2=01"));
    assert!(transcript.upstream.expect("asked").trailers.is_empty());
}

#[test]
fn trailers_release_a_body_that_was_paused_for_them() {
    let module = Guest::new().on("proxy_on_request_body", "(i32.const 1)").module();
    let mut exchange = post("question");
    exchange.request.trailers.add("x-sum", "1");
    let transcript = run(&module, Profile::Envoy, &exchange);
    assert_eq!(transcript.outcome, Outcome::Proxied, "the missing trailers callback continues");
    assert_eq!(transcript.upstream.expect("asked").whole_body(), b"question");
}

#[test]
fn a_body_that_is_held_can_be_read_and_changed_at_the_trailers() {
    let mut guest = Guest::new();
    let range = format!("{ZERO} {ZERO} (i32.const 99) (i32.const 16) (i32.const 20)");
    let read = guest.say("read", "proxy_get_buffer_bytes", &range);
    let show = guest.say_returned();
    let append = format!("{ZERO} (i32.const 99) {ZERO} {}", guest.text("!"));
    let append = guest.say("append", "proxy_set_buffer_bytes", &append);
    let module = guest
        .on("proxy_on_request_body", "(i32.const 1)")
        .on("proxy_on_request_trailers", &format!("{read} {show} {append} (i32.const 0)"))
        .module();
    let mut exchange = post("");
    exchange.request.chunks = vec![b"one".to_vec(), b"two".to_vec()];
    exchange.request.trailers.add("x-sum", "1");
    let transcript = run(&module, Profile::Envoy, &exchange);
    assert_eq!(said(&transcript), ["read=00", "onetwo", "append=00"]);
    assert_eq!(transcript.upstream.expect("asked").whole_body(), b"onetwo!");
}

#[test]
fn a_filter_without_callbacks_lets_everything_pass() {
    let module = Guest::new().module();
    for profile in Profile::ALL {
        let transcript = run(&module, profile, &post("question"));
        assert_eq!(transcript.outcome, Outcome::Proxied, "{profile}");
        assert_eq!(transcript.status(), 200);
        let upstream = transcript.upstream.as_ref().expect("the upstream was asked");
        assert_eq!((&upstream.method[..], &upstream.target[..]), (&b"POST"[..], &b"/mcp?x=1"[..]));
        assert_eq!(upstream.whole_body(), b"question");
        assert_eq!(upstream.headers.get("x-mixed-case"), Some(&b"v"[..]));
        let client = transcript.client.as_ref().expect("the client was answered");
        assert_eq!(client.response.whole_body(), b"answer");
        assert!(client.complete);
    }
}

#[test]
fn a_bare_pause_hangs_on_envoy_and_kills_an_apisix_worker() {
    let module = Guest::new().on("proxy_on_request_headers", "(i32.const 1)").module();
    let outcome = run(&module, Profile::Envoy, &get()).outcome;
    assert!(matches!(outcome, Outcome::Hang { .. }), "{outcome}");
    let transcript = run(&module, Profile::Apisix, &get());
    assert!(matches!(transcript.outcome, Outcome::Crash { .. }), "{}", transcript.outcome);
    assert_eq!(transcript.client, None);
}

#[test]
fn a_pause_at_the_body_kills_an_apisix_worker_too() {
    let mut guest = Guest::new();
    let arguments = format!("{} {}", guest.text("wasm_process_req_body"), guest.text("1"));
    let ask = guest.call("proxy_set_property", &arguments);
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {ask}) (i32.const 0)"))
        .on("proxy_on_request_body", "(i32.const 1)")
        .module();
    let outcome = run(&module, Profile::Apisix, &post("q")).outcome;
    assert!(matches!(outcome, Outcome::Crash { .. }), "{outcome}");
}

/// Holds the headers until the body ends, then sets one from it.
fn body_reader() -> Guest {
    let mut guest = Guest::new();
    let arguments = format!(
        "{ZERO} {} (i32.load (i32.const 16)) (i32.load (i32.const 20))",
        guest.text("x-body")
    );
    let set = guest.call("proxy_replace_header_map_value", &arguments);
    let read = guest.call(
        "proxy_get_buffer_bytes",
        &format!("{ZERO} {ZERO} (local.get $1) (i32.const 16) (i32.const 20)"),
    );
    let size = guest.say_number("size", "(local.get $1)");
    guest.on("proxy_on_request_headers", "(i32.const 1)").on(
        "proxy_on_request_body",
        &format!(
            "{size} (if (result i32) (local.get $2)
               (then (drop {read}) (drop {set}) (i32.const 0))
               (else (i32.const 1)))"
        ),
    )
}

#[test]
fn envoy_shows_the_body_behind_held_headers_only_if_told_to() {
    let module = body_reader().module();
    let mut exchange = post("");
    exchange.request.chunks = vec![b"one".to_vec(), b"two".to_vec()];
    let transcript = run(&module, Profile::Envoy, &exchange);
    assert_eq!(transcript.outcome, Outcome::Proxied);
    assert_eq!(transcript.upstream_header("x-body"), Some(&b"onetwo"[..]));
    assert_eq!(said(&transcript), ["size=03", "size=06", "size=06"], "all of it, every time");
    assert_eq!(transcript.upstream.expect("asked").chunks, [b"onetwo"], "passed on as one");

    let mut options = Options::default();
    options.envoy.allow_on_headers_stop_iteration = false;
    let mut host = Host::new(&module, Profile::Envoy, options).expect("it loads");
    let transcript = host.exchange(0, &exchange);
    let Outcome::Hang { why } = &transcript.outcome else { panic!("{}", transcript.outcome) };
    assert!(why.contains("allow_on_headers_stop_iteration"), "{why}");
    assert_eq!((said(&transcript).len(), transcript.upstream), (0, None));
}

#[test]
fn a_body_beyond_envoys_buffer_is_413_before_the_filter_sees_the_rest() {
    let mut options = Options::default();
    options.envoy.buffer_bytes = 20;
    let mut host = Host::new(&body_reader().module(), Profile::Envoy, options).expect("it loads");
    let mut exchange = post("");
    exchange.request.chunks = vec![vec![b'x'; 15], vec![b'y'; 15]];
    let transcript = host.exchange(0, &exchange);
    assert_eq!((transcript.status(), transcript.outcome.word()), (413, "host-replied"));
    assert_eq!(transcript.upstream, None);
    for (size, outcome) in [(20, "proxied"), (21, "host-replied")] {
        exchange.request.chunks = vec![vec![b'x'; size]];
        assert_eq!(host.exchange(0, &exchange).outcome.word(), outcome, "{size} bytes");
    }
}

#[test]
fn what_was_held_for_everyone_is_shown_once_resumed() {
    // Pauses at the headers; the first tick resumes.
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let select = guest.call("proxy_set_effective_context", "(i32.const 2)");
    let resume = guest.call("proxy_continue_stream", ZERO);
    let body = note(&mut guest, "request_body", "(i32.const 0)");
    let module = guest
        .on("proxy_on_configure", &format!("(drop {start}) (i32.const 1)"))
        .on("proxy_on_request_headers", "(i32.const 1)")
        .on("proxy_on_request_body", &body)
        .on("proxy_on_tick", &format!("(if (i32.eqz {select}) (then (drop {resume})))"))
        .module();
    let mut options = Options::default();
    options.envoy.allow_on_headers_stop_iteration = false;
    let mut host = Host::new(&module, Profile::Envoy, options).expect("it loads");
    let transcript = host.exchange(0, &post("question"));
    assert_eq!(said(&transcript), ["request_body=00", "$1=08", "$2=01"]);
    assert_eq!(transcript.upstream.expect("asked").whole_body(), b"question");
    assert_eq!(transcript.outcome, Outcome::Proxied);
}

/// A reply with status, body and headers, as an expression.
fn reply(guest: &mut Guest, status: u32, body: &str, headers: &[(&str, &str)]) -> String {
    let (body, headers) = (guest.text(body), guest.pairs(headers));
    guest.call(
        "proxy_send_local_response",
        &format!("(i32.const {status}) {ZERO} {ZERO} {body} {headers} (i32.const -1)"),
    )
}

#[test]
fn a_reply_reaches_the_client_and_not_the_upstream() {
    for answer in ["(i32.const 0)", "(i32.const 1)"] {
        let mut guest = Guest::new();
        let reply = reply(&mut guest, 403, "no", &[("X-Why", "because")]);
        let module =
            guest.on("proxy_on_request_headers", &format!("(drop {reply}) {answer}")).module();
        for (profile, kind) in
            [(Profile::Envoy, &b"text/plain"[..]), (Profile::Apisix, b"text/plain; charset=utf-8")]
        {
            let transcript = run(&module, profile, &post("q"));
            assert_eq!(transcript.outcome, Outcome::Replied, "{profile}");
            assert_eq!(transcript.status(), 403);
            assert_eq!(transcript.client_header("x-why"), Some(&b"because"[..]));
            assert_eq!(transcript.client_header("content-type"), Some(kind));
            assert_eq!(transcript.client.as_ref().unwrap().response.whole_body(), b"no");
            assert_eq!(transcript.upstream, None);
        }
    }
}

#[test]
fn a_reply_passes_the_filters_own_response_callbacks() {
    let mut guest = Guest::new();
    let reply = reply(&mut guest, 200, "made here", &[]);
    let stamp = format!("(i32.const 2) {} {}", guest.text("x-stamp"), guest.text("1"));
    let stamp = guest.call("proxy_add_header_map_value", &stamp);
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {reply}) (i32.const 1)"))
        .on("proxy_on_response_headers", &format!("(drop {stamp}) (i32.const 0)"))
        .module();
    for profile in Profile::ALL {
        let transcript = run(&module, profile, &post("q"));
        assert_eq!(transcript.client_header("x-stamp"), Some(&b"1"[..]), "{profile}");
    }
}

#[test]
fn an_error_reply_without_body_becomes_a_page_on_apisix() {
    for (status, page) in [(404, true), (204, false)] {
        let mut guest = Guest::new();
        let reply = reply(&mut guest, status, "", &[("x-a", "1")]);
        let module =
            guest.on("proxy_on_request_headers", &format!("(drop {reply}) (i32.const 1)")).module();
        let transcript = run(&module, Profile::Apisix, &get());
        let client = transcript.client.as_ref().expect("answered");
        assert_eq!(client.response.whole_body().starts_with(b"<html>"), page, "{status}");
        assert_eq!(transcript.client_header("x-a"), Some(&b"1"[..]));
        let transcript = run(&module, Profile::Envoy, &get());
        assert!(transcript.client.expect("answered").response.whole_body().is_empty());
    }
}

#[test]
fn a_reply_without_body_has_no_length_on_envoy_and_a_request_id_is_kept() {
    let mut guest = Guest::new();
    let reply = reply(&mut guest, 204, "", &[("content-length", "5"), ("x-a", "1")]);
    let module =
        guest.on("proxy_on_request_headers", &format!("(drop {reply}) (i32.const 1)")).module();
    let transcript = run(&module, Profile::Envoy, &get());
    assert_eq!(transcript.client_header("content-length"), None);
    assert_eq!(transcript.client_header("x-a"), Some(&b"1"[..]));
    let named = Exchange::new(Request::new("GET", "/").header("x-request-id", "mine"));
    let transcript = run(&Guest::new().module(), Profile::Envoy, &named);
    assert_eq!(transcript.upstream_header("x-request-id"), Some(&b"mine"[..]));
}

#[test]
fn steps_that_cannot_be_are_ignored() {
    let module = Guest::new().on("proxy_on_request_headers", "(i32.const 1)").module();
    let mut host = host(&module, Profile::Envoy);
    let id = host.open(0, &get());
    host.response_head(id, &Response::new(200));
    assert_eq!(host.outcome(id), None, "nobody was asked yet");
    assert_eq!(host.finish(id).outcome.word(), "hang");
    for profile in Profile::ALL {
        let mut host = self::host(&Guest::new().module(), profile);
        let id = host.open(0, &post("q"));
        host.request_body(id, b"whole", true);
        host.request_body(id, b"more", true);
        assert_eq!(host.so_far(id).1.expect("asked").chunks, [b"whole"], "{profile}");
    }
}

/// A guest that waits in one callback and resumes the request at the first tick.
fn resumed_by_tick(waits_in: &str, code: &str) -> Guest {
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let select = guest.call("proxy_set_effective_context", "(i32.const 2)");
    let resume = guest.call("proxy_continue_stream", ZERO);
    let waits = note(&mut guest, waits_in, code);
    guest
        .on("proxy_on_configure", &format!("(drop {start}) (i32.const 1)"))
        .on(&format!("proxy_on_{waits_in}"), &waits)
        .on("proxy_on_tick", &format!("(if (i32.eqz {select}) (then (drop {resume})))"))
}

#[test]
fn trailers_wait_with_the_rest_and_pass_once_resumed() {
    let mut exchange = post("question");
    exchange.request.trailers.add("x-sum", "1");
    // Stopped for everyone at the headers: body and trailers are shown when the tick resumes.
    let mut guest = resumed_by_tick("request_headers", "(i32.const 3)");
    let trailers = note(&mut guest, "request_trailers", "(i32.const 0)");
    let stopped = guest.on("proxy_on_request_trailers", &trailers).module();
    let transcript = run(&stopped, Profile::Envoy, &exchange);
    let expected = ["request_headers=00", "$1=07", "$2=00", "request_trailers=00", "$1=01"];
    assert_eq!(said(&transcript), expected);
    assert_eq!(transcript.took.as_millis(), 100);
    assert_eq!(transcript.upstream.as_ref().expect("asked").trailers.len(), 1);
    // Stopped at the trailers themselves.
    let stopped = resumed_by_tick("request_trailers", "(i32.const 1)").module();
    let transcript = run(&stopped, Profile::Envoy, &exchange);
    assert_eq!(said(&transcript), ["request_trailers=00", "$1=01"]);
    let upstream = transcript.upstream.expect("asked");
    assert!(upstream.complete && upstream.trailers.len() == 1);
}

#[test]
fn a_reply_at_the_trailers_keeps_the_request_from_the_upstream() {
    let mut guest = Guest::new();
    let reply = reply(&mut guest, 403, "no", &[]);
    let module = guest
        .on("proxy_on_request_body", "(i32.const 1)")
        .on("proxy_on_request_headers", "(i32.const 1)")
        .on("proxy_on_request_trailers", &format!("(drop {reply}) (i32.const 0)"))
        .module();
    let mut exchange = post("question");
    exchange.request.trailers.add("x-sum", "1");
    let transcript = run(&module, Profile::Envoy, &exchange);
    assert_eq!((transcript.status(), transcript.upstream), (403, None));
}

#[test]
fn a_reply_at_the_response_headers_replaces_it_on_envoy_and_is_ignored_on_apisix() {
    let mut guest = Guest::new();
    let reply = reply(&mut guest, 502, "instead", &[("x-why", "because")]);
    let module =
        guest.on("proxy_on_response_headers", &format!("(drop {reply}) (i32.const 1)")).module();
    let transcript = run(&module, Profile::Envoy, &post("q"));
    assert_eq!((transcript.status(), &transcript.outcome), (502, &Outcome::Replied));
    assert_eq!(transcript.client.unwrap().response.whole_body(), b"instead");
    let transcript = run(&module, Profile::Apisix, &post("q"));
    assert_eq!((transcript.status(), &transcript.outcome), (200, &Outcome::Proxied));
    assert_eq!(transcript.client_header("x-why"), Some(&b"because"[..]), "headers are added");
    assert_eq!(transcript.client.unwrap().response.whole_body(), b"answer");
}

#[test]
fn a_reply_in_a_response_that_has_begun_resets_it_on_envoy() {
    let mut guest = Guest::new();
    let reply = reply(&mut guest, 502, "too late", &[]);
    let code = note(&mut guest, "response_body", &format!("(drop {reply}) (i32.const 0)"));
    let module = guest.on("proxy_on_response_body", &code).module();
    let transcript = run(&module, Profile::Envoy, &post("q"));
    assert_eq!(transcript.outcome.word(), "reset");
    assert_eq!(said(&transcript), ["response_body=00", "$1=06", "$2=00"], "and not its end");
    assert!(!transcript.client.expect("its head had passed").complete);
}

#[test]
fn closing_the_stream_resets_it_on_envoy_and_does_nothing_on_apisix() {
    let mut guest = Guest::new();
    let close = guest.call("proxy_close_stream", ZERO);
    let module =
        guest.on("proxy_on_request_headers", &format!("(drop {close}) (i32.const 0)")).module();
    let transcript = run(&module, Profile::Envoy, &get());
    assert_eq!((transcript.outcome.word(), transcript.upstream), ("reset", None));
    assert_eq!(run(&module, Profile::Apisix, &get()).outcome, Outcome::Proxied);
}

#[test]
fn pauses_in_a_response_hold_it_on_envoy_and_are_ignored_on_apisix() {
    for callback in ["proxy_on_response_headers", "proxy_on_response_body"] {
        let module = Guest::new().on(callback, "(i32.const 1)").module();
        let mut exchange = post("q");
        if callback == "proxy_on_response_headers" {
            exchange.response.chunks.clear();
        }
        assert_eq!(run(&module, Profile::Envoy, &exchange).outcome.word(), "hang", "{callback}");
        assert_eq!(run(&module, Profile::Apisix, &exchange).outcome, Outcome::Proxied);
    }
}

#[test]
fn resuming_within_the_callback_that_pauses_passes_only_what_came_before() {
    let resuming = |callback: &str, answer: u32| {
        let mut guest = Guest::new();
        let resume = guest.call("proxy_continue_stream", ZERO);
        guest.on(callback, &format!("(drop {resume}) (i32.const {answer})"))
    };
    // At the headers of a request without body, that is all of it; else the body is stuck.
    let module = resuming("proxy_on_request_headers", 3).module();
    assert_eq!(run(&module, Profile::Envoy, &get()).outcome, Outcome::Proxied);
    let transcript = run(&module, Profile::Envoy, &post("body"));
    assert_eq!(transcript.outcome.word(), "hang");
    let upstream = transcript.upstream.expect("its head passed");
    assert!(upstream.chunks.is_empty() && !upstream.complete);
    // At the body, the end comes with all that was buffered.
    let module = resuming("proxy_on_request_body", 1)
        .on("proxy_on_request_headers", "(i32.const 1)")
        .module();
    let transcript = run(&module, Profile::Envoy, &post("body"));
    assert_eq!(transcript.outcome, Outcome::Proxied);
    assert_eq!(transcript.upstream.expect("asked").whole_body(), b"body");
}

#[test]
fn envoy_bodies_change_at_their_start_and_their_end_only() {
    // start, size, status, what the upstream gets of "body"
    let cases = [
        (0, 0, 0, "newbody"),
        (0, 4, 0, "new"),
        (0, 99, 0, "new"),
        (0, 2, 0, "newdy"),
        (4, 0, 0, "bodynew"),
        (99, 1, 0, "bodynew"),
        (2, 1, 2, "body"),
    ];
    for (start, size, status, expected) in cases {
        let mut guest = Guest::new();
        let data = guest.text("new");
        let arguments = format!("{ZERO} (i32.const {start}) (i32.const {size}) {data}");
        let set = guest.say("set", "proxy_set_buffer_bytes", &arguments);
        let code = format!("(if (i32.eqz (local.get $2)) (then {set})) (i32.const 0)");
        let module = guest.on("proxy_on_request_body", &code).module();
        let transcript = run(&module, Profile::Envoy, &post("body"));
        assert_eq!(said(&transcript), [format!("set={status:02}")], "{start} {size}");
        let body = transcript.upstream.expect("asked").whole_body();
        assert_eq!(body, expected.as_bytes(), "{start} {size}");
    }
}

#[test]
fn apisix_reads_body_ranges_strictly() {
    // start, size, status
    let cases = [(0, 4, 0), (0, 99, 0), (3, 1, 0), (4, 1, 2), (0, 0, 2), (0, -1, 2), (-1, 2, 2)];
    for (start, size, status) in cases {
        let mut guest = Guest::new();
        let arguments = format!("{} {}", guest.text("wasm_process_req_body"), guest.text("1"));
        let ask = guest.call("proxy_set_property", &arguments);
        let arguments =
            format!("{ZERO} (i32.const {start}) (i32.const {size}) (i32.const 16) (i32.const 20)");
        let read = guest.say("read", "proxy_get_buffer_bytes", &arguments);
        let module = guest
            .on("proxy_on_request_headers", &format!("(drop {ask}) (i32.const 0)"))
            .on("proxy_on_request_body", &format!("{read} (i32.const 0)"))
            .module();
        let transcript = run(&module, Profile::Apisix, &post("body"));
        assert_eq!(said(&transcript), [format!("read={status:02}")], "{start} {size}");
        let transcript = run(&module, Profile::Apisix, &post(""));
        assert_eq!(said(&transcript), ["read=01"], "an empty body is not found");
    }
}

#[test]
fn a_client_that_goes_away_ends_the_exchange_for_the_guest() {
    for profile in Profile::ALL {
        let mut host = host(&diary(false).module(), profile);
        let id = host.open(0, &post("q"));
        host.abort(id);
        let transcript = host.finish(id);
        assert_eq!(transcript.outcome, Outcome::Aborted, "{profile}");
        let lines = said(&transcript);
        assert!(lines.ends_with(&["done=00", "delete=00"]), "{lines:?}");
        assert_eq!(host.exchange(0, &post("q")).outcome, Outcome::Proxied, "the VM goes on");
    }
}
