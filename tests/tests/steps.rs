//! What an exchange file cannot tell: exchanges side by side, clients that leave half-way, counts of
//! very many tools, and configurations that must not be quoted.

use std::time::Duration;

use mcp_harness::{
    Exchange, Host, HostCall, LoadError, Options, Outcome, Profile, Request, Transcript,
};
use mcp_tests::place::Place;
use mcp_tests::{message, planted};

const MODULE: &str = "mcp_session";
const SESSION: &str = r#"{"session":{}}"#;

fn options(configuration: &str) -> Options {
    Options { configuration: configuration.into(), ..Options::default() }
}

fn host(place: Place, configuration: &str) -> Host {
    place.host(options(configuration))
}

/// How often the filter answered by itself.
fn answers(transcript: &Transcript) -> usize {
    transcript.calls.iter().filter(|call| call.name == "proxy_send_local_response").count()
}

#[test]
fn a_client_that_leaves_while_it_is_held_is_answered_by_nobody() {
    for place in Place::all(MODULE) {
        let mut host = host(place, r#"{"session":{},"admission":{"body_timeout":"2s"}}"#);
        let request = Exchange::new(message::legacy(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#));
        let id = host.open(0, &request);
        host.request_body(id, br#"{"jsonrpc":"2.0","id":1,"#, false);
        host.abort(id);
        assert_eq!(host.finish(id).outcome, Outcome::Aborted, "{place}");

        host.advance(Duration::from_secs(60));
        let next = host.exchange(0, &request);
        assert_eq!((&next.outcome, answers(&next)), (&Outcome::Proxied, 0), "{place}");
        assert!(next.log.is_empty(), "{place}: {:?}", next.log);
    }
}

#[test]
fn held_requests_of_one_worker_are_judged_each_by_its_own_body() {
    let good = r#"{"jsonrpc":"2.0","id":"good","method":"tools/call","params":{"name":"add"}}"#;
    let bad = r#"{"jsonrpc":"2.0","id":"bad","method":"tools/call","params":{"name":1}}"#;
    for place in Place::all(MODULE) {
        let mut host = host(place, SESSION);
        let open = |host: &mut Host, body: &str| {
            let exchange = Exchange::new(message::legacy(body));
            let id = host.open(0, &exchange);
            host.request_body(id, &body.as_bytes()[..30], false);
            (id, exchange)
        };
        let (first, exchange) = open(&mut host, good);
        let (second, _) = open(&mut host, bad);
        let (third, _) = open(&mut host, good);
        host.request_body(second, &bad.as_bytes()[30..], true);
        host.request_body(first, &good.as_bytes()[30..], true);
        host.request_body(third, &good.as_bytes()[30..], true);

        assert!(host.wait_for_upstream(first) && host.wait_for_upstream(third), "{place}");
        for id in [first, third] {
            host.response_head(id, &exchange.response);
            let transcript = host.finish(id);
            assert_eq!(transcript.outcome, Outcome::Proxied, "{place}");
            assert_eq!(transcript.upstream_header("x-mcp-name"), Some(&b"add"[..]), "{place}");
            let upstream = transcript.upstream.expect("it was asked");
            assert_eq!(upstream.whole_body(), good.as_bytes(), "{place}");
        }
        let refused = host.finish(second);
        assert_eq!((&refused.outcome, refused.status()), (&Outcome::Replied, 400), "{place}");
        let body = refused.client.expect("it was answered").response.whole_body();
        assert!(String::from_utf8_lossy(&body).contains(r#""id":"bad""#), "{place}");
    }
}

#[test]
fn seventy_tools_become_sixty_four_labels_and_other() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, SESSION);
        for _ in 0..2 {
            for tool in 0..70 {
                let call = Exchange::new(message::modern_call(&format!("tool-{tool}")));
                assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
            }
        }
        host.advance(Duration::from_secs(1));
        let calls = |tool: &str| {
            let name = format!(
                "mcp_requests.era.modern.mcp_method_name.tools/call.gen_ai_tool_name.{tool}.outcome.forwarded"
            );
            host.metrics().get(&name).copied()
        };
        assert_eq!((calls("tool-0"), calls("tool-63"), calls("tool-64")), (Some(2), Some(2), None));
        assert_eq!(calls("other"), Some(2 * 6));
        assert_eq!(host.metrics().len(), 65);
    }
}

#[test]
fn a_host_that_keeps_no_counts_is_told_of_none() {
    for place in Place::of(MODULE, Profile::Apisix) {
        let mut host = host(place, SESSION);
        for tool in 0..200 {
            let call = Exchange::new(message::modern_call(&format!("tool-{tool}")));
            assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
        }
        let is_metric = |call: &HostCall| call.name.ends_with("_metric");
        assert!(!host.calls().iter().any(is_metric));
    }
}

#[test]
fn refused_clients_use_up_no_labels_and_make_no_metrics_of_their_own() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, SESSION);
        for tool in 0..200 {
            let liar = message::modern_call(&format!("tool-{tool}")).header("mcp-name", "other");
            assert_eq!(host.exchange(0, &Exchange::new(liar)).outcome, Outcome::Replied);
        }
        let call = Exchange::new(message::modern_call("honest"));
        assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
        let names: Vec<String> = host.metrics().into_keys().collect();
        let prefix = "mcp_requests.era.modern.mcp_method_name.tools/call.gen_ai_tool_name";
        let expected = [
            format!("{prefix}.honest.outcome.forwarded"),
            format!("{prefix}.other.outcome.refused.error_type.header_mismatch"),
        ];
        assert_eq!(names, expected);
    }
}

