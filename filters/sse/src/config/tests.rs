//! Configurations that cannot be used, and what is said of them.

use mcp_core::config::{self, ConfigError};
use mcp_core::pipeline::{Capabilities, Predecessor};

use super::{ModuleConfig, plan};

const ALL: Capabilities = Capabilities::ALL;
const APISIX: Capabilities =
    Capabilities { ticks: false, bodies: false, ends_streams: false, ..ALL };

fn problem(sse: &str, capabilities: &Capabilities, predecessor: Predecessor) -> ConfigError {
    let text = format!(r#"{{"sse":{sse}}}"#);
    let config: ModuleConfig = match config::parse(text.as_bytes()) {
        Ok(config) => config,
        Err(error) => return error,
    };
    config.sse.0.build(capabilities, predecessor).expect_err(sse)
}

#[test]
fn a_wrong_key_is_named_with_its_path_and_what_is_allowed() {
    let rule = |rule: &str| format!(r#"{{"request_headers":[{{"remove":"x-a"}},{rule}]}}"#);
    let set = |name: &str| rule(&format!(r#"{{"set":"{name}","value":"a"}}"#));
    let value = |value: &str| rule(&format!(r#"{{"set":"x-a","value":"{value}"}}"#));
    let long = "x".repeat(4097);
    let cases = [
        ("[]".to_owned(), "sse", "expected an object"),
        (r#"{"mesure":true}"#.to_owned(), "sse.mesure", "expected one of `request_headers`"),
        (r#"{"measure":"yes"}"#.to_owned(), "sse.measure", "expected a boolean"),
        (rule(r#"["set"]"#), "sse.request_headers[1]", "expected an object"),
        (rule(r#"{"set":"x-a","valeu":"a"}"#), "sse.request_headers[1].valeu", "unknown field"),
        // One of four forms.
        (rule("{}"), "sse.request_headers[1]", "must be one of"),
        (rule(r#"{"set":"x-a"}"#), "sse.request_headers[1]", "must be one of"),
        (rule(r#"{"set":"x-a","append":"x-b","value":"a"}"#), "sse.request_headers[1]", "one of"),
        (rule(r#"{"set":"x-a","value":"a","to":"x-b"}"#), "sse.request_headers[1]", "one of"),
        (rule(r#"{"remove":"x-a","value":"a"}"#), "sse.request_headers[1]", "must be one of"),
        (rule(r#"{"rename":"x-a","value":"a"}"#), "sse.request_headers[1]", "must be one of"),
        // Names.
        (set(""), "sse.request_headers[1].set", "letters, digits and \"-\""),
        (set(":path"), "sse.request_headers[1].set", "pseudo-headers"),
        (set("x_a"), "sse.request_headers[1].set", "letters, digits"),
        (set("x a"), "sse.request_headers[1].set", "letters, digits"),
        (set("Connection"), "sse.request_headers[1].set", "is protected: it is about one"),
        (set("transfer-encoding"), "sse.request_headers[1].set", "hop by hop"),
        (set("TE"), "sse.request_headers[1].set", "hop by hop"),
        (set("Content-Length"), "sse.request_headers[1].set", "how it is read"),
        (set("content-type"), "sse.request_headers[1].set", "how it is read"),
        (set("content-encoding"), "sse.request_headers[1].set", "how it is read"),
        (set("HOST"), "sse.request_headers[1].set", "where a message goes"),
        (set("X-Mcp-Tenant"), "sse.request_headers[1].set", "the filters write it"),
        (set("x-mcp-anything"), "sse.request_headers[1].set", "the filters write it"),
        (set("Mcp-Session-Id"), "sse.request_headers[1].set", "need it as it is"),
        (set("mcp-param-region"), "sse.request_headers[1].set", "need it as it is"),
        (set("Accept"), "sse.request_headers[1].set", "need it as it is"),
        (set("last-event-id"), "sse.request_headers[1].set", "need it as it is"),
        (set("Authorization"), "sse.request_headers[1].set", "credentials"),
        (
            r#"{"response_headers":[{"remove":"WWW-Authenticate"}]}"#.to_owned(),
            "sse.response_headers[0].remove",
            "credentials",
        ),
        (rule(r#"{"append":"host","value":"a"}"#), "sse.request_headers[1].append", "is protected"),
        (rule(r#"{"rename":"host","to":"x-b"}"#), "sse.request_headers[1].rename", "is protected"),
        (rule(r#"{"rename":"x-a","to":"host"}"#), "sse.request_headers[1].to", "is protected"),
        // Values.
        (value(""), "sse.request_headers[1].value", "visible ASCII"),
        (value(" a"), "sse.request_headers[1].value", "spaces only between"),
        (value("a\\r\\nx: y"), "sse.request_headers[1].value", "visible ASCII"),
        (value("é"), "sse.request_headers[1].value", "visible ASCII"),
        (value(&long), "sse.request_headers[1].value", "1 to 4096 characters"),
        (value("{toll}"), "sse.request_headers[1].value", "\"{toll}\" is unknown: one of {agent}"),
        (value("{}"), "sse.request_headers[1].value", "\"{}\" is unknown"),
        (value("{tool"), "sse.request_headers[1].value", "single brace"),
        (value("tool}"), "sse.request_headers[1].value", "single brace"),
        // The endpoint.
        (r#"{"endpoint":{}}"#.to_owned(), "sse.endpoint", "either a prefix or a base"),
        (r#"{"endpoint":{"prefix":"a"}}"#.to_owned(), "sse.endpoint.prefix", "must be a path"),
        (r#"{"endpoint":{"base":"/a"}}"#.to_owned(), "sse.endpoint.base", "must be a URL"),
    ];
    for (text, path, words) in cases {
        let error = problem(&text, &ALL, Predecessor::Auth);
        assert_eq!(error.path, path, "{text}: {error}");
        assert!(error.problem.contains(words), "{text}: {error}");
    }
    let error = plan(br#"{"quota":{}}"#, &ALL).expect_err("another filter's");
    assert!(error.problem.contains("expected one of `admission`, `telemetry`, `sse`"), "{error}");
}

#[test]
fn what_the_filters_before_tell_nobody_tells_without_them() {
    for name in ["tenant", "principal", "session"] {
        let text = format!(r#"{{"response_headers":[{{"append":"x-a","value":"a{{{name}}}"}}]}}"#);
        let error = problem(&text, &ALL, Predecessor::None);
        assert_eq!(error.path, "sse.response_headers[0].value");
        assert!(
            error.problem.starts_with(&format!("{{{name}}} is known where auth is")),
            "{error}"
        );
    }
    let known = br#"{"sse":{"request_headers":[
        {"set":"x-a","value":"{tool}{method}{era}{agent}"},{"set":"x-b","value":"{{tenant}}"}]}}"#;
    assert!(plan(known, &ALL).is_ok());
}

#[test]
fn a_host_that_cannot_change_bodies_leaves_the_endpoint_as_it_is() {
    let text = r#"{"endpoint":{"prefix":"/servers/a"}}"#;
    let error = problem(text, &APISIX, Predecessor::Auth);
    assert_eq!(error.path, "sse.endpoint");
    assert!(error.problem.contains("cannot change"), "{error}");
    assert!(plan(format!(r#"{{"sse":{text}}}"#).as_bytes(), &ALL).is_ok());
}

#[test]
fn a_host_that_cannot_change_bodies_leaves_messages_as_they_are() {
    let both = br#"{"sse":{"trace_context":"both"}}"#;
    assert_eq!(plan(both, &ALL).expect("valid").notices, [""; 0]);
    let notices = plan(both, &APISIX).expect("valid").notices;
    assert!(notices.concat().starts_with("sse.trace_context: this host cannot"), "{notices:?}");
    for quiet in ["off", "to_headers"] {
        let text = format!(r#"{{"sse":{{"trace_context":"{quiet}"}}}}"#);
        assert_eq!(plan(text.as_bytes(), &APISIX).expect("valid").notices, [""; 0]);
    }
}

#[test]
fn a_host_without_metrics_is_said_to_have_none() {
    let measured = br#"{"sse":{"measure":true}}"#;
    assert_eq!(plan(measured, &ALL).expect("valid").notices, [""; 0]);
    assert_eq!(plan(measured, &APISIX).expect("valid").notices.len(), 1);
    assert_eq!(plan(b"{}", &APISIX).expect("valid").notices, [""; 0]);
}
