//! Header maps: what is listed, what writing does, and what each host does its own way.

use mcp_harness::{Exchange, Headers, Outcome, Profile, Request, Response, Version};

use crate::guest::{Guest, ZERO, said};
use crate::{get, post, run};

const POINTERS: &str = "(i32.const 16) (i32.const 20)";

/// A guest that lists a map from a callback and returns the list by logging it.
fn lister(callback: &str, map: u32) -> mcp_harness::Module {
    let mut guest = Guest::new();
    let list =
        guest.say("list", "proxy_get_header_map_pairs", &format!("(i32.const {map}) {POINTERS}"));
    let show = guest.say_returned();
    guest.on(callback, &format!("{list} {show} (i32.const 0)")).module()
}

/// Names and values that the journal says were handed over; the log cannot hold raw pairs.
fn listed(profile: Profile, exchange: &Exchange, map: u32) -> Headers {
    let callback = if map == 0 { "proxy_on_request_headers" } else { "proxy_on_response_headers" };
    let mut guest = Guest::new();
    let list = guest.call("proxy_get_header_map_pairs", &format!("(i32.const {map}) {POINTERS}"));
    // Handing the list back as the pairs of a reply brings it out as headers.
    let reply = guest.call(
        "proxy_send_local_response",
        &format!(
            "(i32.const 200) {ZERO} {ZERO} {ZERO} {ZERO}
             (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const -1)"
        ),
    );
    let module =
        guest.on(callback, &format!("(drop {list}) (drop {reply}) (i32.const 1)")).module();
    run(&module, profile, exchange).client.expect("a reply").response.headers
}