#[test]
fn a_tool_cannot_spell_another_metric() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, SESSION);
        let call = Exchange::new(message::modern_call("a.outcome.refused_origin"));
        assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
        let names: Vec<String> = host.metrics().into_keys().collect();
        let tool = "a_outcome_refused_origin";
        let expected = format!(
            "mcp_requests.era.modern.mcp_method_name.tools/call.gen_ai_tool_name.{tool}.outcome.forwarded"
        );
        assert_eq!(names, [expected]);
    }
}

#[test]
fn a_refused_configuration_is_not_quoted_where_it_may_hold_secrets() {
    let (ring, export) = (planted::RING, planted::EXPORT);
    let cases = [
        format!(r#"{{"session":{{"secrets":"{ring}","export_key":"{export}"}}}}"#),
        format!(r#"{{"session":{{"secrets":["{ring}!"],"export_key":"{export}"}}}}"#),
        format!(r#"{{"session":{{"secrets":["{ring}"],"export_key":["{export}"]}}}}"#),
        format!(r#"{{"session":{{"secrets":["{ring}"],"export_key":"planted"}}}}"#),
        format!(r#"{{"session":{{"secrets":[["{ring}"]],"export_key":"{export}"}}}}"#),
        format!(r#"{{"session":{{"secrets":["{ring}"]}}}}"#),
        format!(r#"{{"session":"{ring}"}}"#),
        format!(r#"{{"session":{{"secrets":["{ring}","export_key":"{export}"}}}}"#),
        format!(r#"{{"session":{{"ttl":"{export}"}}}}"#),
        format!(r#"{{"session":{{"principal_header_trusted":"{export}"}}}}"#),
        format!(r#""{ring}""#),
    ];
    for configuration in cases {
        for place in Place::of(MODULE, Profile::Envoy) {
            match place.start(options(&configuration)) {
                Ok(_) => panic!("{place}: {configuration} was accepted"),
                Err(LoadError::Start { problem, .. }) => {
                    assert!(problem.contains("configuration refused: "), "{problem}");
                    assert!(!problem.contains(planted::MARK), "{problem}");
                }
                Err(other) => panic!("{place}: {configuration}: {other}"),
            }
        }
        // APISIX configures at the first request.
        for place in Place::of(MODULE, Profile::Apisix) {
            let mut host = host(place, &configuration);
            let transcript = host.exchange(0, &Exchange::new(Request::new("GET", "/")));
            assert_eq!(transcript.status(), 503, "{place}: {configuration}");
            assert_eq!(planted::leak(&transcript), None);
        }
    }
}
