//! Exchanges through a filter that writes down what it is asked.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::cell::Cell;
use core::convert::Infallible;

use serde_json::{Value, json};

use super::{
    Call, Caller, Environment, Exchange, Fetch, Filter, HttpAnswer, HttpCall, Identified, Next,
    Outcome, Pipeline, Report, Response, Topic,
};
use crate::admission::{Admission, AdmissionConfig};
use crate::config;
use crate::edit::{Edit, HeaderValue};
use crate::head::Head;
use crate::limits::{MAX_FETCHES_PER_EXCHANGE, MAX_WAITS_PER_EXCHANGE};
use crate::refusal::{RETRY_AFTER, Reason, Refusal, Reply};
use crate::version::Era;

/// A filter that notes each stage, edits in each, and refuses where it is told to.
#[derive(Debug, Default)]
struct Recorder {
    identify: Option<Reason>,
    authorize: Option<Reason>,
    annotations: Vec<(&'static str, HeaderValue)>,
}

/// A filter that knows nobody before its call was answered so many times.
#[derive(Debug)]
struct Asking {
    answers: Cell<u8>,
    needed: u8,
    /// Whether a call is under way, which others wait for.
    asked: Cell<bool>,
}

impl Filter for Asking {
    type State = ();
    type Ticket = u8;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        let published = head.first(":path") == Some(b"/.well-known/document");
        published.then(|| Reply { status: 200, headers: Vec::new(), body: b"published".to_vec() })
    }

