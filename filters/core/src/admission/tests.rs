//! Heads as clients, browsers and attackers send them, and what is let in.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::time::Duration;

use super::{Admission, AdmissionConfig, Admitted, Batches, Validation, Verb, strip};
use crate::config::{self, ConfigError};
use crate::edit::Edit;
use crate::head::Head;
use crate::limits::{self, MAX_HEADERS};
use crate::refusal::{Addressee, Reason, Refusal, Reply};
use crate::version::Version;

type Field<'a> = (&'a str, &'a str);

const POST: Field<'_> = (":method", "POST");
const JSON: Field<'_> = ("content-type", "application/json");
const ORIGIN: Field<'_> = ("origin", "https://app.example");

fn read(text: &str) -> Result<Admission, ConfigError> {
    config::parse::<AdmissionConfig>(text.as_bytes())?.try_into()
}

fn admission(text: &str) -> Admission {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn head<'a>(fields: &[Field<'a>]) -> Head<'a> {
    Head::new(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect())
}

fn judge(admission: &Admission, fields: &[Field<'_>]) -> Result<Admitted, Reason> {
    admission.admit(&head(fields)).map_err(|refusal| refusal.reason)
}

fn refused(admission: &Admission, fields: &[Field<'_>]) -> Refusal {
    admission.admit(&head(fields)).expect_err("refused")
}

/// The values of a reply's fields of this name, joined.
fn field(reply: &Reply, name: &str) -> String {
    let values = reply.headers.iter().filter(|(field, _)| *field == name);
    values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" | ")
}

type Case<'a> = (&'a str, &'a [Field<'a>], Result<Verb, Reason>);

