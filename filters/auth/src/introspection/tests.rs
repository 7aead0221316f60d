//! An issuer that is asked: what is sent, what is believed of its answers, and how often.

use mcp_core::config;
use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Fetch};
use serde_json::{Value, json};

use super::*;
use crate::token::IssuerSettings;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://as.example";
const TOKEN: &[u8] = b"opaque-1._~+/==";

/// A host whose clock is turned by hand, and which keeps what it is told.
struct World {
    now: u64,
    warnings: Vec<String>,
}

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        Some(self.now)
    }

    fn warn(&mut self, problem: &str) {
        self.warnings.push(problem.to_owned());
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

fn world() -> World {
    World { now: NOW, warnings: Vec::new() }
}

fn section(changes: &Value) -> Value {
    let mut section = json!({
        "service": "as", "path": "/introspect", "client_id": "gateway 1", "client_secret": "s:p%€",
    });
    for (key, value) in changes.as_object().expect("changes") {
        section[key] = value.clone();
    }
    section
}

fn build(issuer: &str, changes: &Value, ticks: bool) -> Result<Introspector, ConfigError> {
    let rules = IssuerRules::try_from(IssuerSettings {
        issuer: issuer.to_owned(),
        audiences: vec!["https://mcp.example/mcp//".to_owned(), "mcp".to_owned()],
        required_claims: vec!["org.id".to_owned()],
        ..IssuerSettings::default()
    });
    let config: IntrospectionConfig = config::parse(section(changes).to_string().as_bytes())?;
    config.build(
        rules.expect("valid"),
        &Capabilities { clock: true, ticks, ..Capabilities::default() },
    )
}

fn introspector(changes: &Value) -> Introspector {
    build(ISSUER, changes, true).expect("valid")
}

/// An answer that is accepted, with these members instead; null takes one out.
fn answer(changes: &Value) -> String {
    let mut members = json!({
        "active": true, "iss": ISSUER, "aud": "mcp", "exp": NOW + 600, "sub": "alice",
        "client_id": "agent", "scope": "read write", "token_type": "Bearer", "org": { "id": "acme" },
    });
    for (name, value) in changes.as_object().expect("changes") {
        members[name] = value.clone();
    }
    let members = members.as_object_mut().expect("members");
    members.retain(|_, value| !value.is_null());
    json!(members).to_string()
}

fn said(body: &str) -> HttpAnswer<'_> {
    HttpAnswer { status: Some(200), content_type: Some(b"application/json"), body: body.as_bytes() }
}

fn ask(introspector: &Introspector, token: &[u8], now: u64) -> Fetch<TokenHash> {
    match introspector.judge(token, now) {
        Opinion::Ask(fetch) => *fetch,
        other => panic!("{other:?}"),
    }
}

/// What is known of the token after this answer.
fn after(introspector: &Introspector, answer: &HttpAnswer<'_>) -> Opinion {
    let mut world = world();
    let fetch = ask(introspector, TOKEN, NOW);
    introspector.answered(fetch.ticket, answer, &mut world);
    introspector.judge(TOKEN, NOW)
}

