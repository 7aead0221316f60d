//! Which server a request is for, and that nobody gets to one as another's.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::cell::Cell;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::admission::AdmissionConfig;
use crate::config::{ConfigError, Section};
use crate::pipeline::{Call, Caller, Identified, Outcome};

/// A filter with settings that it publishes, and a header of its own.
#[derive(Debug)]
struct Noted {
    note: String,
    header: Option<String>,
    ticks: Cell<u8>,
}

impl Filter for Noted {
    type State = ();
    type Ticket = u8;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        let path = format!("/.well-known/{}", self.note);
        let published = head.first(":path") == Some(path.as_bytes());
        published.then(|| Reply { status: 200, headers: Vec::new(), body: path.into() })
    }

    fn owns(&self, name: &[u8]) -> bool {
        self.header.as_ref().is_some_and(|header| header.as_bytes() == name)
    }

    fn identify(
        &self,
        _: &Head<'_>,
        _: &mut Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Identified<u8>, Refusal> {
        Ok(Identified::Wait(Topic(1)))
    }

    fn answered(&self, ticket: u8, _: &HttpAnswer<'_>, _: &mut dyn Environment) {
        self.ticks.set(ticket);
    }

    fn authorize(
        &self,
        _: &Call<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Vec<Edit>, Refusal> {
        Ok(Vec::new())
    }

    fn respond(
        &self,
        _: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Vec<Edit> {
        Vec::new()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sections {
    admission: Section<AdmissionConfig>,
    noted: Section<NotedConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NotedConfig {
    note: Option<String>,
    header: Option<String>,
    list: Vec<u8>,
}

/// A host whose routes are chosen by another host than `Host` says, if there is one.
#[derive(Default)]
struct World {
    routed: Option<&'static str>,
    asked: usize,
}

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        None
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }

    fn routed_host(&mut self) -> Option<Vec<u8>> {
        self.asked = self.asked.saturating_add(1);
        self.routed.map(|host| host.as_bytes().to_vec())
    }
}

fn read(text: &str) -> Result<Plan<Noted>, ConfigError> {
    plan(text.as_bytes(), |Sections { admission, noted: Section(noted) }, server| {
        let admission = admission.0.build()?;
        let Some(note) = noted.note else {
            return Err(ConfigError::new("noted.note", "is required"));
        };
        let lists = server.map(|server| (server.at(&["noted", "list"]), server.name()));
        let notices = vec!["the same".to_owned(), format!("{note} {lists:?}")];
        let filter = Noted { note, header: noted.header, ticks: Cell::new(0) };
        Ok((Pipeline::new(admission, filter), notices))
    })
}

fn servers(text: &str) -> Servers<Noted> {
    read(text).expect("valid").servers
}

fn ask(servers: &Servers<Noted>, host: &str, path: &str) -> Step<ServerTicket<u8>> {
    ask_at(servers, host, path, &mut World::default())
}

fn ask_at(
    servers: &Servers<Noted>,
    host: &str,
    path: &str,
    world: &mut World,
) -> Step<ServerTicket<u8>> {
    let fields = vec![
        (&b":method"[..], &b"POST"[..]),
        (b":path", path.as_bytes()),
        (b":authority", host.as_bytes()),
        (b"content-type", b"application/json"),
        (b"x-mcp-server", b"forged"),
        (b"x-region", b"forged"),
    ];
    servers.request_head(&Head::new(fields), true, world).1
}

/// The server that a request is for, or what became of it instead.
fn whose(step: &Step<ServerTicket<u8>>) -> String {
    match &step.next {
        Next::Wait(_) => match step.edits.last() {
            Some(Edit::Set(name, value)) if name.as_str() == "x-mcp-server" => {
                value.as_str().to_owned()
            }
            other => format!("{other:?}"),
        },
        Next::Forward => "nobody's".to_owned(),
        Next::Reply(reply) => reply.status.to_string(),
        other => format!("{other:?}"),
    }
}

const TWO: &str = r#"{
    "noted": { "note": "common", "list": [1, 2] },
    "servers": [
        { "name": "bookings", "hosts": ["bookings.example.com", "b.example:8443"],
          "paths": ["/mcp", "/public/mcp"], "noted": { "header": "x-region" } },
        { "name": "search", "paths": ["/search/mcp", "/search/x/*"],
          "noted": { "note": "search", "list": [2] } } ] }"#;

#[test]
fn a_request_is_for_the_first_server_whose_host_and_path_it_has() {
    let servers = servers(TWO);
    let b = "bookings.example.com";
    let cases = [
        // As configured.
        (b, "/mcp", "bookings"),
        (b, "/search/mcp", "search"),
        ("any.example", "/search/x/y", "search"),
        ("b.example:8443", "/mcp", "bookings"),
        // In other words for the same.
        ("BOOKINGS.Example.com", "/mcp", "bookings"),
        ("bookings.example.com:8443", "/mcp?x=/search/mcp", "bookings"),
        (b, "/mcp/", "bookings"),
        (b, "//mcp", "bookings"),
        (b, "/%6dcp", "bookings"),
        (b, "/a/../mcp", "bookings"),
        (b, "/mcp;v=1", "bookings"),
        (b, "/mcp#/search/mcp", "bookings"),
        // A path of a server, but not on this host.
        ("other.example", "/mcp", "421"),
        ("other.example", "/%6Dcp?a", "421"),
        ("other.example", "//mcp", "421"),
        ("", "/mcp", "421"),
        ("bookings.example.com.", "/mcp", "421"),
        ("bookings.example.com.evil.example", "/mcp", "421"),
        ("bookings.example.com:evil", "/mcp", "421"),
        ("evil@bookings.example.com", "/mcp", "421"),
        ("bookings.example.com,other", "/mcp", "421"),
        ("b.example", "/mcp", "421"),
        // One server's as it is sent, another's, or nobody's, as it is resolved.
        (b, "/search/x/../../mcp", "421"),
        (b, "/search/x/..%2f..%2fmcp", "421"),
        (b, "/search/x/..;/..;/mcp", "421"),
        (b, "/search/x/%2e%2e/%2e%2e/mcp", "421"),
        ("other.example", "/search/x/../../mcp", "421"),
        (b, "/search/x/../../elsewhere", "421"),
        (b, "/search/x/../mcp", "search"),
        // Nobody's.
        (b, "/", "nobody's"),
        (b, "/mcp2", "nobody's"),
        (b, "/MCP", "nobody's"),
        (b, "/search/other", "nobody's"),
        ("other.example", "/a?/mcp", "nobody's"),
    ];
    for (host, path, expected) in cases {
        assert_eq!(whose(&ask(&servers, host, path)), expected, "{host} {path}");
    }
}

#[test]
fn a_server_without_paths_has_all_of_its_hosts() {
    let list = r#"{ "noted": { "note": "n" }, "servers": [
        { "name": "a", "hosts": ["a.example"] }, { "name": "b", "paths": ["/mcp"] } ] }"#;
    let servers = servers(list);
    let cases = [
        ("a.example", "/mcp", "a"),
        ("a.example", "/anything", "a"),
        ("b.example", "/mcp", "b"),
        ("b.example", "/anything", "421"),
    ];
    for (host, path, expected) in cases {
        assert_eq!(whose(&ask(&servers, host, path)), expected, "{host} {path}");
    }
}

