//! Who is believed: the certificate of a connection, and the issuer that is asked.

use super::*;

const DIGEST: [u8; 32] = [7; 32];
/// The same in base64url.
const THUMBPRINT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const DENIED: Outcome = Outcome::Refused(Reason::Unauthorized);

fn showing(digest: Option<[u8; 32]>) -> World {
    let uri_san = Some("spiffe://acme/agent".to_owned());
    let certificate = Some(PeerCertificate { digest, uri_san, ..PeerCertificate::default() });
    World { certificate, ..World::default() }
}

/// What came of a call with this `Authorization`, and whether it went upstream.
fn told(world: &mut World, pipeline: &Servers<AuthFilter>, bearer: &str) -> Option<String> {
    let fields = [("authorization", bearer)];
    let fields = if bearer.is_empty() { &[][..] } else { &fields[..] };
    let asked = ask_in(world, pipeline, fields, &call("read"));
    match asked.told() {
        (Outcome::Forwarded, None) => None,
        (DENIED | Outcome::Refused(Reason::Unavailable), Some(detail)) => Some(detail.to_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_are_for_the_resource_and_from_its_authorization_servers_unless_written_otherwise() {
    let resource = "https://mcp.example/mcp";
    let key: Value =
        serde_json::from_str(&RfcKey::ed25519().jwk_with(r#""kid":"ed""#)).expect("a key");
    let pipeline = pipeline(&json!({
        "issuers": [{ "issuer": ISSUER, "jwks": { "keys": [key] } }],
        "metadata": { "resource": resource },
    }));
    let mut world = World::default();
    let fitting = bearer(&json!({ "aud": resource }));
    assert_eq!(told(&mut world, &pipeline, &fitting), None);
    let other = bearer(&json!({ "aud": "mcp" }));
    assert_eq!(told(&mut world, &pipeline, &other).as_deref(), Some("token audience"));
    let fields = [
        (":method", "GET"),
        (":path", "/.well-known/oauth-protected-resource/mcp"),
        (":authority", "mcp.example"),
    ];
    let head: Vec<_> = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())).into();
    let (_, step) = pipeline.request_head(&Head::new(head), false, &mut world);
    let Next::Reply(reply) = step.next else { panic!("{step:?}") };
    let document: Value = serde_json::from_slice(&reply.body).expect("a document");
    assert_eq!(document["authorization_servers"], json!([ISSUER]));
}

#[test]
fn a_bound_token_needs_its_certificate_each_time() {
    let bound = bearer(&json!({ "cnf": { "x5t#S256": THUMBPRINT } }));
    let refused = Some("token certificate".to_owned());
    // Whether or not callers may be known by certificates, and whether or not the verdict is cached.
    for members in [json!({}), json!({ "mtls": { "principal": "uri_san" } })] {
        let pipeline = pipeline(&members);
        for _ in 0..2 {
            assert_eq!(told(&mut showing(Some([8; 32])), &pipeline, &bound), refused);
            assert_eq!(told(&mut showing(None), &pipeline, &bound), refused);
            assert_eq!(told(&mut World::default(), &pipeline, &bound), refused);
            assert_eq!(told(&mut showing(Some(DIGEST)), &pipeline, &bound), None);
        }
        let unbound = bearer(&json!({}));
        assert_eq!(told(&mut showing(Some([8; 32])), &pipeline, &unbound), None);
        assert_eq!(told(&mut World::default(), &pipeline, &unbound), None);
    }
}

#[test]
fn a_certificate_is_a_principal_only_without_other_credentials() {
    let with = pipeline(&json!({ "mtls": { "principal": "uri_san", "tenant": "acme" } }));
    let asked = ask_in(&mut showing(Some(DIGEST)), &with, &[], &call("read"));
    assert_eq!(asked.told().0, Outcome::Forwarded);
    assert_eq!(asked.exported("x-mcp-tenant").as_deref(), Some("acme"));
    assert!(asked.exported("x-mcp-principal").is_some());
    let subject = pipeline(&json!({ "mtls": { "principal": "subject" } }));
    let forwarded = pipeline(&json!({ "mtls": { "principal": "uri_san", "xfcc_trusted": true } }));
    let without = pipeline(&json!({}));
    let cases = [
        (&with, "Bearer nonsense", "token parts"),
        (&subject, "", "certificate without principal"),
        (&forwarded, "", "no credentials"),
        (&without, "", "no credentials"),
    ];
    for (pipeline, bearer, detail) in cases {
        let told = told(&mut showing(Some(DIGEST)), pipeline, bearer);
        assert_eq!(told.as_deref(), Some(detail));
    }
    assert_eq!(told(&mut World::default(), &with, "").as_deref(), Some("no credentials"));
}

/// The issuer with keys, and another that is asked.
fn asking(keys: bool) -> Servers<AuthFilter> {
    let key: Value =
        serde_json::from_str(&RfcKey::ed25519().jwk_with(r#""kid":"ed""#)).expect("a key");
    let introspection = json!({
        "service": "as", "path": "/", "client_id": "gateway", "client_secret": "planted",
    });
    let asked = json!({
        "issuer": "https://asked.example", "audiences": ["mcp"], "introspection": introspection,
    });
    let with_keys = json!({ "issuer": ISSUER, "audiences": ["mcp"], "jwks": { "keys": [key] } });
    pipeline(&json!({ "issuers": if keys { json!([with_keys, asked]) } else { json!([asked]) } }))
}

/// A host on which every service says that every token is active.
fn agreeing(members: &Value) -> World {
    let mut answer = json!({ "active": true, "aud": "mcp", "sub": "ann", "exp": NOW + 60 });
    for (name, value) in members.as_object().expect("members") {
        answer[name] = value.clone();
    }
    World { answer: Some(answer.to_string()), ..World::default() }
}

#[test]
fn only_what_no_key_here_can_judge_is_asked_about() {
    let jwt = bearer(&json!({}));
    let asked = bearer(&json!({ "iss": "https://asked.example" }));
    let nowhere = bearer(&json!({ "iss": "https://nowhere.example" }));
    let unsigned = format!("Bearer eyJhbGciOiJub25lIn0.{}", "e30.");
    let cases = [
        // With keys of another issuer: how often is it asked, and what comes of it?
        (true, jwt.as_str(), 0, None),
        (true, &asked, 1, None),
        (true, "Bearer opaque", 1, None),
        (true, "Bearer opaque.with.dots", 1, None),
        (true, "Bearer b64/token+~==", 1, None),
        (true, &nowhere, 0, Some("token issuer")),
        (true, &unsigned, 0, Some("token algorithm")),
        (true, "Bearer two words", 0, Some("token characters")),
        // Without any keys all are.
        (false, &jwt, 1, None),
        (false, &nowhere, 1, None),
        (false, &unsigned, 1, None),
        (false, "Bearer opaque", 1, None),
    ];
    for (keys, bearer, calls, detail) in cases {
        let (pipeline, mut world) = (asking(keys), agreeing(&json!({})));
        for _ in 0..2 {
            let told = told(&mut world, &pipeline, bearer);
            assert_eq!(told.as_deref(), detail, "{keys} {bearer}");
        }
        assert_eq!(world.asked, calls, "{keys} {bearer}");
    }
}

#[test]
fn the_issuers_word_is_what_the_upstream_learns() {
    let pipeline = asking(true);
    let fields = [("authorization", "Bearer opaque")];
    let mut world = agreeing(&json!({ "client_id": "agent", "scope": "a b" }));
    let asked = ask_in(&mut world, &pipeline, &fields, &call("read"));
    assert_eq!(asked.exported("x-mcp-agent").as_deref(), Some("agent"));
    assert_eq!(asked.exported("x-mcp-scopes").as_deref(), Some("a b"));
    assert!(asked.removes("authorization"));
    let cases = [
        (agreeing(&json!({ "active": false })), "token inactive"),
        (agreeing(&json!({ "iss": ISSUER })), "token issuer"),
        (agreeing(&json!({ "cnf": { "x5t#S256": THUMBPRINT } })), "token certificate"),
        (World::default(), "no word of https://asked.example on the token"),
    ];
    for (mut world, detail) in cases {
        assert_eq!(told(&mut world, &asking(true), "Bearer opaque").as_deref(), Some(detail));
    }
    // A verdict does not replace the proof.
    let (pipeline, mut bound) =
        (asking(true), agreeing(&json!({ "cnf": { "x5t#S256": THUMBPRINT } })));
    bound.certificate = showing(Some(DIGEST)).certificate;
    assert_eq!(told(&mut bound, &pipeline, "Bearer opaque"), None);
    bound.certificate = None;
    assert_eq!(told(&mut bound, &pipeline, "Bearer opaque").as_deref(), Some("token certificate"));
    assert_eq!(bound.asked, 1);
}
