//! Reading an answer's body while it passes untouched.

use crate::rewrite::Piece;
use crate::sse::{Event, Message, Parser};

/// One body that is listened to.
#[derive(Debug)]
pub struct Tap(Form);

#[derive(Debug)]
enum Form {
    /// Nothing of it is read.
    Bytes,
    /// JSON, as far as it came.
    Document {
        held: Vec<u8>,
        limit: usize,
    },
    Events(Box<Parser>),
    /// Something that cannot be read, of which that has yet to be said.
    Unreadable,
}

// === impl Tap ===

impl Tap {
    /// A body of which only the bytes matter.
    #[must_use]
    pub const fn bytes() -> Self {
        Self(Form::Bytes)
    }

    /// One JSON document; of more than `limit` bytes it is [`Piece::Unreadable`].
    #[must_use]
    pub const fn document(limit: usize) -> Self {
        Self(Form::Document { held: Vec::new(), limit })
    }

    /// An event stream; an event of more than `limit` bytes is [`Piece::Unreadable`].
    #[must_use]
    pub fn events(limit: usize) -> Self {
        Self(Form::Events(Box::new(Parser::new(limit))))
    }

    /// A body that cannot be read, such as a compressed one.
    #[must_use]
    pub const fn unreadable() -> Self {
        Self(Form::Unreadable)
    }

    /// Takes in a chunk, the last one if `end`; `hear` gets what became whole with it.
    pub fn push(&mut self, chunk: &[u8], end: bool, mut hear: impl FnMut(Piece<'_>)) {
        match &mut self.0 {
            Form::Bytes => {}
            Form::Unreadable => {
                hear(Piece::Unreadable);
                self.0 = Form::Bytes;
            }
            Form::Document { held, limit } => {
                if held.len().saturating_add(chunk.len()) > *limit {
                    hear(Piece::Unreadable);
                    self.0 = Form::Bytes;
                } else if !end {
                    held.extend_from_slice(chunk);
                } else if !(held.is_empty() && chunk.is_empty()) {
                    held.extend_from_slice(chunk);
                    hear(Piece::Message(held));
                    self.0 = Form::Bytes;
                }
            }
            Form::Events(parser) => parser.push(chunk, |event, _| match event {
                Event::Message(message) if message.kind == b"message" => {
                    hear(Piece::Message(message.data));
                }
                Event::Message(Message { kind, data, .. }) => hear(Piece::Other { kind, data }),
                Event::TooLong => hear(Piece::Unreadable),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// What a tap heard of `body`, cut into chunks of `size` bytes.
    fn heard(mut tap: Tap, body: &str, size: usize) -> Vec<String> {
        let mut heard = Vec::new();
        let mut chunks = body.as_bytes().chunks(size).peekable();
        let mut push = |chunk: &[u8], end| {
            tap.push(chunk, end, |piece| {
                heard.push(match piece {
                    Piece::Message(text) => format!("message {}", String::from_utf8_lossy(text)),
                    Piece::Other { kind, data } => {
                        let text = [kind, data].map(String::from_utf8_lossy);
                        format!("{}: {}", text[0], text[1])
                    }
                    Piece::Unreadable => "unreadable".to_owned(),
                });
            });
        };
        while let Some(chunk) = chunks.next() {
            push(chunk, chunks.peek().is_none());
        }
        heard
    }

    #[test]
    fn what_is_heard_does_not_depend_on_chunks() {
        let stream = "event: delta\ndata: 1\n\ndata: 2\n\ndata: 123456789\n\n: ping\n\n";
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(
                heard(Tap::events(8), stream, size),
                ["delta: 1", "message 2", "unreadable"]
            );
            assert_eq!(heard(Tap::document(4), "{  }", size), ["message {  }"]);
            assert_eq!(heard(Tap::document(3), "{  }", size), ["unreadable"]);
            assert_eq!(heard(Tap::bytes(), "{  }", size), [""; 0]);
            assert_eq!(heard(Tap::unreadable(), "\u{1f}\u{8b}", size), ["unreadable"]);
        }
    }

    #[test]
    fn a_document_is_heard_once_and_its_last_chunk_may_be_empty() {
        let mut tap = Tap::document(10);
        let mut heard = Vec::new();
        for (chunk, end) in [(&b"{}"[..], false), (b"", true), (b"", true)] {
            tap.push(chunk, end, |piece| heard.push(piece == Piece::Message(b"{}")));
        }
        assert_eq!(heard, [true]);
        Tap::document(10).push(b"", true, |_| panic!("there is none"));
    }
}