#[test]
fn endpoints_of_models_are_a_servers_as_its_paths_are() {
    let list = r#"{ "noted": { "note": "n" }, "servers": [
        { "name": "a", "paths": ["/mcp"], "admission": { "llm_paths": ["/v1/*"] } } ] }"#;
    let servers = servers(list);
    assert_eq!(whose(&ask(&servers, "any", "/v1/chat/completions")), "a");
    assert_eq!(whose(&ask(&servers, "any", "/v2")), "nobody's");
}

#[test]
fn a_route_that_was_chosen_by_another_host_leads_nowhere() {
    let servers = servers(TWO);
    let b = "bookings.example.com";
    let cases = [
        (Some("bookings.example.com"), b, "/mcp", "bookings"),
        (Some("bookings.example.com"), "Bookings.example.com:8443", "/mcp", "bookings"),
        (Some("other.example"), b, "/mcp", "421"),
        (Some("bookings.example.com"), "other.example", "/search/mcp", "421"),
        (Some("other.example"), b, "/elsewhere", "nobody's"),
        (None, b, "/mcp", "bookings"),
    ];
    for (routed, host, path, expected) in cases {
        let step = ask_at(&servers, host, path, &mut World { routed, asked: 0 });
        assert_eq!(whose(&step), expected, "{routed:?} {host} {path}");
    }
    // Nobody asks where hosts do not matter.
    for list in [
        r#"{"noted":{"note":"n"}}"#,
        r#"{"noted":{"note":"n"},"servers":[{"name":"a","paths":["/mcp"]}]}"#,
    ] {
        let mut world = World { routed: Some("other.example"), asked: 0 };
        let step = ask_at(&self::servers(list), b, "/mcp", &mut world);
        assert!(matches!(step.next, Next::Wait(_)));
        assert_eq!(world.asked, 0, "{list}");
    }
}

