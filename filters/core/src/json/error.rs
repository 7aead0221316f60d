//! What can be wrong with a text that should be JSON, and where.

use std::fmt;

/// The text is not JSON, or goes past what this reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub syntax: Syntax,
    /// Where, in bytes from the start of the text. For a fault inside a string that had to be
    /// unescaped it is the start of that string.
    pub offset: usize,
}

/// The rule a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
// As wide as the offset beside it in `Error`: copying the padding of a narrow tag stalls on the store
// before it, which cost a sixth of a small body's scan.
#[repr(usize)]
pub enum Syntax {
    /// It starts with a byte order mark, which RFC 8259 §8.1 forbids to send.
    ByteOrderMark,
    /// A control character stands unescaped in a string.
    Control,
    /// Arrays and objects are nested deeper than allowed.
    Depth,
    /// There is nothing in it but white space.
    Empty,
    /// It ends inside a value.
    End,
    /// A backslash is followed by something that is no escape.
    Escape,
    /// It is not UTF-8.
    NotUtf8,
    /// A number breaks the grammar, for example `01`, `1.` or `+1`.
    Number,
    /// A `\u` escape is half of a surrogate pair, so the string is not Unicode text.
    Surrogate,
    /// Something follows the value.
    Trailing,
    /// A character stands where the grammar has no place for it.
    Unexpected,
}

/// A fault, with what was still unread when it was met; [`Reader`](super::Reader) turns this into
/// an offset.
pub(super) type Stop<'a> = (Syntax, &'a [u8]);

// === impl Error ===

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.syntax, self.offset)
    }
}

impl std::error::Error for Error {}

// === impl Syntax ===

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "JSON text starts with a byte order mark",
            Self::Control => "unescaped control character in a JSON string",
            Self::Depth => "JSON nested too deeply",
            Self::Empty => "empty body where JSON is expected",
            Self::End => "JSON text ends inside a value",
            Self::Escape => "invalid escape in a JSON string",
            Self::NotUtf8 => "JSON text is not UTF-8",
            Self::Number => "malformed JSON number",
            Self::Surrogate => "half of a surrogate pair in a JSON string",
            Self::Trailing => "characters after the JSON value",
            Self::Unexpected => "unexpected character in JSON text",
        })
    }
}
