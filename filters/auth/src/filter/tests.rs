//! Requests through the configured filter: what goes on, with which head, and what is said of it.

mod sources;

use jsonwebtoken::Algorithm;
use mcp_core::certificate::PeerCertificate;
use mcp_core::edit::Edit;
use mcp_core::head::Head;
use mcp_core::pipeline::{
    Capabilities, Environment, HttpAnswer, Next, Outcome, Report, ServerTicket, Servers, Step,
};
use mcp_core::refusal::Reason;
use serde_json::{Value, json};

use super::{AuthFilter, Ticket};
use mcp_rfc_keys::RfcKey;

const CAPABILITIES: Capabilities =
    Capabilities { shared_data: false, signatures: false, ..Capabilities::ALL };

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://as.example";
const EXPORT_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const API_KEY: &str = "one-key-of-a-batch-job";
const API_KEY_HASH: &str =
    "sha256:71d18139146eeccda44bcf0c595239fbc2e7260d6c711fa14adc38334fea9fc7";

/// A host without surprises, which writes down what is counted.
#[derive(Debug, Default)]
struct World {
    counted: Vec<String>,
    no_clock: bool,
    /// The certificate of the connection.
    certificate: Option<PeerCertificate>,
    /// What every service answers; none does without it.
    answer: Option<String>,
    /// How often one was asked.
    asked: usize,
}

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        (!self.no_clock).then_some(NOW)
    }

    fn count(&mut self, counter: &str) {
        self.counted.push(counter.to_owned());
    }

    fn randomize(&mut self, bytes: &mut [u8]) -> bool {
        bytes.fill(7);
        true
    }

    fn peer_certificate(&mut self) -> Option<PeerCertificate> {
        self.certificate.clone()
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

/// The `auth` section with one issuer, one API key and these members.
fn configured(members: &Value) -> Value {
    let key: Value =
        serde_json::from_str(&RfcKey::ed25519().jwk_with(r#""kid":"ed""#)).expect("a key");
    let mut section = json!({
        "issuers": [{
            "issuer": ISSUER,
            "audiences": ["mcp"],
            "jwks": { "keys": [key] },
        }],
        "api_keys": [{ "hash": API_KEY_HASH, "principal": "batch" }],
        "export_key": EXPORT_KEY,
    });
    for (name, value) in members.as_object().expect("members") {
        section[name] = value.clone();
    }
    section
}

fn pipeline(members: &Value) -> Servers<AuthFilter> {
    let text = json!({ "auth": configured(members) }).to_string();
    crate::plan(text.as_bytes(), &CAPABILITIES).expect("valid").servers
}

/// A token with these claims besides those that are needed.
fn bearer(claims: &Value) -> String {
    let mut all = json!({
        "iss": ISSUER, "aud": "mcp", "sub": "alice", "client_id": "agent", "iat": NOW,
        "exp": NOW + 300,
    });
    for (name, value) in claims.as_object().expect("claims") {
        all[name] = value.clone();
    }
    let header = br#"{"alg":"EdDSA","kid":"ed"}"#;
    let token = RfcKey::ed25519().sign(Algorithm::EdDSA, header, all.to_string().as_bytes());
    format!("Bearer {token}")
}

fn call(tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } })
        .to_string()
}

/// What came of one request.
struct Outcomes {
    head: Vec<Edit>,
    last: Step<ServerTicket<Ticket>>,
    counted: Vec<String>,
}

impl Outcomes {
    fn report(&self) -> &Report {
        self.last.report.as_ref().expect("a report")
    }

    /// The outcome, and the detail that is logged.
    fn told(&self) -> (Outcome, Option<&str>) {
        (self.report().outcome, self.report().detail.as_deref())
    }

    fn edits(&self) -> impl Iterator<Item = &Edit> {
        self.head.iter().chain(&self.last.edits)
    }

