//! Rules that are none.

use core::time::Duration;

use super::*;
use crate::token::ClaimPath;

#[test]
fn a_wrong_setting_is_named() {
    type Change = fn(&mut IssuerSettings);
    let cases: [(Change, &str, &str); 10] = [
        (|rules| rules.issuer.clear(), "issuer", "\"iss\""),
        (|rules| rules.audiences.clear(), "audiences", "at least one"),
        (|rules| rules.audiences.push(String::new()), "audiences[2]", "empty"),
        (|rules| rules.algorithms.clear(), "algorithms", "at least one"),
        (|rules| rules.algorithms = vec!["RS256".into(), "none".into()], "algorithms[1]", "EdDSA"),
        (|rules| rules.token_types.clear(), "token_types", "at+jwt"),
        (
            |rules| rules.required_claims = vec!["a".into(), "b..c".into()],
            "required_claims[1]",
            "org.id",
        ),
        (|rules| rules.required_claims = vec![String::new()], "required_claims[0]", "org.id"),
        (|rules| rules.max_lifetime = Duration::from_millis(999), "max_lifetime", "\"1s\""),
        (|rules| rules.clock_skew = Duration::from_millis(60_001), "clock_skew", "\"60s\""),
    ];
    for (change, path, problem) in cases {
        let mut settings = settings();
        change(&mut settings);
        let error = IssuerRules::try_from(settings).expect_err(path);
        assert_eq!(error.path, path);
        assert!(error.problem.contains(problem), "{error}");
    }
}

#[test]
fn the_default_is_public_keys_only() {
    let rules = IssuerSettings {
        issuer: "https://as.example".into(),
        audiences: vec!["mcp".into()],
        ..IssuerSettings::default()
    };
    let rules = IssuerRules::try_from(rules).expect("valid");
    assert_eq!(rules.issuer(), "https://as.example");
    let claims = with("aud", json!("mcp"));
    let header = br#"{"alg":"HS256","kid":"hmac"}"#;
    let token = RfcKey::hmac().sign(jsonwebtoken::Algorithm::HS256, header, claims.as_bytes());
    assert_eq!(judge_with(&token, &rules, &keys(), NOW), Err(Reject::AlgorithmNotAllowed));
    let token = sign(HEADER.as_bytes(), claims.as_bytes());
    assert!(judge_with(&token, &rules, &keys(), NOW).is_ok());
}

#[test]
fn token_types_are_read_by_name() {
    let types: Vec<crate::token::TokenType> =
        serde_json::from_str(r#"["absent","JWT","at+jwt"]"#).expect("all of them");
    assert_eq!(types, IssuerSettings::default().token_types);
    assert!(serde_json::from_str::<crate::token::TokenType>(r#""dpop+jwt""#).is_err());
}

#[test]
fn a_claim_path_has_no_empty_part() {
    for path in ["", ".", "a.", ".a", "a..b"] {
        assert!(ClaimPath::parse(path).is_err(), "{path}");
    }
}