    fn identify(
        &self,
        _: &Head<'_>,
        _: &mut Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Identified<u8>, Refusal> {
        let answers = self.answers.get();
        Ok(if answers >= self.needed {
            Identified::Settled(vec![edit("identified")])
        } else if self.asked.replace(true) {
            Identified::Wait(KEYS)
        } else {
            Identified::Fetch(keys_fetch(answers))
        })
    }

    fn answered(&self, ticket: u8, answer: &HttpAnswer<'_>, _: &mut dyn Environment) {
        self.asked.set(false);
        if answer.status.is_none() {
            return;
        }
        assert_eq!((ticket, answer.body), (self.answers.get(), &b"keys"[..]));
        self.answers.set(ticket.saturating_add(1));
    }

    fn authorize(
        &self,
        _: &Call<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Vec<Edit>, Refusal> {
        Ok(vec![edit("authorized")])
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

const KEYS: Topic = Topic(7);

const KEYS_ANSWER: HttpAnswer<'_> =
    HttpAnswer { status: Some(200), content_type: None, body: b"keys" };

fn keys_fetch(ticket: u8) -> Fetch<u8> {
    let call = HttpCall {
        service: "keys".to_owned(),
        scheme: "https",
        authority: "issuer.example".to_owned(),
        path: "/jwks.json".to_owned(),
        form: None,
        timeout: 1000,
    };
    Fetch { call, ticket, topic: KEYS }
}

fn asking(needed: u8) -> Pipeline<Asking> {
    let admission = Admission::try_from(AdmissionConfig::default()).expect("the default is valid");
    Pipeline::new(admission, Asking { answers: Cell::new(0), needed, asked: Cell::new(false) })
}

#[test]
fn a_request_waits_for_answers_and_then_goes_its_way() {
    let head = Head::new(vec![
        (b":method", b"POST"),
        (b":path", b"/mcp"),
        (b"content-type", b"application/json"),
        (b"x-mcp-era", b"forged"),
    ]);
    let pipeline = asking(2);
    let (mut exchange, step) = pipeline.request_head(&head, true, &mut World);
    assert_eq!(step.edits, [Edit::Remove(b"x-mcp-era".to_vec())]);
    assert_eq!(step.next, Next::Fetch(keys_fetch(0)));
    pipeline.answered(0, &KEYS_ANSWER, &mut World);
    let step = pipeline.resume(&mut exchange, &head, &mut World);
    assert_eq!((step.edits, step.next), (Vec::new(), Next::Fetch(keys_fetch(1))));
    pipeline.answered(1, &KEYS_ANSWER, &mut World);
    let step = pipeline.resume(&mut exchange, &head, &mut World);
    assert_eq!((step.edits, step.next), (vec![edit("identified")], Next::ReadBody));
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let step = pipeline.request_body(&mut exchange, body, &mut World);
    assert_eq!((step.edits, step.next), (vec![edit("authorized")], Next::Forward));
    // Being woken once too often changes nothing.
    let step = pipeline.resume(&mut exchange, &head, &mut World);
    assert_eq!((step.edits, step.next), (Vec::new(), Next::Forward));
}

#[test]
fn one_answer_serves_all_that_wait_for_it() {
    let head = Head::new(vec![(b":method", b"GET"), (b":path", b"/mcp")]);
    let pipeline = asking(1);
    let (mut first, step) = pipeline.request_head(&head, false, &mut World);
    assert_eq!(step.next, Next::Fetch(keys_fetch(0)));
    let (mut second, step) = pipeline.request_head(&head, false, &mut World);
    assert_eq!(step.next, Next::Wait(KEYS));
    let step = pipeline.resume(&mut second, &head, &mut World);
    assert_eq!((step.edits, step.next), (Vec::new(), Next::Wait(KEYS)));
    pipeline.answered(0, &KEYS_ANSWER, &mut World);
    for exchange in [&mut second, &mut first] {
        let step = pipeline.resume(exchange, &head, &mut World);
        assert_eq!(step.edits, [edit("identified"), edit("authorized")]);
        assert_eq!(step.next, Next::Forward);
    }
}

#[test]
fn no_request_fetches_or_waits_for_ever() {
    let head = Head::new(vec![(b":method", b"GET"), (b":path", b"/mcp")]);
    let pipeline = asking(u8::MAX);
    let (mut exchange, mut step) = pipeline.request_head(&head, false, &mut World);
    let mut fetches = 0;
    while let Next::Fetch(fetch) = step.next {
        fetches += 1;
        pipeline.answered(fetch.ticket, &KEYS_ANSWER, &mut World);
        step = pipeline.resume(&mut exchange, &head, &mut World);
    }
    assert_eq!(fetches, MAX_FETCHES_PER_EXCHANGE);
    assert!(matches!(step.next, Next::Reply(reply) if reply.status == 503));

    // The call that was one too many is nobody's: another request makes it.
    let (_, step) = pipeline.request_head(&head, false, &mut World);
    assert!(matches!(step.next, Next::Fetch(_)));
    let (mut exchange, mut step) = pipeline.request_head(&head, false, &mut World);
    let mut waits = 0;
    while step.next == Next::Wait(KEYS) {
        waits += 1;
        step = pipeline.resume(&mut exchange, &head, &mut World);
    }
    assert_eq!(waits, MAX_WAITS_PER_EXCHANGE);
    let Next::Reply(reply) = step.next else { panic!("{:?}", step.next) };
    assert_eq!(reply.status, 503);
    assert!(reply.headers.iter().any(|(name, _)| *name == RETRY_AFTER));
}

#[test]
fn a_document_is_for_everyone() {
    let head = Head::new(vec![
        (b":method", b"GET"),
        (b":path", b"/.well-known/document"),
        (b"origin", b"https://any.example"),
    ]);
    let (_, step) = asking(1).request_head(&head, false, &mut World);
    assert!(matches!(step.next, Next::Reply(reply) if reply.body == b"published"));
}

impl Filter for Recorder {
    /// The stages, in order.
    type State = Vec<String>;
    type Ticket = Infallible;

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        _: &mut dyn Environment,
        stages: &mut Self::State,
    ) -> Result<Identified<Infallible>, Refusal> {
        stages.push("identify".to_owned());
        caller.principal = head.first("user").map(<[u8]>::to_vec);
        self.identify.map_or(Ok(Identified::Settled(vec![edit("identified")])), |reason| {
            Err(Refusal::new(reason))
        })
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        _: &mut dyn Environment,
        stages: &mut Self::State,
    ) -> Result<Vec<Edit>, Refusal> {
        let Call { era, method, name, message, .. } = call;
        stages.push(format!(
            "authorize {} {} {} {}{}",
            era.as_str(),
            method.unwrap_or("-"),
            name.unwrap_or("-"),
            if message.is_some() { "body" } else { "head" },
            if caller.principal.is_some() { " caller" } else { "" },
        ));
        self.authorize.map_or(Ok(vec![edit("authorized")]), |reason| Err(Refusal::new(reason)))
    }

    fn annotations(&self, _: &Call<'_>, _: &mut Self::State) -> Vec<(&'static str, HeaderValue)> {
        self.annotations.clone()
    }

    fn respond(
        &self,
        response: &dyn Response,
        caller: &Caller,
        _: &mut dyn Environment,
        stages: &mut Self::State,
    ) -> Vec<Edit> {
        let status = response.header(":status").unwrap_or_default();
        let caller = if caller.principal.is_some() { " caller" } else { "" };
        stages.push(format!("respond {}{caller}", String::from_utf8_lossy(&status)));
        vec![edit("responded")]
    }
}

struct World;

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
}

struct Answer;

impl Response for Answer {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        (name == ":status").then(|| b"200".to_vec())
    }
}

fn edit(stage: &'static str) -> Edit {
    Edit::Set(stage.into(), HeaderValue::from_static("1"))
}

fn removed(name: &str) -> Edit {
    Edit::Remove(name.into())
}

type Field<'a> = (&'a str, &'a str);
type Step = super::Step<Infallible>;
type Flow = (Exchange<Recorder>, Step);

const POST: &[Field<'_>] = &[(":method", "POST"), ("content-type", "application/json")];
const GET: &[Field<'_>] = &[(":method", "GET")];
const DELETE: &[Field<'_>] = &[(":method", "DELETE")];
const MODERN: Field<'_> = ("mcp-protocol-version", "2026-07-28");
const CALL: Field<'_> = ("mcp-method", "tools/call");
const NAME: Field<'_> = ("mcp-name", "get_weather");

const LEGACY_CALL: &str =
    r#"{"jsonrpc":"2.0","id":"a\u0062","method":"tools/call","params":{"name":"get_weather"}}"#;
const MODERN_CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":
    "get_weather","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
    "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

fn pipeline(admission: &str, filter: Recorder) -> Pipeline<Recorder> {
    let config: AdmissionConfig = config::parse(admission.as_bytes()).expect("a section");
    Pipeline::new(config.try_into().expect("valid"), filter)
}

fn plain(admission: &str) -> Pipeline<Recorder> {
    pipeline(admission, Recorder::default())
}

fn with<'a>(base: &[Field<'a>], more: &[Field<'a>]) -> Vec<Field<'a>> {
    [base, more].concat()
}

impl Pipeline<Recorder> {
    /// Hands in a head that a body may follow.
    fn head(&self, fields: &[Field<'_>]) -> Flow {
        self.only_head(fields, true)
    }

    fn only_head(&self, fields: &[Field<'_>], has_body: bool) -> Flow {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        self.request_head(&Head::new(fields.collect()), has_body, &mut World)
    }

    /// Hands in a head and the body it must ask for. The step is what the body led to.
    fn post(&self, fields: &[Field<'_>], body: &str) -> Flow {
        let (mut exchange, step) = self.head(fields);
        assert_eq!((step.next, step.report), (Next::ReadBody, None), "{body}");
        let step = self.request_body(&mut exchange, body.as_bytes(), &mut World);
        (exchange, step)
    }

    fn answer(&self, exchange: &mut Exchange<Recorder>) -> Vec<Edit> {
        self.response_head(exchange, &Answer, &mut World)
    }
}

fn reply(step: &Step) -> &Reply {
    match &step.next {
        Next::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// A reply's status and body, the body as JSON; `null` if it is empty.
fn told(step: &Step) -> (u16, Value) {
    let Reply { status, body, .. } = reply(step);
    let body =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(body).expect("JSON") };
    (*status, body)
}

fn outcome(step: &Step) -> Option<Outcome> {
    step.report.as_ref().map(|report| report.outcome)
}

#[test]
fn a_call_goes_through_the_stages_in_order_with_the_edits_of_each() {
    let pipeline = plain("{}");
    let fields = with(POST, &[("x-mcp-era", "forged"), ("user", "u")]);
    let (mut exchange, step) = pipeline.head(&fields);
    assert_eq!(step.edits, [removed("x-mcp-era"), edit("identified")]);
    assert_eq!((step.next, step.report), (Next::ReadBody, None));
    let step = pipeline.request_body(&mut exchange, LEGACY_CALL.as_bytes(), &mut World);
    assert_eq!((step.edits, step.next), (vec![edit("authorized")], Next::Forward));
    assert_eq!(
        step.report,
        Some(Report {
            era: Era::Legacy,
            method: "tools/call",
            tool: Some("get_weather".to_owned()),
            outcome: Outcome::Forwarded,
            detail: None,
            server: None,
        })
    );
    assert_eq!(pipeline.answer(&mut exchange), [edit("responded")]);
    assert_eq!(
        exchange.state,
        ["identify", "authorize legacy tools/call get_weather body caller", "respond 200 caller"]
    );
}

#[test]
fn a_stream_needs_no_body() {
    let pipeline = plain("{}");
    for fields in [GET, DELETE] {
        let (mut exchange, step) = pipeline.head(&with(fields, &[("x_mcp_era", "forged")]));
        assert_eq!(step.edits, [removed("x_mcp_era"), edit("identified"), edit("authorized")]);
        assert_eq!(
            (step.next, step.report.map(|report| report.method)),
            (Next::Forward, Some("none"))
        );
        pipeline.answer(&mut exchange);
        assert_eq!(exchange.state, ["identify", "authorize legacy - - head", "respond 200"]);
    }
}

#[test]
fn a_post_without_a_body_is_judged_as_an_empty_one() {
    let (exchange, step) = plain("{}").only_head(&with(POST, &[("x-mcp-era", "forged")]), false);
    let (status, body) = told(&step);
    assert_eq!((status, body.get("id")), (400, Some(&Value::Null)));
    assert_eq!(body.pointer("/error/code"), Some(&json!(-32700)));
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::Parse)));
    assert_eq!(exchange.state, ["identify"]);
}

#[test]
fn foreign_traffic_is_stripped_and_otherwise_left_alone() {
    let pipeline = plain(r#"{"paths":["/mcp"],"origins":["https://app.example"],"cors":{}}"#);
    let fields = [
        (":method", "POST"),
        (":path", "/other"),
        ("x-mcp-principal", "root"),
        ("origin", "https://app.example"),
    ];
    let (mut exchange, step) = pipeline.head(&fields);
    assert_eq!((step.edits, step.next), (vec![removed("x-mcp-principal")], Next::Forward));
    assert_eq!(step.report, None);
    let step = pipeline.request_body(&mut exchange, b"not JSON", &mut World);
    assert_eq!(step, Step { edits: Vec::new(), next: Next::Forward, report: None });
    assert_eq!(pipeline.answer(&mut exchange), []);
    assert!(exchange.state.is_empty());
}

#[test]
fn what_is_not_admitted_reaches_no_filter() {
    let pipeline = plain("{}");
    let (mut exchange, step) = pipeline.head(&[(":method", "PUT"), ("x-mcp-era", "forged")]);
    assert_eq!(step.edits, [removed("x-mcp-era")]);
    assert_eq!(reply(&step).status, 405);
    assert_eq!(
        step.report,
        Some(Report {
            era: Era::Legacy,
            method: "none",
            tool: None,
            outcome: Outcome::Refused(Reason::MethodNotAllowed),
            detail: None,
            server: None,
        })
    );
    // The host's own answer passes through the response stage as well.
    assert_eq!(pipeline.answer(&mut exchange), []);
    assert!(exchange.state.is_empty());
}

#[test]
fn a_preflight_is_answered_without_a_report() {
    let pipeline = plain(r#"{"origins":["https://app.example"],"cors":{}}"#);
    let fields = [(":method", "OPTIONS"), ("origin", "https://app.example")];
    let (mut exchange, step) = pipeline.head(&fields);
    assert_eq!((reply(&step).status, &step.report), (204, &None));
    assert_eq!(pipeline.answer(&mut exchange), []);
    assert!(exchange.state.is_empty());
}

#[test]
fn a_caller_refused_at_the_head_is_answered_with_the_id_of_the_body() {
    let refusing = || Recorder { identify: Some(Reason::SessionUnknown), ..Recorder::default() };
    let pipeline = pipeline("{}", refusing());
    let cases = [
        ("string id", LEGACY_CALL, json!("ab"), "tools/call"),
        ("no message", r#"{"id":5}"#, json!(5), "none"),
        ("not JSON", "{", Value::Null, "none"),
        ("batch", "[]", Value::Null, "none"),
        ("illegal batch", r#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#, Value::Null, "none"),
    ];
    for (name, body, id, method) in cases {
        let (mut exchange, step) = pipeline.head(&with(POST, &[("x-mcp-era", "forged")]));
        assert_eq!(step.edits, [removed("x-mcp-era")], "{name}: edits of a stage that refused");
        assert_eq!(step.next, Next::ReadBody, "{name}");
        let step = pipeline.request_body(&mut exchange, body.as_bytes(), &mut World);
        assert_eq!(step.edits, [], "{name}");
        let (status, body) = told(&step);
        assert_eq!((status, body.get("id")), (404, Some(&id)), "{name}");
        let report = step.report.expect("a report");
        assert_eq!(report.method, method, "{name}");
        assert_eq!(report.outcome, Outcome::Refused(Reason::SessionUnknown), "{name}");
        assert_eq!(exchange.state, ["identify"], "{name}");
    }
    let (_, step) = pipeline.post(POST, LEGACY_CALL);
    assert!(
        reply(&step).body.starts_with(br#"{"jsonrpc":"2.0","id":"a\u0062","#),
        "the exact token"
    );
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::SessionUnknown)));
    // The caller comes before what the message says.
    let (_, step) = pipeline.post(&with(POST, &[MODERN, CALL]), MODERN_CALL);
    assert_eq!(
        (told(&step).0, outcome(&step)),
        (404, Some(Outcome::Refused(Reason::SessionUnknown)))
    );
    // Nobody waits for an answer to these.
    for body in [NOTIFICATION, RESPONSE] {
        let (_, step) = pipeline.post(POST, body);
        assert_eq!(told(&step), (404, Value::Null), "{body}");
        assert_eq!(reply(&step).headers, [], "{body}");
    }
}

#[test]
fn a_caller_refused_on_a_stream_is_answered_at_once() {
    let pipeline =
        pipeline("{}", Recorder { identify: Some(Reason::SessionUnknown), ..Recorder::default() });
    for fields in [GET, DELETE] {
        let (mut exchange, step) = pipeline.head(fields);
        assert_eq!(step.edits, []);
        let (status, body) = told(&step);
        assert_eq!((status, body.get("id")), (404, Some(&Value::Null)));
        assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::SessionUnknown)));
        assert_eq!(pipeline.answer(&mut exchange), []);
        assert_eq!(exchange.state, ["identify"]);
    }
}

#[test]
fn a_call_that_may_not_pass_is_refused_with_its_id_and_without_edits() {
    let pipeline =
        pipeline("{}", Recorder { authorize: Some(Reason::Unavailable), ..Recorder::default() });
    let cases = [
        ("legacy", POST.to_vec(), LEGACY_CALL, json!("ab")),
        ("modern", with(POST, &[MODERN, CALL, NAME]), MODERN_CALL, json!(7)),
    ];
    for (name, fields, body, id) in cases {
        let (mut exchange, step) = pipeline.post(&fields, body);
        assert_eq!(step.edits, [], "{name}");
        let (status, body) = told(&step);
        assert_eq!((status, body.get("id")), (503, Some(&id)), "{name}");
        assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::Unavailable)), "{name}");
        assert_eq!(pipeline.answer(&mut exchange), [], "{name}");
    }
    for body in [NOTIFICATION, RESPONSE] {
        let (_, step) = pipeline.post(POST, body);
        assert_eq!(told(&step), (503, Value::Null), "{body}");
    }
    let (_, step) = pipeline.head(GET);
    assert_eq!((step.edits.as_slice(), told(&step).0), (&[edit("identified")][..], 503));
}

#[test]
fn a_body_that_is_no_message_is_refused_with_the_id_it_has() {
    let cases = [
        ("empty", "", -32700, Value::Null, Reason::Parse),
        ("cut", r#"{"jsonrpc":"2.0","id":1"#, -32700, Value::Null, Reason::Parse),
        ("two values", "{} {}", -32700, Value::Null, Reason::Parse),
        ("number", "7", -32600, Value::Null, Reason::InvalidRequest),
        (
            "duplicate key",
            r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"tools/call"}"#,
            -32600,
            json!(5),
            Reason::InvalidRequest,
        ),
        (
            "null id",
            r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
            -32600,
            Value::Null,
            Reason::InvalidRequest,
        ),
        (
            "two ids",
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#,
            -32600,
            Value::Null,
            Reason::InvalidRequest,
        ),
        ("no version", r#"{"id":0,"method":"a"}"#, -32600, json!(0), Reason::InvalidRequest),
    ];
    // Also where disagreement is only logged: what cannot be read cannot be judged.
    for admission in ["{}", r#"{"validation":"log_only"}"#, r#"{"validation":"trust_headers"}"#] {
        let pipeline = plain(admission);
        for (name, body, code, id, reason) in &cases {
            for (era, fields) in
                [(Era::Legacy, POST.to_vec()), (Era::Modern, with(POST, &[MODERN]))]
            {
                let (exchange, step) = pipeline.post(&fields, body);
                let (status, body) = told(&step);
                assert_eq!((status, body.get("id")), (400, Some(id)), "{name}");
                assert_eq!(body.pointer("/error/code"), Some(&json!(code)), "{name}");
                let report = step.report.expect("a report");
                assert_eq!((report.era, report.method), (era, "none"), "{name}");
                assert_eq!(report.outcome, Outcome::Refused(*reason), "{name}");
                assert_eq!(exchange.state, ["identify"], "{name}");
            }
        }
    }
}

#[test]
fn disagreement_is_refused_or_shadowed_as_the_route_says() {
    let mismatch = with(POST, &[MODERN, CALL, ("mcp-name", "get_time")]);
    let cases = [
        ("enforce", Outcome::Refused(Reason::HeaderMismatch)),
        ("trust_headers", Outcome::Forwarded),
        ("log_only", Outcome::Shadowed(Reason::HeaderMismatch)),
    ];
    for (mode, expect) in cases {
        let pipeline = plain(&format!(r#"{{"validation":"{mode}"}}"#));
        let (mut exchange, mut step) = pipeline.head(&mismatch);
        if step.next == Next::ReadBody {
            step = pipeline.request_body(&mut exchange, MODERN_CALL.as_bytes(), &mut World);
        }
        assert_eq!(outcome(&step), Some(expect), "{mode}");
        let passed = step.edits.last() == Some(&edit("authorized"));
        assert_eq!(passed, !matches!(expect, Outcome::Refused(_)), "{mode}");
    }
    // What is judged is the body, where it was read.
    let (exchange, _) = plain(r#"{"validation":"log_only"}"#).post(&mismatch, MODERN_CALL);
    assert_eq!(exchange.state[1], "authorize modern tools/call get_weather body");
    let (exchange, _) = plain(r#"{"validation":"trust_headers"}"#).head(&mismatch);
    assert_eq!(exchange.state[1], "authorize modern tools/call get_time head");
}

#[test]
fn enforced_disagreement_is_told_with_the_id() {
    let pipeline = plain("{}");
    let cases = [
        (vec![MODERN, CALL], -32020, Reason::HeaderMismatch),
        (vec![MODERN, CALL, CALL, NAME], -32020, Reason::HeaderMismatch),
        (vec![], -32020, Reason::HeaderMismatch),
    ];
    for (headers, code, reason) in cases {
        let (exchange, step) = pipeline.post(&with(POST, &headers), MODERN_CALL);
        let (status, body) = told(&step);
        assert_eq!((status, body.get("id")), (400, Some(&json!(7))), "{headers:?}");
        assert_eq!(body.pointer("/error/code"), Some(&json!(code)), "{headers:?}");
        let report = step.report.expect("a report");
        assert_eq!(report.outcome, Outcome::Refused(reason), "{headers:?}");
        assert_eq!(report.tool.as_deref(), Some("get_weather"), "{headers:?}");
        assert_eq!(exchange.state, ["identify"], "{headers:?}");
    }
    let (_, step) = pipeline.post(&with(POST, &[MODERN]), RESPONSE);
    assert_eq!(told(&step), (400, Value::Null));
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::ResponsePosted)));
}

#[test]
fn trusted_headers_make_the_body_needless_only_if_they_say_everything() {
    let pipeline = plain(r#"{"validation":"trust_headers"}"#);
    let method = |method| ("mcp-method", method);
    let task = ("mcp-name", "t-1");
    let malformed = ("mcp-name", "=?base64?!?=");
    let legacy = ("mcp-protocol-version", "2025-06-18");
    let cases: &[(&str, &[Field<'_>], Option<&str>)] = &[
        ("call", &[MODERN, CALL, NAME], Some("tools/call get_weather")),
        ("encoded", &[MODERN, CALL, ("mcp-name", "=?base64?YQ==?=")], Some("tools/call a")),
        ("list", &[MODERN, method("tools/list")], Some("tools/list -")),
        ("list, named", &[MODERN, method("tools/list"), NAME], Some("tools/list -")),
        ("task", &[MODERN, method("tasks/get"), task], Some("tasks/get t-1")),
        ("task, unnamed", &[MODERN, method("tasks/get")], Some("tasks/get -")),
        ("task, malformed", &[MODERN, method("tasks/get"), malformed], None),
        ("no name", &[MODERN, CALL], None),
        ("malformed name", &[MODERN, CALL, malformed], None),
        ("repeated name", &[MODERN, CALL, NAME, NAME], None),
        ("repeated name that says nothing", &[MODERN, method("tools/list"), NAME, NAME], None),
        ("no method", &[MODERN, NAME], None),
        ("repeated method", &[MODERN, CALL, CALL, NAME], None),
        ("repeated version", &[MODERN, MODERN, CALL, NAME], None),
        ("legacy", &[legacy, CALL, NAME], None),
        ("no version", &[CALL, NAME], None),
        ("unknown version", &[("mcp-protocol-version", "v999"), CALL, NAME], None),
    ];
    for (name, headers, expect) in cases {
        let (exchange, step) = pipeline.head(&with(POST, headers));
        match expect {
            Some(call) => {
                assert_eq!(step.next, Next::Forward, "{name}");
                assert_eq!(step.edits, [edit("identified"), edit("authorized")], "{name}");
                assert_eq!(exchange.state[1], format!("authorize modern {call} head"), "{name}");
            }
            None => {
                assert_eq!((step.next, step.report), (Next::ReadBody, None), "{name}");
                assert_eq!(exchange.state, ["identify"], "{name}");
            }
        }
    }
    // The body, once read, is held to the headers.
    let (_, step) = pipeline.post(&with(POST, &[MODERN, CALL]), MODERN_CALL);
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::HeaderMismatch)));
    let (_, step) = pipeline.post(POST, LEGACY_CALL);
    assert_eq!(outcome(&step), Some(Outcome::Forwarded));
    // A version that is not spoken here is not believed either.
    let old = plain(r#"{"validation":"trust_headers","versions":["2025-11-25"]}"#);
    let (_, step) = old.post(&with(POST, &[MODERN, CALL, NAME]), MODERN_CALL);
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::UnsupportedVersion)));
    // Nor are headers alone enough to say no: the answer needs the id.
    let refusals = [(Some(Reason::SessionUnknown), None), (None, Some(Reason::SessionUnknown))];
    for (identify, authorize) in refusals {
        let refusing = Recorder { identify, authorize, ..Recorder::default() };
        let refusing = self::pipeline(r#"{"validation":"trust_headers"}"#, refusing);
        let (mut exchange, step) = refusing.post(&with(POST, &[MODERN, CALL, NAME]), MODERN_CALL);
        assert_eq!((told(&step).0, told(&step).1.get("id")), (404, Some(&json!(7))));
        assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::SessionUnknown)));
        assert_eq!((step.edits, refusing.answer(&mut exchange)), (vec![], vec![]));
        let stages = if authorize.is_some() { 2 } else { 1 };
        assert_eq!(exchange.state.len(), stages, "each stage runs once: {:?}", exchange.state);
        let (_, step) = refusing.head(GET);
        assert_eq!(told(&step).0, 404);
    }
}