    /// What the upstream gets in field `name`, which the client did not send.
    fn exported(&self, name: &str) -> Option<String> {
        self.edits().find_map(|edit| match edit {
            Edit::Set(set, value) if set.as_str() == name => Some(value.as_str().to_owned()),
            _ => None,
        })
    }

    fn removes(&self, name: &str) -> bool {
        self.edits().any(|edit| *edit == Edit::Remove(name.into()))
    }
}

fn ask_in(
    world: &mut World,
    pipeline: &Servers<AuthFilter>,
    fields: &[(&str, &str)],
    body: &str,
) -> Outcomes {
    let post = [(":method", "POST"), (":path", "/mcp"), ("content-type", "application/json")];
    let fields = post.iter().chain(fields);
    let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let head = Head::new(fields);
    let (mut exchange, mut step) = pipeline.request_head(&head, true, world);
    while let Next::Fetch(fetch) = step.next {
        world.asked = world.asked.saturating_add(1);
        let body = world.answer.clone();
        let answer = body.as_ref().map_or(HttpAnswer::NONE, |body| HttpAnswer {
            status: Some(200),
            content_type: Some(b"application/json"),
            body: body.as_bytes(),
        });
        pipeline.answered(fetch.ticket, &answer, world);
        step = pipeline.resume(&mut exchange, &head, world);
    }
    let edits = step.edits.clone();
    if step.next == Next::ReadBody {
        step = pipeline.request_body(&mut exchange, body.as_bytes(), world);
    }
    Outcomes { head: edits, last: step, counted: core::mem::take(&mut world.counted) }
}

fn ask(pipeline: &Servers<AuthFilter>, fields: &[(&str, &str)], body: &str) -> Outcomes {
    ask_in(&mut World::default(), pipeline, fields, body)
}

fn rules() -> Value {
    json!([
        { "name": "no_drop", "action": "deny", "names": ["drop_*"] },
        { "name": "read", "action": "allow", "names": ["read"], "scopes": { "all_of": ["r"] } },
    ])
}

#[test]
fn the_operator_learns_why_and_the_client_does_not() {
    let remote = json!([{
        "issuer": ISSUER, "audiences": ["mcp"], "jwks": { "service": "keys", "path": "/" },
    }]);
    let all = pipeline(&json!({ "rules": rules() }));
    let down = pipeline(&json!({ "issuers": remote }));
    let good = bearer(&json!({}));
    let expired = bearer(&json!({ "exp": NOW - 300 }));
    let foreign = bearer(&json!({ "aud": "other" }));
    let forged = format!("{}.{}", good.rsplit_once('.').expect("a token").0, "A".repeat(86));
    let cases = [
        (&all, None, Reason::Unauthorized, "no credentials"),
        (&all, Some(("x-api-key", "another")), Reason::Unauthorized, "unknown API key"),
        (&all, Some(("authorization", &*expired)), Reason::Unauthorized, "token expired"),
        (&all, Some(("authorization", &*foreign)), Reason::Unauthorized, "token audience"),
        (&all, Some(("authorization", &*forged)), Reason::Unauthorized, "token signature"),
        (&all, Some(("authorization", "Bearer x")), Reason::Unauthorized, "token parts"),
        (&all, Some(("authorization", &*good)), Reason::Forbidden, "rule no_drop"),
        (
            &down,
            Some(("authorization", &*good)),
            Reason::Unavailable,
            "no keys of https://as.example",
        ),
    ];
    for (pipeline, field, reason, detail) in cases {
        let asked = ask(pipeline, field.as_slice(), &call("drop_table"));
        assert_eq!(asked.told(), (Outcome::Refused(reason), Some(detail)));
        let Next::Reply(reply) = &asked.last.next else { panic!("{detail}: {:?}", asked.last) };
        let body = String::from_utf8_lossy(&reply.body);
        assert!(!body.contains("no_drop") && !body.contains("signature"), "{body}");
        assert!(reply.headers.iter().all(|(_, value)| !value.as_str().contains("no_drop")));
    }
}

