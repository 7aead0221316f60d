//! The line that an exchange has in the log: one JSON object, in OpenTelemetry's words where it has
//! some. Nothing in it is a secret, and what a client chose is escaped and cut.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{Account, Caller, Ending, Outcome, Report};

/// What is known of an exchange.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    charged: BTreeMap<&'a str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'static str>,
    era: &'static str,
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none")]
    error_type: Option<&'static str>,
    event: &'static str,
    #[serde(rename = "gen_ai.request.model", skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(rename = "gen_ai.tool.name", skip_serializing_if = "Option::is_none")]
    tool: Option<Cow<'a, str>>,
    #[serde(rename = "gen_ai.usage.input_tokens", skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(rename = "gen_ai.usage.output_tokens", skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(rename = "http.request.body.size", skip_serializing_if = "Option::is_none")]
    request_bytes: Option<usize>,
    #[serde(rename = "http.response.body.size", skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
    #[serde(rename = "http.response.status_code", skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(rename = "mcp.method.name")]
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(rename = "user.hash", skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
}

/// Bytes of a text that others chose.
const MAX_TEXT: usize = 64;

/// What is logged of an exchange: of `caller`, in the trace `trace_id`, and how it went if it went
/// upstream.
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
    let refused = reason.filter(|_| event == "refused");
    let spent = account.map(|account| &account.spent);
    let tokens = spent.and_then(|spent| spent.tokens);
    let charged = spent.into_iter().flat_map(|spent| &spent.charged);
    let line = Line {
        agent: caller.agent.as_deref().map(shown),
        charged: charged.map(|(limit, units)| (limit.as_str(), *units)).collect(),
        detail: report.detail.as_deref(),
        duration_ms: account.and_then(|account| account.duration),
        ending: account.map(|account| match account.ending {
            Ending::Complete => "complete",
            Ending::Cut => "cut",
        }),
        era: report.era.as_str(),
        error_type: reason
            .map(crate::refusal::Reason::as_str)
            .or_else(|| account.and_then(Account::error_type)),
        event,
        model: account.and_then(|account| account.model.as_deref()).map(shown),
        tool: report.tool.as_deref().map(shown),
        input_tokens: tokens.map(|(input, _)| input),
        output_tokens: tokens.map(|(_, output)| output),
        request_bytes: account.and_then(|account| account.request_bytes),
        response_bytes: account.map(|account| account.response_bytes),
        status: refused
            .map(crate::refusal::Reason::status)
            .or_else(|| account.and_then(|account| account.status)),
        method: report.method,
        session: caller.session_hash.as_deref(),
        tenant: caller.tenant.as_deref().map(shown),
        trace_id,
        principal: caller.principal_hash.as_deref(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The text, cut, and without characters that a terminal would obey.
fn shown(text: &str) -> Cow<'_, str> {
    let text = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
    if text.chars().any(char::is_control) {
        return text
            .chars()
            .map(|char| if char.is_control() { '\u{fffd}' } else { char })
            .collect();
    }
    Cow::Borrowed(text)
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
