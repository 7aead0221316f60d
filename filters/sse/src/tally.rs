//! What the operator learns of all streams. Counts are gathered here and handed to the host with its
//! ticks, since each hand-over is a call to it. Of durations each stream has two, which the host
//! gets at once.

use core::cell::RefCell;
use std::collections::BTreeMap;

use mcp_core::pipeline::Environment;

/// The metrics of all streams.
#[derive(Debug, Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, Counter>>);

#[derive(Debug, Default)]
struct Counter {
    /// What the host has yet to get.
    pending: u64,
    total: u64,
}

/// Bytes of event streams.
pub(crate) const BYTES: &str = "mcp_sse_bytes";

/// Events of event streams.
pub(crate) const EVENTS: &str = "mcp_sse_events";

/// From the request, on its way upstream, to the first complete event.
pub(crate) const FIRST_EVENT: &str = "mcp_sse_first_event_milliseconds";

/// The same of a model's answer: OpenTelemetry's `gen_ai.client.operation.time_to_first_chunk`.
pub(crate) const FIRST_CHUNK: &str = "gen_ai_client_operation_time_to_first_chunk_milliseconds";

/// The longest silence within a stream, keep-alives counted as life.
pub(crate) const LONGEST_GAP: &str = "mcp_sse_longest_gap_milliseconds";

impl Tally {
    pub(crate) fn add(&self, counter: &'static str, amount: u64) {
        let mut counters = self.0.borrow_mut();
        let counter = counters.entry(counter).or_default();
        counter.pending = counter.pending.saturating_add(amount);
        counter.total = counter.total.saturating_add(amount);
    }

    /// Counts one of what should not be, and says so in the log, though not each time: after so
    /// many, the next line comes after as many again.
    pub(crate) fn complain(
        &self,
        counter: &'static str,
        what: &str,
        environment: &mut dyn Environment,
    ) {
        self.add(counter, 1);
        let total = self.0.borrow().get(counter).map_or(0, |counter| counter.total);
        if total.is_power_of_two() {
            environment.warn(&format!("sse: {what}: {total} so far ({counter})"));
        }
    }

    /// Hands over what was gathered.
    pub(crate) fn flush(&self, environment: &mut dyn Environment) {
        for (name, counter) in self.0.borrow_mut().iter_mut() {
            let pending = core::mem::take(&mut counter.pending);
            if pending > 0 {
                environment.add(name, pending);
            }
        }
    }
}
