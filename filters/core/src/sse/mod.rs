//! `text/event-stream`, parsed as it passes: any split into chunks gives the same events.
//!
//! ```text
//! stream  = [ BOM ] *event
//! event   = *( comment / field ) end-of-line
//! comment = ":" *any-char end-of-line
//! field   = 1*name-char [ ":" [ SP ] *any-char ] end-of-line
//! end-of-line = CR LF / CR / LF
//! ```
//!
//! From WHATWG HTML §9.2.6. The parser works on bytes and leaves UTF-8 to who reads the values.

mod block;
mod line;
#[cfg(test)]
mod tests;
mod whole;

pub use whole::{Cutter, Whole};

use self::block::Block;
use self::line::Line;

/// One stream's parser.
///
/// It holds one event at most, so no more than the limit it was made with (twice that while a
/// buffer grows), whatever the length of a line.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// What is still to come of the byte order mark that a stream may start with.
    mark: &'static [u8],
    /// The last byte was a CR: a LF that comes next belongs to the same line end.
    after_cr: bool,
    line: Line,
    block: Block,
}

/// What a stream says between two blank lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An event to dispatch.
    Message(Message<'a>),
    /// An event that went past the limit; nothing of it was kept.
    TooLong,
}

/// An event's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type: `message` if the stream does not say.
    pub kind: &'a [u8],
    /// Its data: the values of all `data` fields, with a LF between them.
    pub data: &'a [u8],
    /// The id that stands in this very event.
    pub id: Option<&'a [u8]>,
    /// The reconnection time that stands in this very event, in milliseconds.
    pub retry: Option<u64>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

// === impl Parser ===

impl Parser {
    /// Makes a parser for a stream that is about to start; `limit` is in bytes and counts data, type
    /// and id of one event together.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            mark: BYTE_ORDER_MARK,
            after_cr: false,
            line: Line::default(),
            block: Block::default(),
        }
    }

    /// Reads on. `on_event` gets each event that ends in `chunk`, and how many bytes of `chunk` had
    /// been read when it ended. An event that has not ended when the stream does is none.
    pub fn push(&mut self, chunk: &[u8], mut on_event: impl FnMut(Event<'_>, usize)) {
        let mut rest = self.skip_mark(chunk);
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let Some((text, [ending, tail @ ..])) = end.and_then(|end| rest.split_at_checked(end))
            else {
                self.text(rest);
                break;
            };
            self.text(text);
            self.after_cr = *ending == b'\r';
            rest = tail;
            if self.end_line() {
                if let Some(event) = self.block.event() {
                    on_event(event, chunk.len().saturating_sub(rest.len()));
                }
                self.block.clear();
            }
        }
        self.block.rest();
    }

    /// Drops a byte order mark from the start of the stream.
    fn skip_mark<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let mut rest = chunk;
        while let ([expected, mark @ ..], [first, tail @ ..]) = (self.mark, rest) {
            if first == expected {
                self.mark = mark;
                rest = tail;
            } else {
                // It was none, so what was taken for its start is text.
                let text = BYTE_ORDER_MARK.strip_suffix(self.mark).unwrap_or_default();
                self.mark = &[];
                self.text(text);
            }
        }
        rest
    }

    /// Takes in a piece of a line, without its end.
    fn text(&mut self, text: &[u8]) {
        if let Some((field, value)) = self.line.text(text) {
            self.block.extend(field, value, self.limit);
        }
    }

    /// Takes in a line end; says whether the line was blank.
    fn end_line(&mut self) -> bool {
        let Some(field) = self.line.end() else {
            return true;
        };
        self.block.end(field, self.limit);
        false
    }
}