#[test]
fn every_verdict_is_counted_under_its_rule() {
    let with_rules = pipeline(&json!({ "rules": rules() }));
    let cases = [
        (call("read"), "r", "read", "allow"),
        (call("read"), "", "read", "insufficient_scope"),
        (call("drop_table"), "r", "no_drop", "deny"),
        (call("write"), "r", "default", "deny"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned(), "r", "exempt", "allow"),
    ];
    for shadow in [false, true] {
        let shadowing = pipeline(&json!({ "rules": rules(), "shadow": true }));
        let pipeline = if shadow { &shadowing } else { &with_rules };
        for (body, scope, rule, verdict) in &cases {
            let token = bearer(&json!({ "scope": scope }));
            let asked = ask(pipeline, &[("authorization", &token)], body);
            let expect = format!("mcp_auth_rules.rule.{rule}.verdict.{verdict}");
            assert_eq!(asked.counted, [expect], "shadow: {shadow}");
        }
    }
    // Nobody's call is not judged, and without rules everything is allowed by default.
    assert_eq!(ask(&with_rules, &[], &call("read")).counted, [""; 0]);
    let asked = ask(&pipeline(&json!({})), &[("x-api-key", API_KEY)], &call("read"));
    assert_eq!(asked.counted, ["mcp_auth_rules.rule.default.verdict.allow"]);
}

#[test]
fn a_batch_is_counted_up_to_the_message_that_may_not_pass() {
    let admission = json!({ "batches": "allow" });
    let text = json!({ "admission": admission, "auth": configured(&json!({ "rules": rules() })) });
    let plan = crate::plan(text.to_string().as_bytes(), &CAPABILITIES).expect("valid");
    let token = bearer(&json!({ "scope": "r" }));
    let body = format!("[{},{},{}]", call("read"), call("drop_table"), call("read"));
    let asked = ask(&plan.servers, &[("authorization", &token)], &body);
    assert_eq!(asked.told(), (Outcome::Refused(Reason::Forbidden), Some("rule no_drop")));
    assert_eq!(
        asked.counted,
        ["mcp_auth_rules.rule.read.verdict.allow", "mcp_auth_rules.rule.no_drop.verdict.deny"]
    );
}

/// Each request that is refused without `shadow` passes with it, as nobody's, for the same reason.
#[test]
fn in_shadow_mode_what_would_be_refused_passes_as_nobodys_and_is_reported() {
    let remote = json!([{
        "issuer": ISSUER, "audiences": ["mcp"], "jwks": { "service": "keys", "path": "/" },
    }]);
    let good = bearer(&json!({ "scope": "r" }));
    let expired = bearer(&json!({ "exp": NOW - 300 }));
    let plain = json!({ "rules": rules() });
    let down = json!({ "rules": rules(), "issuers": remote });
    type Case<'a> = (&'a str, &'a Value, &'a [(&'a str, &'a str)], bool);
    let cases: &[Case<'_>] = &[
        ("nothing", &plain, &[], false),
        ("expired", &plain, &[("authorization", &expired)], false),
        ("no token", &plain, &[("authorization", "Bearer ?")], false),
        ("another key", &plain, &[("x-api-key", "another")], false),
        ("two keys", &plain, &[("x-api-key", API_KEY), ("x-api-key", API_KEY)], false),
        ("no keys", &down, &[("authorization", &good)], false),
        ("no clock", &plain, &[("authorization", &good)], true),
    ];
    for (name, members, fields, no_clock) in cases {
        let mut world = World { no_clock: *no_clock, ..World::default() };
        let refused = ask_in(&mut world, &pipeline(members), fields, &call("read"));
        let (Outcome::Refused(reason), detail) = refused.told() else { panic!("{name}") };

        let mut shadowing = (*members).clone();
        shadowing["shadow"] = true.into();
        let passed = ask_in(&mut world, &pipeline(&shadowing), fields, &call("read"));
        assert_eq!(passed.last.next, Next::Forward, "{name}");
        assert_eq!(passed.told(), (Outcome::Shadowed(reason), detail), "{name}");
        assert_eq!(passed.report().tool.as_deref(), Some("read"), "{name}");
        assert!(passed.removes("authorization") && passed.removes("x-api-key"), "{name}");
        assert!(passed.edits().all(|edit| matches!(edit, Edit::Remove(_))), "{name}");
        assert_eq!(passed.counted, [""; 0], "{name}: nobody's call is not judged");
    }
}

