//! Changing what is in a body while it passes, whatever chunks the network makes of it.
//!
//! A body is one JSON document, or an event stream. A document is judged when it is complete, each
//! event of a stream as it ends; what is incomplete is held here, up to a limit. The bytes that go
//! on depend on the body alone and not on where it was cut.

#[cfg(test)]
mod tests;

use crate::sse::{Cutter, Whole};

/// One body on its way.
#[derive(Debug)]
pub struct Rewriter {
    form: Form,
    /// The most bytes of one piece.
    limit: usize,
    /// The piece that is incomplete.
    held: Vec<u8>,
    progress: Progress,
}

/// What a body consists of.
#[derive(Debug)]
enum Form {
    Document {
        json: bool,
    },
    Events {
        cutter: Cutter,
        inspect: bool,
        /// No event came yet.
        first: bool,
        /// The last event did not go on.
        dropped: bool,
    },
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The piece that comes is held.
    Holding,
    /// The piece that comes is longer than the limit: it is not held.
    TooLong,
    /// Nothing goes on any more.
    Ended,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// What claims to be a JSON-RPC message: a document of type `application/json`, or the data of
    /// an event of type `message`.
    Message(&'a [u8]),
    /// The same of any other type.
    Other {
        /// An event's type; of a document nothing.
        kind: &'a [u8],
        /// The text.
        data: &'a [u8],
    },
    /// A piece that is longer than the limit; it goes on only in a stream that is released.
    Unreadable,
}

/// What becomes of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It goes on as it is.
    Pass,
    /// This text goes on in its place, and an event's other fields with it.
    Replace(Vec<u8>),
    /// It does not go on.
    Drop,
    /// These messages go on in its place, and nothing after them.
    End(Vec<Vec<u8>>),
    /// It goes on as it is, and so does the rest of a stream, unjudged.
    Release,
}

// === impl Rewriter ===

impl Rewriter {
    /// A document of at most `limit` bytes; `json` if its type says so. Where the limit is 0, any
    /// document is [`Piece::Unreadable`].
    #[must_use]
    pub const fn document(limit: usize, json: bool) -> Self {
        Self::new(limit, Form::Document { json })
    }

    /// An event stream, of which every event is judged, until it is released. One of more than
    /// `limit` bytes is [`Piece::Unreadable`] as soon as it is that long.
    #[must_use]
    pub fn events(limit: usize) -> Self {
        let cutter = Cutter::default();
        Self::new(limit, Form::Events { cutter, inspect: true, first: true, dropped: false })
    }

    const fn new(limit: usize, form: Form) -> Self {
        Self { form, limit, held: Vec::new(), progress: Progress::Holding }
    }

    /// Takes in a chunk, the last one if `end`; returns what goes on in its place.
    pub fn push(
        &mut self,
        chunk: &[u8],
        end: bool,
        mut judge: impl FnMut(Piece<'_>) -> Ruling,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = chunk;
        while self.progress != Progress::Ended {
            rest = self.line_feed(rest, &mut out);
            let Form::Events { cutter, .. } = &mut self.form else { break };
            let Some((part, tail)) = cutter.cut(rest) else { break };
            self.take(part, &mut out, &mut judge);
            self.finish(&mut out, &mut judge);
            rest = tail;
        }
        self.take(rest, &mut out, &mut judge);
        // An event that the stream ends in is none, but some reader might take it for one.
        if end && !self.held.is_empty() {
            self.finish(&mut out, &mut judge);
        }
        out
    }

    /// Ends the body here; returns the bytes that say so with `messages`. What was incomplete is
    /// gone; and where a part of it went on, nothing can be said.
    pub fn end(&mut self, messages: &[Vec<u8>]) -> Vec<u8> {
        let mute = self.progress != Progress::Holding && !self.inspects();
        self.progress = Progress::Ended;
        self.held = Vec::new();
        if mute { Vec::new() } else { self.written(messages) }
    }

    /// Whether it is a stream that was ended before its time.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!((&self.form, self.progress), (Form::Events { .. }, Progress::Ended))
    }

    const fn inspects(&self) -> bool {
        !matches!(self.form, Form::Events { inspect: false, .. })
    }

