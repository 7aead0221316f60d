//! What is a limit and what is not, and who is told apart by a key.

use mcp_core::config::{ConfigError, Section};
use mcp_core::edit::HeaderName;
use serde_json::{Value, json};

use super::key::Part;
use super::*;

#[derive(Debug, Deserialize)]
struct Example {
    limits: Vec<Section<LimitConfig>>,
}

const fn scope(workers: u64) -> Scope<'static> {
    Scope { namespace: "", owner: None, workers }
}

fn build(limits: Value) -> Result<Limits, ConfigError> {
    let text = json!({"limits": limits}).to_string();
    Limits::build(mcp_core::config::parse::<Example>(text.as_bytes())?.limits, |_| scope(1))
}

fn limit(more: Value) -> Value {
    let mut limit =
        json!({"name": "a", "key": ["tenant"], "unit": "tokens", "limit": 100, "window": "1h"});
    for (key, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => drop(limit.as_object_mut().expect("an object").remove(key)),
            value => limit[key] = value.clone(),
        }
    }
    limit
}

#[test]
fn a_wrong_limit_is_named_with_what_is_allowed() {
    let cases = [
        (json!({"name": ""}), "name", "letters"),
        (json!({"name": "a b"}), "name", "letters"),
        (json!({"key": []}), "key", "1 to 8"),
        (json!({"key": ["tenant", "tenant"]}), "key", "none twice"),
        (json!({"key": ["user"]}), "key[0]", "\"principal\""),
        (json!({"key": ["header:a b"]}), "key[0]", "header:NAME"),
        (json!({"unit": "apples"}), "unit", "expected one of"),
        (json!({"limit": 0}), "limit", "between 1"),
        (json!({"limit": -1}), "limit", "whole number"),
        (json!({"limit": 1.5}), "limit", "whole number"),
        (json!({"limit": "many"}), "limit", "whole number"),
        (json!({"limit": 9_007_199_254_740_993_u64}), "limit", "between 1"),
        (json!({"window": null}), "window", "required"),
        (json!({"window": "10ms"}), "window", "between"),
        (json!({"window": "33days"}), "window", "between"),
        (json!({"burst": 5}), "burst", "token_bucket"),
        (json!({"reserve": 101}), "reserve", "more than the limit"),
        (json!({"unit": "requests", "reserve": 5}), "reserve", "answer"),
        (json!({"unit": "requests", "hard": true}), "hard", "answer"),
        (json!({"hard": true, "shadow": true}), "hard", "shadow"),
        (json!({"unit": "concurrent", "algorithm": "token_bucket"}), "algorithm", "concurrent"),
        (json!({"match": {"tools": ["a"]}}), "match", "unknown field"),
        (json!({"colour": 1}), "colour", "unknown field"),
    ];
    for (more, key, problem) in cases {
        let error = build(json!([limit(more.clone())])).expect_err(key);
        assert!(error.path.starts_with(&format!("limits[0].{key}")), "{more}: {error}");
        assert!(error.problem.contains(problem), "{more}: {error}");
    }
    let twice = build(json!([limit(json!({})), limit(json!({}))])).expect_err("the same name");
    assert_eq!(twice.path, "limits[1].name");
    let guard = build(json!([limit(json!({"name": "flood_guard"}))])).expect_err("the guard's");
    assert_eq!(guard.path, "limits[0].name");
}