fn accepted(opinion: &Opinion) -> &Claims {
    match opinion {
        Opinion::Accept(claims) => claims,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_call_is_the_one_of_the_rfc() {
    let fetch = ask(&introspector(&json!({})), TOKEN, NOW);
    let HttpCall { service, scheme, authority, path, form, timeout } = &fetch.call;
    assert_eq!((service.as_str(), *scheme, path.as_str()), ("as", "https", "/introspect"));
    assert_eq!((authority.as_str(), *timeout), ("as.example", 5_000));
    let form = form.as_ref().expect("a form");
    assert_eq!(form.body, "token=opaque-1._%7E%2B%2F%3D%3D&token_type_hint=access_token");
    // base64 of gateway+1:s%3Ap%25%E2%82%AC
    assert_eq!(form.authorization.as_str(), "Basic Z2F0ZXdheSsxOnMlM0FwJTI1JUUyJTgyJUFD");
}

#[test]
fn only_what_can_be_a_token_is_sent() {
    let introspector = introspector(&json!({}));
    let long = vec![b'a'; MAX_TOKEN];
    for token in [&b"a"[..], b"a=", b"a.b.c", &long] {
        assert!(matches!(introspector.judge(token, NOW), Opinion::Ask(_)), "{token:?}");
    }
    let too_long = vec![b'a'; MAX_TOKEN + 1];
    assert_eq!(introspector.judge(&too_long, NOW), Opinion::Reject(Reject::TooLong));
    let tokens = [
        &b""[..],
        b"=",
        b"===",
        b"a=b",
        b"a b",
        b"a&b",
        b"a%20",
        b"a\0",
        b"a\r\n",
        "é".as_bytes(),
        b"\xff",
    ];
    for token in tokens {
        assert_eq!(
            introspector.judge(token, NOW),
            Opinion::Reject(Reject::Characters),
            "{token:?}"
        );
    }
}

#[test]
fn an_active_token_is_what_the_answer_says() {
    let opinion = after(&introspector(&json!({})), &said(&answer(&json!({}))));
    let claims = accepted(&opinion);
    assert_eq!((claims.issuer(), claims.subject()), (ISSUER, Some("alice")));
    assert_eq!((claims.client(), claims.expires_at()), (Some("agent"), NOW + 600));
    assert_eq!(claims.scopes(), ["read", "write"]);
    let cases = [
        (json!({ "iss": null }), Some("alice")),
        (json!({ "aud": ["other", "https://mcp.example/mcp//"] }), Some("alice")),
        (json!({ "token_type": "bearer" }), Some("alice")),
        (json!({ "token_type": null }), Some("alice")),
        (json!({ "token_use": "access_token" }), Some("alice")),
        (json!({ "sub": null, "username": "bob" }), Some("bob")),
        (json!({ "username": "bob" }), Some("alice")),
        (json!({ "sub": null }), None),
        // Within the clock skew.
        (json!({ "exp": NOW - 29 }), Some("alice")),
    ];
    for (changes, subject) in cases {
        let opinion = after(&introspector(&json!({})), &said(&answer(&changes)));
        assert_eq!(accepted(&opinion).subject(), subject, "{changes}");
    }
}

#[test]
fn a_token_that_does_not_hold_is_rejected() {
    let thumbprint = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    let cases = [
        (json!({ "active": false }), Reject::Inactive),
        (json!({ "iss": "https://other.example" }), Reject::Issuer),
        (json!({ "iss": [ISSUER] }), Reject::Issuer),
        (json!({ "aud": null }), Reject::AudienceMalformed),
        (json!({ "aud": "other" }), Reject::Audience),
        (json!({ "aud": [] }), Reject::Audience),
        (json!({ "exp": null }), Reject::ExpiryMalformed),
        (json!({ "exp": (NOW + 600).to_string() }), Reject::ExpiryMalformed),
        (json!({ "exp": NOW - 30 }), Reject::Expired),
        (json!({ "nbf": NOW + 31 }), Reject::NotYetValid),
        (json!({ "iat": NOW + 31 }), Reject::IssuedInFuture),
        (json!({ "exp": NOW + 24 * 60 * 60 + 1 }), Reject::Lifetime),
        (json!({ "scope": ["read"] }), Reject::Scope),
        (json!({ "sub": 1 }), Reject::Subject),
        (json!({ "sub": null, "username": "" }), Reject::Subject),
        (json!({ "client_id": {} }), Reject::Client),
        (json!({ "sub": null, "client_id": null }), Reject::Nobody),
        (json!({ "org": null }), Reject::RequiredClaim),
        (json!({ "token_type": "DPoP" }), Reject::SenderConstrained),
        (json!({ "token_type": 1 }), Reject::SenderConstrained),
        (json!({ "token_use": "refresh_token" }), Reject::TokenType),
        (json!({ "cnf": { "jkt": thumbprint } }), Reject::SenderConstrained),
        (json!({ "cnf": { "x5t#S256": "AA" } }), Reject::Confirmation),
    ];
    for (changes, reject) in cases {
        let opinion = after(&introspector(&json!({})), &said(&answer(&changes)));
        assert_eq!(opinion, Opinion::Reject(reject), "{changes}");
    }
    let bound = answer(&json!({ "cnf": { "x5t#S256": thumbprint } }));
    let opinion = after(&introspector(&json!({})), &said(&bound));
    assert_eq!(accepted(&opinion).certificate().map(|digest| digest[0]), Some(0xe3));
}

#[test]
fn the_audience_can_be_left_to_the_issuer() {
    let lax = json!({ "require_audience": false });
    let opinion = after(&introspector(&lax), &said(&answer(&json!({ "aud": null }))));
    assert_eq!(accepted(&opinion).subject(), Some("alice"));
    // What it does say counts all the same.
    let opinion = after(&introspector(&lax), &said(&answer(&json!({ "aud": "other" }))));
    assert_eq!(opinion, Opinion::Reject(Reject::Audience));
}

#[test]
fn an_answer_that_says_nothing_is_no_verdict() {
    let good = answer(&json!({}));
    let long = answer(&json!({ "x": "y".repeat(answer::MAX_ANSWER) }));
    let twice = good.replacen('{', r#"{"active":false,"#, 1);
    let html = HttpAnswer { content_type: Some(b"text/html"), ..said(&good) };
    let untyped = HttpAnswer { content_type: None, ..said(&good) };
    let status = |status| HttpAnswer { status: Some(status), ..said(&good) };
    let cases = [
        (HttpAnswer::NONE, "no answer"),
        (status(500), "status 500"),
        (status(302), "status 302"),
        (status(201), "status 201"),
        (status(401), "client_secret right?"),
        (html, "not JSON"),
        (said(&long), "more than"),
        (said(&twice), "distinct names"),
        (said("{}"), "active"),
        (said(r#"{"active":"true"}"#), "active"),
        (said(r#"{"active":1}"#), "active"),
        (said("[true]"), "object"),
        (said(""), "object"),
    ];
    for (answer, problem) in cases {
        let (introspector, mut world) = (introspector(&json!({})), world());
        let fetch = ask(&introspector, TOKEN, NOW);
        introspector.answered(fetch.ticket, &answer, &mut world);
        assert_eq!(introspector.judge(TOKEN, NOW), Opinion::Unavailable(2), "{problem}");
        let [warning] = &world.warnings[..] else { panic!("{:?}", world.warnings) };
        assert!(warning.contains(ISSUER) && warning.contains(problem), "{warning}");
        // Another token has its own answer, and this one is asked about again before long.
        assert!(matches!(introspector.judge(b"other", NOW), Opinion::Ask(_)));
        assert_eq!(introspector.judge(TOKEN, NOW + 1), Opinion::Unavailable(1));
        assert!(matches!(introspector.judge(TOKEN, NOW + 2), Opinion::Ask(_)));
    }
    assert!(matches!(after(&introspector(&json!({})), &untyped), Opinion::Accept(_)));
}

#[test]
fn a_verdict_is_believed_for_a_while() {
    let until = |changes: &Value, answer: &Value| {
        let introspector = introspector(changes);
        after(&introspector, &said(&self::answer(answer)));
        let asks = |now: &u64| matches!(introspector.judge(TOKEN, NOW + now), Opinion::Ask(_));
        (0..=1_000).find(asks)
    };
    let cases = [
        (json!({}), json!({}), 60),
        (json!({ "cache_ttl": "10s" }), json!({}), 10),
        (json!({ "cache_ttl": "1h" }), json!({}), 600),
        (json!({}), json!({ "exp": NOW + 5 }), 5),
        // The requests that wait must find it.
        (json!({ "cache_ttl": "0s" }), json!({}), 1),
        (json!({}), json!({ "exp": NOW - 29 }), 1),
        (json!({}), json!({ "active": false }), 5),
        (json!({}), json!({ "aud": "other" }), 5),
    ];
    for (changes, answer, seconds) in cases {
        assert_eq!(until(&changes, &answer), Some(seconds), "{changes} {answer}");
    }
    // When the clock goes back nothing is known.
    let introspector = introspector(&json!({}));
    after(&introspector, &said(&answer(&json!({}))));
    assert!(matches!(introspector.judge(TOKEN, NOW - 1), Opinion::Ask(_)));
}

#[test]
fn bad_tokens_push_no_good_one_out() {
    let introspector = introspector(&json!({}));
    after(&introspector, &said(&answer(&json!({}))));
    for number in 0..5_000 {
        let token = format!("bad-{number}");
        let fetch = ask(&introspector, token.as_bytes(), NOW);
        introspector.answered(fetch.ticket, &said(r#"{"active":false}"#), &mut world());
    }
    assert!(matches!(introspector.judge(TOKEN, NOW), Opinion::Accept(_)));
    assert_eq!(introspector.judge(b"bad-4999", NOW), Opinion::Reject(Reject::Inactive));
    assert!(matches!(introspector.judge(b"bad-0", NOW), Opinion::Ask(_)), "memory is bounded");
}

#[test]
fn one_call_serves_all_who_wait_where_they_can() {
    let introspector = introspector(&json!({}));
    let fetch = ask(&introspector, TOKEN, NOW);
    assert_eq!(introspector.judge(TOKEN, NOW + 6), Opinion::Wait(fetch.topic));
    let other = ask(&introspector, b"other", NOW);
    assert_ne!(fetch.topic, other.topic);
    introspector.answered(fetch.ticket, &said(&answer(&json!({}))), &mut world());
    assert!(matches!(introspector.judge(TOKEN, NOW), Opinion::Accept(_)));
    // The other call's outcome was never told.
    assert!(matches!(introspector.judge(b"other", NOW + 7), Opinion::Ask(_)));
}

#[test]
fn calls_under_way_are_bounded() {
    for (ticks, limit) in [(true, 32), (false, 8)] {
        let introspector = build(ISSUER, &json!({}), ticks).expect("valid");
        let fetches: Vec<_> = (0..limit)
            .map(|number| ask(&introspector, format!("t{number}").as_bytes(), NOW))
            .collect();
        assert_eq!(introspector.judge(b"one-more", NOW), Opinion::Unavailable(1));
        let mut world = world();
        introspector.answered(fetches[0].ticket, &HttpAnswer::NONE, &mut world);
        assert!(matches!(introspector.judge(b"one-more", NOW), Opinion::Ask(_)));
        assert_eq!(introspector.judge(b"yet-another", NOW), Opinion::Unavailable(1));
        assert!(matches!(introspector.judge(b"later", NOW + 7), Opinion::Ask(_)));
    }
    // Without ticks each request makes its own call.
    let introspector = build(ISSUER, &json!({}), false).expect("valid");
    for _ in 0..8 {
        assert_eq!(ask(&introspector, TOKEN, NOW).ticket, TokenHash::of("opaque-1._~+/=="));
    }
    assert_eq!(introspector.judge(TOKEN, NOW), Opinion::Unavailable(1));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let cases = [
        (json!({ "service": "" }), "service", "must name"),
        (json!({ "path": "introspect" }), "path", "must begin with '/'"),
        (json!({ "client_id": "" }), "client_id", "must not be empty"),
        (json!({ "client_secret": "" }), "client_secret", "a string"),
        (json!({ "client_secret": 5_550_123 }), "client_secret", "a string"),
        (json!({ "client_secret": "5550123".repeat(500) }), "client_secret", "too long"),
        (json!({ "timeout": "0s" }), "timeout", "from \"100ms\""),
        (json!({ "timeout": "61s" }), "timeout", "to \"60s\""),
        (json!({ "cache_ttl": "2h" }), "cache_ttl", "at most \"1h\""),
        (json!({ "secret": "5550123" }), "secret", "unknown field"),
    ];
    for (changes, path, problem) in cases {
        let error = build(ISSUER, &changes, true).expect_err(path);
        assert!(error.path == path && error.problem.contains(problem), "{error}");
        assert!(!error.to_string().contains("5550123"), "{error}");
    }
    let error = build("urn:as", &json!({}), true).expect_err("no host");
    assert_eq!(error.path, "authority");
    let named = build("urn:as", &json!({ "authority": "as.example:8443" }), true).expect("valid");
    assert_eq!(ask(&named, TOKEN, NOW).call.authority, "as.example:8443");
}

#[test]
fn neither_secrets_nor_tokens_can_be_printed() {
    let introspector = introspector(&json!({ "client_secret": "planted" }));
    let fetch = ask(&introspector, b"planted-token", NOW);
    introspector.answered(fetch.ticket, &said(&answer(&json!({}))), &mut world());
    let printed = format!("{introspector:?} {:?} {:?}", fetch.call, fetch.ticket);
    let hash = Sha256::digest("planted-token");
    // base64 of gateway+1:planted
    for secret in ["planted", "Z2F0ZXdheSsxOnBsYW50ZWQ", &format!("{}, {}", hash[0], hash[1])] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
