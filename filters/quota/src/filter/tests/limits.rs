//! Who is counted, and until when.

use super::*;

#[test]
fn a_limit_allows_as_much_as_it_says_to_each_subject() {
    let mut gateway = Gateway::new(json!({"limits": [requests(3)]}));
    let call = tool("search", "{}");
    assert_eq!(gateway.passing(5, ANA, &call), 3);
    assert_eq!(gateway.passing(5, BEN, &call), 3);
    gateway.world.now += 60_000;
    assert_eq!(gateway.passing(5, ANA, &call), 3);
    let count = |gateway: &mut Gateway, outcome: &str| {
        gateway.counted(&format!("mcp_quota_calls.limit.calls.outcome.{outcome}"))
    };
    assert_eq!((count(&mut gateway, "allowed"), count(&mut gateway, "refused")), (9, 6));
    assert_eq!(gateway.world.gauges.get("mcp_quota_remaining.limit.calls.rank.1"), Some(&0));
}

#[test]
fn a_refusal_has_the_shape_that_is_asked_for_and_says_how_long() {
    let policy = r#""calls";q=1;w=60;qu="requests""#;
    for (denial, status) in [("tool_error", 200), ("jsonrpc", 200), ("http", 429)] {
        let mut gateway = Gateway::new(json!({"limits": [requests(1)], "denial": denial}));
        gateway.world.now += 23_500;
        let call = tool("search", "{}");
        assert!(gateway.exchange(ANA, &call, "{}"));
        let reply = gateway.refused(ANA, &call);
        assert_eq!(reply.status, status, "{denial}");
        assert_eq!(header(&reply, "retry-after"), Some("37"));
        assert_eq!(header(&reply, "ratelimit-policy"), Some(policy));
        assert_eq!(header(&reply, "ratelimit"), Some(r#""calls";r=0;t=37"#));
        let body = body(&reply);
        assert_eq!(body["id"], "ab");
        let words = "Quota exceeded: calls allows 1 requests within 60 s. Retry in 37 seconds.";
        if denial == "tool_error" {
            assert_eq!(body["result"]["content"][0]["text"], words);
            assert_eq!(body["result"]["isError"], true);
        } else {
            assert_eq!(body["error"]["message"], words);
            assert_eq!(body["error"]["code"], 42900);
            let data = json!({"policy": "calls", "unit": "requests", "limit": 1, "remaining": 0,
                "window": "60s", "retryAfterSeconds": 37});
            assert_eq!(body["error"]["data"], data);
        }
        // What is no tool's call has no tool's result.
        let reply = gateway.refused(ANA, LIST);
        assert!(super::body(&reply)["error"].is_object(), "{denial}");
    }
}

#[test]
fn what_one_limit_refuses_is_charged_to_none() {
    let total = json!({"name": "total", "key": ["tenant"], "unit": "requests", "limit": 10,
        "window": "1h"});
    let quota = json!({"limits": [total, requests(2)], "remaining_headers": true});
    let mut gateway = Gateway::new(quota);
    assert_eq!(gateway.passing(5, ANA, LIST), 2);
    // The look itself takes one, and gives it back.
    assert_eq!(gateway.remaining(BEN, "total"), 7);
    assert_eq!(gateway.remaining(BEN, "total"), 7);
}

#[test]
fn opening_sessions_and_finding_out_are_never_refused() {
    let mut gateway = Gateway::new(json!({"limits": [requests(1)]}));
    assert_eq!(gateway.passing(2, ANA, LIST), 1);
    for rest in [
        r#""id":1,"method":"initialize","params":{}"#,
        r#""id":1,"method":"server/discover""#,
        r#""method":"notifications/initialized""#,
        r#""id":1,"result":{}"#,
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0",{rest}}}"#);
        assert_eq!(gateway.passing(3, ANA, &message), 3, "{rest}");
    }
    assert_eq!(gateway.passing(1, ANA, LIST), 0);
}

#[test]
fn a_flood_guard_covers_whatever_is_sent_and_answers_by_status() {
    let mut gateway = Gateway::new(json!({"flood_guard": {"limit": 5, "window": "10s"}}));
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    assert_eq!(gateway.passing(7, ANA, notification), 5);
    let reply = gateway.refused(ANA, notification);
    assert_eq!((reply.status, reply.body.len()), (429, 0));
    assert!(header(&reply, "retry-after").is_some());
    let reply = gateway.refused(ANA, &tool("search", "{}"));
    assert_eq!((reply.status, &body(&reply)["id"]), (429, &json!("ab")));
    assert_eq!(gateway.passing(1, BEN, notification), 1);
}

#[test]
fn a_limit_is_about_what_it_matches() {
    let limit = json!({"name": "searches", "key": ["principal", "tool"], "unit": "requests",
        "limit": 1, "window": "1m",
        "match": {"methods": ["tools/call"], "names": ["search*"], "tenants": ["ac*"]}});
    let mut gateway = Gateway::new(json!({"limits": [limit]}));
    assert_eq!(gateway.passing(3, ANA, &tool("search_web", "{}")), 1);
    assert_eq!(gateway.passing(3, ANA, &tool("search_mail", "{}")), 1);
    assert_eq!(gateway.passing(3, ANA, &tool("send", "{}")), 3);
    assert_eq!(gateway.passing(3, ANA, LIST), 3);
    let other = Caller { tenant: "other", ..ANA };
    assert_eq!(gateway.passing(3, other, &tool("search_web", "{}")), 3);
}

#[test]
fn a_tenant_may_have_a_limit_of_its_own() {
    let mut limit = requests(1);
    limit["overrides"] = json!([{"tenants": ["acme"], "limit": "3"}]);
    let mut gateway = Gateway::new(json!({"limits": [limit]}));
    assert_eq!(gateway.passing(5, ANA, LIST), 3);
    assert_eq!(gateway.passing(5, Caller { tenant: "other", ..BEN }, LIST), 1);
}

#[test]
fn a_bucket_holds_what_flows_in_unless_it_says_so() {
    for (burst, passing) in [(Value::Null, 2), (7.into(), 7)] {
        let mut limit = requests(5);
        limit["algorithm"] = "token_bucket".into();
        limit["overrides"] = json!([{"tenants": ["acme"], "limit": 2}]);
        if !burst.is_null() {
            limit["burst"] = burst;
        }
        let mut gateway = Gateway::new(json!({"limits": [limit]}));
        assert_eq!(gateway.passing(9, ANA, LIST), passing);
    }
}

#[test]
fn a_session_has_its_share_and_more_sessions_have_no_more() {
    let burst = json!({"name": "burst", "key": ["session"], "unit": "requests", "limit": 2,
        "window": "1m", "algorithm": "token_bucket"});
    let mut gateway = Gateway::new(json!({"limits": [requests(5), burst]}));
    let session = |session| Caller { session: Some(session), ..ANA };
    assert_eq!(gateway.passing(3, session("one"), LIST), 2);
    assert_eq!(gateway.passing(3, session("two"), LIST), 2);
    assert_eq!(gateway.passing(3, session("three"), LIST), 1);
    assert_eq!(gateway.passing(3, session("four"), LIST), 0);
    // Where there is no session, its limit has nothing to say.
    assert_eq!(gateway.passing(5, BEN, LIST), 5);
}

#[test]
fn a_limit_in_shadow_refuses_nothing_and_says_what_it_would() {
    let mut limit = requests(2);
    limit["shadow"] = true.into();
    let mut gateway = Gateway::new(json!({"limits": [limit]}));
    assert_eq!(gateway.passing(5, ANA, LIST), 5);
    assert_eq!(gateway.counted("mcp_quota_calls.limit.calls.outcome.would_refuse"), 3);
    assert_eq!(gateway.counted("mcp_quota_calls.limit.calls.outcome.allowed"), 2);
}

#[test]
fn calls_in_flight_and_streams_are_counted_until_they_end() {
    let limit = json!({"name": "open", "key": ["principal"], "unit": "concurrent", "limit": 2});
    let mut gateway = Gateway::new(json!({"limits": [limit]}));
    let mut call = gateway.call(ANA, LIST).expect("the first");
    let mut stream = gateway.call(ANA, "").expect("the second");
    let words = "Quota exceeded: open allows 2 concurrent at the same time.";
    assert_eq!(body(&gateway.refused(ANA, LIST))["error"]["message"], words);
    assert_eq!(gateway.refused(ANA, "").status, 429);
    gateway.answer(&mut call, &Answer(200, JSON), &["{}"]);
    gateway.pipeline.finish(&mut call, Ending::Complete, &mut gateway.world);
    let mut third = gateway.call(ANA, LIST).expect("there is room again");
    for exchange in [&mut stream, &mut third] {
        gateway.pipeline.finish(exchange, Ending::Cut, &mut gateway.world);
    }
    assert_eq!(gateway.passing(2, ANA, LIST), 2);
}

#[test]
fn a_host_without_shared_data_counts_in_each_worker_what_is_its_share() {
    let capabilities = Capabilities { shared_data: false, ..Capabilities::ALL };
    let mut gateway = Gateway::with(json!({"limits": [requests(10)], "workers": 4}), capabilities);
    assert_eq!(gateway.passing(9, ANA, LIST), 3);
}

#[test]
fn what_cannot_be_counted_is_refused_or_not_as_configured() {
    for (policy, passing) in [("allow", 40), ("deny", 12)] {
        let quota = json!({"limits": [requests(9)], "max_subjects": 1, "on_store_failure": policy});
        let mut gateway = Gateway::new(quota);
        let names: Vec<String> = (0..40).map(|name| format!("user{name}")).collect();
        let callers = names.iter().map(|name| Caller { name, ..ANA });
        let passed = callers.filter(|caller| gateway.exchange(*caller, LIST, "{}")).count();
        assert_eq!(passed, passing, "{policy}");
        if let Err(reply) = gateway.call(Caller { name: "one more", ..ANA }, LIST) {
            assert_eq!((policy, header(&reply, "retry-after")), ("deny", Some("1")));
        }
    }
}
