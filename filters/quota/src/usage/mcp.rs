//! MCP messages, counted by their text: the protocol tells no usage.
//!
//! | message | what counts |
//! |---|---|
//! | `tools/call` | `arguments`, as JSON |
//! | its result | the text of `content`; `structuredContent`, as JSON, if there is none of it |
//! | catalogues | `tools`, `prompts`, `resources`, `resourceTemplates`, as JSON |
//! | results of `prompts/get`, `resources/read` | the text of `messages`, of `contents` |
//! | `sampling/createMessage` | the text of `messages` and `systemPrompt` |
//! | what clients answer | the text of a sample; what was elicited, as JSON |
//! | errors | `message` |
//!
//! `structuredContent` usually repeats `content`, so not both count. Images, audio and blobs are
//! base64 and told apart, in bytes. A result that wants input first (`input_required`) or promises
//! another (`task`) costs nothing, and neither does any other message.

use std::borrow::Cow;

use mcp_core::json::{Error, Kind, Reader};
use mcp_core::message::Message;

use super::read::{self, reader};
use super::{Seen, Usage};
use crate::estimator;

/// What a call costs before it is answered: the arguments of a tool.
#[must_use]
pub fn of_request(message: &Message<'_>) -> Usage {
    match (message.method.as_deref(), message.params.arguments) {
        (Some("tools/call"), Some(arguments)) => sent(estimator::tokens(arguments)),
        _ => Usage::default(),
    }
}

/// What the responses in a client's body cost. What is no JSON costs nothing: it is refused.
#[must_use]
pub fn of_response_body(body: &[u8]) -> Usage {
    let mut tokens = 0_u64;
    let read = each_message(body, |envelope| {
        if envelope.method.is_none() {
            tokens = tokens.saturating_add(envelope.result.map_or(Ok(0), posted)?);
        }
        Ok(())
    });
    sent(if read.is_ok() { tokens } else { 0 })
}

/// What a server sends for one request, or in one stream.
#[derive(Debug)]
pub(super) struct Answer {
    counts: bool,
    answered: bool,
    text: Text,
}

/// The members of a JSON-RPC message that matter here, those that are containers as JSON.
#[derive(Default)]
struct Envelope<'a> {
    method: Option<Cow<'a, str>>,
    params: Option<&'a str>,
    result: Option<&'a str>,
    error: Option<&'a str>,
}

/// Text that is being collected.
#[derive(Debug, Clone, Copy, Default)]
struct Text {
    tokens: u64,
    blob_bytes: u64,
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(counts: bool) -> Self {
        Self { counts, answered: false, text: Text::default() }
    }

    /// Takes in a message, or a batch of them.
    pub(super) fn message(&mut self, text: &[u8], seen: &mut Seen) -> Result<(), Error> {
        each_message(text, |envelope| {
            let text = if envelope.method.is_some() {
                asked(&envelope)?
            } else if let Some(result) = envelope.result {
                seen.answers = true;
                returned(result, seen)?
            } else if let Some(error) = envelope.error {
                seen.answers = true;
                seen.failed = true;
                failed(error)?
            } else {
                Text::default()
            };
            if self.counts {
                self.text.add(text);
            }
            Ok(())
        })?;
        self.answered |= seen.answers;
        Ok(())
    }

    /// Whether what was asked is answered.
    pub(super) const fn is_complete(&self) -> bool {
        self.answered
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { output: self.text.tokens, ..Usage::default() }
    }

    pub(super) const fn blob_bytes(&self) -> u64 {
        self.text.blob_bytes
    }
}

// === impl Text ===

impl Text {
    fn add(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.blob_bytes = self.blob_bytes.saturating_add(other.blob_bytes);
    }

    fn push(&mut self, text: &str) {
        self.tokens = self.tokens.saturating_add(estimator::tokens(text));
    }

    /// Reads content: a block, or several. `source` is what `reader` reads.
    fn content(&mut self, reader: &mut Reader<'_>, source: &str) -> Result<(), Error> {
        match reader.kind()? {
            Kind::Array => reader.array(|reader| self.content(reader, source)),
            Kind::Object => self.block(reader, source),
            _ => {
                self.push(&read::string(reader)?.unwrap_or_default());
                Ok(())
            }
        }
    }

