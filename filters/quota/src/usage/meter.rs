//! The meter of one answer.

use super::llm::Completion;
use super::mcp::Answer;
use super::{Provenance, Usage};

/// What is counted of an answer, by what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// A model's answer.
    Llm {
        /// Estimated tokens of the prompt ([`LlmRequest::input`](super::LlmRequest)), which stand
        /// as long as the provider says nothing.
        prompt: u64,
    },
    /// An MCP server's answer, or its stream.
    Mcp {
        /// Whether it costs tokens; what polls a task (`tasks/get`) costs none.
        counts: bool,
    },
}

/// The meter of one answer: takes in each message as it passes.
///
/// It holds a kilobyte of text or two, whatever the length of the answer.
#[derive(Debug)]
pub struct Meter {
    counted: Counted,
    /// A message was read.
    read: bool,
    /// A message could not be read.
    lost: bool,
    /// Something else than JSON came.
    foreign: bool,
    /// The most that was said to have passed.
    peak: Usage,
}

/// What a message was, as far as a filter must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The `requestState` of an `input_required` result, escapes undone.
    pub request_state: Option<String>,
    /// It is a JSON-RPC response: a result or an error.
    pub answers: bool,
    /// It is an error, or the result of a tool that failed (`isError`).
    pub failed: bool,
}

/// What an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Its tokens. Of a model's answer, those of its prompt are among them.
    pub usage: Usage,
    /// How they are known.
    pub provenance: Provenance,
    /// Bytes of images, audio and other blobs, in base64 as they passed; they are in no class.
    pub blob_bytes: u64,
}

#[derive(Debug)]
enum Counted {
    Llm(Completion),
    Mcp(Answer),
}

// === impl Meter ===

impl Meter {
    /// A meter of an answer that is about to start.
    #[must_use]
    pub fn new(traffic: Traffic) -> Self {
        let counted = match traffic {
            Traffic::Llm { prompt } => Counted::Llm(Completion::new(prompt)),
            Traffic::Mcp { counts } => Counted::Mcp(Answer::new(counts)),
        };
        let peak = counted.usage();
        Self { counted, read: false, lost: false, foreign: false, peak }
    }

    /// Takes in a JSON document, or the data of one event of a stream; of a stream also what is no
    /// message (an empty event, `[DONE]`, an endpoint), which costs nothing.
    pub fn message(&mut self, text: &[u8]) -> Seen {
        let mut seen = Seen::default();
        let text = text.trim_ascii();
        if text.is_empty() || text == b"[DONE]" {
            return seen;
        }
        if !text.starts_with(b"{") && !text.starts_with(b"[") {
            self.foreign = true;
            return seen;
        }
        let outcome = match &mut self.counted {
            Counted::Llm(completion) => completion.message(text, &mut seen),
            Counted::Mcp(answer) => answer.message(text, &mut seen),
        };
        self.read |= outcome.is_ok();
        self.lost |= outcome.is_err();
        seen
    }

    /// Takes note of a message that could not be read: too long, or compressed.
    pub const fn unreadable(&mut self) {
        self.lost = true;
    }

    /// Whether its usage is also that of what was asked.
    #[must_use]
    pub const fn has_prompt(&self) -> bool {
        matches!(self.counted, Counted::Llm(_))
    }

    /// What passed so far, to end a stream at a hard limit. Its total never falls from one time to
    /// the next, also where an estimate turns out to have been too high.
    pub fn so_far(&mut self) -> Usage {
        let now = self.counted.usage();
        if now.total() >= self.peak.total() {
            self.peak = now;
        }
        self.peak
    }

    /// What the answer cost; `ended` if it came to its end rather than breaking off.
    #[must_use]
    pub fn finish(&self, ended: bool) -> Measured {
        let (complete, exact, blob_bytes) = match &self.counted {
            Counted::Llm(completion) => (completion.is_complete(), completion.is_exact(ended), 0),
            Counted::Mcp(answer) => (answer.is_complete(), false, answer.blob_bytes()),
        };
        let ended = ended || complete;
        let provenance = if exact {
            Provenance::Exact
        } else if !self.read && (self.lost || self.foreign || !ended) {
            Provenance::Missing
        } else if self.lost || !ended {
            Provenance::Partial
        } else {
            // Also of an answer without a message: there was no text to see.
            Provenance::Estimated
        };
        Measured { usage: self.counted.usage(), provenance, blob_bytes }
    }
}

// === impl Counted ===

impl Counted {
    fn usage(&self) -> Usage {
        match self {
            Self::Llm(completion) => completion.usage(),
            Self::Mcp(answer) => answer.usage(),
        }
    }
}

#[cfg(test)]
mod tests;
