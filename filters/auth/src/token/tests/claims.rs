//! Claims of the wrong type, value, time or number.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::token::ClaimPath;

fn judge_claims(claims: &str) -> Result<Claims, Reject> {
    judge(&sign(HEADER.as_bytes(), claims.as_bytes()))
}

#[test]
fn a_claim_has_its_type_and_value() {
    let thumbprint = "A".repeat(43);
    let cases = [
        (without("iss"), Reject::Issuer),
        (with("iss", json!(["https://as.example"])), Reject::Issuer),
        (with("iss", json!({"0": "https://as.example"})), Reject::Issuer),
        (with("iss", json!("https://as.example/")), Reject::Issuer),
        (with("iss", json!("https://AS.example")), Reject::Issuer),
        (with("iss", json!("https://as.example\0")), Reject::Issuer),
        (with("iss", json!("")), Reject::Issuer),
        (with("iss", json!(null)), Reject::Issuer),
        (without("aud"), Reject::AudienceMalformed),
        (with("aud", json!(null)), Reject::AudienceMalformed),
        (with("aud", json!(1)), Reject::AudienceMalformed),
        (with("aud", json!({"a": "mcp"})), Reject::AudienceMalformed),
        (with("aud", json!(["mcp", 1])), Reject::AudienceMalformed),
        (with("aud", json!(["mcp", ["mcp"]])), Reject::AudienceMalformed),
        (with("aud", json!([["mcp"]])), Reject::AudienceMalformed),
        (with("aud", json!([])), Reject::Audience),
        (with("aud", json!("")), Reject::Audience),
        (with("aud", json!("https://other.example/mcp")), Reject::Audience),
        (with("aud", json!(["https://other.example/mcp", "other"])), Reject::Audience),
        (with("aud", json!("MCP")), Reject::Audience),
        (with("aud", json!("mcp/")), Reject::Audience),
        (with("aud", json!("mcp other")), Reject::Audience),
        (without("exp"), Reject::ExpiryMalformed),
        (with("exp", json!(null)), Reject::ExpiryMalformed),
        (with("exp", json!((NOW + 600).to_string())), Reject::ExpiryMalformed),
        (with("exp", json!(-1)), Reject::ExpiryMalformed),
        (with("exp", json!(1e300)), Reject::ExpiryMalformed),
        (with("exp", json!(1_800_000_600.5)), Reject::ExpiryMalformed),
        (with("exp", json!([NOW + 600])), Reject::ExpiryMalformed),
        (with("exp", json!(true)), Reject::ExpiryMalformed),
        (with("exp", json!(u64::MAX)), Reject::Lifetime),
        (with("exp", json!(0)), Reject::Expired),
        (with("nbf", json!("0")), Reject::NotBeforeMalformed),
        (with("nbf", json!(null)), Reject::NotBeforeMalformed),
        (with("nbf", json!(-1)), Reject::NotBeforeMalformed),
        (with("nbf", json!(u64::MAX)), Reject::NotYetValid),
        (with("iat", json!("0")), Reject::IssuedAtMalformed),
        (with("iat", json!(null)), Reject::IssuedAtMalformed),
        (with("iat", json!(1.5)), Reject::IssuedAtMalformed),
        (with("iat", json!(u64::MAX)), Reject::IssuedInFuture),
        (with("iat", json!(0)), Reject::Lifetime),
        (with("sub", json!(1)), Reject::Subject),
        (with("sub", json!("")), Reject::Subject),
        (with("sub", json!(null)), Reject::Subject),
        (with("sub", json!(["alice"])), Reject::Subject),
        (with("client_id", json!(1)), Reject::Client),
        (with("client_id", json!("")), Reject::Client),
        (with("client_id", json!({})), Reject::Client),
        (with("scope", json!(1)), Reject::Scope),
        (with("scope", json!(null)), Reject::Scope),
        (with("scope", json!(["mcp:tools"])), Reject::Scope),
        (with("scope", json!("a\tb")), Reject::Scope),
        (with("scope", json!("a\nb")), Reject::Scope),
        (with("scope", json!("a\"b")), Reject::Scope),
        (with("scope", json!("a\\b")), Reject::Scope),
        (with("scope", json!("ä")), Reject::Scope),
        (with("cnf", json!({"jkt": thumbprint})), Reject::SenderConstrained),
        (
            with("cnf", json!({"jkt": thumbprint, "x5t#S256": thumbprint})),
            Reject::SenderConstrained,
        ),
        (with("cnf", json!({"jwk": {}})), Reject::SenderConstrained),
        (with("cnf", json!({"kid": "a"})), Reject::SenderConstrained),
        (with("cnf", json!({})), Reject::Confirmation),
        (with("cnf", json!(null)), Reject::Confirmation),
        (with("cnf", json!("jkt")), Reject::Confirmation),
        (with("cnf", json!([])), Reject::Confirmation),
        (with("cnf", json!({"x5t#S256": 1})), Reject::Confirmation),
        (with("cnf", json!({"x5t#S256": "AAAA"})), Reject::Confirmation),
        (with("cnf", json!({"x5t#S256": "A".repeat(44)})), Reject::Confirmation),
        (with("cnf", json!({"x5t#S256": format!("{thumbprint}=")})), Reject::Confirmation),
    ];
    for (claims, reject) in cases {
        assert_eq!(judge_claims(&claims), Err(reject), "{claims}");
    }
}

