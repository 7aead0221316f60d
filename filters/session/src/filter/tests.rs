//! Sessions through the whole pipeline: what the upstream is sent, and what the client is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_core::config::{self, Secret};
use mcp_core::edit::Edit;
use mcp_core::hash::{HashKey, Subject};
use mcp_core::head::Head;
use mcp_core::limits::{MAX_PRINCIPAL, MAX_SESSION_ID};
use mcp_core::pipeline::{Capabilities, Environment, Exchange, Next, Response, Servers};

use super::SessionFilter;
use crate::config::plan;
use crate::envelope::Record;
use crate::keys::Ring;

/// A world that stands still unless a test moves it.
struct World {
    now: Option<u64>,
    /// The next byte; a source that is predictable, but never repeats itself.
    random: Option<u8>,
    address: Option<String>,
}

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        self.now
    }

    fn randomize(&mut self, bytes: &mut [u8]) -> bool {
        let Some(next) = &mut self.random else { return false };
        for byte in bytes {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
        true
    }

    fn upstream_address(&mut self) -> Option<String> {
        self.address.clone()
    }
}

/// An upstream's answer with this session id, if any.
struct Answer<'a>(Option<&'a [u8]>);

impl Response for Answer<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.0.filter(|_| name == "mcp-session-id").map(<[u8]>::to_vec)
    }
}

type Field<'a> = (&'a str, &'a str);

const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const RAW: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const ALICE: Field<'_> = ("x-user", "alice");
const BOB: Field<'_> = ("x-user", "bob");
const MODERN: Field<'_> = ("mcp-protocol-version", "2026-07-28");

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{
    "protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"inspector"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_weather"}}"#;

/// The text with `$A`, `$B`, `$D` and `$E` as secrets.
fn with_secrets(text: &str) -> String {
    let fill = |text: String, (name, byte): (&str, u8)| {
        text.replace(&format!("${name}"), &STANDARD.encode([byte; 32]))
    };
    [("A", 1), ("B", 2), ("D", 4), ("E", 5)].into_iter().fold(text.to_owned(), fill)
}

/// The keys of [`SEALED`] and [`BOUND`].
fn keys() -> (Ring, HashKey) {
    #[derive(serde::Deserialize)]
    struct Keys {
        secrets: Vec<Secret>,
        export_key: Secret,
    }
    let text = with_secrets(&format!("{{{SEALED}}}"));
    let keys: Keys = config::parse(text.as_bytes()).expect("keys");
    (Ring::new(&keys.secrets), HashKey::new(&keys.export_key))
}

const SEALED: &str = r#""secrets":["$A"],"export_key":"$E""#;
const BOUND: &str = r#""secrets":["$A"],"export_key":"$E","principal_header":"X-User",
    "principal_header_trusted":true"#;

fn bound_with(more: &str) -> Gateway {
    Gateway::new(&format!("{BOUND},{more}"))
}

struct Gateway {
    pipeline: Servers<SessionFilter>,
    world: World,
}

/// A request on its way: the head the upstream gets.
struct Sent {
    exchange: Exchange<SessionFilter>,
    head: Vec<(String, String)>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice: {:?}", self.head);
        value
    }

    /// The headers the filters own, by what follows `x-mcp-`.
    fn exports(&self) -> Vec<(&str, &str)> {
        let own = |(name, value)| Some((str::strip_prefix(name, "x-mcp-")?, value));
        let mut exports: Vec<_> = self
            .head
            .iter()
            .filter_map(|(name, value)| own((name.as_str(), value.as_str())))
            .collect();
        exports.sort_unstable();
        exports
    }
}

