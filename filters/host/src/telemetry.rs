//! Counts and log lines. Label values are capped, and what a client chose is escaped and cut.

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mcp_core::limits::MAX_TOOL_LABELS;
use mcp_core::pipeline::{Outcome, Report};
use serde_json::json;

use crate::abi::{self, Level};

/// The longest tool name in a label or log line, in bytes.
const MAX_TOOL_NAME: usize = 64;

/// The counters of one VM.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    requests: RefCell<BTreeMap<Report, u32>>,
    named: RefCell<BTreeMap<String, u32>>,
    tools: RefCell<BTreeSet<String>>,
}

impl Telemetry {
    /// Counts a decided exchange, and logs it unless it simply passed.
    pub(crate) fn record(&self, report: Report) {
        if report.outcome != Outcome::Forwarded {
            abi::log(Level::Warn, &line(&report));
        }
        increment(&self.requests, self.bounded(report), counter_name);
    }

    /// Counts one under a name of the program's or the configuration's making.
    pub(crate) fn count(&self, name: &str) {
        increment(&self.named, name.to_owned(), String::clone);
    }

    /// The labels of a report, with a tool that is one of at most [`MAX_TOOL_LABELS`]. Only calls
    /// that passed add to them, so that refused clients cannot use them up.
    fn bounded(&self, mut report: Report) -> Report {
        report.detail = None;
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

/// Counts one for `key`, whose counter is defined under its name when it is first needed.
fn increment<K: Ord>(
    counters: &RefCell<BTreeMap<K, u32>>,
    key: K,
    name: impl FnOnce(&K) -> String,
) {
    let known = counters.borrow().get(&key).copied();
    let counter = match known {
        Some(counter) => counter,
        None => {
            let Ok(counter) = abi::define_counter(&name(&key)) else { return };
            counters.borrow_mut().insert(key, counter);
            counter
        }
    };
    // A host without metrics has said so by its status; nothing is lost that it could show.
    let _ = abi::increment(counter);
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
    json!({
        "event": event,
        "reason": reason.map(|reason| reason.as_str()),
        "detail": report.detail,
        "status": reason.filter(|_| event == "refused").map(|reason| reason.status()),
        "era": report.era.as_str(),
        "method": report.method,
        "tool": tool,
    })
    .to_string()
}
