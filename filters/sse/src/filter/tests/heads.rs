//! What rules and streams change in heads.

use super::*;

#[test]
fn a_rule_fills_in_what_is_known_of_the_exchange() {
    let cases = [
        ("fixed", Some("fixed")),
        ("{tenant}", Some("acme")),
        ("{principal}", Some("hash-of-ana")),
        ("{session}", Some("hash-of-session")),
        ("{agent}", Some("bot")),
        ("{tool}", Some("get_weather")),
        ("{method}", Some("tools/call")),
        ("{era}", Some("legacy")),
        ("{tenant}/{tool}?{era}", Some("acme/get_weather?legacy")),
        ("{{\\\"t\\\": \\\"{tool}\\\"}}", Some("{\"t\": \"get_weather\"}")),
    ];
    for (template, expected) in cases {
        let rule = format!(r#"{{"request_headers":[{{"set":"X-Told","value":"{template}"}}]}}"#);
        let head = Gateway::new(&rule).post(&[("x-told", "forged")], CALL);
        assert_eq!(values(&head, "x-told"), Vec::from_iter(expected), "{template}");
        let rule = rule.replace("request_headers", "response_headers");
        let head = Gateway::new(&rule).answer(&[("x-told", "server"), JSON]);
        assert_eq!(values(&head, "x-told"), Vec::from_iter(expected), "{template}");
    }
}

#[test]
fn what_is_not_known_leaves_the_header_out_and_the_clients_own_with_it() {
    let rules = |value: &str| {
        format!(
            r#"{{"request_headers":[{{"set":"X-Set","value":"{value}"}},
                {{"append":"X-Added","value":"{value}"}}]}}"#
        )
    };
    for (value, caller, body) in [
        ("{tenant}", Caller::default(), CALL),
        ("a-{principal}", Caller::default(), CALL),
        ("{session}", Caller::default(), CALL),
        ("{agent}", Caller::default(), CALL),
        ("{tenant}{tool}", ana(), r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
        (
            "{tool}",
            ana(),
            r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"x"}}"#,
        ),
        ("{tool}", ana(), r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}"#),
        ("{tenant}", Caller { tenant: Some("x".repeat(4097)), ..ana() }, CALL),
    ] {
        let mut gateway = Gateway::of(&rules(value), caller);
        let sent = [("X-Set", "forged"), ("X_Set", "forged"), ("x-added", "mine")];
        let head = gateway.post(&sent, body);
        assert_eq!(values(&head, "x-set"), [""; 0], "{value}");
        assert_eq!(values(&head, "x_set"), [""; 0], "{value}");
        assert_eq!(values(&head, "x-added"), ["mine"], "{value}");
    }
    let rule = r#"{"response_headers":[{"set":"x-a","value":"{tenant}"}]}"#;
    let head = Gateway::of(rule, Caller::default()).answer(&[("x-a", "server")]);
    assert_eq!(values(&head, "x-a"), [""; 0]);
}

#[test]
fn nothing_can_be_injected_through_a_value() {
    let rule = r#"{"request_headers":[{"set":"X-Tool","value":"t {tool}"}]}"#;
    for (name, expected) in [
        ("a\\r\\nx: y", "=?base64?dCBhDQp4OiB5?="),
        ("wetter für", "=?base64?dCB3ZXR0ZXIgZsO8cg==?="),
        ("\\u0000", "=?base64?dCAA?="),
    ] {
        let call = CALL.replace("get_weather", name);
        let head = Gateway::new(rule).post(&[], &call);
        assert_eq!(values(&head, "x-tool"), [expected], "{name}");
    }
    // Nor can a value claim to be encoded.
    let rule = r#"{"request_headers":[{"set":"X-Tool","value":"{tool}"}]}"#;
    let head = Gateway::new(rule).post(&[], &CALL.replace("get_weather", "=?base64?YQ==?="));
    assert_eq!(values(&head, "x-tool"), ["=?base64?PT9iYXNlNjQ/WVE9PT89?="]);
}

#[test]
fn rules_are_carried_out_in_their_order() {
    let rules = r#"{"request_headers":[
        {"rename":"X-Old","to":"X-New"},
        {"append":"x-list","value":"b"},
        {"set":"x-one","value":"1"},
        {"rename":"x-one","to":"x-two"},
        {"remove":"x-gone"},
        {"set":"x-back","value":"1"},
        {"remove":"x-back"}]}"#;
    let sent = [("x-old", "o"), ("x-new", "n"), ("x-list", "a"), ("X-Gone", "g"), ("X-Gone", "h")];
    let head = Gateway::new(rules).post(&sent, CALL);
    let expected = [
        ("x-old", vec![]),
        ("x-new", vec!["o"]),
        ("x-list", vec!["a", "b"]),
        ("x-one", vec![]),
        ("x-two", vec!["1"]),
        ("x-gone", vec![]),
        ("x-back", vec![]),
    ];
    for (name, expected) in expected {
        assert_eq!(values(&head, name), expected, "{name}");
    }
}