#[test]
fn batches_pass_where_the_version_has_them_and_the_route_allows_it() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let two = format!("[{ping},{NOTIFICATION}]");
    let opening = format!(r#"[{ping},{{"jsonrpc":"2.0","id":2,"method":"initialize"}}]"#);
    let modern = format!("[{MODERN_CALL}]");
    let version = |version| vec![("mcp-protocol-version", version)];
    let march = "2025-03-26";
    let allow = r#"{"batches":"allow"}"#;
    let no_march = r#"{"batches":"allow","versions":["2025-06-18"]}"#;
    let (pass, no) = (Outcome::Forwarded, Outcome::Refused(Reason::Batch));
    let cases = [
        ("by default", "{}", vec![], two.as_str(), no),
        ("allowed, no header", allow, vec![], &two, pass),
        ("allowed, 2025-03-26", allow, version(march), &two, pass),
        ("older", allow, version("2024-11-05"), &two, no),
        ("newer", allow, version("2025-06-18"), &two, no),
        ("modern", allow, version("2026-07-28"), &modern, no),
        ("unknown", allow, version("v999"), &two, no),
        ("repeated version", allow, [version(march), version(march)].concat(), &two, no),
        ("not spoken here", no_march, version(march), &two, no),
        ("not spoken here, no header", no_march, vec![], &two, no),
        ("initialize inside", allow, vec![], &opening, no),
        ("initialize, 2025-03-26", allow, version(march), &opening, no),
        ("a modern call inside", allow, vec![], &modern, Outcome::Refused(Reason::HeaderMismatch)),
    ];
    for (name, admission, headers, body, expect) in cases {
        let (exchange, step) = plain(admission).post(&with(POST, &headers), body);
        assert_eq!(outcome(&step), Some(expect), "{name}");
        if expect == pass {
            assert_eq!(exchange.state[1], "authorize legacy - - head", "{name}");
        } else {
            let (status, body) = told(&step);
            assert_eq!((status, body.get("id")), (400, Some(&Value::Null)), "{name}");
            assert_eq!(exchange.state, ["identify"], "{name}");
        }
    }
    let (_, step) = plain(allow).post(POST, "[]");
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::InvalidRequest)));
}

