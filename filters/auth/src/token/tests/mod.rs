//! Attacks on tokens, by the part they aim at. Every token is validly signed unless the test is
//! about that, so that only the check in question stands between it and the server.

mod claims;
mod form;
mod header;
mod settings;
mod signature;

use mcp_rfc_keys::RfcKey;
use serde_json::{Value, json};

use super::{Claims, IssuerRules, IssuerSettings, Reject, Token, verify};
use crate::keys::{KeySet, Origin};

const NOW: u64 = 1_800_000_000;

const HEADER: &str = r#"{"alg":"EdDSA","kid":"ed","typ":"at+jwt"}"#;

/// An issuer that may use every algorithm, those with shared secrets included.
fn settings() -> IssuerSettings {
    let mut settings = IssuerSettings {
        issuer: "https://as.example".into(),
        audiences: vec!["https://mcp.example/mcp".into(), "mcp".into()],
        ..IssuerSettings::default()
    };
    settings.algorithms.extend(["HS256", "HS384", "HS512"].map(str::to_owned));
    settings
}

fn rules() -> IssuerRules {
    IssuerRules::try_from(settings()).expect("valid")
}

/// One key of each kind.
fn keys() -> KeySet {
    let keys = [
        RfcKey::rsa().jwk_with(r#""kid":"rsa""#),
        RfcKey::p256().jwk_with(r#""kid":"p256""#),
        RfcKey::p384().jwk_with(r#""kid":"p384""#),
        RfcKey::ed25519().jwk_with(r#""kid":"ed""#),
        RfcKey::hmac().jwk_with(r#""kid":"hmac""#),
    ];
    set(&keys)
}

fn set(keys: &[String]) -> KeySet {
    let text = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let (set, skipped) = KeySet::parse(text.as_bytes(), Origin::Inline).expect("a key set");
    assert_eq!(skipped, []);
    set
}

/// Claims that are accepted.
fn good() -> Value {
    json!({
        "iss": "https://as.example",
        "aud": "https://mcp.example/mcp",
        "sub": "alice",
        "client_id": "agent",
        "exp": NOW + 600,
        "iat": NOW - 10,
        "scope": "mcp:tools mcp:read",
    })
}

/// Claims that are accepted but for one.
fn with(claim: &str, value: Value) -> String {
    let mut claims = good();
    claims[claim] = value;
    claims.to_string()
}

fn without(claim: &str) -> String {
    let mut claims = good();
    claims.as_object_mut().and_then(|claims| claims.remove(claim)).expect("it was there");
    claims.to_string()
}

fn sign(header: &[u8], claims: &[u8]) -> String {
    RfcKey::ed25519().sign(jsonwebtoken::Algorithm::EdDSA, header, claims)
}

fn judge(token: &str) -> Result<Claims, Reject> {
    judge_with(token, &rules(), &keys(), NOW)
}

fn judge_with(token: &str, rules: &IssuerRules, keys: &KeySet, now: u64) -> Result<Claims, Reject> {
    verify(&Token::parse(token.as_bytes())?, rules, keys, now)
}
