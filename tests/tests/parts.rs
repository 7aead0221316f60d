//! What the gateway does for filters that it does not run: nothing. Told by its calls to the host, of which
//! each costs time in every exchange.

use std::time::Duration;

use mcp_harness::{Exchange, Host, Options, Outcome, Profile, Response};
use mcp_tests::message;
use mcp_tests::place::{GATEWAY, Place};
use serde_json::json;

const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[]}}"#;

fn host(module: &'static str, profile: Profile, configuration: &str) -> Host {
    let options = Options { configuration: configuration.into(), ..Options::default() };
    Place { module, profile }.host(options)
}

/// A modern call, answered by a document; and by events.
fn exchanges() -> [Exchange; 2] {
    let answer =
        |kind: &str, body: &str| Response::new(200).header("content-type", kind).body(body);
    let events = format!("data: {RESULT}\n\n");
    [answer("application/json", RESULT), answer("text/event-stream", &events)]
        .map(|answer| Exchange::with(message::modern_call("add"), answer))
}

/// The calls to the host that a second exchange of its kind makes.
fn calls(host: &mut Host, exchange: &Exchange) -> Vec<&'static str> {
    assert_eq!(host.exchange(0, exchange).outcome, Outcome::Proxied);
    let before = host.calls().len();
    assert_eq!(host.exchange(0, exchange).outcome, Outcome::Proxied);
    host.calls().iter().skip(before).map(|call| call.name).collect()
}

#[test]
fn with_one_section_it_asks_the_host_what_the_module_of_that_filter_asks() {
    let limits = r#"[{"name":"all","key":["ip"],"unit":"tokens","limit":1000000,"window":"1h"}]"#;
    let quota = format!(r#"{{"quota":{{"limits":{limits}}}}}"#);
    for (module, configuration) in [
        ("mcp_session", r#"{"session":{}}"#),
        ("mcp_quota", r#"{"quota":{}}"#),
        ("mcp_quota", &quota),
        ("mcp_sse", r#"{"sse":{}}"#),
        ("mcp_sse", r#"{"sse":{"measure":true}}"#),
        ("mcp_sse", r#"{"sse":{"trace_context":"off"}}"#),
    ] {
        for profile in Profile::ALL {
            for exchange in exchanges() {
                let alone = calls(&mut host(module, profile, configuration), &exchange);
                let gateway = calls(&mut host(GATEWAY, profile, configuration), &exchange);
                assert_eq!(gateway, alone, "{configuration} on {profile}");
            }
        }
    }
}

#[test]
fn with_no_filter_it_reads_the_request_and_counts_it() {
    for exchange in exchanges() {
        let configuration = r#"{"admission":{}}"#;
        let mut envoy = host(GATEWAY, Profile::Envoy, configuration);
        let [head, body] = ["proxy_get_header_map_pairs", "proxy_get_buffer_bytes"];
        assert_eq!(calls(&mut envoy, &exchange), [head, body]);
        envoy.advance(Duration::from_secs(1));
        assert_eq!(envoy.metrics().len(), 1);
        let bare = calls(&mut host(GATEWAY, Profile::Apisix, configuration), &exchange);
        // Whether there is a Host, which it must know before it lists a head; and to be shown the body.
        let (host, show) = ("proxy_get_header_map_value", "proxy_set_property");
        assert_eq!(bare, [host, head, show, body]);
    }
}

#[test]
fn no_byte_of_an_answer_is_read_unless_a_filter_wants_it() {
    let limit = |unit: &str| {
        let limit =
            json!({"name": "all", "key": ["ip"], "unit": unit, "limit": 1_000_000, "window": "1h"});
        json!({"quota": {"limits": [limit]}})
    };
    for (configuration, reads) in [
        (json!({"admission": {}}), false),
        (json!({"session": {}}), false),
        (json!({"sse": {}}), false),
        // A tool may ask for input; the call that comes again with it is not charged again.
        (limit("requests"), true),
        (limit("tokens"), true),
        (json!({"sse": {"measure": true}}), true),
    ] {
        for profile in Profile::ALL {
            for exchange in exchanges() {
                let mut host = host(GATEWAY, profile, &configuration.to_string());
                let calls = calls(&mut host, &exchange);
                let count = |name: &str| calls.iter().filter(|call| **call == name).count();
                // One is the body of the request.
                let read = count("proxy_get_buffer_bytes") > 1;
                assert_eq!(read, reads, "{configuration} on {profile}: {calls:?}");
                // APISIX shows a body only if it is asked to.
                let asked = usize::from(profile == Profile::Apisix) * (1 + usize::from(reads));
                assert_eq!(count("proxy_set_property"), asked, "{configuration} on {profile}");
            }
        }
    }
}