#[test]
fn claims_mean_one_thing_or_nothing() {
    let claims = good().to_string();
    let and = |member: &str| claims.replacen('{', &format!("{{{member},"), 1);
    let cases = [
        and(r#""scope":"admin""#),
        and(r#""exp":1"#),
        and(r#""iss":"https://as.example""#),
        and(r#""\u0073ub":"bob""#),
        and(r#""x":1,"x":1"#),
        and(r#""org":{"id":"a","id":"b"}"#),
        and(r#""x":[{"y":{"z":1,"z":2}}]"#),
        and(&format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200))),
        format!("[{claims}]"),
        format!("{claims}{claims}"),
        format!("{claims},"),
        format!("\u{feff}{claims}"),
        claims.replace("alice", "\\ud800"),
        String::new(),
        "{".into(),
        "null".into(),
        "eyJhbGciOiJub25lIn0.e30.".into(),
    ];
    for claims in cases {
        assert_eq!(judge_claims(&claims), Err(Reject::Claims), "{claims:.120}");
    }
    let not_utf8 = claims.replace("alice", "\u{1}").into_bytes();
    let not_utf8: Vec<u8> = not_utf8.into_iter().map(|b| if b == 1 { 0xff } else { b }).collect();
    assert_eq!(judge(&sign(HEADER.as_bytes(), &not_utf8)), Err(Reject::Claims));
}

#[test]
fn an_audience_may_be_written_in_several_ways() {
    let cases = [
        json!("https://mcp.example/mcp/"),
        json!("HTTPS://MCP.Example/mcp"),
        json!(["https://mcp.example/mcp"]),
        json!(["other", "https://mcp.example/mcp"]),
        json!(["mcp", "mcp"]),
        json!("mcp"),
    ];
    for audience in cases {
        assert!(judge_claims(&with("aud", audience.clone())).is_ok(), "{audience}");
    }
}

#[test]
fn times_are_right_to_the_second() {
    let token = |claims: Value| {
        let mut all = good();
        all.as_object_mut().expect("an object").extend(claims.as_object().expect("one").clone());
        sign(HEADER.as_bytes(), all.to_string().as_bytes())
    };
    let rules = |skew, lifetime| {
        let mut settings = settings();
        settings.clock_skew = Duration::from_secs(skew);
        settings.max_lifetime = Duration::from_secs(lifetime);
        IssuerRules::try_from(settings).expect("valid")
    };
    let day = 24 * 60 * 60;
    let cases = [
        (json!({"exp": NOW + 1}), 0, day, None),
        (json!({"exp": NOW}), 0, day, Some(Reject::Expired)),
        (json!({"exp": NOW - 29}), 30, day, None),
        (json!({"exp": NOW - 30}), 30, day, Some(Reject::Expired)),
        (json!({"exp": NOW - 59}), 60, day, None),
        (json!({"exp": NOW - 60}), 60, day, Some(Reject::Expired)),
        (json!({"nbf": NOW}), 0, day, None),
        (json!({"nbf": NOW + 1}), 0, day, Some(Reject::NotYetValid)),
        (json!({"nbf": NOW + 30}), 30, day, None),
        (json!({"nbf": NOW + 31}), 30, day, Some(Reject::NotYetValid)),
        (json!({"iat": NOW}), 0, day, None),
        (json!({"iat": NOW + 1}), 0, day, Some(Reject::IssuedInFuture)),
        (json!({"iat": NOW + 30}), 30, day, None),
        (json!({"iat": NOW + 31}), 30, day, Some(Reject::IssuedInFuture)),
        (json!({"iat": NOW - 10, "exp": NOW + 90}), 0, 100, None),
        (json!({"iat": NOW - 10, "exp": NOW + 91}), 0, 100, Some(Reject::Lifetime)),
        (json!({"iat": NOW + 30, "exp": NOW + 10}), 30, 100, None),
    ];
    for (claims, skew, lifetime, reject) in cases {
        let verdict = judge_with(&token(claims.clone()), &rules(skew, lifetime), &keys(), NOW);
        assert_eq!(verdict.err(), reject, "{claims} {skew} {lifetime}");
    }
    // Without `iat` what is left counts.
    for (left, reject) in [(100, None), (101, Some(Reject::Lifetime))] {
        let mut claims = good();
        claims.as_object_mut().and_then(|claims| claims.remove("iat")).expect("it was there");
        claims["exp"] = json!(NOW + left);
        let token = sign(HEADER.as_bytes(), claims.to_string().as_bytes());
        assert_eq!(judge_with(&token, &rules(0, 100), &keys(), NOW).err(), reject, "{left}");
    }
}

/// A point in time at either end of what there is, or around [`NOW`].
fn instant() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_000_u64, NOW - 100_000..NOW + 100_000, u64::MAX - 100_000..=u64::MAX]
}

proptest! {
    #[test]
    fn no_clock_makes_a_token_valid_outside_its_time(
        now in instant(),
        expires in instant(),
        issued in instant(),
        start in instant(),
    ) {
        let mut claims = good();
        claims["exp"] = json!(expires);
        claims["iat"] = json!(issued);
        claims["nbf"] = json!(start);
        let token = sign(HEADER.as_bytes(), claims.to_string().as_bytes());
        let [now, expires, issued, start] = [now, expires, issued, start].map(i128::from);
        let soon = now + 30;
        let valid = now < expires + 30 && issued <= soon && start <= soon;
        let verdict = judge_with(&token, &rules(), &keys(), u64::try_from(now).expect("it was"));
        prop_assert_eq!(verdict.is_ok(), valid && expires - issued <= 24 * 60 * 60);
    }
}

#[test]
fn who_calls_is_read_of_either_claim() {
    let cases: [(Value, Option<&str>, Option<&str>); 5] = [
        (
            json!({"sub": "alice", "client_id": "agent", "azp": "other"}),
            Some("alice"),
            Some("agent"),
        ),
        (json!({"sub": "alice", "azp": "other"}), Some("alice"), Some("other")),
        (json!({"sub": "alice"}), Some("alice"), None),
        (
            json!({"client_id": "https://agent.example/id.json"}),
            None,
            Some("https://agent.example/id.json"),
        ),
        (json!({"azp": "agent"}), None, Some("agent")),
    ];
    for (who, subject, client) in cases {
        let mut claims = good();
        let members = claims.as_object_mut().expect("an object");
        members.retain(|name, _| name != "sub" && name != "client_id");
        members.extend(who.as_object().expect("an object").clone());
        let claims = judge_claims(&claims.to_string()).expect("valid");
        assert_eq!((claims.subject(), claims.client()), (subject, client), "{who}");
    }
    let mut nobody = good();
    nobody.as_object_mut().expect("one").retain(|name, _| name != "sub" && name != "client_id");
    assert_eq!(judge_claims(&nobody.to_string()), Err(Reject::Nobody));
    nobody["azp"] = json!(7);
    assert_eq!(judge_claims(&nobody.to_string()), Err(Reject::Client));
}

#[test]
fn scopes_come_in_three_shapes() {
    let cases: [(Value, &[&str]); 7] = [
        (json!({"scope": "a b:c"}), &["a", "b:c"]),
        (json!({"scope": " a  b "}), &["a", "b"]),
        (json!({"scope": ""}), &[]),
        (json!({"scp": "a b"}), &["a", "b"]),
        (json!({"scp": ["a", "b"]}), &["a", "b"]),
        (json!({"scope": "a", "scp": ["b"]}), &["a"]),
        (json!({}), &[]),
    ];
    for (scopes, expected) in cases {
        let mut claims = good();
        let members = claims.as_object_mut().expect("an object");
        members.remove("scope");
        members.extend(scopes.as_object().expect("an object").clone());
        let claims = judge_claims(&claims.to_string()).expect("valid");
        assert_eq!(claims.scopes(), expected, "{scopes}");
    }
    for scp in [json!(["a b"]), json!([""]), json!([1]), json!({}), json!(null), json!("a\u{7f}")] {
        let mut claims = good();
        claims.as_object_mut().and_then(|claims| claims.remove("scope")).expect("it was there");
        claims["scp"] = scp.clone();
        assert_eq!(judge_claims(&claims.to_string()), Err(Reject::Scope), "{scp}");
    }
}

#[test]
fn what_was_verified_can_be_asked_for() {
    let mut claims = good();
    claims["org"] = json!({"id": "acme", "unit": {"id": 7}});
    claims["https://acme.example/tenant.id"] = json!("acme");
    claims["cnf"] = json!({"x5t#S256": "A".repeat(43)});
    let claims = judge_claims(&claims.to_string()).expect("valid");
    assert_eq!(claims.issuer(), "https://as.example");
    assert_eq!(claims.expires_at(), NOW + 600);
    assert_eq!(claims.certificate(), Some(&[0; 32]));
    let cases = [
        ("org.id", Some(json!("acme"))),
        ("org.unit.id", Some(json!(7))),
        ("sub", Some(json!("alice"))),
        ("https://acme.example/tenant.id", Some(json!("acme"))),
        ("org.id.more", None),
        ("org.0", None),
        ("Org.id", None),
    ];
    for (path, value) in cases {
        let path = ClaimPath::parse(path).expect("a path");
        assert_eq!(claims.get(&path), value.as_ref(), "{path:?}");
    }
    assert_eq!(judge_claims(&good().to_string()).expect("valid").certificate(), None);
}

#[test]
fn a_required_claim_is_there_and_not_null() {
    let mut settings = settings();
    settings.required_claims = vec!["sub".into(), "org.id".into()];
    let strict = IssuerRules::try_from(settings).expect("valid");
    let cases = [
        (json!({"id": "acme"}), None),
        (json!({"id": false}), None),
        (json!({"id": null}), Some(Reject::RequiredClaim)),
        (json!({"ID": "acme"}), Some(Reject::RequiredClaim)),
        (json!("acme"), Some(Reject::RequiredClaim)),
    ];
    for (org, reject) in cases {
        let token = sign(HEADER.as_bytes(), with("org", org.clone()).as_bytes());
        assert_eq!(judge_with(&token, &strict, &keys(), NOW).err(), reject, "{org}");
    }
}