#[test]
fn in_shadow_mode_a_denied_caller_passes_under_its_own_name() {
    let shadowing = pipeline(&json!({ "rules": rules(), "shadow": true }));
    let token = bearer(&json!({ "scope": "x" }));
    let cases = [
        ("drop_table", Outcome::Shadowed(Reason::Forbidden), Some("rule no_drop")),
        ("read", Outcome::Shadowed(Reason::InsufficientScope), Some("rule read")),
    ];
    for (tool, outcome, detail) in cases {
        let asked = ask(&shadowing, &[("authorization", &token)], &call(tool));
        assert_eq!((asked.told(), &asked.last.next), ((outcome, detail), &Next::Forward));
        assert_eq!(asked.exported("x-mcp-scopes").as_deref(), Some("x"));
        assert!(asked.exported("x-mcp-principal").is_some());
    }
    let allowed = bearer(&json!({ "scope": "r" }));
    let asked = ask(&shadowing, &[("authorization", &allowed)], &call("read"));
    assert_eq!(asked.told(), (Outcome::Forwarded, None));
}

/// What is not the filter's to refuse is refused as ever, and that is what is counted.
#[test]
fn shadow_mode_is_no_matter_of_admission() {
    let shadowing = pipeline(&json!({ "shadow": true }));
    let refused = ask(&shadowing, &[("origin", "https://any.example")], &call("read"));
    assert_eq!(refused.told().0, Outcome::Refused(Reason::Origin));
    let refused = ask(&shadowing, &[], "{");
    assert_eq!(refused.told().0, Outcome::Refused(Reason::Parse));
}

fn issuer(members: &Value) -> Value {
    let mut issuers = configured(&json!({}))["issuers"].clone();
    for (name, value) in members.as_object().expect("members") {
        issuers[0][name] = value.clone();
    }
    json!({ "issuers": issuers })
}

fn refused(members: &Value) -> String {
    let text = json!({ "auth": configured(members) }).to_string();
    crate::plan(text.as_bytes(), &CAPABILITIES).expect_err("refused").to_string()
}

#[test]
fn claims_become_the_headers_that_are_configured() {
    let mapped = pipeline(&issuer(&json!({ "claims_to_headers": [
        { "claim": "org.region", "header": "X-Region" },
        { "claim": "https://example.com/plan", "header": "x-plan" },
    ] })));
    let cases = [
        (json!("eu"), Some("eu")),
        (json!("zürich"), Some("=?base64?esO8cmljaA==?=")),
        (json!("a\r\nx-admin: 1"), Some("=?base64?YQ0KeC1hZG1pbjogMQ==?=")),
        (json!(7), Some("7")),
        (json!(-1.5), Some("-1.5")),
        (json!(false), Some("false")),
        (json!(["a", "b c"]), Some("a,b c")),
        (json!(["a,admin"]), None),
        (json!(["a", ""]), None),
        (json!(["a", 1]), None),
        (json!([]), None),
        (json!(""), None),
        (json!(null), None),
        (json!({ "a": "b" }), None),
        (json!("x".repeat(4097)), None),
    ];
    for (claim, expect) in cases {
        let token = bearer(&json!({ "org": { "region": claim } }));
        // The second time from memory.
        for _ in 0..2 {
            let asked = ask(&mapped, &[("authorization", &token)], &call("read"));
            assert_eq!(asked.exported("x-region").as_deref(), expect, "{claim}");
            assert_eq!(asked.exported("x-plan"), None, "{claim}");
        }
    }
    let token = bearer(&json!({ "https://example.com/plan": "gold" }));
    let asked = ask(&mapped, &[("authorization", &token)], &call("read"));
    assert_eq!(asked.exported("x-plan").as_deref(), Some("gold"));
}

