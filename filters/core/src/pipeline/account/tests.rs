//! What is told of exchanges, through a pipeline whose filter knows who calls and what it costs.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::convert::Infallible;

use serde_json::{Value, json};

use super::super::line;
use super::super::{Caller, Exchange, Filter, Identified, Next, Outcome, Pipeline, Response};
use super::*;
use crate::admission::{Admission, AdmissionConfig};
use crate::config;
use crate::edit::Edit;
use crate::head::Head;
use crate::refusal::{Reason, Refusal};
use crate::telemetry::{Log, Telemetry};

/// It refuses the tool `no`.
#[derive(Debug)]
struct Paid;

impl Filter for Paid {
    type State = ();
    type Ticket = Infallible;

    fn identify(
        &self,
        _: &Head<'_>,
        caller: &mut Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Identified<Infallible>, Refusal> {
        caller.principal = Some(b"planted-principal".to_vec());
        caller.principal_hash = Some("hash-of-principal".to_owned());
        caller.tenant = Some(format!("acme\u{1b}[2J{}", "x".repeat(100)));
        caller.agent = Some("agent".to_owned());
        caller.session_hash = Some("hash-of-session".to_owned());
        Ok(Identified::Settled(Vec::new()))
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Vec<Edit>, Refusal> {
        let refused = call.name == Some("no");
        if refused { Err(Refusal::new(Reason::Forbidden)) } else { Ok(Vec::new()) }
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

    fn spent(&self, (): &()) -> Spent {
        Spent { tokens: Some((30, 4)), charged: vec![("day".to_owned(), 34)] }
    }
}

/// A world at this millisecond, or without a clock.
struct At(Option<u64>);

impl Environment for At {
    fn now(&mut self) -> Option<u64> {
        Some(self.0? / 1_000)
    }

    fn milliseconds(&mut self) -> Option<u64> {
        self.0
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

struct Status(&'static str);

impl Response for Status {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        (name == ":status").then(|| self.0.as_bytes().to_vec())
    }
}

const EXCHANGES: Telemetry = Telemetry { durations: true, log: Log::Exchanges };
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn pipeline(telemetry: Telemetry) -> Pipeline<Paid> {
    let admission: AdmissionConfig = config::parse(br#"{"llm_paths":["/v1/*"]}"#).expect("valid");
    Pipeline::new(Admission::try_from(admission).expect("valid"), Paid).telling(telemetry)
}

/// A request that is decided at millisecond 1000, and its report.
fn decided(pipeline: &Pipeline<Paid>, path: &str, body: &str) -> (Exchange<Paid>, Report) {
    let head = Head::new(vec![
        (b":method", b"POST"),
        (b":path", path.as_bytes()),
        (b"content-type", b"application/json"),
        (b"traceparent", PARENT.as_bytes()),
    ]);
    let world = &mut At(Some(1_000));
    let (mut exchange, step) = pipeline.request_head(&head, true, world);
    assert_eq!(step.next, Next::ReadBody);
    let report = pipeline.request_body(&mut exchange, body.as_bytes(), world).report;
    (exchange, report.expect("a report"))
}

fn call(tool: &str) -> String {
    let params = json!({ "name": tool, "arguments": { "secret": "planted-argument" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).expect("one JSON object")
}

#[test]
fn an_exchange_is_told_of_once_when_it_is_over_and_not_before() {
    let pipeline = pipeline(EXCHANGES);
    let (mut exchange, _) = decided(&pipeline, "/mcp", &call("add\u{7}"));
    assert!(exchange.is_followed());
    pipeline.response_head(&mut exchange, &Status("200"), &mut At(Some(1_100)));
    exchange.passed(10);
    exchange.passed(5);
    assert_eq!(exchange.take_account(), None, "it is not over");
    pipeline.finish(&mut exchange, Ending::Complete, &mut At(Some(1_250)));
    let account = exchange.take_account().expect("it is over");
    assert_eq!(exchange.take_account(), None, "and told");
    let line = exchange.account_line(&account);
    let cut = format!("acme\u{fffd}[2J{}", "x".repeat(56));
    let expected = json!({
        "event": "forwarded", "era": "legacy", "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "add\u{fffd}", "http.response.status_code": 200, "ending": "complete",
        "duration_ms": 250, "http.request.body.size": call("add\u{7}").len(),
        "http.response.body.size": 15, "user.hash": "hash-of-principal", "tenant": cut,
        "agent": "agent", "session": "hash-of-session", "trace_id": TRACE,
        "charged": { "day": 34 }, "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 4,
    });
    assert_eq!(parsed(&line), expected);
    assert!(!line.contains("planted") && !line.contains('\u{1b}'), "{line}");
}

#[test]
fn nothing_is_noted_that_nobody_asked_for() {
    let (exchange, report) = decided(&pipeline(Telemetry::default()), "/mcp", &call("add"));
    assert!(!exchange.is_followed());
    assert!(!exchange.decision_line(&report).contains(TRACE), "a header is not even read");
}

#[test]
fn a_refused_request_has_one_line_and_no_end() {
    let pipeline = pipeline(EXCHANGES);
    let (mut exchange, report) = decided(&pipeline, "/mcp", &call("no"));
    assert_eq!(report.outcome, Outcome::Refused(Reason::Forbidden));
    pipeline.finish(&mut exchange, Ending::Cut, &mut At(Some(2_000)));
    assert_eq!(exchange.take_account(), None);
    let line = parsed(&exchange.decision_line(&report));
    assert_eq!((&line["event"], &line["error.type"]), (&json!("refused"), &json!("forbidden")));
    assert_eq!(line["http.response.status_code"], 403);
    assert_eq!((&line["trace_id"], &line["tenant"].is_string()), (&json!(TRACE), &true));
    let alone = report.line();
    let expected = json!({
        "event": "refused", "error.type": "forbidden", "http.response.status_code": 403,
        "era": "legacy", "mcp.method.name": "tools/call", "gen_ai.tool.name": "no",
    });
    assert_eq!(parsed(&alone), expected, "of the caller nothing");
}

#[test]
fn a_model_is_named_and_a_host_without_a_clock_tells_no_time() {
    let pipeline = pipeline(EXCHANGES);
    let (mut exchange, _) = decided(&pipeline, "/v1/chat", r#"{"model":"gpt-9"}"#);
    pipeline.finish(&mut exchange, Ending::Cut, &mut At(None));
    let account = exchange.take_account().expect("it is over");
    assert_eq!((account.traffic, account.duration), (Traffic::Llm, None));
    let line = parsed(&exchange.account_line(&account));
    assert_eq!(line["gen_ai.request.model"], "gpt-9");
    assert_eq!((&line["ending"], &line["error.type"]), (&json!("cut"), &json!("no_answer")));
    assert_eq!(line.get("http.response.status_code"), None, "nobody answered");
}

#[test]
fn error_types_are_few_whatever_a_server_says() {
    let pipeline = pipeline(EXCHANGES);
    let cases = [
        ("200", Ending::Complete, None),
        ("200", Ending::Cut, None),
        ("404", Ending::Complete, Some("404")),
        ("503", Ending::Cut, Some("503")),
        ("599", Ending::Complete, Some("_OTHER")),
        ("65535", Ending::Complete, Some("_OTHER")),
        ("none", Ending::Complete, Some("no_answer")),
    ];
    for (status, ending, expected) in cases {
        let (mut exchange, _) = decided(&pipeline, "/mcp", &call("add"));
        pipeline.response_head(&mut exchange, &Status(status), &mut At(Some(1_000)));
        pipeline.finish(&mut exchange, ending, &mut At(Some(1_000)));
        let account = exchange.take_account().expect("it is over");
        assert_eq!(account.error_type(), expected, "{status} {ending:?}");
    }
}

#[test]
fn a_trace_id_is_one_or_none() {
    assert_eq!(line::trace_id(PARENT.as_bytes()).as_deref(), Some(TRACE));
    let later = PARENT.replacen("00", "cc", 1) + "-more";
    assert_eq!(line::trace_id(later.as_bytes()).as_deref(), Some(TRACE));
    let wrong = [
        String::new(),
        TRACE.to_owned(),
        PARENT.to_uppercase(),
        PARENT.replacen('f', "g", 1),
        PARENT.replace(TRACE, &"0".repeat(32)),
        PARENT.replacen("00-", "0-", 1),
        PARENT.replacen('4', "", 1),
    ];
    for parent in wrong {
        assert_eq!(line::trace_id(parent.as_bytes()), None, "{parent}");
    }
    assert_eq!(line::trace_id(&[0xff; 64]), None);
}

#[test]
fn a_request_that_no_pipeline_judged_is_told_of_as_well() {
    let line = parsed(&Report::unread(Reason::BodyTimeout).line());
    assert_eq!((&line["error.type"], &line["era"]), (&json!("body_timeout"), &json!("legacy")));
}

#[test]
fn a_host_without_metrics_measures_nothing_and_says_so() {
    use crate::pipeline::Capabilities;
    let (told, notice) = EXCHANGES.on(&Capabilities { ticks: false, ..Capabilities::ALL });
    assert_eq!(told, Telemetry { durations: false, log: Log::Exchanges });
    assert!(notice.is_some());
    assert_eq!(EXCHANGES.on(&Capabilities::ALL), (EXCHANGES, None));
}
