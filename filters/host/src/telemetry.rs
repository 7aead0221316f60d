//! Counts, durations and log lines, as the host gets them. A metric has its labels in its name, name
//! and value in turn, for the gateway's tag extraction.

use core::cell::RefCell;
use std::collections::BTreeMap;

use mcp_core::pipeline::{Account, Outcome, Report, Traffic};
use mcp_core::telemetry::{Log, Telemetry as Settings};

use crate::abi::{self, Failed, Level};
use crate::labels::Labels;

/// The metrics of one VM.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    requests: RefCell<BTreeMap<Report, u32>>,
    counters: RefCell<BTreeMap<String, u32>>,
    gauges: RefCell<BTreeMap<String, u32>>,
    histograms: RefCell<BTreeMap<String, u32>>,
    tools: Labels,
    models: Labels,
}

/// OpenTelemetry's `mcp.server.operation.duration`, in milliseconds, since a host takes no fractions.
const MCP_DURATION: &str = "mcp_server_operation_duration_milliseconds";

/// OpenTelemetry's `gen_ai.client.operation.duration`: to a model, a gateway is a client.
const MODEL_DURATION: &str = "gen_ai_client_operation_duration_milliseconds";

impl Telemetry {
    /// Counts a decided exchange, and logs it unless it simply passed or is logged at its end.
    pub(crate) fn record(
        &self,
        report: Report,
        settings: Settings,
        line: impl FnOnce(&Report) -> String,
    ) {
        match report.outcome {
            Outcome::Forwarded => {}
            Outcome::Shadowed(_) if settings.log == Log::Exchanges => {}
            Outcome::Shadowed(_) | Outcome::Refused(_) => abi::log(Level::Warn, &line(&report)),
        }
        let report = self.bounded(report);
        if let Some(counter) =
            metric(&self.requests, &report, |report| abi::define_counter(&counter_name(report)))
        {
            // A host without metrics has said so by its status; nothing is lost that it could show.
            let _ = abi::increment(counter, 1);
        }
    }

    /// Tells of an exchange that went upstream and is over.
    pub(crate) fn close(
        &self,
        account: &Account,
        settings: Settings,
        line: impl FnOnce() -> String,
    ) {
        if settings.log == Log::Exchanges {
            let simple = account.report.outcome == Outcome::Forwarded;
            abi::log(if simple { Level::Info } else { Level::Warn }, &line());
        }
        let Some(duration) = account.duration.filter(|_| settings.durations) else { return };
        let error = account.error_type().map_or_else(String::new, |of| format!(".error_type.{of}"));
        if account.traffic == Traffic::Llm {
            let model = self.models.value(account.model.as_deref().unwrap_or("none"), true);
            let name = format!("{MODEL_DURATION}.gen_ai_request_model.{model}{error}");
            return self.note(&name, duration);
        }
        // What has no method is no operation: a stream that is opened to listen lasts for hours.
        let Report { method, tool, .. } = self.bounded(account.report.clone());
        if method != "none" {
            let tool = tool.as_deref().unwrap_or("none");
            let labels = format!("mcp_method_name.{method}.gen_ai_tool_name.{tool}{error}");
            self.note(&format!("{MCP_DURATION}.{labels}"), duration);
        }
    }

    /// Adds to the counter of this name, which is of the program's or the configuration's making.
    pub(crate) fn add(&self, name: &str, amount: u64) {
        if let Some(counter) = metric(&self.counters, name, abi::define_counter) {
            let _ = abi::increment(counter, amount);
        }
    }

    /// Shows `value` in the gauge of this name, of the same making.
    pub(crate) fn show(&self, name: &str, value: u64) {
        if let Some(gauge) = metric(&self.gauges, name, abi::define_gauge) {
            let _ = abi::record(gauge, value);
        }
    }

    /// Notes `value` in the histogram of this name, of the same making, for this model.
    pub(crate) fn observe(&self, name: &str, model: Option<&str>, value: u64) {
        let Some(model) = model else { return self.note(name, value) };
        let model = self.models.value(model, true);
        self.note(&format!("{name}.gen_ai_request_model.{model}"), value);
    }

    fn note(&self, name: &str, value: u64) {
        if let Some(histogram) = metric(&self.histograms, name, abi::define_histogram) {
            let _ = abi::record(histogram, value);
        }
    }

    /// The labels of a report, none of which a client can have invented many of.
    fn bounded(&self, report: Report) -> Report {
        let passed = report.outcome == Outcome::Forwarded;
        let tool = report.tool.map(|tool| self.tools.value(&tool, passed));
        Report { tool, detail: None, server: None, ..report }
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

/// `mcp_requests.era.modern.mcp_method_name.tools/call.gen_ai_tool_name.add.outcome.forwarded`, and
/// the reason as `.error_type.origin` if there is one.
fn counter_name(report: &Report) -> String {
    let tool = report.tool.as_deref().unwrap_or("none");
    let (outcome, reason) = match report.outcome {
        Outcome::Forwarded => ("forwarded", None),
        Outcome::Refused(reason) => ("refused", Some(reason)),
        Outcome::Shadowed(reason) => ("shadowed", Some(reason)),
    };
    let error =
        reason.map_or_else(String::new, |reason| format!(".error_type.{}", reason.as_str()));
    format!(
        "mcp_requests.era.{}.mcp_method_name.{}.gen_ai_tool_name.{tool}.outcome.{outcome}{error}",
        report.era.as_str(),
        report.method
    )
}