    /// Reads a content block, or what holds some: a prompt's message, an embedded resource, the
    /// result of a tool.
    fn block(&mut self, reader: &mut Reader<'_>, source: &str) -> Result<(), Error> {
        let start = reader.offset();
        let mut is_link = false;
        reader.object(|reader, key| {
            match &*key {
                "type" => is_link = read::string(reader)?.as_deref() == Some("resource_link"),
                "text" => self.push(&read::string(reader)?.unwrap_or_default()),
                "data" | "blob" => {
                    self.blob_bytes = self.blob_bytes.saturating_add(read::length(reader)?);
                }
                "content" | "resource" => self.content(reader, source)?,
                // What a sampled tool is called with.
                "input" => self.push(reader.skip()?),
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })?;
        if is_link {
            self.push(source.get(start..reader.offset()).unwrap_or_default());
        }
        Ok(())
    }
}

/// Calls `on_message` with the message in `text`, or with each of a batch.
fn each_message<'a>(
    text: &'a [u8],
    mut on_message: impl FnMut(Envelope<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = reader(text)?;
    if reader.kind()? == Kind::Array {
        reader.array(|reader| on_message(envelope(reader)?))?;
    } else {
        on_message(envelope(&mut reader)?)?;
    }
    reader.finish()
}

fn envelope<'a>(reader: &mut Reader<'a>) -> Result<Envelope<'a>, Error> {
    let mut envelope = Envelope::default();
    read::object(reader, |reader, key| {
        match &*key {
            "method" => envelope.method = read::string(reader)?,
            "params" => envelope.params = Some(reader.skip()?),
            "result" => envelope.result = Some(reader.skip()?),
            "error" => envelope.error = Some(reader.skip()?),
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(envelope)
}

/// What a server's own request says.
fn asked(envelope: &Envelope<'_>) -> Result<Text, Error> {
    let mut text = Text::default();
    if let (Some("sampling/createMessage"), Some(params)) =
        (envelope.method.as_deref(), envelope.params)
    {
        read::object(&mut reader(params.as_bytes())?, |reader, key| match &*key {
            "messages" | "systemPrompt" => text.content(reader, params),
            _ => reader.skip().map(drop),
        })?;
    }
    Ok(text)
}

/// What a server's result says.
fn returned(result: &str, seen: &mut Seen) -> Result<Text, Error> {
    let mut text = Text::default();
    let (mut structured, mut kind, mut request_state) = (None, None, None);
    read::object(&mut reader(result.as_bytes())?, |reader, key| {
        match &*key {
            "content" | "contents" | "messages" => text.content(reader, result)?,
            "structuredContent" => structured = Some(reader.skip()?),
            "tools" | "prompts" | "resources" | "resourceTemplates" => text.push(reader.skip()?),
            "isError" => seen.failed |= reader.skip()? == "true",
            "resultType" => kind = read::string(reader)?,
            "requestState" => request_state = read::string(reader)?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    match kind.as_deref() {
        Some("input_required") => {
            seen.request_state = request_state.map(Cow::into_owned);
            return Ok(Text::default());
        }
        Some("task") => return Ok(Text::default()),
        _ => {}
    }
    if text.tokens == 0 {
        text.push(structured.unwrap_or_default());
    }
    Ok(text)
}

/// What an error says.
fn failed(error: &str) -> Result<Text, Error> {
    let mut text = Text::default();
    read::object(&mut reader(error.as_bytes())?, |reader, key| match &*key {
        "message" => text.content(reader, error),
        _ => reader.skip().map(drop),
    })?;
    Ok(text)
}

/// Tokens of a client's result.
fn posted(result: &str) -> Result<u64, Error> {
    let mut content = None;
    let mut is_elicited = false;
    read::object(&mut reader(result.as_bytes())?, |reader, key| {
        let value = reader.skip()?;
        match &*key {
            "content" => content = Some(value),
            // Accepted or not: only what was elicited has it, and its content is what a form holds.
            "action" => is_elicited = true,
            _ => {}
        }
        Ok(())
    })?;
    let Some(content) = content else { return Ok(0) };
    let mut text = Text::default();
    if is_elicited {
        text.push(content);
    } else {
        text.content(&mut reader(content.as_bytes())?, content)?;
    }
    Ok(text.tokens)
}

/// Tokens that go to a server.
const fn sent(tokens: u64) -> Usage {
    Usage { input: tokens, cached: 0, output: 0, reasoning: 0 }
}

#[cfg(test)]
mod tests;
