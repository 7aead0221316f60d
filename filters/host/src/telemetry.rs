//! Counts, durations and log lines, as the host gets them. A metric has its labels in its name, name
//! and value in turn, for the gateway's tag extraction.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mcp_core::pipeline::{Account, Outcome, Report, Traffic};
use mcp_core::telemetry::{Log, Telemetry as Settings};
use mcp_core::version::Era;

use crate::abi::{self, Failed, Level};
use crate::labels::Labels;

/// The metrics of one VM. What is counted is handed to the host with its ticks, since each hand-over
/// is a call to it.
#[derive(Debug)]
pub(crate) struct Telemetry {
    /// Whether the host takes metrics.
    taken: bool,
    requests: RefCell<BTreeMap<Request, Counter>>,
    counters: RefCell<BTreeMap<String, Counter>>,
    gauges: RefCell<BTreeMap<String, u32>>,
    durations: RefCell<BTreeMap<Operation, u32>>,
    histograms: RefCell<BTreeMap<String, u32>>,
    tools: Labels,
    models: Labels,
}

/// A counter by the host's number, and what the host was not told yet.
#[derive(Debug)]
struct Counter {
    metric: u32,
    pending: u64,
}

/// What exchanges are counted by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    era: Era,
    method: &'static str,
    tool: Option<Rc<str>>,
    outcome: Outcome,
}

/// What durations are told apart by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Operation {
    method: &'static str,
    tool: Option<Rc<str>>,
    error: Option<&'static str>,
}

/// OpenTelemetry's `mcp.server.operation.duration`, in milliseconds, since a host takes no fractions.
const MCP_DURATION: &str = "mcp_server_operation_duration_milliseconds";

/// OpenTelemetry's `gen_ai.client.operation.duration`: to a model, a gateway is a client.
const MODEL_DURATION: &str = "gen_ai_client_operation_duration_milliseconds";

impl Telemetry {
    /// Metrics go nowhere if they are not `taken`.
    pub(crate) fn new(taken: bool) -> Self {
        Self {
            taken,
            requests: RefCell::default(),
            counters: RefCell::default(),
            gauges: RefCell::default(),
            durations: RefCell::default(),
            histograms: RefCell::default(),
            tools: Labels::default(),
            models: Labels::default(),
        }
    }

    /// Counts a decided exchange, and logs it unless it simply passed or is logged at its end.
    pub(crate) fn record(
        &self,
        report: &Report,
        settings: Settings,
        line: impl FnOnce(&Report) -> String,
    ) {
        match report.outcome {
            Outcome::Forwarded => {}
            Outcome::Shadowed(_) if settings.log == Log::Exchanges => {}
            Outcome::Shadowed(_) | Outcome::Refused(_) => abi::log(Level::Warn, &line(report)),
        }
        if !self.taken {
            return;
        }
        let &Report { era, method, outcome, .. } = report;
        let request = Request { era, method, tool: self.tool(report), outcome };
        count(&mut self.requests.borrow_mut(), request, 1, Request::counter);
    }

    /// Hands over what was counted.
    pub(crate) fn flush(&self) {
        let (mut requests, mut counters) = (self.requests.borrow_mut(), self.counters.borrow_mut());
        for counter in requests.values_mut().chain(counters.values_mut()) {
            let pending = core::mem::take(&mut counter.pending);
            if pending > 0 {
                // The host gave out the number itself, so there is nothing it could object to.
                let _ = abi::increment(counter.metric, pending);
            }
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
        let Some(duration) = account.duration.filter(|_| settings.durations && self.taken) else {
            return;
        };
        let error = account.error_type();
        if account.traffic == Traffic::Llm {
            let model = self.models.value(account.model.as_deref().unwrap_or("none"), true);
            let name = format!("{MODEL_DURATION}.gen_ai_request_model.{model}{}", suffix(error));
            return self.note(&name, duration);
        }
        // What has no method is no operation: a stream that is opened to listen lasts for hours.
        let method = account.report.method;
        if method == "none" {
            return;
        }
        let operation = Operation { method, tool: self.tool(&account.report), error };
        let mut durations = self.durations.borrow_mut();
        if let Some(histogram) = durations.get(&operation) {
            let _ = abi::record(*histogram, duration);
        } else if let Ok(histogram) = abi::define_histogram(&operation.histogram()) {
            let _ = abi::record(histogram, duration);
            durations.insert(operation, histogram);
        }
    }

    /// Adds to the counter of this name, which is of the program's or the configuration's making.
    pub(crate) fn add(&self, name: &str, amount: u64) {
        let mut counters = self.counters.borrow_mut();
        if let Some(counter) = counters.get_mut(name) {
            counter.pending = counter.pending.saturating_add(amount);
        } else if self.taken {
            count(&mut counters, name.to_owned(), amount, |name| name.clone());
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

    /// The label of the tool, which no client can have invented many of.
    fn tool(&self, report: &Report) -> Option<Rc<str>> {
        let passed = report.outcome == Outcome::Forwarded;
        report.tool.as_deref().map(|tool| self.tools.value(tool, passed))
    }
}

impl Request {
    /// `mcp_requests.era.modern.mcp_method_name.tools/call.gen_ai_tool_name.add.outcome.forwarded`,
    /// and the reason as `.error_type.origin` if there is one.
    fn counter(&self) -> String {
        let Self { era, method, tool, outcome } = self;
        let (era, tool) = (era.as_str(), tool.as_deref().unwrap_or("none"));
        let (outcome, reason) = match outcome {
            Outcome::Forwarded => ("forwarded", None),
            Outcome::Refused(reason) => ("refused", Some(reason)),
            Outcome::Shadowed(reason) => ("shadowed", Some(reason)),
        };
        let error = suffix(reason.map(|reason| reason.as_str()));
        format!(
            "mcp_requests.era.{era}.mcp_method_name.{method}.gen_ai_tool_name.{tool}\
             .outcome.{outcome}{error}"
        )
    }
}

impl Operation {
    fn histogram(&self) -> String {
        let Self { method, tool, error } = self;
        let (tool, error) = (tool.as_deref().unwrap_or("none"), suffix(*error));
        format!("{MCP_DURATION}.mcp_method_name.{method}.gen_ai_tool_name.{tool}{error}")
    }
}

fn suffix(error: Option<&str>) -> String {
    error.map_or_else(String::new, |error| format!(".error_type.{error}"))
}

/// Adds to the counter for `key`, which the host learns of when it is first needed. What it has no
/// room for is not counted.
fn count<K: Ord>(
    counters: &mut BTreeMap<K, Counter>,
    key: K,
    amount: u64,
    name: impl FnOnce(&K) -> String,
) {
    if let Some(counter) = counters.get_mut(&key) {
        counter.pending = counter.pending.saturating_add(amount);
    } else if let Ok(metric) = abi::define_counter(&name(&key)) {
        counters.insert(key, Counter { metric, pending: amount });
    }
}

/// The host's number of the metric for `name`, which is defined when it is first needed.
fn metric(
    metrics: &RefCell<BTreeMap<String, u32>>,
    name: &str,
    define: impl FnOnce(&str) -> Result<u32, Failed>,
) -> Option<u32> {
    if let Some(metric) = metrics.borrow().get(name) {
        return Some(*metric);
    }
    let metric = define(name).ok()?;
    metrics.borrow_mut().insert(name.to_owned(), metric);
    Some(metric)
}
