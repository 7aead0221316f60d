//! The line that an exchange has in the log: one JSON object, in OpenTelemetry's words where it has
//! some. Nothing in it is a secret, and what a client chose is escaped and cut.

use serde_json::{Map, Value};

use super::{Account, Caller, Ending, Outcome, Report, Spent};
use crate::refusal::Reason;

/// Bytes of a text that others chose.
const MAX_TEXT: usize = 64;

/// What is logged of an exchange: of `caller`, in the trace `trace_id`, and how it went if it went
/// upstream. What is not known is left out.
pub(super) fn line(
    report: &Report,
    caller: &Caller,
    trace_id: Option<&str>,
    account: Option<&Account>,
) -> String {
    let (event, reason) = match report.outcome {
        Outcome::Forwarded => ("forwarded", None),
        Outcome::Refused(reason) => ("refused", Some(reason)),
        Outcome::Shadowed(reason) => ("shadowed", Some(reason)),
    };
    let mut line = Map::new();
    let mut tell = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            line.insert(key.to_owned(), value);
        }
    };
    tell("event", Some(event.into()));
    tell("server", report.server.as_deref().map(Value::from));
    tell("era", Some(report.era.as_str().into()));
    tell("mcp.method.name", Some(report.method.into()));
    tell("gen_ai.tool.name", report.tool.as_deref().map(shown));
    tell("detail", report.detail.as_deref().map(Value::from));
    tell("error.type", reason.map(Reason::as_str).map(Value::from));
    tell("user.hash", caller.principal_hash.as_deref().map(Value::from));
    tell("session", caller.session_hash.as_deref().map(Value::from));
    tell("tenant", caller.tenant.as_deref().map(shown));
    tell("agent", caller.agent.as_deref().map(shown));
    tell("trace_id", trace_id.map(Value::from));
    if let Outcome::Refused(reason) = report.outcome {
        tell("http.response.status_code", Some(reason.status().into()));
    }
    if let Some(account) = account {
        if reason.is_none() {
            tell("error.type", account.error_type().map(Value::from));
        }
        let ending = match account.ending {
            Ending::Complete => "complete",
            Ending::Cut => "cut",
        };
        let Spent { tokens, charged } = &account.spent;
        let mut bill = Map::new();
        for (limit, units) in charged {
            bill.insert(limit.clone(), (*units).into());
        }
        tell("ending", Some(ending.into()));
        tell("duration_ms", account.duration.map(Value::from));
        tell("http.response.status_code", account.status.map(Value::from));
        tell("http.request.body.size", account.request_bytes.map(Value::from));
        tell("http.response.body.size", Some(account.response_bytes.into()));
        tell("gen_ai.request.model", account.model.as_deref().map(shown));
        tell("gen_ai.usage.input_tokens", tokens.map(|(input, _)| input.into()));
        tell("gen_ai.usage.output_tokens", tokens.map(|(_, output)| output.into()));
        tell("charged", (!bill.is_empty()).then(|| bill.into()));
    }
    Value::from(line).to_string()
}

/// The text, cut, and without characters that a terminal would obey.
fn shown(text: &str) -> Value {
    let text = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
    let shown = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    text.chars().map(shown).collect::<String>().into()
}

/// The trace id of a `traceparent` (W3C Trace Context), if it has one.
pub(super) fn trace_id(parent: &[u8]) -> Option<String> {
    let mut fields = parent.split(|byte| *byte == b'-');
    let (version, trace) = (fields.next()?, fields.next()?);
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let valid = version.len() == 2
        && trace.len() == 32
        && trace.iter().all(is_hex)
        && trace.iter().any(|byte| *byte != b'0');
    let trace = core::str::from_utf8(trace).ok()?;
    valid.then(|| trace.to_owned())
}