#[test]
fn disagreement_within_a_batch_is_only_shadowed_where_the_route_only_logs() {
    let pipeline = plain(r#"{"batches":"allow","validation":"log_only"}"#);
    let (exchange, step) = pipeline.post(POST, &format!("[{MODERN_CALL}]"));
    assert_eq!(outcome(&step), Some(Outcome::Shadowed(Reason::HeaderMismatch)));
    assert_eq!(exchange.state[1], "authorize legacy - - head");
    // What is no matter of agreement is refused all the same.
    let (_, step) = pipeline.post(POST, r#"[{"jsonrpc":"2.0","id":2,"method":"initialize"}]"#);
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::Batch)));
}

#[test]
fn a_browser_can_read_refusals_and_answers() {
    let pipeline = plain(r#"{"origins":["https://app.example"],"cors":{}}"#);
    let named = |headers: &[(&'static str, HeaderValue)]| {
        let cors = headers.iter().filter(|(name, _)| name.starts_with("access-control"));
        cors.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    let (allow, expose) = ("access-control-allow-origin", "access-control-expose-headers");
    let app = ("origin", "https://app.example");
    let refusals = [
        ("at the head", pipeline.head(&[(":method", "PUT"), app]).1),
        ("by the body", pipeline.post(&with(POST, &[app]), "").1),
        ("by its message", pipeline.post(&with(POST, &[app]), MODERN_CALL).1),
        ("to nobody", pipeline.post(&with(POST, &[app, MODERN]), RESPONSE).1),
    ];
    for (name, step) in &refusals {
        assert_eq!(named(&reply(step).headers), [allow, expose], "{name}");
    }
    let (_, step) = pipeline.head(&[(":method", "POST"), ("origin", "https://evil.example")]);
    assert_eq!((reply(&step).status, named(&reply(&step).headers)), (403, vec![]));
    let (_, step) = pipeline.post(POST, "");
    assert_eq!(named(&reply(&step).headers), [""; 0], "nobody asked");

    let (mut exchange, _) = pipeline.post(&with(POST, &[app]), LEGACY_CALL);
    let edits = pipeline.answer(&mut exchange);
    let origin = HeaderValue::from_static("https://app.example");
    assert_eq!(edits.first(), Some(&edit("responded")));
    assert!(edits.contains(&Edit::Set(allow.into(), origin)));
    assert!(edits.iter().any(|edit| matches!(edit, Edit::Set(name, _) if name.as_str() == expose)));
    // The upstream's own `Vary` stays.
    assert_eq!(edits.last(), Some(&Edit::Add("vary".into(), HeaderValue::from_static("Origin"))));
    let (mut exchange, _) = pipeline.post(POST, LEGACY_CALL);
    assert_eq!(pipeline.answer(&mut exchange), [edit("responded")]);
}

#[test]
fn a_body_nobody_asked_for_passes() {
    let pipeline = plain(r#"{"validation":"trust_headers"}"#);
    let passes = Step { edits: Vec::new(), next: Next::Forward, report: None };
    let (mut exchange, _) = pipeline.head(&with(POST, &[MODERN, CALL, NAME]));
    assert_eq!(pipeline.request_body(&mut exchange, b"not JSON", &mut World), passes);
    assert_eq!(pipeline.answer(&mut exchange), [edit("responded")], "the answer is still ours");
    let (mut exchange, _) = pipeline.head(GET);
    assert_eq!(pipeline.request_body(&mut exchange, b"", &mut World), passes);
    let (mut exchange, _) = pipeline.post(POST, LEGACY_CALL);
    assert_eq!(pipeline.request_body(&mut exchange, b"again", &mut World), passes);
    assert_eq!(exchange.state.len(), 2, "authorized once");
}

#[test]
fn an_exchange_that_is_given_up_is_answered_and_over() {
    let pipeline = plain(r#"{"origins":["https://app.example"],"cors":{}}"#);
    let (mut exchange, step) = pipeline.head(&with(POST, &[("origin", "https://app.example")]));
    assert_eq!(step.next, Next::ReadBody);
    let step = pipeline.abandon(&mut exchange, Reason::BodyTimeout);
    let (status, body) = told(&step);
    assert_eq!((status, body.get("id")), (408, Some(&Value::Null)));
    assert_eq!(outcome(&step), Some(Outcome::Refused(Reason::BodyTimeout)));
    assert!(reply(&step).headers.iter().any(|(name, _)| *name == "access-control-allow-origin"));
    // The rest of the body, and the host's own answer, come too late to matter.
    let step = pipeline.request_body(&mut exchange, LEGACY_CALL.as_bytes(), &mut World);
    assert_eq!((step.next, step.report), (Next::Forward, None));
    assert_eq!(pipeline.answer(&mut exchange), []);
    assert_eq!(exchange.state, ["identify"]);
}

#[test]
fn reports_hold_no_label_that_a_client_can_invent() {
    let named = |method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"n","uri":"u"}}}}"#
        )
    };
    let cases = [
        ("tools/call", "tools/call", Some("n")),
        ("prompts/get", "prompts/get", None),
        ("resources/read", "resources/read", None),
        ("initialize", "initialize", None),
        ("server/discover", "server/discover", None),
        ("Tools/Call", "other", None),
        ("my/method", "other", None),
        ("", "other", None),
    ];
    let pipeline = plain("{}");
    for (method, label, tool) in cases {
        let (_, step) = pipeline.post(POST, &named(method));
        let report = step.report.expect("a report");
        assert_eq!((report.method, report.tool.as_deref()), (label, tool), "{method}");
        assert_eq!((report.era, report.outcome), (Era::Legacy, Outcome::Forwarded), "{method}");
    }
    let (_, step) = pipeline.post(POST, RESPONSE);
    assert_eq!(step.report.map(|report| report.method), Some("none"));
    let (_, step) = pipeline.post(&with(POST, &[MODERN, CALL, NAME]), MODERN_CALL);
    let report = step.report.expect("a report");
    assert_eq!((report.era, report.tool.as_deref()), (Era::Modern, Some("get_weather")));
}

