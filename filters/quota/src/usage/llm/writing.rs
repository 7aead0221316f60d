//! The text in what a model wrote, wherever its provider puts it.

use mcp_core::json::{Error, Kind, Reader};

use super::super::estimate::Estimate;
use super::super::read;
use super::is_some;

/// Collects text.
#[derive(Debug)]
pub(super) struct Writing<'e> {
    written: &'e mut Estimate,
    thought: &'e mut Estimate,
    /// Whether text is estimated.
    pub(super) counts: bool,
    /// There was text.
    pub(super) has_text: bool,
    /// There was a reason why nothing more is written.
    pub(super) has_stopped: bool,
}

impl<'e> Writing<'e> {
    pub(super) const fn new(written: &'e mut Estimate, thought: &'e mut Estimate) -> Self {
        Self { written, thought, counts: true, has_text: false, has_stopped: false }
    }

    /// Reads text, or what holds some; `is_thought` if the model wrote it for itself.
    pub(super) fn value(&mut self, reader: &mut Reader<'_>, is_thought: bool) -> Result<(), Error> {
        match reader.kind()? {
            Kind::Array => reader.array(|reader| self.value(reader, is_thought)),
            Kind::Object => self.block(reader, is_thought),
            Kind::String => self.text(reader, is_thought),
            Kind::Literal | Kind::Number => reader.skip().map(drop),
        }
    }

    /// Reads an object: a choice, a message, its delta, a content block, a call, ...
    fn block(&mut self, reader: &mut Reader<'_>, is_thought: bool) -> Result<(), Error> {
        let mut text = None;
        let mut is_thought = is_thought;
        let mut has_reasoning = false;
        reader.object(|reader, key| {
            match &*key {
                // Whose text it is may stand behind it.
                "text" => text = read::string(reader)?,
                "thought" => is_thought |= reader.skip()? == "true",
                "type" => {
                    let kind = read::string(reader)?;
                    is_thought |=
                        matches!(kind.as_deref(), Some("reasoning_text" | "summary_text"));
                }
                "content" | "delta" | "function" | "function_call" | "functionCall" | "message"
                | "parts" | "refusal" | "tool_calls" => self.value(reader, is_thought)?,
                "summary" => self.value(reader, true)?,
                // Where there are two of them, they say the same under an old name and a new one.
                "reasoning" | "reasoning_content" | "thinking"
                    if !has_reasoning && reader.kind()? == Kind::String =>
                {
                    has_reasoning = true;
                    self.text(reader, true)?;
                }
                "args" | "arguments" | "input" | "partial_json" => self.json(reader)?,
                "finish_reason" | "finishReason" | "stop_reason" => {
                    self.has_stopped |= is_some(reader)?;
                }
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })?;
        self.push(&text.unwrap_or_default(), is_thought);
        Ok(())
    }

    fn text(&mut self, reader: &mut Reader<'_>, is_thought: bool) -> Result<(), Error> {
        let text = read::string(reader)?;
        self.push(&text.unwrap_or_default(), is_thought);
        Ok(())
    }

    /// Reads what a tool is called with: JSON, or the text of it.
    fn json(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        if reader.kind()? == Kind::String {
            return self.text(reader, false);
        }
        // What a call starts with that is told bit by bit.
        let value = reader.skip()?;
        if value != "{}" && value != "null" {
            self.push(value, false);
        }
        Ok(())
    }

    fn push(&mut self, text: &str, is_thought: bool) {
        self.has_text |= !text.is_empty();
        if self.counts {
            if is_thought { self.thought.push(text) } else { self.written.push(text) }
        }
    }
}