    /// Reads the LF that belongs to the event before, and goes its way; returns what follows.
    fn line_feed<'c>(&mut self, chunk: &'c [u8], out: &mut Vec<u8>) -> &'c [u8] {
        if let Form::Events { cutter, dropped, .. } = &mut self.form
            && self.held.is_empty()
            && self.progress == Progress::Holding
            && let Some((feed, rest)) = cutter.line_feed(chunk)
        {
            if !*dropped {
                out.extend_from_slice(feed);
            }
            return rest;
        }
        chunk
    }

    /// Takes in a part of a piece.
    fn take(
        &mut self,
        part: &[u8],
        out: &mut Vec<u8>,
        judge: &mut impl FnMut(Piece<'_>) -> Ruling,
    ) {
        let length = self.held.len().saturating_add(part.len());
        if self.progress == Progress::Holding && length > self.limit {
            self.progress = Progress::TooLong;
            let held = core::mem::take(&mut self.held);
            if self.inspects() {
                let ruling = judge(Piece::Unreadable);
                // Of a document that is too long the rest would not follow.
                let released =
                    ruling == Ruling::Release && matches!(self.form, Form::Events { .. });
                self.carry_out(ruling, if released { &held } else { b"" }, None, out);
            } else {
                out.extend(held);
            }
        }
        match self.progress {
            Progress::Holding => self.held.extend_from_slice(part),
            Progress::TooLong if !self.inspects() => out.extend_from_slice(part),
            Progress::TooLong | Progress::Ended => {}
        }
    }

    /// The piece that came is complete.
    fn finish(&mut self, out: &mut Vec<u8>, judge: &mut impl FnMut(Piece<'_>) -> Ruling) {
        let too_long = self.progress == Progress::TooLong;
        if self.progress == Progress::Ended {
            return;
        }
        self.progress = Progress::Holding;
        let bytes = core::mem::take(&mut self.held);
        match &mut self.form {
            Form::Document { json } => {
                let piece = match json {
                    true => Piece::Message(&bytes),
                    false => Piece::Other { kind: b"", data: &bytes },
                };
                self.carry_out(judge(piece), &bytes, None, out);
            }
            Form::Events { inspect, first, .. } => {
                let whole = Whole::new(&bytes, core::mem::take(first));
                let ruling = match whole.data() {
                    _ if too_long => return,
                    Some(data) if *inspect && whole.kind() == b"message" => {
                        judge(Piece::Message(&data))
                    }
                    Some(data) if *inspect => {
                        judge(Piece::Other { kind: whole.kind(), data: &data })
                    }
                    _ => Ruling::Pass,
                };
                self.carry_out(ruling, &bytes, Some(whole), out);
            }
        }
    }

    fn carry_out(
        &mut self,
        ruling: Ruling,
        bytes: &[u8],
        event: Option<Whole<'_>>,
        out: &mut Vec<u8>,
    ) {
        let goes_on = matches!(ruling, Ruling::Pass | Ruling::Replace(_) | Ruling::Release);
        if let (Ruling::Release, Form::Events { inspect, .. }) = (&ruling, &mut self.form) {
            *inspect = false;
        }
        match (ruling, event) {
            (Ruling::Pass | Ruling::Release, _) => out.extend_from_slice(bytes),
            (Ruling::Replace(data), Some(event)) => out.extend(event.with_data(&data)),
            (Ruling::Replace(text), None) => out.extend(text),
            (Ruling::Drop, _) => {}
            (Ruling::End(messages), _) => out.extend(self.end(&messages)),
        }
        if let Form::Events { dropped, .. } = &mut self.form {
            *dropped = !goes_on;
        }
    }

    /// Messages of our own, in the body's form.
    fn written(&self, messages: &[Vec<u8>]) -> Vec<u8> {
        match (&self.form, messages) {
            (Form::Events { .. }, messages) => {
                messages.iter().flat_map(|message| event(message)).collect()
            }
            (Form::Document { .. }, [message]) => message.clone(),
            (Form::Document { .. }, messages) => {
                [b"[", messages.join(&b',').as_slice(), b"]"].concat()
            }
        }
    }
}

/// The event of a JSON-RPC message.
pub(crate) fn event(message: &[u8]) -> Vec<u8> {
    [b"event: message\ndata: ", message, b"\n\n"].concat()
}
