//! Answers of language models: OpenAI chat completions and responses, Anthropic messages, Gemini;
//! as a document, or as a stream of events.
//!
//! The provider's last word on the usage counts. Text that came after it, or all of it where there
//! is none, is estimated. Dialects are told apart by the members a message has.

mod report;
mod request;
mod writing;

use std::borrow::Cow;

use mcp_core::json::{Error, Kind, Reader};

use self::report::Report;
pub use self::request::{LlmRequest, of_llm_request};
use self::writing::Writing;
use super::estimate::Estimate;
use super::read::{self, reader};
use super::{Seen, Usage};

/// The answer of a model.
#[derive(Debug)]
pub(super) struct Completion {
    /// Estimated tokens of the prompt.
    prompt: u64,
    reported: Report,
    /// What was written since the last report of it.
    written: Estimate,
    /// What was written by the model for itself since then.
    thought: Estimate,
    /// The provider said that nothing more is written.
    is_complete: bool,
    has_failed: bool,
}

/// The members of a message that matter here.
#[derive(Default)]
struct Chunk<'a> {
    /// `type`.
    kind: Option<Cow<'a, str>>,
    report: Report,
    /// What holds text, as JSON; a message has one such member.
    text: Option<&'a str>,
    has_stopped: bool,
    has_failed: bool,
}

// === impl Completion ===

impl Completion {
    pub(super) fn new(prompt: u64) -> Self {
        Self {
            prompt,
            reported: Report::default(),
            written: Estimate::default(),
            thought: Estimate::default(),
            is_complete: false,
            has_failed: false,
        }
    }

    /// Takes in a document or an event; Gemini has streams that are one array of them.
    pub(super) fn message(&mut self, text: &[u8], seen: &mut Seen) -> Result<(), Error> {
        let mut reader = reader(text)?;
        if reader.kind()? == Kind::Array {
            reader.array(|reader| self.chunk(Chunk::read(reader)?, seen))?;
        } else {
            self.chunk(Chunk::read(&mut reader)?, seen)?;
        }
        reader.finish()
    }

    /// Whether the provider said that nothing more is written.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether the provider told all that the answer cost. Of an output nobody saw it need not say
    /// anything, as with embeddings and prompts that are refused.
    pub(super) const fn is_exact(&self, ended: bool) -> bool {
        let told = self.reported.input.is_some() && !self.reported.is_absurd;
        let nothing_since = self.written.is_empty() && self.thought.is_empty();
        let over = self.is_complete || ended && !self.has_failed;
        told && nothing_since && over
    }

    pub(super) fn usage(&self) -> Usage {
        let told = self.reported.usage();
        let (written, thought) = (self.written.tokens(), self.thought.tokens());
        let output = told.output.saturating_add(written);
        let reasoning = told.reasoning.saturating_add(thought);
        // A request that failed at once was not read by the model.
        let was_read = !self.has_failed || output > 0 || reasoning > 0;
        let input = match self.reported.input {
            None if was_read => told.input.saturating_add(self.prompt),
            _ => told.input,
        };
        Usage { input, cached: told.cached, output, reasoning }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, seen: &mut Seen) -> Result<(), Error> {
        let kind = chunk.kind.as_deref().unwrap_or_default();
        let mut writing = Writing::new(&mut self.written, &mut self.thought);
        // What a report covers need not be estimated.
        writing.counts = chunk.report.output.is_none();
        match chunk.text {
            // Audio comes in base64.
            Some(text) if !kind.ends_with("audio.delta") => {
                writing.value(&mut reader(text.as_bytes())?, kind.contains(".reasoning"))?;
            }
            _ => {}
        }
        let (has_text, has_stopped) = (writing.has_text, writing.has_stopped);
        if chunk.report.output.is_some() {
            self.written.clear();
            self.thought.clear();
        } else if chunk.report.reasoning_apart.is_some() {
            self.thought.clear();
        }
        self.reported.update(chunk.report);
        seen.failed |= chunk.has_failed;
        self.has_failed |= chunk.has_failed;
        // One of several choices may have stopped before the others.
        self.is_complete &= !has_text;
        self.is_complete |= chunk.has_stopped || has_stopped || STOPS.contains(&kind);
        Ok(())
    }
}

/// Types of the events after which nothing is written.
const STOPS: [&str; 3] = ["response.completed", "response.failed", "response.incomplete"];

// === impl Chunk ===

impl<'a> Chunk<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut chunk = Self::default();
        read::object(reader, |reader, key| {
            match &*key {
                "type" => chunk.kind = read::string(reader)?,
                "usage" | "usageMetadata" => chunk.report = Report::read(reader)?,
                // Of the event that starts an answer, so more will be written.
                "message" => chunk.nested_report(reader, Report::without_output)?,
                // Of an event about a response as a whole.
                "response" => chunk.nested_report(reader, |report| report)?,
                "candidates" | "choices" | "content" | "content_block" | "delta" | "output" => {
                    chunk.text = Some(reader.skip()?);
                }
                "stop_reason" => chunk.has_stopped = is_some(reader)?,
                "error" => chunk.has_failed = is_some(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })?;
        chunk.has_failed |= chunk.kind.as_deref() == Some("response.failed");
        Ok(chunk)
    }

    fn nested_report(
        &mut self,
        reader: &mut Reader<'a>,
        change: impl Fn(Report) -> Report,
    ) -> Result<(), Error> {
        read::object(reader, |reader, key| {
            if key == "usage" {
                self.report = change(Report::read(reader)?);
            } else {
                reader.skip()?;
            }
            Ok(())
        })
    }
}

/// Walks over the value that comes next; says whether it is another than `null`.
fn is_some(reader: &mut Reader<'_>) -> Result<bool, Error> {
    Ok(reader.skip()? != "null")
}