fn names(headers: &Headers) -> Vec<String> {
    headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

#[test]
fn request_headers_are_listed_in_lower_case_with_pseudo_headers_first_or_last() {
    let exchange = Exchange::new(Request::new("GET", "/p?q").header("X-One", "1"));
    let envoy = names(&listed(Profile::Envoy, &exchange, 0));
    assert_eq!(envoy[..4], [":authority", ":path", ":method", ":scheme"]);
    assert!(envoy.contains(&"x-one".to_owned()), "{envoy:?}");
    let apisix = names(&listed(Profile::Apisix, &exchange, 0));
    assert_eq!(apisix[..6], ["host", "x-one", ":scheme", ":path", ":method", ":authority"]);
}

#[test]
fn apisix_lists_at_most_a_hundred_request_headers_and_envoy_all() {
    for (count, apisix) in [(98, 98), (99, 99), (100, 99), (150, 99)] {
        let mut exchange = get();
        for number in 1..=count {
            exchange.request.headers.add(format!("x-{number}"), "v");
        }
        let fillers = |profile| {
            let all = listed(profile, &exchange, 0);
            all.iter().filter(|(name, _)| name.starts_with(b"x-") && name.len() < 6).count()
        };
        assert_eq!(fillers(Profile::Apisix), apisix, "{count}, with host before them");
        assert_eq!(fillers(Profile::Envoy), count);
    }
}

#[test]
fn more_than_twenty_response_headers_are_garbage_on_apisix() {
    // Date and Server count, the Content- ones do not.
    for (count, sound) in [(18, true), (19, false)] {
        let mut response = Response::new(200).header("content-type", "a/b").body("x");
        for number in 1..=count {
            response = response.header(&format!("x-{number}"), "v");
        }
        let exchange = Exchange::with(Request::new("GET", "/"), response);
        let module = lister("proxy_on_response_headers", 2);
        let transcript = run(&module, Profile::Apisix, &exchange);
        assert_eq!(said(&transcript)[0], "list=00", "the host says all is well");
        let shown = said(&transcript)[1];
        assert_eq!(shown.contains("x-18"), sound, "{count}: {shown}");
        assert_eq!(shown.contains(":status"), sound);
        let transcript = run(&module, Profile::Envoy, &exchange);
        assert!(said(&transcript)[1].contains("x-18"));
    }
}

/// One write to the request headers, and what the upstream then gets.
fn written(profile: Profile, call: &str, name: &str, value: &str) -> mcp_harness::Transcript {
    let mut guest = Guest::new();
    let arguments = format!("{ZERO} {} {}", guest.text(name), guest.text(value));
    let write = guest.say("write", call, &arguments);
    let module = guest.on("proxy_on_request_headers", &format!("{write} (i32.const 0)")).module();
    let request = Request::new("POST", "/old?query=1").header("x-seen", "before").body("b");
    run(&module, profile, &Exchange::new(request))
}

#[test]
fn writing_does_what_each_host_does() {
    const REPLACE: &str = "proxy_replace_header_map_value";
    const ADD: &str = "proxy_add_header_map_value";
    type Seen = fn(&mcp_harness::UpstreamRequest) -> String;
    let seen: Seen = |u| join(&u.headers, "x-seen");
    let host: Seen = |u| join(&u.headers, "host");
    let target: Seen = |u| String::from_utf8_lossy(&u.target).into_owned();
    let method: Seen = |u| String::from_utf8_lossy(&u.method).into_owned();
    let scheme: Seen = |u| join(&u.headers, "%3Ascheme");
    // call, name, value, what is looked at, on Envoy, on APISIX
    let cases: &[(&str, &str, &str, Seen, &str, &str)] = &[
        (REPLACE, "X-SEEN", "after", seen, "after", "after"),
        (ADD, "x-seen", "after", seen, "before|after", "before|after"),
        (REPLACE, "x-seen", "", seen, "", "none"),
        (REPLACE, ":path", "/new", target, "/new", "/new?query=1"),
        (REPLACE, ":path", "/new?a=b", target, "/new?a=b", "/new%3Fa=b?query=1"),
        (REPLACE, ":method", "PUT", method, "PUT", "PUT"),
        (REPLACE, ":authority", "other", host, "other", "gateway.test"),
        (REPLACE, ":authority", "other", method, "POST", "other"),
        (REPLACE, "host", "other", host, "other", "gateway.test"),
        (REPLACE, ":scheme", "https", scheme, "none", "https"),
        (ADD, "content-type", "a/b", |u| join(&u.headers, "content-type"), "a/b", "a/b"),
    ];
    for (call, name, value, look, envoy, apisix) in cases {
        for (profile, expected) in [(Profile::Envoy, envoy), (Profile::Apisix, apisix)] {
            let transcript = written(profile, call, name, value);
            assert_eq!(said(&transcript), ["write=00"], "{profile}: {call} {name}");
            let upstream = transcript.upstream.expect("asked");
            assert_eq!(&look(&upstream), expected, "{profile}: {call} {name} {value}");
        }
    }
}

fn join(headers: &Headers, name: &str) -> String {
    let all: Vec<_> = headers.get_all(name.as_bytes()).collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => String::from_utf8_lossy(&all.join(&b'|')).into_owned(),
    }
}

#[test]
fn a_method_of_other_than_letters_is_refused_by_apisix() {
    for name in [":method", ":authority"] {
        let transcript =
            written(Profile::Apisix, "proxy_replace_header_map_value", name, "host.test");
        assert_eq!(said(&transcript), ["write=02"], "{name}");
    }
}

#[test]
fn envoy_joins_values_of_the_fields_it_has_slots_for() {
    // name, whether a request's are joined, whether a response's are
    let cases = [
        ("content-type", true, true),
        ("Authorization", true, false),
        ("origin", true, false),
        ("accept", true, false),
        ("vary", false, true),
        ("mcp-session-id", false, false),
        ("mcp-protocol-version", false, false),
        ("www-authenticate", false, false),
        ("cookie", false, false),
    ];
    for (name, in_request, in_response) in cases {
        let exchange = Exchange::with(
            Request::new("GET", "/").header(name, "a").header(name, "b"),
            Response::new(200).header(name, "a").header(name, "b"),
        );
        let transcript = run(&Guest::new().module(), Profile::Envoy, &exchange);
        let values = |headers: &Headers, joined| {
            let expected = if joined { "a,b" } else { "a|b" };
            assert_eq!(join(headers, name), expected, "{name}");
        };
        values(&transcript.upstream.expect("asked").headers, in_request);
        values(&transcript.client.expect("answered").response.headers, in_response);
        let transcript = run(&Guest::new().module(), Profile::Apisix, &exchange);
        values(&transcript.upstream.expect("asked").headers, false);
    }
}