/// Whatever the spelling, and whoever calls: with a token without the claim, with an API key, as
/// nobody in shadow mode, and on paths that are not MCP's.
#[test]
fn what_a_client_sends_in_a_claims_header_goes_nowhere() {
    let mut members = issuer(&json!({ "claims_to_headers": [
        { "claim": "region", "header": "x-region" },
    ] }));
    members["shadow"] = true.into();
    let mapped = pipeline(&members);
    let token = bearer(&json!({}));
    for name in ["x-region", "X-Region", "x_region", "X_REGION"] {
        for credentials in [Some(("authorization", &*token)), Some(("x-api-key", API_KEY)), None] {
            let fields: Vec<_> = credentials.into_iter().chain([(name, "forged")]).collect();
            let asked = ask(&mapped, &fields, &call("read"));
            assert_eq!(asked.last.next, Next::Forward);
            assert!(asked.removes(name), "{name}");
            assert_eq!(asked.exported("x-region"), None);
        }
    }
    let text = json!({ "admission": { "paths": ["/mcp"] }, "auth": configured(&members) });
    let plan = crate::plan(text.to_string().as_bytes(), &CAPABILITIES).expect("valid");
    let head = Head::new(vec![(b":method", b"GET"), (b":path", b"/other"), (b"x_region", b"eu")]);
    let (_, step) = plan.servers.request_head(&head, false, &mut World::default());
    assert_eq!((step.next, step.edits), (Next::Forward, vec![Edit::Remove(b"x_region".to_vec())]));
}

#[test]
fn a_header_that_has_a_meaning_is_no_claims() {
    let named = |header: &str| {
        issuer(&json!({ "claims_to_headers": [
            { "claim": "ok", "header": "x-ok" },
            { "claim": "a", "header": header },
        ] }))
    };
    let reserved = [
        "authorization",
        "Authorization",
        "cookie",
        "host",
        "connection",
        "transfer-encoding",
        "te",
        "upgrade",
        "content-length",
        "content-type",
        "mcp-session-id",
        "Mcp-Name",
        "x-mcp-principal",
        "x-mcp-anything",
        "x-api-key",
        "x-forwarded-for",
        "x-envoy-original-path",
        "proxy-authorization",
        "origin",
        ":path",
        "x_region",
        "x region",
        "",
    ];
    for header in reserved {
        let error = refused(&named(header));
        let expect = "auth.issuers[0].claims_to_headers[1].header: must be a header name";
        assert!(error.starts_with(expect), "{header}: {error}");
    }
    let error = refused(&named("X-OK"));
    assert_eq!(error, "auth.issuers[0].claims_to_headers[1].header: is set by another entry");
    let error =
        refused(&issuer(&json!({ "claims_to_headers": [{ "claim": "a..b", "header": "x-a" }] })));
    assert!(error.starts_with("auth.issuers[0].claims_to_headers[0].claim: must be"), "{error}");
    let mut renamed = named("key-of-the-team");
    pipeline(&renamed);
    renamed["api_key_header"] = "Key-Of-The-Team".into();
    assert!(refused(&renamed).contains("claims_to_headers[1].header"));
}

