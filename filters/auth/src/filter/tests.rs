//! Requests through the configured filter: what goes on, with which head, and what is said of it.

use jsonwebtoken::Algorithm;
use mcp_core::edit::Edit;
use mcp_core::head::Head;
use mcp_core::pipeline::{
    Capabilities, Environment, HttpAnswer, Next, Outcome, Pipeline, Report, Step,
};
use mcp_core::refusal::Reason;
use serde_json::{Value, json};

use super::AuthFilter;
use crate::rfc_keys::RfcKey;

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

fn pipeline(members: &Value) -> Pipeline<AuthFilter> {
    let text = json!({ "auth": configured(members) }).to_string();
    let capabilities = Capabilities { clock: true, ticks: true };
    crate::plan(text.as_bytes(), &capabilities).expect("valid").pipeline
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
    last: Step,
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
            Edit::Set(set, value) if *set == name => Some(value.as_str().to_owned()),
            _ => None,
        })
    }

    fn removes(&self, name: &str) -> bool {
        self.edits().any(|edit| *edit == Edit::Remove(name.into()))
    }
}

fn ask_in(
    world: &mut World,
    pipeline: &Pipeline<AuthFilter>,
    fields: &[(&str, &str)],
    body: &str,
) -> Outcomes {
    let post = [(":method", "POST"), (":path", "/mcp"), ("content-type", "application/json")];
    let fields = post.iter().chain(fields);
    let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let head = Head::new(fields);
    let (mut exchange, mut step) = pipeline.request_head(&head, true, world);
    // Every service is down.
    while let Next::Call(_) = step.next {
        step = pipeline.call_answered(&mut exchange, &head, &HttpAnswer::NONE, world);
    }
    let edits = step.edits.clone();
    if step.next == Next::ReadBody {
        step = pipeline.request_body(&mut exchange, body.as_bytes(), world);
    }
    Outcomes { head: edits, last: step, counted: core::mem::take(&mut world.counted) }
}

fn ask(pipeline: &Pipeline<AuthFilter>, fields: &[(&str, &str)], body: &str) -> Outcomes {
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
    let capabilities = Capabilities { clock: true, ticks: true };
    let plan = crate::plan(text.to_string().as_bytes(), &capabilities).expect("valid");
    let token = bearer(&json!({ "scope": "r" }));
    let body = format!("[{},{},{}]", call("read"), call("drop_table"), call("read"));
    let asked = ask(&plan.pipeline, &[("authorization", &token)], &body);
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
    let cases: &[(&str, &Value, &[(&str, &str)], bool)] = &[
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
