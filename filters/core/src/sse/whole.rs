//! Events byte for byte: where they end in a stream, what stands in one, and one with other data.
//!
//! For who may hold an event back or change it. All but the data of a changed event stays as its
//! server wrote it: ids, comments, unknown fields, line ends.

/// Finds the blank lines at which events end.
#[derive(Debug, Default)]
pub struct Cutter {
    /// The line being read has a character already.
    in_line: bool,
    /// The last byte was a CR: a LF that comes next belongs to the same line end.
    after_cr: bool,
}

/// The lines from behind one blank line up to and with the next: an event, or comments, or less.
///
/// Where the blank line ends with CR LF, the LF is not among them, since it may be long in coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<'a> {
    /// What the stream as a whole starts with: a byte order mark, in its first event.
    mark: &'a [u8],
    lines: &'a [u8],
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

// === impl Cutter ===

impl Cutter {
    /// Reads on to the end of an event; returns what of `chunk` belongs to it, and what follows.
    /// `None`: no event ends in `chunk`.
    pub fn cut<'c>(&mut self, chunk: &'c [u8]) -> Option<(&'c [u8], &'c [u8])> {
        for (at, byte) in chunk.iter().enumerate() {
            let after_cr = core::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    if !core::mem::take(&mut self.in_line) {
                        return chunk.split_at_checked(at.saturating_add(1));
                    }
                }
                _ => self.in_line = true,
            }
        }
        None
    }

    /// Reads the LF that belongs to the line end before it; to be asked between events.
    pub fn line_feed<'c>(&mut self, chunk: &'c [u8]) -> Option<(&'c [u8], &'c [u8])> {
        if self.after_cr && chunk.first() == Some(&b'\n') {
            self.after_cr = false;
            return chunk.split_at_checked(1);
        }
        None
    }
}

// === impl Whole ===

impl<'a> Whole<'a> {
    /// Takes `bytes` as they were cut; `first` if no event of the stream came before.
    #[must_use]
    pub fn new(bytes: &'a [u8], first: bool) -> Self {
        match bytes.split_at_checked(BYTE_ORDER_MARK.len()) {
            Some((mark, lines)) if first && mark == BYTE_ORDER_MARK => Self { mark, lines },
            _ => Self { mark: b"", lines: bytes },
        }
    }

    /// The event's data, the values of all `data` fields with a LF between them; `None` if there
    /// is none, and so no event.
    #[must_use]
    pub fn data(&self) -> Option<Vec<u8>> {
        let values: Vec<_> =
            self.lines().filter(|line| line.name == b"data").map(|line| line.value).collect();
        (!values.is_empty()).then(|| values.join(&b'\n'))
    }

    /// The event's type: `message` if it does not say.
    #[must_use]
    pub fn kind(&self) -> &'a [u8] {
        let kind = self.lines().filter(|line| line.name == b"event").last();
        kind.map(|line| line.value).filter(|value| !value.is_empty()).unwrap_or(b"message")
    }

    /// The same with other data, which may hold LF but no CR.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut out = self.mark.to_vec();
        let mut unwritten = Some(data);
        for line in self.lines() {
            if line.name != b"data" {
                out.extend_from_slice(line.text);
                out.extend_from_slice(line.end);
                continue;
            }
            for part in unwritten.take().into_iter().flat_map(|data| data.split(|b| *b == b'\n')) {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(part);
                out.extend_from_slice(line.end);
            }
        }
        out
    }

    fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        let mut rest = self.lines;
        core::iter::from_fn(move || {
            let (line, tail) = Line::first(rest)?;
            rest = tail;
            Some(line)
        })
    }
}

/// A line: `text = name [":" [SP] value]`, and what ends it.
struct Line<'a> {
    text: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
    end: &'a [u8],
}

impl<'a> Line<'a> {
    /// The first line of `lines`, and those behind it.
    fn first(lines: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let break_at = lines.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (text, rest) = lines.split_at_checked(break_at.unwrap_or(lines.len()))?;
        let length = match rest {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] if text.is_empty() => return None,
            [] => 0,
        };
        let (end, rest) = rest.split_at_checked(length)?;
        let mut parts = text.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        Some((Self { text, name, value, end }, rest))
    }
}
