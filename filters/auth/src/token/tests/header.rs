//! Headers that say too much.

use jsonwebtoken::Algorithm;

use super::*;
use crate::token::TokenType;

/// A header that is accepted, with a further member.
fn and(member: &str) -> String {
    HEADER.replacen('{', &format!("{{{member},"), 1)
}

#[test]
fn a_header_means_one_thing_or_nothing() {
    let claims = good().to_string();
    let key_id = |id: &str| format!(r#"{{"alg":"EdDSA","kid":"{id}"}}"#);
    let token_type = |name: &str| format!(r#"{{"alg":"EdDSA","kid":"ed","typ":{name}}}"#);
    let algorithm = |name: &str| format!(r#"{{"alg":{name},"kid":"ed"}}"#);
    let deep = and(&format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200)));
    let cases = [
        (algorithm(r#""none""#), Reject::Algorithm),
        (algorithm(r#""NonE""#), Reject::Algorithm),
        (algorithm(r#""NONE""#), Reject::Algorithm),
        (algorithm(r#""""#), Reject::Algorithm),
        (algorithm(r#""eddsa""#), Reject::Algorithm),
        (algorithm(r#""hs256""#), Reject::Algorithm),
        (algorithm(r#""EdDSA ""#), Reject::Algorithm),
        (algorithm(r#""ES512""#), Reject::Algorithm),
        (algorithm(r#""ES256K""#), Reject::Algorithm),
        (algorithm("null"), Reject::Algorithm),
        (algorithm("0"), Reject::Algorithm),
        (algorithm(r#"["EdDSA"]"#), Reject::Algorithm),
        (r#"{"kid":"ed"}"#.into(), Reject::Algorithm),
        (r#"{"Alg":"EdDSA","kid":"ed"}"#.into(), Reject::Algorithm),
        (and(r#""crit":["x"],"x":1"#), Reject::Critical),
        (and(r#""crit":[]"#), Reject::Critical),
        (and(r#""crit":null"#), Reject::Critical),
        (and(r#""crit":["exp"]"#), Reject::Critical),
        (and(r#""crit":["b64"],"b64":false"#), Reject::Critical),
        (and(r#""b64":false"#), Reject::UnencodedPayload),
        (and(r#""b64":true"#), Reject::UnencodedPayload),
        (and(r#""enc":"A128GCM""#), Reject::Encrypted),
        (and(r#""zip":"DEF""#), Reject::Compressed),
        (token_type(r#""dpop+jwt""#), Reject::TokenType),
        (token_type(r#""oauth-id-jag+jwt""#), Reject::TokenType),
        (token_type(r#""application/oauth-id-jag+jwt""#), Reject::TokenType),
        (token_type(r#""logout+jwt""#), Reject::TokenType),
        (token_type(r#""client-authentication+jwt""#), Reject::TokenType),
        (token_type(r#""JOSE""#), Reject::TokenType),
        (token_type(r#""text/jwt""#), Reject::TokenType),
        (token_type(r#""""#), Reject::TokenType),
        (token_type("null"), Reject::TokenType),
        (token_type("1"), Reject::TokenType),
        (key_id("../../../../dev/null"), Reject::UnknownKey),
        (key_id("https://evil.example/keys.json"), Reject::UnknownKey),
        (key_id("ed' OR '1'='1"), Reject::UnknownKey),
        (key_id("ed; true"), Reject::UnknownKey),
        (key_id("ED"), Reject::UnknownKey),
        (key_id("ed\\u0000"), Reject::UnknownKey),
        (key_id(""), Reject::UnknownKey),
        (key_id(&"k".repeat(128)), Reject::UnknownKey),
        (key_id(&"k".repeat(129)), Reject::KeyId),
        (key_id(&"k".repeat(10_000)), Reject::TooLong),
        (r#"{"alg":"EdDSA","kid":1}"#.into(), Reject::KeyId),
        (r#"{"alg":"EdDSA","kid":null}"#.into(), Reject::KeyId),
        (r#"{"alg":"EdDSA","kid":["ed"]}"#.into(), Reject::KeyId),
        (and(r#""alg":"EdDSA""#), Reject::Header),
        (and(r#""alg":"none""#), Reject::Header),
        (and(r#""\u0061lg":"none""#), Reject::Header),
        (and(r#""kid":"p256""#), Reject::Header),
        (and(r#""x":{"a":1,"a":2}"#), Reject::Header),
        (format!("[{HEADER}]"), Reject::Header),
        (format!("\u{feff}{HEADER}"), Reject::Header),
        (format!("{HEADER}{HEADER}"), Reject::Header),
        (format!("{HEADER} x"), Reject::Header),
        (deep, Reject::Header),
        (String::new(), Reject::Header),
        ("null".into(), Reject::Header),
        (r#""EdDSA""#.into(), Reject::Header),
    ];
    for (header, reject) in cases {
        let token = sign(header.as_bytes(), claims.as_bytes());
        assert_eq!(judge(&token), Err(reject), "{header:.120}");
    }
    let not_utf8 = sign(b"{\"alg\":\"EdDSA\",\"kid\":\"\xff\"}", claims.as_bytes());
    assert_eq!(judge(&not_utf8), Err(Reject::Header));
}

#[test]
fn what_does_not_matter_is_let_through() {
    let cases = [
        r#"{"alg":"EdDSA","kid":"ed"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":"\u0065d"}"#,
        r#"{"alg":"EdDSA","kid":"ed","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","kid":"ed","typ":"jwt"}"#,
        r#"{"alg":"EdDSA","kid":"ed","typ":"at+JWT"}"#,
        r#"{"alg":"EdDSA","kid":"ed","typ":"application/at+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"ed","cty":"json","x5t":"AA","nonce":{"a":[1]}}"#,
    ];
    for header in cases {
        let token = sign(header.as_bytes(), good().to_string().as_bytes());
        assert!(judge(&token).is_ok(), "{header}");
    }
}

#[test]
fn keys_in_the_header_are_not_looked_at() {
    // Signed with a key that the issuer does not have, and which the token brings along.
    let own = RfcKey::p256();
    let others = set(&[RfcKey::ed25519().jwk_with(r#""kid":"ed","alg":"EdDSA""#), {
        let p384 = RfcKey::p384();
        p384.jwk_with(r#""kid":"p384""#)
    }]);
    let claims = good().to_string();
    let places = [
        format!(r#""jwk":{}"#, own.jwk),
        r#""jku":"https://evil.example/jwks.json""#.into(),
        r#""x5u":"https://evil.example/cert.pem""#.into(),
        r#""x5c":["MIIB"]"#.into(),
    ];
    for place in places {
        let header = format!(r#"{{"alg":"ES256",{place}}}"#);
        let token = own.sign(Algorithm::ES256, header.as_bytes(), claims.as_bytes());
        assert_eq!(judge_with(&token, &rules(), &others, NOW), Err(Reject::UnknownKey), "{header}");
        // With a key of the issuer they are as if they were not there.
        assert!(judge(&sign(and(&place).as_bytes(), claims.as_bytes())).is_ok(), "{place}");
    }
}

#[test]
fn an_issuer_may_be_held_to_one_type_and_one_algorithm() {
    let mut settings = settings();
    settings.token_types = vec![TokenType::AccessToken];
    settings.algorithms = vec!["EdDSA".into()];
    let strict = IssuerRules::try_from(settings).expect("valid");
    let claims = good().to_string();
    let typed = sign(HEADER.as_bytes(), claims.as_bytes());
    let plain = sign(br#"{"alg":"EdDSA","kid":"ed","typ":"JWT"}"#, claims.as_bytes());
    let untyped = sign(br#"{"alg":"EdDSA","kid":"ed"}"#, claims.as_bytes());
    let other = RfcKey::p256().sign(
        Algorithm::ES256,
        br#"{"alg":"ES256","kid":"p256"}"#,
        claims.as_bytes(),
    );
    assert!(judge_with(&typed, &strict, &keys(), NOW).is_ok());
    for (token, reject) in [
        (plain, Reject::TokenType),
        (untyped, Reject::TokenType),
        (other, Reject::AlgorithmNotAllowed),
    ] {
        assert_eq!(judge_with(&token, &strict, &keys(), NOW), Err(reject));
    }
}