/// Reads one header from a callback.
fn reader(callback: &str, map: u32, name: &str, status: &str) -> mcp_harness::Module {
    let mut guest = Guest::new();
    let arguments = format!("(i32.const {map}) {} {POINTERS}", guest.text(name));
    let read = guest.say(status, "proxy_get_header_map_value", &arguments);
    let show = guest.say_returned();
    let result = if callback.ends_with("headers") || callback.ends_with("body") {
        "(i32.const 0)"
    } else {
        ""
    };
    guest.on(callback, &format!("{read} {show} {result}")).module()
}

#[test]
fn envoy_hides_request_headers_once_they_passed_but_not_from_the_access_log() {
    for (callback, envoy, apisix) in [
        ("proxy_on_request_headers", "read=00", Some("read=00")),
        ("proxy_on_request_body", "read=02", None),
        ("proxy_on_response_headers", "read=02", Some("read=00")),
        ("proxy_on_log", "read=00", None),
    ] {
        let module = reader(callback, 0, "x-mixed-case", "read");
        let transcript = run(&module, Profile::Envoy, &post("q"));
        assert_eq!(said(&transcript)[0], envoy, "{callback}");
        let transcript = run(&module, Profile::Apisix, &post("q"));
        assert_eq!(said(&transcript).first().copied(), apisix, "{callback}");
    }
}

#[test]
fn values_are_bytes() {
    let exchange = Exchange::new(Request::new("GET", "/").header("x-raw", b"a\xff\x80z"));
    for profile in Profile::ALL {
        let mut guest = Guest::new();
        let read = format!("{ZERO} {} {POINTERS}", guest.text("x-raw"));
        let read = guest.call("proxy_get_header_map_value", &read);
        let copy = format!(
            "{ZERO} {} (i32.load (i32.const 16)) (i32.load (i32.const 20))",
            guest.text("x-copy")
        );
        let copy = guest.call("proxy_replace_header_map_value", &copy);
        let code = format!("(drop {read}) (drop {copy}) (i32.const 0)");
        let module = guest.on("proxy_on_request_headers", &code).module();
        let transcript = run(&module, profile, &exchange);
        assert_eq!(transcript.upstream_header("x-copy"), Some(&b"a\xff\x80z"[..]), "{profile}");
    }
}

#[test]
fn http_1_0_without_host_kills_an_apisix_worker_that_lists_headers_or_reads_authority() {
    let mut exchange = get();
    exchange.request.version = Version::Http10;
    exchange.request.headers = Headers::new();
    let list = lister("proxy_on_request_headers", 0);
    let authority = reader("proxy_on_request_headers", 0, ":authority", "read");
    for module in [&list, &authority] {
        let transcript = run(module, Profile::Apisix, &exchange);
        let Outcome::Crash { why } = &transcript.outcome else { panic!("{}", transcript.outcome) };
        assert!(why.contains("without Host"), "{why}");
        assert_eq!(transcript.client, None);
    }
    let path = reader("proxy_on_request_headers", 0, ":path", "read");
    assert_eq!(run(&path, Profile::Apisix, &exchange).outcome, Outcome::Proxied);
}

#[test]
fn response_headers_and_status_can_be_changed() {
    for profile in Profile::ALL {
        let mut guest = Guest::new();
        let status = format!("(i32.const 2) {} {}", guest.text(":status"), guest.text("418"));
        let status = guest.call("proxy_replace_header_map_value", &status);
        let remove = format!("(i32.const 2) {}", guest.text("content-type"));
        let remove = guest.call("proxy_remove_header_map_value", &remove);
        let code = format!("(drop {status}) (drop {remove}) (i32.const 0)");
        let module = guest.on("proxy_on_response_headers", &code).module();
        let transcript = run(&module, profile, &post("q"));
        assert_eq!((transcript.status(), transcript.client_header("content-type")), (418, None));
    }
}

#[test]
fn the_first_of_several_values_is_read() {
    let request = Request::new("GET", "/").header("x-two", "first").header("x-two", "second");
    let exchange = Exchange::new(request);
    for profile in Profile::ALL {
        let module = reader("proxy_on_request_headers", 0, "X-Two", "read");
        assert_eq!(said(&run(&module, profile, &exchange)), ["read=00", "first"], "{profile}");
    }
}
