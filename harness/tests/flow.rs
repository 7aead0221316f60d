//! How exchanges run through either host: pauses, bodies, replies, traps, crashes.

mod guest;

use guest::{Guest, ZERO};
use mcp_harness::{Exchange, Host, Module, Options, Outcome, Profile, Request, Response};

fn host(module: &Module, profile: Profile) -> Host {
    Host::new(module, profile, Options::default()).expect("the guest loads")
}

/// Runs one exchange on a fresh host.
fn run(module: &Module, profile: Profile, exchange: &Exchange) -> mcp_harness::Transcript {
    host(module, profile).exchange(0, exchange)
}

fn post(body: &str) -> Exchange {
    let request = Request::new("POST", "/mcp?x=1").header("X-Mixed-Case", "v").body(body);
    Exchange::with(request, Response::new(200).header("content-type", "text/plain").body("answer"))
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
    let get = Exchange::new(Request::new("GET", "/"));
    let outcome = run(&module, Profile::Envoy, &get).outcome;
    assert!(matches!(outcome, Outcome::Hang { .. }), "{outcome}");
    let transcript = run(&module, Profile::Apisix, &post("q"));
    assert!(matches!(transcript.outcome, Outcome::Crash { .. }), "{}", transcript.outcome);
    assert_eq!(transcript.client, None);
}

#[test]
fn a_reply_reaches_the_client_and_not_the_upstream() {
    let mut guest = Guest::new();
    let (body, headers) = (guest.text("no"), guest.pairs(&[("x-why", "because")]));
    let reply = guest.call(
        "proxy_send_local_response",
        &format!("(i32.const 403) {ZERO} {ZERO} {body} {headers} (i32.const -1)"),
    );
    let module =
        guest.on("proxy_on_request_headers", &format!("(drop {reply}) (i32.const 1)")).module();
    for profile in Profile::ALL {
        let transcript = run(&module, profile, &post("q"));
        assert_eq!(transcript.outcome, Outcome::Replied, "{profile}");
        assert_eq!(transcript.status(), 403);
        assert_eq!(transcript.client_header("x-why"), Some(&b"because"[..]));
        assert_eq!(transcript.client.as_ref().unwrap().response.whole_body(), b"no");
        assert_eq!(transcript.upstream, None);
    }
}