#[test]
fn the_agent_is_what_auth_says_or_else_what_the_client_says() {
    let rule = r#"{"request_headers":[{"set":"X-Agent","value":"{agent}"}]}"#;
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{
        "protocolVersion":"2025-11-25","clientInfo":{"name":"inspector"}}}"#;
    let head = Gateway::of(rule, Caller::default()).post(&[], initialize);
    assert_eq!(values(&head, "x-agent"), ["inspector"]);
    let head = Gateway::new(rule).post(&[], initialize);
    assert_eq!(values(&head, "x-agent"), ["bot"]);
}

#[test]
fn an_event_stream_is_neither_buffered_nor_stored_nor_compressed() {
    for media_type in ["text/event-stream", "Text/Event-Stream; charset=utf-8"] {
        let kept = [
            ("content-type", media_type),
            ("mcp-session-id", "s"),
            ("www-authenticate", "Bearer"),
            ("retry-after", "1"),
            ("allow", "POST"),
            (":status", "401"),
        ];
        let mut sent = kept.to_vec();
        sent.extend([("content-length", "7"), ("etag", "\"x\""), ("x-accel-buffering", "yes")]);
        let head = Gateway::new("{}").answer(&sent);
        let expected: &[Field<'_>] =
            &[("x-accel-buffering", "no"), ("cache-control", "no-cache, no-transform")];
        assert_eq!(head, apply(&[&kept[..], expected].concat(), Vec::new()), "{media_type}");
    }
}

#[test]
fn what_a_stream_needs_no_rule_changes() {
    let rules = r#"{"response_headers":[
        {"set":"cache-control","value":"public"},
        {"append":"X-Accel-Buffering","value":"yes"},
        {"rename":"x-a","to":"etag"},
        {"set":"x-rule","value":"1"}]}"#;
    let fields = [("cache-control", "no-store"), ("x-a", "a")];
    let head = Gateway::new(rules).answer(&[&fields[..], &[EVENTS]].concat());
    assert_eq!(values(&head, "cache-control"), ["no-store, no-cache, no-transform"]);
    assert_eq!(values(&head, "x-accel-buffering"), ["no"]);
    assert_eq!(values(&head, "etag"), [""; 0]);
    assert_eq!(values(&head, "x-rule"), ["1"]);
    let complete = ("cache-control", "no-transform, no-cache");
    let head = Gateway::new(rules).answer(&[complete, EVENTS]);
    assert_eq!(values(&head, "cache-control"), [complete.1]);
    let head = Gateway::new(rules).answer(&[&fields[..], &[JSON]].concat());
    assert_eq!(values(&head, "cache-control"), ["public"]);
    assert_eq!(values(&head, "etag"), ["a"]);
}

#[test]
fn other_answers_are_left_alone() {
    for media_type in ["application/json", "text/html", "text/event-streams", ""] {
        let fields = [("content-type", media_type), ("content-length", "2"), ("etag", "x")];
        assert_eq!(Gateway::new("{}").answer(&fields), apply(&fields, Vec::new()), "{media_type}");
    }
}