fn run(text: &str, cases: &[Case<'_>]) {
    let admission = admission(text);
    for (name, fields, expect) in cases {
        assert_eq!(judge(&admission, fields), expect.map(Admitted::Mcp), "{name}");
    }
}

#[test]
fn paths_outside_the_list_are_foreign_and_pass_unjudged() {
    let some = admission(r#"{"paths":["/mcp","/servers/*"],"origins":["https://app.example"]}"#);
    let all = admission("{}");
    let cases = [
        ("/mcp", true),
        ("/mcp?x=/other", true),
        ("/%6dcp", true),
        ("/servers/a", true),
        ("/", false),
        ("/other?x=/mcp", false),
        ("/.well-known/oauth-protected-resource/mcp", false),
    ];
    for (path, ours) in cases {
        let fields = [POST, (":path", path), JSON];
        let expect = if ours { Admitted::Mcp(Verb::Post) } else { Admitted::Foreign };
        assert_eq!(judge(&some, &fields), Ok(expect), "{path}");
        assert_eq!(judge(&all, &fields), Ok(Admitted::Mcp(Verb::Post)), "{path} without a list");
    }
    // None of which an endpoint would let in.
    let alien: [(&str, &[Field<'_>]); 5] = [
        ("method", &[(":method", "PATCH")]),
        ("origin", &[POST, ("origin", "https://evil.example")]),
        ("media type", &[POST, ("content-type", "text/plain")]),
        ("no media type", &[POST]),
        ("repeated", &[POST, ("authorization", "a"), ("authorization", "b")]),
    ];
    for (name, fields) in alien {
        let to = |path| [&[(":path", path)], fields].concat();
        assert_eq!(judge(&some, &to("/other")), Ok(Admitted::Foreign), "{name}");
        assert!(judge(&some, &to("/mcp")).is_err(), "{name}");
    }
}

#[test]
fn every_spelling_of_an_owned_header_is_removed_once_and_nothing_else() {
    let inbound = [
        (":method", "POST"),
        ("x-mcp-principal", "root"),
        ("X-MCP-Principal", "root"),
        ("x_mcp_principal", "root"),
        ("x-mcp_principal", "root"),
        ("x-mcp-principal", "again"),
        ("X_Mcp_Scopes", "admin"),
        ("x-mcp-handoff", "mac"),
        ("x-mcp-affinity", "10.0.0.1:80"),
        ("mcp_session_id", "s"),
        ("Mcp_Method", "tools/list"),
        ("mcp-session-id", "s"),
        ("mcp-method", "tools/call"),
        ("x-mcp-principals", "other"),
        ("x-mcp", "other"),
        ("x_request_id", "other"),
    ];
    let removed = [
        "x-mcp-principal",
        "X-MCP-Principal",
        "x_mcp_principal",
        "x-mcp_principal",
        "X_Mcp_Scopes",
        "x-mcp-handoff",
        "x-mcp-affinity",
        "mcp_session_id",
        "Mcp_Method",
    ];
    let expect: Vec<_> = removed.iter().map(|name| Edit::Remove((*name).into())).collect();
    assert_eq!(strip(&head(&inbound), |_| false), expect);
    let owned = ["era", "method", "name", "session", "affinity", "principal", "tenant", "agent"];
    for name in owned.iter().chain(&["scopes", "handoff"]) {
        let name = format!("x-mcp-{name}");
        let edits = strip(&head(&[(&name, "forged")]), |_| false);
        assert_eq!(edits, [Edit::Remove(name.clone().into())], "{name}");
    }
    // And what filters own by their configuration.
    let edits = strip(&head(&inbound), |name| name == b"x-mcp");
    assert_eq!(edits.len(), expect.len() + 1);
    assert_eq!(edits.last(), Some(&Edit::Remove(b"x-mcp".to_vec())));
}

#[test]
fn origins_are_absent_or_listed() {
    let listed: &[Case<'_>] = &[
        ("absent", &[POST, JSON], Ok(Verb::Post)),
        ("listed", &[POST, JSON, ORIGIN], Ok(Verb::Post)),
        ("other case", &[POST, JSON, ("Origin", "HTTPS://App.example")], Ok(Verb::Post)),
        ("unlisted", &[POST, JSON, ("origin", "https://evil.example")], Err(Reason::Origin)),
        ("other scheme", &[POST, JSON, ("origin", "http://app.example")], Err(Reason::Origin)),
        ("other port", &[POST, JSON, ("origin", "https://app.example:1")], Err(Reason::Origin)),
        ("suffix", &[POST, JSON, ("origin", "https://app.example.evil")], Err(Reason::Origin)),
        ("null", &[POST, JSON, ("origin", "null")], Err(Reason::Origin)),
        ("empty", &[POST, JSON, ("origin", "")], Err(Reason::Origin)),
        ("repeated", &[POST, JSON, ORIGIN, ORIGIN], Err(Reason::DuplicateHeader)),
        ("on GET", &[(":method", "GET"), ("origin", "null")], Err(Reason::Origin)),
        ("on OPTIONS", &[(":method", "OPTIONS"), ("origin", "null")], Err(Reason::Origin)),
    ];
    run(r#"{"origins":["https://other.example","https://app.example"]}"#, listed);
    run("{}", &[("no list", &[POST, JSON, ORIGIN], Err(Reason::Origin))]);
    let reply = refused(&admission("{}"), &[POST, JSON, ORIGIN]).reply(Addressee::Unknown);
    assert_eq!(reply.status, 403);
    assert!(!String::from_utf8_lossy(&reply.body).contains("\"id\""));
}

#[test]
fn hosts_are_those_listed() {
    let cases: &[Case<'_>] = &[
        ("listed", &[POST, JSON, (":authority", "mcp.example")], Ok(Verb::Post)),
        ("with a port", &[POST, JSON, (":authority", "MCP.example:8443")], Ok(Verb::Post)),
        ("as a header", &[POST, JSON, ("Host", "mcp.example")], Ok(Verb::Post)),
        ("with its port", &[POST, JSON, (":authority", "[::1]:80")], Ok(Verb::Post)),
        ("with another", &[POST, JSON, (":authority", "[::1]:81")], Err(Reason::Host)),
        ("unlisted", &[POST, JSON, (":authority", "evil.example")], Err(Reason::Host)),
        ("below", &[POST, JSON, (":authority", "x.mcp.example")], Err(Reason::Host)),
        ("none", &[POST, JSON], Err(Reason::Host)),
        (
            "authority outranks the header",
            &[POST, JSON, (":authority", "evil.example"), ("host", "mcp.example")],
            Err(Reason::Host),
        ),
        (
            "repeated",
            &[POST, JSON, ("host", "mcp.example"), ("host", "mcp.example")],
            Err(Reason::DuplicateHeader),
        ),
    ];
    run(r#"{"hosts":["mcp.example","[::1]:80"]}"#, cases);
    run("{}", &[("no list", &[POST, JSON, (":authority", "any.example")], Ok(Verb::Post))]);
    let none = admission(r#"{"hosts":["mcp.example"]}"#);
    assert_eq!(refused(&none, &[POST, JSON]).reason.status(), 421);
}

#[test]
fn methods_of_an_endpoint() {
    /// (name, fields, expect, `Allow`)
    type Row<'a> = (&'a str, &'a [Field<'a>], Result<Verb, Reason>, Option<&'a str>);
    const MODERN: Field<'_> = ("MCP-Protocol-Version", "2026-07-28");
    const LEGACY: Field<'_> = ("mcp-protocol-version", "2025-06-18");
    const V999: Field<'_> = ("mcp-protocol-version", "v999");
    const GET: Field<'_> = (":method", "GET");
    const DELETE: Field<'_> = (":method", "DELETE");
    let (all, none) = (Some("GET, POST, DELETE"), None);
    let cases: &[Row<'_>] = &[
        ("POST", &[POST, JSON], Ok(Verb::Post), none),
        ("modern POST", &[POST, JSON, MODERN], Ok(Verb::Post), none),
        ("GET", &[GET], Ok(Verb::Get), none),
        ("legacy GET", &[GET, LEGACY], Ok(Verb::Get), none),
        ("legacy DELETE", &[DELETE, LEGACY], Ok(Verb::Delete), none),
        ("modern GET", &[GET, MODERN], Err(Reason::MethodNotAllowed), Some("POST")),
        ("modern DELETE", &[DELETE, MODERN], Err(Reason::MethodNotAllowed), Some("POST")),
        ("unknown version", &[GET, V999], Err(Reason::MethodNotAllowed), Some("POST")),
        ("two versions", &[GET, LEGACY, LEGACY], Err(Reason::DuplicateHeader), none),
        ("PUT", &[(":method", "PUT"), JSON], Err(Reason::MethodNotAllowed), all),
        ("HEAD", &[(":method", "HEAD")], Err(Reason::MethodNotAllowed), all),
        ("lower case", &[(":method", "post"), JSON], Err(Reason::MethodNotAllowed), all),
        ("OPTIONS", &[(":method", "OPTIONS")], Err(Reason::MethodNotAllowed), all),
        ("none", &[JSON], Err(Reason::MethodNotAllowed), all),
        ("before the media type", &[(":method", "PUT")], Err(Reason::MethodNotAllowed), all),
    ];
    let admission = admission("{}");
    for (name, fields, expect, allow) in cases {
        assert_eq!(judge(&admission, fields), expect.map(Admitted::Mcp), "{name}");
        if let Err(refusal) = admission.admit(&head(fields)) {
            let reply = refusal.reply(Addressee::Unknown);
            assert_eq!(reply.status, if allow.is_some() { 405 } else { 400 }, "{name}");
            assert_eq!(field(&reply, "allow"), allow.unwrap_or_default(), "{name}");
        }
    }
}

#[test]
fn streams_are_opened_in_versions_that_have_them() {
    let header = |version| vec![("mcp-protocol-version", version)];
    let november = r#"{"versions":["2025-11-25","2026-07-28"]}"#;
    let modern = r#"{"versions":["2026-07-28"]}"#;
    let cases = [
        ("spoken here", november, header("2025-11-25"), None),
        ("no header", november, vec![], None),
        ("not spoken here", november, header("2025-06-18"), Some(Reason::UnsupportedVersion)),
        ("modern", november, header("2026-07-28"), Some(Reason::MethodNotAllowed)),
        ("modern only, no header", modern, vec![], Some(Reason::MethodNotAllowed)),
        ("modern only", modern, header("2025-11-25"), Some(Reason::MethodNotAllowed)),
    ];
    for (name, text, version, refused) in cases {
        let admission = admission(text);
        for method in ["GET", "DELETE"] {
            let fields = [vec![(":method", method)], version.clone()].concat();
            assert_eq!(judge(&admission, &fields).err(), refused, "{name}: {method}");
        }
    }
}

#[test]
fn media_types_and_encodings_of_a_body() {
    let typed = |value| [POST, ("content-type", value)];
    let coded = |value| [POST, JSON, ("content-encoding", value)];
    run(
        "{}",
        &[
            ("plain", &typed("application/json"), Ok(Verb::Post)),
            ("case", &typed("Application/JSON"), Ok(Verb::Post)),
            ("parameter", &typed("application/json; charset=utf-8"), Ok(Verb::Post)),
            ("space", &typed(" application/json ;x"), Ok(Verb::Post)),
            ("missing", &[POST], Err(Reason::MediaType)),
            ("empty", &typed(""), Err(Reason::MediaType)),
            ("other", &typed("text/plain"), Err(Reason::MediaType)),
            ("suffix", &typed("application/json-rpc"), Err(Reason::MediaType)),
            ("prefix", &typed("text/plain;application/json"), Err(Reason::MediaType)),
            ("two in one", &typed("application/json, text/plain"), Err(Reason::MediaType)),
            ("repeated", &[POST, JSON, JSON], Err(Reason::DuplicateHeader)),
            ("identity", &coded("Identity"), Ok(Verb::Post)),
            ("gzip", &coded("gzip"), Err(Reason::ContentEncoding)),
            ("br", &coded("br"), Err(Reason::ContentEncoding)),
            ("empty encoding", &coded(""), Err(Reason::ContentEncoding)),
            ("two encodings", &coded("identity, gzip"), Err(Reason::ContentEncoding)),
            ("none on GET", &[(":method", "GET")], Ok(Verb::Get)),
            ("none on DELETE", &[(":method", "DELETE")], Ok(Verb::Delete)),
        ],
    );
    assert_eq!((Reason::MediaType.status(), Reason::ContentEncoding.status()), (415, 415));
}

#[test]
fn an_announced_body_over_the_limit_is_refused_unread() {
    let of = |length| [POST, JSON, ("content-length", length)];
    run(
        r#"{"max_body":"1KiB"}"#,
        &[
            ("none", &of("0"), Ok(Verb::Post)),
            ("at the limit", &of("1024"), Ok(Verb::Post)),
            ("over", &of("1025"), Err(Reason::BodyTooLarge)),
            ("far over", &of("18446744073709551615"), Err(Reason::BodyTooLarge)),
            ("unannounced", &[POST, JSON], Ok(Verb::Post)),
        ],
    );
    run("{}", &[("1 MiB by default", &of("1048577"), Err(Reason::BodyTooLarge))]);
    assert_eq!(Reason::BodyTooLarge.status(), 413);
}

#[test]
fn what_decides_something_occurs_once() {
    let names = [
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "mcp-session-id",
        "origin",
    ];
    let admission = admission("{}");
    for name in names {
        let upper = name.to_uppercase();
        let fields = [POST, (name, "1"), (upper.as_str(), "1")];
        assert_eq!(judge(&admission, &fields), Err(Reason::DuplicateHeader), "{name}");
    }
    // The mirrored ones are judged with the body, and lists may come in parts.
    for name in ["mcp-protocol-version", "mcp-method", "mcp-name", "accept"] {
        let fields = [POST, JSON, (name, "1"), (name, "1")];
        assert_eq!(judge(&admission, &fields), Ok(Admitted::Mcp(Verb::Post)), "{name}");
    }
    assert_eq!(Reason::DuplicateHeader.status(), 400);
}

#[test]
fn a_head_that_may_hide_fields_is_refused_on_any_path() {
    let admission = admission(r#"{"paths":["/mcp"]}"#);
    for path in ["/mcp", "/other"] {
        let mut fields = vec![POST, (":path", path), (":authority", "mcp.example"), JSON];
        fields.extend(core::iter::repeat_n(("x-any", "1"), MAX_HEADERS.saturating_sub(2)));
        assert!(judge(&admission, &fields).is_ok(), "{path}: 99, pseudo-headers aside");
        fields.push(("x-any", "1"));
        assert_eq!(judge(&admission, &fields), Err(Reason::TooManyHeaders), "{path}");
    }
    assert_eq!((MAX_HEADERS, Reason::TooManyHeaders.status()), (100, 431));
}

const CORS: &str = r#"{"paths":["/mcp"],"origins":["https://App.example"],"cors":{}}"#;
const OPTIONS: Field<'_> = (":method", "OPTIONS");
const MCP: Field<'_> = (":path", "/mcp");

fn preflight(text: &str, fields: &[Field<'_>]) -> Reply {
    match admission(text).admit(&head(fields)) {
        Ok(Admitted::Answer(reply)) => reply,
        other => panic!("{fields:?}: {other:?}"),
    }
}

#[test]
fn a_preflight_is_answered_where_cors_is_configured() {
    let reply = preflight(CORS, &[OPTIONS, MCP, ("origin", "HTTPS://APP.example")]);
    let headers = [
        ("allow", "GET, POST, DELETE, OPTIONS"),
        // As the browser spells it, whatever the configuration and the request say.
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-methods", "GET, POST, DELETE, OPTIONS"),
        (
            "access-control-allow-headers",
            "authorization, content-type, accept, mcp-protocol-version, mcp-session-id, \
             mcp-method, mcp-name, last-event-id, traceparent, tracestate, dpop",
        ),
        ("access-control-max-age", "600"),
        ("vary", "Origin, Access-Control-Request-Headers"),
    ];
    let seen: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!((reply.status, reply.body.as_slice()), (204, &b""[..]));
    assert_eq!(seen, headers);
    let long = r#"{"origins":["https://app.example"],"cors":{"max_age":"2h"}}"#;
    let reply = preflight(long, &[OPTIONS, ORIGIN]);
    assert_eq!(field(&reply, "access-control-max-age"), "7200");
}

#[test]
fn a_preflight_tells_nothing_to_who_may_not_read() {
    let reply = preflight(CORS, &[OPTIONS, MCP]);
    let names: Vec<_> = reply.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!((reply.status, names), (204, vec!["allow"]));
    let cors = admission(CORS);
    let evil = [OPTIONS, MCP, ("origin", "https://evil.example")];
    assert_eq!(judge(&cors, &evil), Err(Reason::Origin));
    assert_eq!(judge(&cors, &[OPTIONS, (":path", "/x"), ORIGIN]), Ok(Admitted::Foreign));
    let without = admission(r#"{"origins":["https://app.example"]}"#);
    assert_eq!(judge(&without, &[OPTIONS, ORIGIN]), Err(Reason::MethodNotAllowed));
}

#[test]
fn only_parameter_headers_are_reflected_and_only_as_names() {
    let ask = |names: &str| {
        let asked = ("access-control-request-headers", names);
        let reply = preflight(CORS, &[OPTIONS, MCP, ORIGIN, asked]);
        let allowed = field(&reply, "access-control-allow-headers");
        let fixed = "traceparent, tracestate, dpop";
        allowed.split_once(fixed).map(|(_, more)| more.to_owned()).expect("the fixed names")
    };
    let cases = [
        ("", ""),
        ("mcp-param-region", ", mcp-param-region"),
        ("content-type, Mcp-Param-Region ,mcp-param-a", ", mcp-param-region, mcp-param-a"),
        ("x-mcp-principal, cookie", ""),
        ("*", ""),
        ("mcp-param-a\r\nset-cookie: b", ""),
        ("mcp-param-a b", ""),
        ("mcp-param-\u{e9}", ""),
        ("mcp-param-a:b", ""),
        ("x, mcp-param-\0, mcp-param-ok", ", mcp-param-ok"),
    ];
    for (asked, expect) in cases {
        assert_eq!(ask(asked), expect, "{asked:?}");
    }
    let many: Vec<_> = (0..100).map(|index| format!("mcp-param-{index}")).collect();
    assert_eq!(ask(&many.join(",")).matches("mcp-param-").count(), 32);
    // More than a head can hold: the fixed names alone.
    assert_eq!(ask(&format!("mcp-param-{}", "x".repeat(limits::MAX_EXPORTED_HEADER))), "");
}

#[test]
fn an_answer_can_be_read_by_a_listed_origin_alone() {
    let reader = |text: &str, fields: &[Field<'_>]| admission(text).reader(&head(fields));
    assert!(reader(CORS, &[ORIGIN]).is_some());
    assert!(reader(CORS, &[]).is_none());
    assert!(reader(CORS, &[("origin", "https://evil.example")]).is_none());
    assert!(reader(CORS, &[ORIGIN, ORIGIN]).is_none());
    assert!(reader(r#"{"origins":["https://app.example"]}"#, &[ORIGIN]).is_none());
    let headers = reader(CORS, &[ORIGIN]).map(|reader| reader.headers()).expect("a reader");
    let seen: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let exposed =
        "Mcp-Session-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, DPoP-Nonce";
    assert_eq!(
        seen,
        [
            ("access-control-allow-origin", "https://app.example"),
            ("access-control-expose-headers", exposed),
            ("vary", "Origin"),
        ]
    );
}

#[test]
fn the_defaults_are_the_safe_side() {
    let admission = admission("{}");
    assert_eq!((admission.max_body, admission.body_timeout.as_secs()), (1024 * 1024, 10));
    assert_eq!((admission.validation, admission.batches), (Validation::Enforce, Batches::Refuse));
    assert_eq!(admission.versions, Version::ALL);
    assert!(admission.cors.is_none() && admission.origins.is_empty());
}

#[test]
fn a_configuration_is_read_as_written() {
    let admission = admission(
        r#"{"max_body":"64KiB","body_timeout":"2s","validation":"trust_headers",
            "batches":"allow","versions":["2026-07-28","2025-03-26","2026-07-28"]}"#,
    );
    assert_eq!((admission.max_body, admission.body_timeout), (65536, Duration::from_secs(2)));
    assert_eq!(
        (admission.validation, admission.batches),
        (Validation::TrustHeaders, Batches::Allow)
    );
    assert_eq!(admission.versions, [Version::V2025_03_26, Version::V2026_07_28]);
}

#[test]
fn a_wrong_key_is_named_with_its_path_and_what_is_allowed() {
    let cases = [
        (r#"{"path":["/mcp"]}"#, "path", "unknown field `path`, expected one of `paths`"),
        (r#"{"paths":"/mcp"}"#, "paths", "expected a sequence"),
        (r#"{"paths":["/mcp","mcp"]}"#, "paths[1]", "absolute path such as \"/mcp\""),
        (r#"{"paths":["/*/mcp"]}"#, "paths[0]", "only as its last segment"),
        (r#"{"origins":["*"]}"#, "origins[0]", "\"https://app.example.com\""),
        (r#"{"origins":["https://a","null"]}"#, "origins[1]", "must be scheme, host"),
        (r#"{"hosts":["https://a"]}"#, "hosts[0]", "\"mcp.example.com\""),
        (r#"{"cors":{}}"#, "cors", "without admission.origins"),
        (r#"{"origins":["https://a"],"cors":{"age":"1s"}}"#, "cors.age", "`max_age`"),
        (r#"{"origins":["https://a"],"cors":{"max_age":1}}"#, "cors.max_age", "expected a string"),
        (r#"{"max_body":"0B"}"#, "max_body", "at least \"1B\""),
        (r#"{"max_body":1024}"#, "max_body", "expected a string"),
        (r#"{"max_body":"much"}"#, "max_body", "\"1MiB\""),
        (r#"{"body_timeout":"999ms"}"#, "body_timeout", "between \"1s\" and \"1h\""),
        (r#"{"body_timeout":"3601s"}"#, "body_timeout", "between \"1s\" and \"1h\""),
        (r#"{"validation":"off"}"#, "validation", "`enforce`, `log_only`, `trust_headers`"),
        (r#"{"batches":"maybe"}"#, "batches", "`allow` or `refuse`"),
        (r#"{"versions":[]}"#, "versions", "admits nobody"),
        (r#"{"versions":["2025-11-25","latest"]}"#, "versions[1]", "not a known version"),
    ];
    for (text, path, problem) in cases {
        let error = read(text).expect_err(text);
        assert_eq!(error.path, path, "{text}: {error}");
        assert!(error.problem.contains(problem), "{text}: {error}");
    }
}