#[test]
fn the_upstream_gets_its_own_credentials_and_only_for_known_callers() {
    let replace = json!({
        "upstream_credentials": "replace",
        "upstream_authorization": "Bearer planted-upstream",
        "shadow": true,
    });
    let token = bearer(&json!({}));
    let known = [("authorization", &*token), ("x-api-key", API_KEY)];
    let unknown = [("authorization", "Bearer planted"), ("x-api-key", "planted")];
    let replacing = pipeline(&replace);
    for field in known {
        let asked = ask(&replacing, &[field], &call("read"));
        assert!(asked.removes("x-api-key"));
        assert_eq!(asked.exported("authorization").as_deref(), Some("Bearer planted-upstream"));
        // Removed first, then set.
        let all: Vec<_> = asked.edits().collect();
        let set = all.iter().position(
            |edit| matches!(edit, Edit::Set(name, _) if name.as_str() == "authorization"),
        );
        let removed = all.iter().position(|edit| **edit == Edit::Remove(b"authorization".to_vec()));
        assert!(removed < set, "{field:?}");
    }
    for field in unknown {
        let asked = ask(&replacing, &[field], &call("read"));
        assert_eq!(asked.last.next, Next::Forward);
        assert!(asked.removes("x-api-key") && asked.removes("authorization"));
        assert_eq!(asked.exported("authorization"), None);
    }
    let keeping = pipeline(&json!({ "upstream_credentials": "keep" }));
    for field in known {
        let asked = ask(&keeping, &[field], &call("read"));
        assert!(!asked.removes("authorization") && !asked.removes("x-api-key"));
    }
}

#[test]
fn the_upstreams_credentials_are_asked_for_with_replace_alone_and_never_shown() {
    let members = |policy: &str, value: Option<&str>| json!({ "upstream_credentials": policy, "upstream_authorization": value });
    let cases = [
        (members("replace", None), "auth.upstream_authorization: is required"),
        (
            members("strip", Some("Bearer planted")),
            "auth.upstream_authorization: goes upstream only",
        ),
        (
            members("keep", Some("Bearer planted")),
            "auth.upstream_authorization: goes upstream only",
        ),
        (
            members("replace", Some("Bearer planted\n")),
            "auth.upstream_authorization: must be the value",
        ),
        (members("replace", Some("")), "auth.upstream_authorization: must be the value"),
    ];
    for (members, expect) in cases {
        let error = refused(&members);
        assert!(error.starts_with(expect) && !error.contains("planted"), "{error}");
    }
    let debug = format!("{:?}", pipeline(&members("replace", Some("Bearer planted"))));
    assert!(!debug.contains("planted"), "{debug}");
}

#[test]
fn the_agent_is_who_acts_else_the_client() {
    let default = pipeline(&json!({}));
    let chosen = pipeline(&issuer(&json!({ "agent_claim": "app.name" })));
    let cases = [
        (&default, json!({}), Some("agent")),
        (&default, json!({ "azp": "party" }), Some("agent")),
        (&default, json!({ "act": { "sub": "robot" } }), Some("robot")),
        (&default, json!({ "act": { "sub": "robot", "act": { "sub": "first" } } }), Some("robot")),
        (&default, json!({ "act": { "sub": "" } }), Some("agent")),
        (&default, json!({ "act": { "sub": 7 } }), Some("agent")),
        (&default, json!({ "act": "robot" }), Some("agent")),
        (&chosen, json!({ "act": { "sub": "robot" }, "app": { "name": "app" } }), Some("app")),
        (&chosen, json!({ "act": { "sub": "robot" } }), None),
    ];
    for (pipeline, claims, agent) in cases {
        let asked = ask(pipeline, &[("authorization", &bearer(&claims))], &call("read"));
        assert_eq!(asked.exported("x-mcp-agent").as_deref(), agent, "{claims}");
    }
    // Who acts changes nothing about whose request it is.
    let principal = |claims: &Value| {
        ask(&default, &[("authorization", &bearer(claims))], &call("read"))
            .exported("x-mcp-principal")
    };
    assert_eq!(principal(&json!({})), principal(&json!({ "act": { "sub": "robot" } })));
}