#[test]
fn what_any_server_owns_is_removed_from_every_request() {
    let servers = servers(TWO);
    let removed = |step: Step<ServerTicket<u8>>| {
        let edits = step.edits.into_iter();
        let mut names: Vec<_> = edits
            .filter_map(|edit| match edit {
                Edit::Remove(name) => String::from_utf8(name).ok(),
                _ => None,
            })
            .collect();
        names.sort();
        names
    };
    for path in ["/mcp", "/search/mcp", "/elsewhere"] {
        let step = ask(&servers, "bookings.example.com", path);
        assert_eq!(removed(step), ["x-mcp-server", "x-region"], "{path}");
    }
    let one = self::servers(r#"{"noted":{"note":"n"}}"#);
    let step = ask(&one, "any", "/mcp");
    assert_eq!(step.edits, [Edit::Remove(b"x-mcp-server".to_vec())], "and none is written");
}

#[test]
fn a_document_is_published_on_its_servers_hosts() {
    let list = r#"{ "servers": [
        { "name": "a", "hosts": ["a.example"], "paths": ["/mcp"], "noted": { "note": "of_a" } },
        { "name": "b", "hosts": ["b.example"], "paths": ["/mcp"], "noted": { "note": "of_b" } },
        { "name": "c", "paths": ["/c/mcp"], "noted": { "note": "of_c" } } ] }"#;
    let servers = servers(list);
    let cases = [
        ("a.example", "of_a", "200"),
        ("b.example", "of_a", "nobody's"),
        ("b.example:443", "of_b", "200"),
        ("b.example", "of_c", "200"),
        ("other.example", "of_a", "nobody's"),
        ("other.example", "of_c", "200"),
    ];
    for (host, note, expected) in cases {
        let step = ask(&servers, host, &format!("/.well-known/{note}"));
        assert_eq!(whose(&step), expected, "{host} {note}");
    }
}

#[test]
fn a_request_that_may_hide_headers_is_nobodys() {
    let servers = servers(TWO);
    let mut fields = vec![(&b":path"[..], &b"/elsewhere"[..])];
    fields.extend([(&b"x-filler"[..], &b"a"[..]); MAX_HEADERS]);
    let (_, step) = servers.request_head(&Head::new(fields), true, &mut World::default());
    assert_eq!(whose(&step), "431");
}