#[test]
fn whoever_can_make_up_subjects_needs_a_limit_that_he_cannot() {
    let session = |more: Value| {
        let mut limit = limit(json!({"name": "s", "key": ["session"]}));
        for (key, value) in more.as_object().expect("an object") {
            limit[key] = value.clone();
        }
        limit
    };
    let matching = json!({"match": {"methods": ["tools/call"]}});
    let cases = [
        (json!([session(json!({}))]), false),
        (json!([session(json!({"key": ["principal", "session"]}))]), false),
        (json!([session(json!({"key": ["header:x-user"]}))]), false),
        (json!([limit(json!({})), session(json!({}))]), true),
        (json!([session(json!({})), limit(json!({"key": ["ip"]}))]), true),
        (json!([session(json!({})), limit(json!({"key": ["principal", "tool"]}))]), true),
        (json!([session(json!({})), limit(json!({"key": ["tool"]}))]), false),
        (json!([session(json!({})), limit(json!({"unit": "requests"}))]), false),
        (json!([session(json!({})), limit(json!({"shadow": true}))]), false),
        (json!([session(json!({})), limit(matching.clone())]), false),
        (json!([session(matching.clone()), limit(matching)]), true),
    ];
    for (limits, valid) in cases {
        let built = build(limits.clone());
        assert_eq!(built.is_ok(), valid, "{limits}");
        if let Err(error) = built {
            assert!(
                error.path.ends_with("].key") && error.problem.contains("principal"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_key_tells_apart_what_it_is_made_of() {
    let caller = Caller {
        principal: Some(b"ana".to_vec()),
        tenant: Some("acme".to_owned()),
        agent: Some("agent".to_owned()),
        ..Caller::default()
    };
    let header = (HeaderName::from("x-user"), b"value".to_vec());
    let who = Who {
        caller: &caller,
        session: None,
        tool: None,
        method: Some("tools/list"),
        ip: Some([192, 0, 2, 7].into()),
        headers: core::slice::from_ref(&header),
    };
    let values = |parts: &[&str], who: &Who<'_>| {
        let parts = parts.iter().map(|part| Part::try_from((*part).to_owned()).expect("a part"));
        let key = Key::new(parts.collect());
        let values = key.values(who)?;
        Some(values.iter().map(|value| value.to_vec()).collect::<Vec<_>>())
    };
    let all = ["principal", "tenant", "agent", "method", "ip", "header:X-User"];
    let text = b"principal,tenant,agent,method,ip,header:x-user";
    let expected: [&[u8]; 7] =
        [text, b"ana", b"acme", b"agent", b"tools/list", &[192, 0, 2, 7], b"value"];
    assert_eq!(values(&all, &who), Some(expected.map(<[u8]>::to_vec).to_vec()));
    // Equal values of different parts are different subjects.
    assert_ne!(values(&["principal"], &who), values(&["tenant"], &who));
    // No session and no tool: no affair of the limit. Nobody is somebody.
    assert_eq!(values(&["session"], &who), None);
    assert_eq!(values(&["tenant", "tool"], &who), None);
    let nobody = Caller::default();
    let nobody = Who { caller: &nobody, ip: None, ..who };
    assert_eq!(
        values(&["tenant", "ip"], &nobody).map(|values| values.concat()),
        Some(b"tenant,ip".to_vec())
    );
    // The half of an address that a client chooses does not count.
    let of = |text: &str| {
        values(&["ip"], &Who { ip: text.parse().ok(), ..who })
            .and_then(|values| values.get(1).cloned())
    };
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
}

#[test]
fn a_counter_outlives_other_changes_and_no_change_of_what_it_counts() {
    let counter = |more: Value| build(json!([limit(more)])).expect("valid").limits[0].counter;
    let plain = counter(json!({}));
    for same in [json!({"limit": 7}), json!({"reserve": 9}), json!({"shadow": true})] {
        assert_eq!(counter(same.clone()), plain, "{same}");
    }
    for other in [
        json!({"name": "b"}),
        json!({"key": ["principal"]}),
        json!({"unit": "requests"}),
        json!({"window": "2h"}),
        json!({"algorithm": "fixed_window"}),
    ] {
        assert_ne!(counter(other.clone()), plain, "{other}");
    }
}

#[test]
fn a_servers_own_limit_is_counted_apart_and_one_of_all_is_not() {
    let counter = |owner: Option<&'static str>| {
        let text = json!({"limits": [limit(json!({}))]}).to_string();
        let entries = mcp_core::config::parse::<Example>(text.as_bytes()).expect("valid").limits;
        let limits = Limits::build(entries, |_| Scope { owner, ..scope(1) }).expect("valid").limits;
        limits[0].counter
    };
    let one = build(json!([limit(json!({}))])).expect("valid").limits[0].counter;
    assert_eq!(counter(None), one, "as without a list");
    assert_ne!(counter(Some("a")), one);
    assert_ne!(counter(Some("a")), counter(Some("b")));
}

#[test]
fn each_worker_has_its_share_of_what_credentials_say_and_nobody_has_more_than_there_can_be() {
    let text = json!({"limits": [limit(json!({}))]}).to_string();
    let entries = mcp_core::config::parse::<Example>(text.as_bytes()).expect("valid").limits;
    let limits = Limits::build(entries, |_| scope(4)).expect("valid").limits;
    for (said, amount) in [(0, 0), (10, 3), (u64::MAX, MAX_AMOUNT / 4)] {
        let caller = Caller { limits: vec![("a".to_owned(), said)], ..Caller::default() };
        assert_eq!(limits[0].amount_for(&caller), amount, "{said}");
    }
    assert_eq!(limits[0].amount_for(&Caller::default()), 25);
}