impl Gateway {
    fn new(session: &str) -> Self {
        let capabilities = Capabilities::ALL;
        let text = with_secrets(&format!(r#"{{"session":{{{session}}}}}"#));
        let plan = plan(text.as_bytes(), &capabilities).expect(session);
        let world = World { now: Some(START), random: Some(0), address: None };
        Self { pipeline: plan.servers, world }
    }

    /// Sends a request; a refusal comes back as its status and body.
    fn send(
        &mut self,
        method: &str,
        fields: &[Field<'_>],
        body: &str,
    ) -> Result<Sent, (u16, String)> {
        let mut head = vec![(":method", method), (":path", "/mcp")];
        head.extend((method == "POST").then_some(("content-type", "application/json")));
        head.retain(|(name, _)| fields.iter().all(|(field, _)| field != name));
        head.extend_from_slice(fields);
        let bytes = head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let (mut exchange, mut step) =
            self.pipeline.request_head(&Head::new(bytes), !body.is_empty(), &mut self.world);
        let mut edits = step.edits;
        if step.next == Next::ReadBody {
            step = self.pipeline.request_body(&mut exchange, body.as_bytes(), &mut self.world);
            edits.extend(step.edits);
        }
        match step.next {
            Next::Forward => {
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                let mut head = head.into_iter().map(owned).collect();
                edits.into_iter().for_each(|edit| apply(&mut head, edit));
                Ok(Sent { exchange, head })
            }
            Next::Reply(reply) => {
                Err((reply.status, String::from_utf8(reply.body).expect("JSON is UTF-8")))
            }
            other => panic!("{other:?}"),
        }
    }

    fn post(&mut self, fields: &[Field<'_>], body: &str) -> Sent {
        self.send("POST", fields, body).expect("forwarded")
    }

    fn respond(&mut self, sent: &mut Sent, id: Option<&[u8]>) -> Vec<Edit> {
        self.pipeline.response_head(&mut sent.exchange, &Answer(id), &mut self.world)
    }

    /// Opens a session; the id that the client is given for `RAW`.
    fn open(&mut self, fields: &[Field<'_>]) -> String {
        let mut sent = self.post(fields, INITIALIZE);
        self.sealed(&mut sent, RAW)
    }

    /// The id that the client is given for `id`.
    fn sealed(&mut self, sent: &mut Sent, id: &str) -> String {
        match self.respond(sent, Some(id.as_bytes())).as_slice() {
            [Edit::Set(name, value)] if name.as_str() == "mcp-session-id" => {
                value.as_str().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Does as a host does.
fn apply(head: &mut Vec<(String, String)>, edit: Edit) {
    let remove = |head: &mut Vec<(String, String)>, name: &[u8]| {
        head.retain(|(field, _)| !field.as_bytes().eq_ignore_ascii_case(name));
    };
    match edit {
        Edit::Remove(name) => remove(head, &name),
        Edit::Set(name, value) => {
            remove(head, name.as_str().as_bytes());
            head.push((name.as_str().to_owned(), value.as_str().to_owned()));
        }
        Edit::Add(name, value) => {
            head.push((name.as_str().to_owned(), value.as_str().to_owned()));
        }
        Edit::Rename(..) => panic!("the filter renames nothing"),
    }
}

fn session(id: &str) -> Field<'_> {
    ("mcp-session-id", id)
}

/// The answer to a request whose session is not one, with its id.
fn not_found(id: &str) -> Option<(u16, String)> {
    let error = r#"{"code":-32600,"message":"Session not found"}"#;
    Some((404, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)))
}

#[test]
fn a_session_is_sealed_for_the_client_and_opened_for_the_server() {
    let mut gateway = Gateway::new(BOUND);
    let envelope = gateway.open(&[ALICE]);
    assert!(envelope.starts_with("s1.") && !envelope.contains(RAW), "{envelope}");
    for (method, body) in [("POST", CALL), ("GET", ""), ("DELETE", "")] {
        let fields = [ALICE, ("Mcp-Session-Id", &envelope)];
        let mut sent = gateway.send(method, &fields, body).expect(method);
        assert_eq!(sent.header("mcp-session-id"), Some(RAW), "{method}");
        // Echoed: the very text the client holds, which does not live longer for it.
        gateway.world.now = Some(START + DAY - 1);
        assert_eq!(gateway.sealed(&mut sent, RAW), envelope, "{method}");
        gateway.world.now = Some(START);
        let mut sent = gateway.send(method, &fields, body).expect(method);
        assert_eq!(gateway.respond(&mut sent, None), [], "{method}: not echoed");
    }
    assert_ne!(gateway.open(&[ALICE]), envelope, "the same id, sealed anew");
}

#[test]
fn an_envelope_says_what_was_known_when_the_session_opened() {
    let mut gateway = bound_with(r#""affinity":"upstream_address","ttl":"1h""#);
    gateway.world.address = Some("10.0.0.2:8080".to_owned());
    let long = INITIALIZE.replace("2025-11-25", &"v".repeat(200)).replace("inspector", "é");
    let mut sent = gateway.post(&[ALICE], &long);
    let envelope = gateway.sealed(&mut sent, RAW);
    let mut sent = gateway.post(&[], LIST);
    let bare = gateway.sealed(&mut sent, RAW);
    let (ring, key) = keys();
    let open = |envelope: &str| Record::open(envelope.as_bytes(), &ring).expect("an envelope");
    let record = Record {
        id: RAW.to_owned(),
        principal: Some(key.hash(Subject::Principal, b"alice")),
        version: "v".repeat(128),
        client: "é".to_owned(),
        replica: "10.0.0.2:8080".to_owned(),
        issued: START,
        expires: START + 3600,
    };
    assert_eq!(open(&envelope), record);
    let nobody =
        Record { principal: None, version: String::new(), client: String::new(), ..record };
    assert_eq!(open(&bare), nobody);
}

#[test]
fn another_id_within_a_session_is_sealed_anew() {
    let mut gateway = Gateway::new(BOUND);
    let envelope = gateway.open(&[ALICE]);
    let mut sent = gateway.post(&[ALICE, session(&envelope)], LIST);
    let other = gateway.sealed(&mut sent, "other-id");
    assert_ne!(other, envelope);
    let sent = gateway.post(&[ALICE, session(&other)], LIST);
    assert_eq!(sent.header("mcp-session-id"), Some("other-id"));
}

#[test]
fn a_session_that_is_not_the_callers_does_not_exist() {
    let mut gateway = Gateway::new(BOUND);
    let alices = gateway.open(&[ALICE]);
    let nobodys = gateway.open(&[]);
    let foreign = Gateway::new(&BOUND.replace("$A", "$B")).open(&[ALICE]);
    // The same ring, but principals known by another key.
    let unkeyed = Gateway::new(&BOUND.replace("$E", "$D")).open(&[ALICE]);
    let mut tampered = alices.clone().into_bytes();
    tampered[40] = if tampered[40] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).expect("ASCII");
    let long = "x".repeat(10_000);
    let cases: [(&str, &[Field<'_>]); 12] = [
        ("another's", &[BOB, session(&alices)]),
        ("another's, by case", &[("x-user", "Alice"), session(&alices)]),
        ("somebody's, from nobody", &[session(&alices)]),
        ("somebody's, from an empty name", &[("x-user", ""), session(&alices)]),
        ("nobody's, from somebody", &[ALICE, session(&nobodys)]),
        ("changed", &[ALICE, session(&tampered)]),
        ("of another gateway", &[ALICE, session(&foreign)]),
        ("of another export key", &[ALICE, session(&unkeyed)]),
        ("the server's own id", &[ALICE, session(RAW)]),
        ("any text", &[ALICE, session("s1.")]),
        ("no text", &[ALICE, session("")]),
        ("too long", &[ALICE, session(&long)]),
    ];
    for (name, fields) in cases {
        // One answer for all, so that nobody learns which sessions there are.
        assert_eq!(gateway.send("POST", fields, CALL).err(), not_found("2"), "{name}");
        assert_eq!(gateway.send("GET", fields, "").err(), not_found("null"), "{name}");
        assert_eq!(gateway.send("DELETE", fields, "").err(), not_found("null"), "{name}");
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let refused = gateway.send("POST", fields, notification).err();
        assert_eq!(refused, Some((404, String::new())), "{name}");
    }
    assert!(gateway.send("POST", &[ALICE, session(&alices)], CALL).is_ok());
    assert!(gateway.send("POST", &[session(&nobodys)], CALL).is_ok());
}

#[test]
fn a_session_ends_with_its_last_second() {
    let mut gateway = bound_with(r#""ttl":"60s""#);
    let envelope = gateway.open(&[ALICE]);
    let cases = [
        (Some(START), true),
        (Some(START + 59), true),
        (Some(START + 60), false),
        (Some(START + 61), false),
        (Some(u64::MAX), false),
        (None, false),
    ];
    for (now, alive) in cases {
        gateway.world.now = now;
        let sent = gateway.send("POST", &[ALICE, session(&envelope)], CALL);
        assert_eq!(sent.err(), if alive { None } else { not_found("2") }, "{now:?}");
    }
}

#[test]
fn an_id_that_cannot_be_sealed_is_not_shown() {
    let long = "x".repeat(MAX_SESSION_ID + 1);
    let illegal: [&[u8]; 6] =
        [long.as_bytes(), b"", b"a b", b"a\r\nx-user: root", "\u{e9}".as_bytes(), b"\xff"];
    let hidden = [Edit::Remove(b"mcp-session-id".to_vec())];
    let mut gateway = Gateway::new(BOUND);
    for id in illegal {
        let mut sent = gateway.post(&[ALICE], INITIALIZE);
        assert_eq!(gateway.respond(&mut sent, Some(id)), hidden, "{}", id.escape_ascii());
    }
    let longest = "x".repeat(MAX_SESSION_ID);
    let mut sent = gateway.post(&[ALICE], INITIALIZE);
    let envelope = gateway.sealed(&mut sent, &longest);
    let sent = gateway.post(&[ALICE, session(&envelope)], LIST);
    assert_eq!(sent.header("mcp-session-id"), Some(longest.as_str()));
    // Nor is one without a time to end, or without a nonce.
    for (now, random) in [(None, Some(0)), (Some(START), None)] {
        let mut sent = gateway.post(&[ALICE], INITIALIZE);
        (gateway.world.now, gateway.world.random) = (now, random);
        let edits = gateway.respond(&mut sent, Some(RAW.as_bytes()));
        assert_eq!(edits, hidden, "{now:?} {random:?}");
        (gateway.world.now, gateway.world.random) = (Some(START), Some(0));
    }
    // An address beyond what an envelope holds.
    let mut gateway = bound_with(r#""affinity":"upstream_address""#);
    gateway.world.address = Some("x".repeat(2000));
    let mut sent = gateway.post(&[ALICE], INITIALIZE);
    assert_eq!(gateway.respond(&mut sent, Some(RAW.as_bytes())), hidden);
}

#[test]
fn the_principal_is_one_short_header_or_nobody() {
    let longest = "p".repeat(MAX_PRINCIPAL);
    let overlong = "p".repeat(MAX_PRINCIPAL + 1);
    let mut gateway = Gateway::new(BOUND);
    let cases: [(&str, &[Field<'_>], bool); 7] = [
        ("absent", &[], true),
        ("empty", &[("x-user", "")], true),
        ("one", &[ALICE], true),
        ("longest", &[("x-user", &longest)], true),
        ("overlong", &[("x-user", &overlong)], false),
        ("repeated", &[ALICE, ("X-User", "alice")], false),
        ("repeated, one empty", &[ALICE, ("x-user", "")], false),
    ];
    for (name, fields, passes) in cases {
        for (method, body, id) in [("POST", INITIALIZE, "0"), ("GET", "", "null")] {
            let refused = gateway.send(method, fields, body).err();
            assert_eq!(refused.is_none(), passes, "{name}: {refused:?}");
            if let Some((status, body)) = refused {
                assert_eq!(status, 400, "{name}");
                assert!(body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"#)), "{body}");
            }
        }
    }
    // Absent and empty are the same nobody.
    let envelope = gateway.open(&[]);
    assert!(gateway.send("POST", &[("x-user", ""), session(&envelope)], LIST).is_ok());
    // Without a configured header, nobody is asked for.
    let mut sealed = Gateway::new(SEALED);
    let envelope = sealed.open(&[ALICE]);
    assert!(sealed.send("POST", &[BOB, session(&envelope)], LIST).is_ok());
    assert!(sealed.send("POST", &[BOB, BOB, session(&envelope)], LIST).is_ok());
}

#[test]
fn what_a_request_is_about_is_exported() {
    let mut gateway = Gateway::new(BOUND);
    let envelope = gateway.open(&[ALICE]);
    let held = gateway.post(&[ALICE, session(&envelope)], LIST);
    let hash = held.header("x-mcp-session").expect("a hash").to_owned();
    assert_eq!(hash.len(), 22);
    let (long, cut) = ("n".repeat(200), "n".repeat(128));
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    let modern = |client: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"wetter f\u00fcr",
            "_meta":{{{version},"io.modelcontextprotocol/clientCapabilities":{{}}{client}}}}}}}"#
        )
    };
    let info = |name: &str| format!(r#","io.modelcontextprotocol/clientInfo":{{"name":"{name}"}}"#);
    let german = "=?base64?d2V0dGVyIGbDvHI=?=";
    let call = [MODERN, ("mcp-method", "tools/call"), ("mcp-name", german)];
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let opening = INITIALIZE.replace("inspector", &long);
    let nameless = INITIALIZE.replace("inspector", "");
    let held = [ALICE, session(&envelope)];
    let (legacy, inspector) = (("era", "legacy"), ("agent", "inspector"));
    let own = ("session", hash.as_str());
    let cases: [(&str, &[Field<'_>], String, Vec<Field<'_>>); 11] = [
        (
            "initialize",
            &[ALICE],
            INITIALIZE.into(),
            vec![inspector, legacy, ("method", "initialize")],
        ),
        ("a long name", &[], opening, vec![("agent", &cut), legacy, ("method", "initialize")]),
        ("no name", &[], nameless, vec![legacy, ("method", "initialize")]),
        (
            "call in a session",
            &held,
            CALL.into(),
            vec![inspector, legacy, ("method", "tools/call"), ("name", "get_weather"), own],
        ),
        (
            "resource in a session",
            &held,
            read.into(),
            vec![inspector, legacy, ("method", "resources/read"), ("name", "file:///a"), own],
        ),
        (
            "list in a session",
            &held,
            LIST.into(),
            vec![inspector, legacy, ("method", "tools/list"), own],
        ),
        ("response in a session", &held, response.into(), vec![inspector, legacy, own]),
        (
            "call without one",
            &[],
            CALL.into(),
            vec![legacy, ("method", "tools/call"), ("name", "get_weather")],
        ),
        (
            "modern",
            &call,
            modern(""),
            vec![("era", "modern"), ("method", "tools/call"), ("name", german)],
        ),
        (
            "modern with a name",
            &call,
            modern(&info("cl\u{ef}ent")),
            vec![
                ("agent", "=?base64?Y2zDr2VudA==?="),
                ("era", "modern"),
                ("method", "tools/call"),
                ("name", german),
            ],
        ),
        (
            "forged",
            &[
                ("x-mcp-session", "s"),
                ("X_MCP_AGENT", "a"),
                ("x-mcp-affinity", "1"),
                ("x-mcp-scopes", "all"),
            ],
            LIST.into(),
            vec![legacy, ("method", "tools/list")],
        ),
    ];
    for (name, fields, body, expect) in cases {
        assert_eq!(gateway.post(fields, &body).exports(), expect, "{name}");
    }
    for method in ["GET", "DELETE"] {
        let sent = gateway.send(method, &held, "").expect(method);
        assert_eq!(sent.exports(), [inspector, legacy, own], "{method}");
    }
}

#[test]
fn sessions_are_known_by_a_hash_that_outlives_the_ring() {
    let hash = |config: &str, fields: &[Field<'_>], envelope: Option<&str>| {
        let mut gateway = Gateway::new(config);
        let envelope = envelope.map_or_else(|| gateway.open(fields), str::to_owned);
        let fields = [fields, &[session(&envelope)]].concat();
        let sent = gateway.post(&fields, LIST);
        (sent.header("x-mcp-session").expect("a hash").to_owned(), envelope)
    };
    let (before, envelope) = hash(BOUND, &[ALICE], None);
    let rotating = BOUND.replace(r#"["$A"]"#, r#"["$B","$A"]"#);
    assert_eq!(hash(&rotating, &[ALICE], Some(&envelope)).0, before, "the old envelope");
    let (after, fresh) = hash(&rotating, &[ALICE], None);
    assert_eq!(after, before, "sealed anew under the new key");
    assert_eq!(hash(&BOUND.replace("$A", "$B"), &[ALICE], Some(&fresh)).0, before, "rotated");
    assert_eq!(hash(BOUND, &[BOB], None).0, before, "the session, whoever has it");
    assert_ne!(hash(&BOUND.replace("$E", "$D"), &[ALICE], None).0, before, "another export key");
    let mut gateway = Gateway::new(r#""export_key":"$E""#);
    let plain = gateway.post(&[session(RAW)], LIST);
    assert_eq!(plain.header("x-mcp-session"), Some(before.as_str()), "sealed or not");
    let other = gateway.post(&[session("other")], LIST);
    assert_ne!(other.header("x-mcp-session"), Some(before.as_str()));
    assert!(!before.contains(RAW));
}

#[test]
fn the_same_text_as_principal_and_as_session_hashes_differently() {
    let mut gateway = bound_with(r#""affinity":"token""#);
    let fields = [("x-user", RAW)];
    let token = gateway.post(&fields, LIST).header("x-mcp-affinity").map(str::to_owned);
    let envelope = gateway.open(&fields);
    let sent = gateway.post(&[("x-user", RAW), session(&envelope)], LIST);
    assert_eq!(sent.header("x-mcp-affinity"), token.as_deref());
    assert!(sent.header("x-mcp-session").is_some());
    assert_ne!(sent.header("x-mcp-session"), token.as_deref());
}

#[test]
fn without_secrets_sessions_pass_as_they_are() {
    let mut gateway = Gateway::new("");
    for (method, body) in [("POST", CALL), ("GET", ""), ("DELETE", "")] {
        let mut sent = gateway.send(method, &[session(RAW)], body).expect(method);
        assert_eq!(sent.header("mcp-session-id"), Some(RAW), "{method}");
        assert_eq!(sent.header("x-mcp-session"), None, "{method}: no key to hash it with");
        assert_eq!(gateway.respond(&mut sent, Some(RAW.as_bytes())), [], "{method}");
    }
    for id in ["", "a b", "\u{e9}", &"x".repeat(MAX_SESSION_ID + 1)] {
        assert_eq!(gateway.send("POST", &[session(id)], CALL).err(), not_found("2"), "{id}");
    }
}

#[test]
fn a_modern_request_has_no_session() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    for config in ["", r#""export_key":"$E""#, SEALED, BOUND] {
        let mut gateway = Gateway::new(config);
        for id in [RAW, "s1.any", "", "not one at all"] {
            let fields = [MODERN, ("mcp-method", "tools/list"), session(id)];
            let sent = gateway.post(&fields, body);
            assert_eq!(sent.header("mcp-session-id"), None, "{config}: {id}");
            assert_eq!(sent.header("x-mcp-session"), None, "{config}: {id}");
        }
    }
}

#[test]
fn the_older_transport_has_its_session_in_the_query() {
    let mut gateway = Gateway::new(r#""export_key":"$E""#);
    let mut hash = |path: &str, fields: &[Field<'_>]| {
        let sent = gateway.post(&[&[(":path", path)], fields].concat(), CALL);
        sent.header("x-mcp-session").map(str::to_owned)
    };
    let own = hash("/mcp", &[session("abc")]);
    assert!(own.is_some());
    let cases = [
        ("/messages?session_id=abc", true),
        ("/messages?sessionId=abc", true),
        ("/messages/?a=b&session_id=abc&c", true),
        ("/messages", false),
        ("/messages?session_id=", false),
        ("/messages?session_id=a b", false),
        ("/messages?session=abc", false),
        ("/session_id=abc", false),
        ("/messages?xsession_id=abc", false),
    ];
    for (path, found) in cases {
        assert_eq!(hash(path, &[]), own.clone().filter(|_| found), "{path}");
    }
    assert_ne!(hash("/messages?session_id=abcd", &[]), own);
    assert_ne!(hash("/messages?session_id=abc", &[session("x")]), own, "the header comes first");
}

#[test]
fn without_affinity_the_load_balancer_is_free() {
    let mut gateway = Gateway::new(BOUND);
    gateway.world.address = Some("10.0.0.2:8080".to_owned());
    let envelope = gateway.open(&[ALICE]);
    for config in [BOUND.to_owned(), format!(r#"{BOUND},"affinity":"token""#)] {
        // Nor is there anything in the envelope that a later configuration could use.
        let mut gateway = Gateway::new(&config);
        let sent = gateway.post(&[ALICE, session(&envelope), ("x-mcp-affinity", "forged")], LIST);
        assert_eq!(sent.header("x-mcp-affinity"), None, "{config}");
    }
    let sent = gateway.post(&[ALICE], INITIALIZE);
    assert_eq!(sent.header("x-mcp-affinity"), None);
}

#[test]
fn a_token_keeps_a_principal_or_else_a_session_together() {
    let mut gateway = bound_with(r#""affinity":"token""#);
    gateway.world.address = Some("10.0.0.2:8080".to_owned());
    let mut token = |fields: &[Field<'_>], body: &str| {
        let mut sent = gateway.post(fields, body);
        let token = sent.header("x-mcp-affinity").map(str::to_owned);
        let opens = body == INITIALIZE;
        (token, if opens { gateway.sealed(&mut sent, RAW) } else { String::new() })
    };
    // By principal, from the first request on.
    let (alices, envelope) = token(&[ALICE], INITIALIZE);
    assert!(alices.is_some());
    assert_eq!(token(&[ALICE, session(&envelope)], LIST).0, alices);
    assert_eq!(token(&[ALICE], LIST).0, alices, "without a session");
    assert_ne!(token(&[BOB], INITIALIZE).0, alices);
    // By session, with a token of its own for each, which the envelope keeps.
    let (one, first) = token(&[], INITIALIZE);
    let (two, second) = token(&[], INITIALIZE);
    assert!(one.is_some() && one != two && one != alices);
    assert_eq!(token(&[session(&first)], LIST).0, one);
    assert_eq!(token(&[session(&second)], CALL).0, two);
    assert_eq!(token(&[], LIST).0, None, "nobody, in no session");
    gateway.world.random = None;
    assert_eq!(gateway.post(&[], INITIALIZE).header("x-mcp-affinity"), None, "no randomness");
}

#[test]
fn an_address_leads_back_to_the_replica_that_answered() {
    for fields in [&[][..], &[ALICE]] {
        let mut gateway = bound_with(r#""affinity":"upstream_address""#);
        // Sent by token, since nobody knows yet where it ends.
        let mut sent = gateway.post(fields, INITIALIZE);
        let token = sent.header("x-mcp-affinity").map(str::to_owned);
        assert!(token.is_some(), "{fields:?}");
        // The gateway tried one replica and got its answer from another.
        gateway.world.address = Some("10.0.0.2:8080".to_owned());
        let envelope = gateway.sealed(&mut sent, RAW);
        // The session stays there, wherever the answers of others come from.
        gateway.world.address = Some("10.0.0.1:8080".to_owned());
        let held = [fields, &[session(&envelope)]].concat();
        for (method, body) in [("POST", CALL), ("GET", ""), ("DELETE", "")] {
            let mut sent = gateway.send(method, &held, body).expect(method);
            assert_eq!(sent.header("x-mcp-affinity"), Some("10.0.0.2:8080"), "{method}");
            assert_eq!(gateway.sealed(&mut sent, RAW), envelope, "{method}");
        }
        // Where the gateway does not tell the address, the token serves.
        gateway.world.address = None;
        let mut sent = gateway.post(fields, INITIALIZE);
        let token = sent.header("x-mcp-affinity").map(str::to_owned);
        let envelope = gateway.sealed(&mut sent, RAW);
        let sent = gateway.post(&[fields, &[session(&envelope)]].concat(), LIST);
        assert_eq!(sent.header("x-mcp-affinity"), token.as_deref(), "{fields:?}");
    }
}

#[test]
fn a_session_may_be_answered_by_many_workers() {
    let mut opened_by = Gateway::new(BOUND);
    let envelope = opened_by.open(&[ALICE]);
    let mut other = Gateway::new(BOUND);
    let sent = other.post(&[ALICE, session(&envelope)], LIST);
    assert_eq!(sent.header("mcp-session-id"), Some(RAW));
}