#[test]
fn refusals_name_the_server() {
    let servers = servers(TWO);
    let fields = vec![
        (&b":method"[..], &b"PUT"[..]),
        (b":path", b"/search/mcp"),
        (b":authority", b"any.example"),
    ];
    let (_, step) = servers.request_head(&Head::new(fields), true, &mut World::default());
    let report = step.report.expect("a report");
    assert_eq!(report.server.as_deref(), Some("search"));
    let step = ask(&servers, "other.example", "/mcp");
    let report = step.report.expect("a report");
    assert_eq!((report.outcome, report.server), (Outcome::Refused(Reason::Host), None));
}

#[test]
fn answers_and_topics_are_each_servers_own() {
    let servers = servers(TWO);
    let wait = |path| ask(&servers, "bookings.example.com", path).next;
    assert_ne!(wait("/mcp"), wait("/search/mcp"));
    assert_eq!(wait("/mcp"), wait("/public/mcp"));
    let ticket = ServerTicket { server: 1, ticket: 9 };
    servers.answered(ticket, &HttpAnswer::NONE, &mut World::default());
    let ticks: Vec<_> = servers.iter().map(|server| server.pipeline.filter.ticks.get()).collect();
    assert_eq!(ticks, [0, 9]);
}

#[test]
fn sections_are_merged() {
    let plan = read(TWO).expect("valid");
    let notes: Vec<_> =
        plan.servers.iter().map(|server| server.pipeline.filter.note.as_str()).collect();
    assert_eq!(notes, ["common", "search"]);
    let headers: Vec<_> =
        plan.servers.iter().map(|server| server.pipeline.filter.header.is_some()).collect();
    assert_eq!(headers, [true, false]);
    assert_eq!(
        plan.notices,
        [
            "the same",
            r#"bookings: common Some(((Some("[1, 2]"), Some("[1, 2]")), "bookings"))"#,
            r#"search: search Some(((Some("[2]"), Some("[1, 2]")), "search"))"#
        ]
    );
    // null removes, and what is no object replaces.
    let removed = TWO.replace(r#""note": "search""#, r#""note": null"#);
    assert_eq!(read(&removed).expect_err("removed").path, "servers[1].noted.note");
}

#[test]
fn an_error_is_named_where_it_was_written() {
    let one = |entry: serde_json::Value| json!({ "servers": [entry] }).to_string();
    let paths = json!(["/mcp"]);
    let cases = [
        (one(json!({})), "servers[0].name", "is required"),
        (one(json!([])), "servers[0].name", "is required"),
        (one(json!({ "name": "a b", "paths": paths })), "servers[0].name", "letters, digits"),
        (one(json!({ "name": "", "paths": paths })), "servers[0].name", "is required"),
        (one(json!({ "name": "a" })), "servers[0].paths", "unless hosts are given"),
        (one(json!({ "name": "a", "paths": [], "hosts": [] })), "servers[0].paths", "is required"),
        (one(json!({ "name": "a", "paths": ["mcp"] })), "servers[0].paths[0]", "absolute path"),
        (one(json!({ "name": "a", "paths": "/mcp" })), "servers[0].paths", "expected a sequence"),
        (one(json!({ "name": "a", "hosts": ["https://a"] })), "servers[0].hosts[0]", "must be a host"),
        (
            one(json!({ "name": "a", "paths": paths, "notes": {} })),
            "servers[0].notes",
            "unknown field",
        ),
        (
            one(json!({ "name": "a", "paths": paths, "noted": { "note": 1 } })),
            "servers[0].noted.note",
            "expected a string",
        ),
        (one(json!({ "name": "a", "paths": paths })), "servers[0].noted.note", "is required"),
        (
            one(json!({ "name": "a", "paths": paths, "admission": { "paths": paths } })),
            "servers[0].admission.paths",
            "is not for a list of servers",
        ),
        (
            json!({ "admission": { "hosts": ["a"] }, "servers": [{ "name": "a", "paths": paths }] })
                .to_string(),
            "admission.hosts",
            "is not for a list of servers",
        ),
        (
            json!({ "noted": { "list": [1, "x"] }, "servers": [{ "name": "a", "paths": paths }] })
                .to_string(),
            "noted.list[1]",
            "expected u8",
        ),
        (
            json!({ "notes": {}, "servers": [{ "name": "a", "paths": paths }] }).to_string(),
            "notes",
            "unknown field",
        ),
        (r#"{"servers":[]}"#.to_owned(), "servers", "or be left out"),
        (r#"{"servers":{}}"#.to_owned(), "servers", "must be a list"),
        (json!({ "servers": vec![json!({}); 65] }).to_string(), "servers", "at most 64"),
        (r#"{"servers":[}"#.to_owned(), "configuration", "line 1"),
    ];
    for (text, path, problem) in cases {
        let error = read(&text).expect_err(&text);
        assert_eq!(error.path, path, "{text}: {error}");
        assert!(error.problem.contains(problem), "{text}: {error}");
        assert!(path == "configuration" || !error.problem.contains(" line "), "{error}");
    }
}

#[test]
fn a_server_that_gets_no_request_is_refused() {
    let of = |hosts: &[&str], paths: &[&str]| json!({ "hosts": hosts, "paths": paths });
    let (a, b) = (&["a.example"][..], &["b.example"][..]);
    let cases = [
        (of(&[], &["/mcp"]), of(&[], &["/mcp"]), true),
        (of(&[], &["/mcp"]), of(a, &["/mcp"]), true),
        (of(&[], &["/x/*"]), of(a, &["/x/y", "/x/z/*"]), true),
        (of(&[], &["/*"]), of(&[], &["/mcp"]), true),
        (of(a, &[]), of(a, &["/mcp"]), true),
        (of(a, &[]), of(&["a.example:8443"], &["/mcp"]), true),
        (of(&["A.example", "b.example"], &["/mcp"]), of(b, &["/mcp"]), true),
        (of(a, &["/mcp"]), of(&[], &["/mcp"]), false),
        (of(a, &["/mcp"]), of(b, &["/mcp"]), false),
        (of(a, &["/mcp"]), of(a, &[]), false),
        (of(&["a.example:1"], &[]), of(a, &["/mcp"]), false),
        (of(&[], &["/x/y"]), of(&[], &["/x/*"]), false),
        (of(&[], &["/x/y"]), of(&[], &["/x/y", "/x/z"]), false),
    ];
    for (mut first, mut second, hidden) in cases {
        first["name"] = "first".into();
        second["name"] = "second".into();
        let text = json!({ "noted": { "note": "n" }, "servers": [first, second] }).to_string();
        let error = read(&text).err().map(|error| error.to_string());
        let expected = "servers[1]: gets no request: all are those of \"first\" before it";
        assert_eq!(error.as_deref(), hidden.then_some(expected), "{text}");
    }
    let twice = TWO.replace(r#""name": "search""#, r#""name": "bookings""#);
    assert_eq!(
        read(&twice).expect_err("twice").to_string(),
        "servers[1].name: is another server's"
    );
}

#[test]
fn without_a_list_everything_is_one_servers() {
    let servers =
        servers(r#"{ "noted": { "note": "n" }, "admission": { "hosts": ["a.example"] } }"#);
    let (exchange, step) = servers.request_head(
        &Head::new(vec![
            (b":method", b"POST"),
            (b":path", b"/mcp"),
            (b":authority", b"a.example"),
            (b"content-type", b"application/json"),
        ]),
        true,
        &mut World::default(),
    );
    assert_eq!((step.edits.len(), step.report), (0, None));
    assert_eq!(servers.admission(&exchange).max_body, 1024 * 1024);
    assert_eq!(whose(&ask(&servers, "other.example", "/mcp")), "421");
}
