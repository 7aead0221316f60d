//! JSON strings: finding their end fast, and undoing their escapes.
//!
//! ```text
//! string    = %x22 *( unescaped / escape ) %x22
//! unescaped = any character but %x00-1F, %x22 and %x5C
//! escape    = %x5C ( %x22 / %x5C / "/" / "b" / "f" / "n" / "r" / "t" / "u" 4HEXDIG )
//! ```

use std::borrow::Cow;

use super::error::{Stop, Syntax};

/// A string's extent.
pub(super) struct Skipped<'a> {
    /// What follows the closing quote.
    pub(super) rest: &'a [u8],
    /// Whether it holds any escape.
    pub(super) escaped: bool,
}

/// Walks from behind the opening quote to behind the closing one, checking control characters and
/// the form of escapes. Surrogates are [`unescape`]'s concern.
#[inline]
pub(super) fn skip(text: &[u8]) -> Result<Skipped<'_>, Stop<'_>> {
    let mut escaped = false;
    let mut rest = text;
    loop {
        rest = plain(rest);
        rest = match rest {
            [b'"', rest @ ..] => return Ok(Skipped { rest, escaped }),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', tail @ ..] => tail,
            [b'\\', b'u', a, b, c, d, tail @ ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                tail
            }
            [b'\\'] | [] => return Err((Syntax::End, rest)),
            [b'\\', ..] => return Err((Syntax::Escape, rest)),
            [_, ..] => return Err((Syntax::Control, rest)),
        };
        escaped = true;
    }
}

/// Undoes the escapes of a string whose form was checked by [`skip`]; `inner` is what stands
/// between the quotes.
pub(super) fn unescape(inner: &str) -> Result<Cow<'_, str>, Syntax> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        out.push(match chars.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (scalar, tail) = scalar(chars.as_str())?;
                chars = tail.chars();
                scalar
            }
            Some(itself @ ('"' | '\\' | '/')) => itself,
            _ => return Err(Syntax::Escape),
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// Reads what follows `\u`: four digits, or twelve characters for a surrogate pair.
fn scalar(text: &str) -> Result<(char, &str), Syntax> {
    let (first, rest) = unit(text)?;
    if let Some(scalar) = char::from_u32(u32::from(first)) {
        return Ok((scalar, rest));
    }
    let (second, rest) = rest.strip_prefix("\\u").ok_or(Syntax::Surrogate).and_then(unit)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(scalar)) => Ok((scalar, rest)),
        _ => Err(Syntax::Surrogate),
    }
}

/// Reads four hexadecimal digits as a UTF-16 code unit.
fn unit(text: &str) -> Result<(u16, &str), Syntax> {
    let (digits, rest) = text.split_at_checked(4).ok_or(Syntax::Escape)?;
    let unit = u16::from_str_radix(digits, 16).map_err(|_| Syntax::Escape)?;
    Ok((unit, rest))
}

/// Drops the leading characters that mean nothing but themselves.
#[inline]
fn plain(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            let before = usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
            return rest.get(before..).unwrap_or_default();
        }
        rest = tail;
    }
    let before = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | ..0x20));
    rest.get(before.unwrap_or(rest.len())..).unwrap_or_default()
}

/// Marks, with the top bit of their byte, the bytes of a little-endian word that end a run of plain
/// characters: quotes, backslashes, control characters. Bytes above a marked one may be marked
/// wrongly (the borrow of the subtraction), so only the lowest mark counts.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);

    let control = word.wrapping_sub(SPACES);
    let quote = (word ^ QUOTES).wrapping_sub(ONES);
    let backslash = (word ^ BACKSLASHES).wrapping_sub(ONES);
    // Masking with `!word` at the end keeps bytes of multi-byte characters unmarked.
    (control | quote | backslash) & !word & TOPS
}
