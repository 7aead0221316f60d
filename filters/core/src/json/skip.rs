//! Walking over values nobody asked for, in one loop, checking the whole grammar.

use super::error::{Stop, Syntax};
use super::{number, string};

/// The most levels that can be told apart.
pub(super) const MAX_LEVELS: u32 = u64::BITS;

/// Walks over the value at the start of `text`, which may nest `levels` deep (no more than
/// [`MAX_LEVELS`]); returns what follows.
pub(super) fn value(text: &[u8], levels: u32) -> Result<&[u8], Stop<'_>> {
    let mut open = Open { kinds: 0, count: 0, limit: levels };
    let mut rest = text;
    loop {
        rest = space(rest);
        // At a value; or, after an opening bracket, at the closing one.
        rest = match rest {
            [b'"', tail @ ..] => string::skip(tail)?.rest,
            [b'{', tail @ ..] => {
                open.push(Container::Object).ok_or((Syntax::Depth, rest))?;
                match space(tail) {
                    [b'}', ..] => space(tail),
                    member => {
                        rest = key(member)?;
                        continue;
                    }
                }
            }
            [b'[', tail @ ..] => {
                open.push(Container::Array).ok_or((Syntax::Depth, rest))?;
                match space(tail) {
                    [b']', ..] => space(tail),
                    element => {
                        rest = element;
                        continue;
                    }
                }
            }
            [b'-' | b'0'..=b'9', ..] => number::skip(rest)?,
            _ => literal(rest)?,
        };
        // After a value: close what ends here, then go to the next member or element.
        loop {
            let Some(container) = open.innermost() else {
                return Ok(rest);
            };
            rest = space(rest);
            rest = match (rest, container) {
                ([b',', tail @ ..], Container::Array) => {
                    rest = tail;
                    break;
                }
                ([b',', tail @ ..], Container::Object) => {
                    rest = key(space(tail))?;
                    break;
                }
                ([b']', tail @ ..], Container::Array) | ([b'}', tail @ ..], Container::Object) => {
                    open.pop();
                    tail
                }
                ([], _) => return Err((Syntax::End, rest)),
                _ => return Err((Syntax::Unexpected, rest)),
            };
        }
    }
}

/// Drops leading white space.
#[inline]
pub(super) fn space(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b' ' | b'\t' | b'\n' | b'\r', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

/// Walks over a member's key and its colon.
#[inline]
fn key(text: &[u8]) -> Result<&[u8], Stop<'_>> {
    match text {
        [b'"', tail @ ..] => colon(string::skip(tail)?.rest),
        [] => Err((Syntax::End, text)),
        _ => Err((Syntax::Unexpected, text)),
    }
}

/// Walks over a colon and the white space before it.
#[inline]
pub(super) fn colon(text: &[u8]) -> Result<&[u8], Stop<'_>> {
    match space(text) {
        [b':', rest @ ..] => Ok(rest),
        [] => Err((Syntax::End, &[])),
        rest => Err((Syntax::Unexpected, rest)),
    }
}

/// Walks over `true`, `false` or `null`.
fn literal(text: &[u8]) -> Result<&[u8], Stop<'_>> {
    for word in [&b"true"[..], b"false", b"null"] {
        if let Some(rest) = text.strip_prefix(word) {
            return Ok(rest);
        }
        if word.starts_with(text) {
            return Err((Syntax::End, text));
        }
    }
    Err((Syntax::Unexpected, text))
}

/// The containers around the place being read, innermost in the lowest bit of `kinds`.
struct Open {
    kinds: u64,
    count: u32,
    limit: u32,
}

#[derive(Clone, Copy)]
enum Container {
    Array,
    Object,
}

// === impl Open ===

impl Open {
    #[inline]
    fn push(&mut self, container: Container) -> Option<()> {
        if self.count >= self.limit {
            return None;
        }
        self.count = self.count.saturating_add(1);
        self.kinds = self.kinds.wrapping_shl(1)
            | match container {
                Container::Array => 0,
                Container::Object => 1,
            };
        Some(())
    }

    #[inline]
    fn pop(&mut self) {
        self.count = self.count.saturating_sub(1);
        self.kinds = self.kinds.wrapping_shr(1);
    }

    #[inline]
    fn innermost(&self) -> Option<Container> {
        match (self.count, self.kinds & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }
}