#[test]
fn a_request_to_a_model_is_judged_by_its_model() {
    let pipeline = plain(r#"{"llm_paths":["/v1/*","/v1beta/*"],"paths":["/mcp"]}"#);
    let chat = with(POST, &[(":path", "/v1/chat/completions")]);
    let gemini = with(POST, &[(":path", "/v1beta/models/gemini-x:generateContent?alt=sse")]);
    let text = [(":method", "POST"), (":path", "/v1/audio"), ("content-type", "audio/wav")];
    let cases: [(&[Field<'_>], &str, &str); 6] = [
        (&chat, r#"{"model":"gpt-x","n":1}"#, "authorize modern llm gpt-x head"),
        (&chat, r#"{"model":7}"#, "authorize modern llm - head"),
        (&chat, "no JSON", "authorize modern llm - head"),
        (&gemini, r#"{"model":"other"}"#, "authorize modern llm gemini-x head"),
        (&text, "", "authorize modern llm - head"),
        (&[(":method", "GET"), (":path", "/v1/models")], "", "authorize modern llm - head"),
    ];
    for (fields, body, expected) in cases {
        let (exchange, step) =
            if body.is_empty() { pipeline.head(fields) } else { pipeline.post(fields, body) };
        assert_eq!(step.next, Next::Forward, "{body}");
        assert_eq!(exchange.state, ["identify", expected], "{body}");
        assert_eq!(step.report.map(|report| report.method), Some("llm"));
    }
    let (_, step) = pipeline.post(&chat, r#"{"model":"cheap","model":"dear"}"#);
    let Next::Reply(reply) = step.next else { panic!("{:?}", step.next) };
    assert_eq!(reply.status, 400);
}

#[test]
fn what_a_filter_adds_to_a_message_goes_upstream_in_its_body() {
    let annotations = || vec![("note", HeaderValue::from_static("\"n\""))];
    let annotating = |admission: &str| {
        pipeline(admission, Recorder { annotations: annotations(), ..Recorder::default() })
    };
    let (_, step) = annotating("{}").post(POST, LEGACY_CALL);
    let expected = LEGACY_CALL.replace(r#""params":{"#, r#""params":{"_meta":{"note":"\"n\""},"#);
    let longest = expected.len();
    assert_eq!(step.next, Next::ForwardWith(expected.into_bytes()));
    assert_eq!((step.edits, step.report.is_some()), (vec![edit("authorized")], true));
    // No longer than a body may be.
    for (limit, added) in [(longest, true), (longest - 1, false)] {
        let (_, step) =
            annotating(&format!(r#"{{"max_body":"{limit}B"}}"#)).post(POST, LEGACY_CALL);
        assert_eq!(matches!(step.next, Next::ForwardWith(_)), added, "{limit}");
        assert_eq!(step.next == Next::Forward, !added, "{limit}");
    }
    // Nothing is added to what was not read, is refused, or has no room.
    let (_, step) = annotating("{}").head(GET);
    assert_eq!(step.next, Next::Forward);
    let refusing = Recorder {
        authorize: Some(Reason::Forbidden),
        annotations: annotations(),
        ..Recorder::default()
    };
    assert_eq!(reply(&pipeline("{}", refusing).post(POST, LEGACY_CALL).1).status, 403);
    let odd = LEGACY_CALL.replace(r#""params":{"#, r#""params":{"_meta":null,"#);
    assert_eq!(annotating("{}").post(POST, &odd).1.next, Next::Forward);
}