#[test]
fn who_may_get_a_stream_is_not_asked_for_compression() {
    let both = "application/json, text/event-stream";
    let cases: [(&[Field<'_>], bool); 6] = [
        (&[("accept", both)], true),
        (&[("accept", "Text/Event-Stream;q=0.5")], true),
        (&[("accept", "application/json"), ("accept", "text/event-stream")], true),
        (&[("accept", "application/json")], false),
        (&[("accept", "x-text/event-stream")], false),
        (&[], false),
    ];
    for (fields, removed) in cases {
        let sent = [fields, &[("accept-encoding", "gzip")]].concat();
        let head = Gateway::new("{}").post(&sent, CALL);
        assert_eq!(values(&head, "accept-encoding").is_empty(), removed, "{fields:?}");
        assert_eq!(values(&head, "accept").len(), fields.len(), "{fields:?}");
    }
}

#[test]
fn a_messages_trace_context_stands_in_the_head_unless_that_has_one() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let call = |meta: &str| {
        let meta = format!(r#""name":"x","_meta":{{{meta}}}"#);
        CALL.replace(r#""name":"get_weather""#, &meta)
    };
    let both = call(&format!(r#""traceparent":"{PARENT}","tracestate":"a=1""#));
    let alone = call(&format!(r#""traceparent":"{PARENT}""#));
    let wrong = call(r#""traceparent":"00-0-0-00","tracestate":"a=1""#);
    let odd = call(&format!(r#""traceparent":"{PARENT}","tracestate":"a=1\r\nx: y""#));
    let none: &[Field<'_>] = &[];
    let state: &[Field<'_>] = &[("tracestate", "old=1")];
    let parent: &[Field<'_>] = &[("Traceparent", "mine"), ("tracestate", "old=1")];
    let cases = [
        (&both, none, vec![PARENT], vec!["a=1"]),
        (&both, state, vec![PARENT], vec!["a=1"]),
        (&both, parent, vec!["mine"], vec!["old=1"]),
        (&alone, none, vec![PARENT], vec![]),
        (&alone, state, vec![PARENT], vec![]),
        (&wrong, state, vec![], vec!["old=1"]),
        (&odd, none, vec![PARENT], vec![]),
    ];
    for (body, fields, parents, states) in cases {
        let head = Gateway::new("{}").post(fields, body);
        assert_eq!(values(&head, "traceparent"), parents, "{body} {fields:?}");
        assert_eq!(values(&head, "tracestate"), states, "{body} {fields:?}");
    }
    let head = Gateway::new(r#"{"trace_context":"off"}"#).post(none, &both);
    assert_eq!(values(&head, "traceparent"), [""; 0]);
}

#[test]
fn a_messages_baggage_goes_its_own_way() {
    let call = |meta: &str| CALL.replace("{\"name\"", &format!(r#"{{"_meta":{{{meta}}},"name""#));
    for (meta, fields, expected) in [
        (r#""baggage":"a=1;p, b=2""#, vec![], vec!["a=1;p, b=2"]),
        (r#""baggage":"a=1""#, vec![("traceparent", "mine")], vec!["a=1"]),
        (r#""baggage":"a=1""#, vec![("baggage", "b=2")], vec!["b=2"]),
        (r#""baggage":"a b""#, vec![], vec![]),
        (r#""baggage":"a=1\r\nx: y""#, vec![], vec![]),
    ] {
        let head = Gateway::new("{}").post(&fields, &call(meta));
        assert_eq!(values(&head, "baggage"), expected, "{meta} {fields:?}");
    }
}

#[test]
fn the_heads_trace_context_stands_in_the_message_if_that_is_asked_for() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let annotated = |sse: &str, fields: &[Field<'_>], body: &str| {
        Gateway::new(sse).forward("POST", fields, body).2
    };
    let with =
        |members: &str| CALL.replace("{\"name\"", &format!(r#"{{"_meta":{{{members}}},"name""#));
    let parent = ("TraceParent", PARENT);
    let whole = [parent, ("tracestate", "a=\"1"), ("tracestate", "b=2"), ("baggage", "c=3")];
    let members = format!(r#""traceparent":"{PARENT}","tracestate":"a=\"1,b=2","baggage":"c=3""#);
    let both = r#"{"trace_context":"both"}"#;
    assert_eq!(annotated(both, &whole, CALL), Some(with(&members)));
    let members = format!(r#""traceparent":"{PARENT}""#);
    assert_eq!(annotated(both, &[parent], CALL), Some(with(&members)));
    let odd = [parent, ("tracestate", "none"), ("baggage", "none")];
    assert_eq!(annotated(both, &odd, CALL), Some(with(&members)));
    assert_eq!(annotated(both, &[("baggage", "c=3")], CALL), Some(with(r#""baggage":"c=3""#)));

    for sse in ["{}", r#"{"trace_context":"to_headers"}"#, r#"{"trace_context":"off"}"#] {
        assert_eq!(annotated(sse, &whole, CALL), None, "{sse}");
    }
    for fields in [
        &[][..],
        &[("tracestate", "a=1")],
        &[("traceparent", "00-0-0-00"), ("tracestate", "a=1")],
        &[parent, parent],
        &[parent, ("Content-Digest", "sha-256=:AA==:")],
        &[parent, ("digest", "SHA-256=AA==")],
    ] {
        assert_eq!(annotated(both, fields, CALL), None, "{fields:?}");
    }
    for body in [
        &with(r#""traceparent":"?""#),
        &with(r#""baggage":null"#),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        assert_eq!(annotated(both, &whole, body), None, "{body}");
    }
}

#[test]
fn no_body_is_observed_unless_it_is_measured_or_changed() {
    for (sse, observed) in [
        ("{}", false),
        (r#"{"response_headers":[{"set":"x-a","value":"{tool}"}]}"#, false),
        (r#"{"endpoint":{"prefix":"/a"}}"#, false),
        (r#"{"measure":true}"#, true),
    ] {
        let mut gateway = Gateway::new(sse);
        let (mut exchange, _) = gateway.send("POST", &[], CALL);
        gateway.head(&mut exchange, &Answer(&[EVENTS]));
        assert_eq!(exchange.is_observed(), observed, "{sse}");
    }
}
