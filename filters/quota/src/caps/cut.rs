//! The result of a tool, and less of it.

use core::ops::Range;

use mcp_core::json::{self, Kind, Reader};
use mcp_core::limits::MAX_JSON_DEPTH;
use serde_json::{Value, json};

use crate::estimator;

/// A message that is the result of a tool.
#[derive(Debug)]
pub(super) struct ToolResult<'a> {
    text: &'a str,
    id: &'a str,
    /// Where `content` stands.
    content: Range<usize>,
    /// `structuredContent`, as it stands.
    structured: Option<&'a str>,
}

/// What stands at the end of a text that was cut.
const LABEL: &str = "[The gateway cut this result: it was larger than is allowed.]";

impl<'a> ToolResult<'a> {
    /// Reads a message; `None` if it is no result with content.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let text = core::str::from_utf8(message).ok()?;
        let (mut id, mut content, mut structured) = (None, None, None);
        let mut reader = Reader::new(message, MAX_JSON_DEPTH).ok()?;
        let read: Result<(), json::Error> = reader.object(|reader, key| {
            match &*key {
                "id" => id = Some(reader.skip()?),
                "result" if reader.kind()? == Kind::Object => reader.object(|reader, key| {
                    match &*key {
                        "content" => {
                            let value = reader.skip()?;
                            let end = reader.offset();
                            content = Some(end.saturating_sub(value.len())..end);
                        }
                        "structuredContent" => structured = Some(reader.skip()?),
                        _ => drop(reader.skip()?),
                    }
                    Ok(())
                })?,
                _ => drop(reader.skip()?),
            }
            Ok(())
        });
        read.ok()?;
        Some(Self { text, id: id?, content: content?, structured })
    }

    /// The id of the request it answers, as the exact token.
    pub(super) const fn id(&self) -> &'a str {
        self.id
    }

    /// Its tokens, and the bytes of content and structured content together.
    pub(super) fn size(&self) -> (u64, u64) {
        let structured = self.structured.unwrap_or_default();
        let texts = self.blocks().iter().filter_map(text_of).map(estimator::tokens).sum::<u64>();
        let tokens = if texts == 0 { estimator::tokens(structured) } else { texts };
        let bytes = self.content.len().saturating_add(structured.len());
        (tokens, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// The message with as much of its text as is allowed, and a word that it was cut. `None` if
    /// there is more to it than text.
    pub(super) fn cut(&self, tokens: u64, bytes: u64) -> Option<Vec<u8>> {
        if self.structured.is_some() {
            return None;
        }
        let mut blocks = self.blocks();
        let mut left = (tokens, bytes);
        for block in &mut blocks {
            let text = text_of(block)?;
            let kept = prefix(text, left);
            left.0 = left.0.saturating_sub(estimator::tokens(kept));
            left.1 = left.1.saturating_sub(u64::try_from(kept.len()).unwrap_or(u64::MAX));
            let kept = kept.to_owned();
            *block.get_mut("text")? = Value::String(kept);
        }
        blocks.retain(|block| text_of(block).is_some_and(|text| !text.is_empty()));
        blocks.push(json!({"type": "text", "text": LABEL}));
        let before = self.text.get(..self.content.start)?;
        let after = self.text.get(self.content.end..)?;
        Some([before, &Value::Array(blocks).to_string(), after].concat().into_bytes())
    }

    fn blocks(&self) -> Vec<Value> {
        let content = self.text.get(self.content.clone()).unwrap_or_default();
        serde_json::from_str(content).unwrap_or_default()
    }
}

fn text_of(block: &Value) -> Option<&str> {
    block.get("text")?.as_str()
}

/// The longest start of `text` of at most so many tokens and bytes.
fn prefix(text: &str, (tokens, bytes): (u64, u64)) -> &str {
    let fits = |end: usize| {
        let start = text.get(..text.floor_char_boundary(end)).unwrap_or_default();
        estimator::tokens(start) <= tokens
            && u64::try_from(start.len()).is_ok_and(|length| length <= bytes)
    };
    let (mut fitting, mut beyond) = (0, text.len().saturating_add(1));
    while beyond.saturating_sub(fitting) > 1 {
        let middle = fitting.midpoint(beyond);
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    text.get(..text.floor_char_boundary(fitting)).unwrap_or_default()
}
