//! Counts and log lines. Label values are capped, and what a client chose is escaped and cut.

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mcp_core::limits::MAX_TOOL_LABELS;
use mcp_core::pipeline::{Outcome, Report};
use serde_json::json;

use crate::abi::{self, Failed, Level};

/// The longest tool name in a label or log line, in bytes.
const MAX_TOOL_NAME: usize = 64;

/// The counters of one VM.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    requests: RefCell<BTreeMap<Report, u32>>,
    named: RefCell<BTreeMap<String, u32>>,
    gauges: RefCell<BTreeMap<String, u32>>,
    tools: RefCell<BTreeSet<String>>,
}

impl Telemetry {
    /// Counts a decided exchange, and logs it unless it simply passed.
    pub(crate) fn record(&self, report: Report) {
        if report.outcome != Outcome::Forwarded {
            abi::log(Level::Warn, &line(&report));
        }
        let report = self.bounded(report);
        if let Some(counter) =
            metric(&self.requests, &report, |report| abi::define_counter(&counter_name(report)))
        {
            // A host without metrics has said so by its status; nothing is lost that it could show.
            let _ = abi::increment(counter, 1);
        }
    }

    /// Adds to the counter of this name, which is of the program's or the configuration's making.
    pub(crate) fn add(&self, name: &str, amount: u64) {
        if let Some(counter) = metric(&self.named, name, abi::define_counter) {
            let _ = abi::increment(counter, amount);
        }
    }

    /// Shows `value` in the gauge of this name, of the same making.
    pub(crate) fn show(&self, name: &str, value: u64) {
        if let Some(gauge) = metric(&self.gauges, name, abi::define_gauge) {
            let _ = abi::record(gauge, value);
        }
    }

    /// The labels of a report, with a tool that is one of at most [`MAX_TOOL_LABELS`]. Only calls
    /// that passed add to them, so that refused clients cannot use them up.
    fn bounded(&self, mut report: Report) -> Report {
        report.detail = None;
        report.server = None;
        let Some(tool) = report.tool.as_mut() else { return report };
        let mut tools = self.tools.borrow_mut();
        if tools.contains(tool) {
            return report;
        }
        if report.outcome == Outcome::Forwarded
            && tools.len() < MAX_TOOL_LABELS
            && tool.len() <= MAX_TOOL_NAME
        {
            tools.insert(tool.clone());
        } else {
            "other".clone_into(tool);
        }
        report
    }
}

/// The host's number of the metric for `key`, which is defined when it is first needed.
fn metric<Q: ToOwned + Ord + ?Sized>(
    metrics: &RefCell<BTreeMap<Q::Owned, u32>>,
    key: &Q,
    define: impl FnOnce(&Q) -> Result<u32, Failed>,
) -> Option<u32>
where
    Q::Owned: Ord,
{
    if let Some(metric) = metrics.borrow().get(key) {
        return Some(*metric);
    }
    let metric = define(key).ok()?;
    metrics.borrow_mut().insert(key.to_owned(), metric);
    Some(metric)
}

/// `mcp_requests.era.modern.method.tools/call.tool.add.outcome.forwarded`: name and value in turn,
/// for the gateway's tag extraction.
fn counter_name(report: &Report) -> String {
    let tool = report.tool.as_deref().unwrap_or("none");
    let tool: String = tool
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || "_-".contains(char) { char } else { '_' })
        .collect();
    let outcome = match report.outcome {
        Outcome::Forwarded => "forwarded".to_owned(),
        Outcome::Refused(reason) => format!("refused_{}", reason.as_str()),
        Outcome::Shadowed(reason) => format!("shadowed_{}", reason.as_str()),
    };
    format!(
        "mcp_requests.era.{}.method.{}.tool.{tool}.outcome.{outcome}",
        report.era.as_str(),
        report.method
    )
}

fn line(report: &Report) -> String {
    let (event, reason) = match report.outcome {
        Outcome::Forwarded => ("forwarded", None),
        Outcome::Refused(reason) => ("refused", Some(reason)),
        Outcome::Shadowed(reason) => ("shadowed", Some(reason)),
    };
    let tool = report.tool.as_deref().map(|tool| {
        let tool = tool.get(..tool.floor_char_boundary(MAX_TOOL_NAME)).unwrap_or_default();
        tool.chars()
            .map(|char| if char.is_control() { '\u{fffd}' } else { char })
            .collect::<String>()
    });
    let mut line = json!({
        "event": event,
        "reason": reason.map(|reason| reason.as_str()),
        "detail": report.detail,
        "status": reason.filter(|_| event == "refused").map(|reason| reason.status()),
        "era": report.era.as_str(),
        "method": report.method,
        "tool": tool,
    });
    if let (Some(server), Some(line)) = (&report.server, line.as_object_mut()) {
        line.insert("server".to_owned(), json!(server));
    }
    line.to_string()
}
