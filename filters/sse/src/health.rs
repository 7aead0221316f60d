//! How one stream goes.

use mcp_core::pipeline::{Ending, Environment};

use crate::tally::{BYTES, EVENTS, FIRST_CHUNK, FIRST_EVENT, LONGEST_GAP, Tally};

/// One answer whose health is measured. Times are in milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Health {
    claim: Claim,
    /// When the request went upstream.
    asked: Option<u64>,
    /// The model that was asked, if it is one that answers.
    model: Option<String>,
    /// When bytes came last.
    heard: Option<u64>,
    longest_gap: u64,
    events: u64,
    /// How the body begins, as much of it as tells JSON from events.
    start: Vec<u8>,
}

/// What an answer says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// An event stream that cannot be read, since it is compressed.
    CodedEvents,
    /// An event stream.
    Events {
        /// Whether it may be silent: one that was opened for what the server has to say.
        listens: bool,
    },
    /// JSON.
    Json,
}

/// Bytes of a body's start that are kept; the longest of [`EVENT_STARTS`] fits.
const START: usize = 6;

/// What the lines of an event stream begin with, and no JSON text does.
const EVENT_STARTS: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Health {
    pub(crate) const fn new(claim: Claim, asked: Option<u64>, model: Option<String>) -> Self {
        Self { claim, asked, model, heard: None, longest_gap: 0, events: 0, start: Vec::new() }
    }

    /// These bytes came.
    pub(crate) fn passed(
        &mut self,
        chunk: &[u8],
        tally: &Tally,
        environment: &mut dyn Environment,
    ) {
        if chunk.is_empty() {
            return;
        }
        self.keep_start(chunk);
        if self.claim == Claim::Json {
            return;
        }
        tally.add(BYTES, u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        let now = environment.milliseconds();
        let gap = now.zip(self.heard).map_or(0, |(now, heard)| now.saturating_sub(heard));
        self.longest_gap = self.longest_gap.max(gap);
        self.heard = now;
    }

    /// An event is complete.
    pub(crate) fn event(&mut self, tally: &Tally, environment: &mut dyn Environment) {
        if !self.is_read() {
            return;
        }
        tally.add(EVENTS, 1);
        if self.events == 0
            && let Some((now, asked)) = self.heard.zip(self.asked)
        {
            let histogram = if self.model.is_some() { FIRST_CHUNK } else { FIRST_EVENT };
            environment.observe(histogram, self.model.as_deref(), now.saturating_sub(asked));
        }
        self.events = self.events.saturating_add(1);
    }

    /// An event is too long to be read.
    pub(crate) fn too_long(&mut self, tally: &Tally, environment: &mut dyn Environment) {
        if self.is_read() {
            self.events = self.events.saturating_add(1);
            let what = "events too long to be read passed unread";
            tally.complain("mcp_sse_events_too_long", what, environment);
        }
    }

    /// The answer is over.
    pub(crate) fn finish(&self, ending: Ending, tally: &Tally, environment: &mut dyn Environment) {
        let start = self.start.as_slice();
        let listens = match self.claim {
            Claim::Json if EVENT_STARTS.iter().any(|event| start.starts_with(event)) => {
                let what = "answers of type application/json were event streams";
                return tally.complain("mcp_sse_mistyped.body.events", what, environment);
            }
            Claim::Json => return,
            Claim::CodedEvents => return tally.add("mcp_sse_streams.outcome.encoded", 1),
            Claim::Events { listens } => listens,
        };
        if self.heard.is_some() {
            environment.observe(LONGEST_GAP, None, self.longest_gap);
        }
        if self.events > 0 || (listens && start.is_empty()) {
            return match ending {
                Ending::Complete => tally.add("mcp_sse_streams.outcome.complete", 1),
                Ending::Cut => tally.add("mcp_sse_streams.outcome.cut", 1),
            };
        }
        if matches!(start.first(), Some(b'{' | b'[')) {
            tally.add("mcp_sse_streams.outcome.mistyped", 1);
            let what = "answers of type text/event-stream were JSON";
            return tally.complain("mcp_sse_mistyped.body.json", what, environment);
        }
        let what = "event streams ended without a complete event";
        tally.complain("mcp_sse_streams.outcome.no_event", what, environment);
    }

    const fn is_read(&self) -> bool {
        matches!(self.claim, Claim::Events { .. })
    }

    fn keep_start(&mut self, chunk: &[u8]) {
        for byte in chunk {
            if self.start.len() >= START {
                return;
            }
            if !self.start.is_empty() || !byte.is_ascii_whitespace() {
                self.start.push(*byte);
            }
            if self.start == BYTE_ORDER_MARK {
                self.start.clear();
            }
        }
    }
}
