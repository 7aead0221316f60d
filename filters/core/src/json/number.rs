//! JSON numbers: the grammar only; nothing here is ever converted.
//!
//! ```text
//! number = [ "-" ] ( "0" / %x31-39 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ]
//! ```

use super::error::{Stop, Syntax};

/// Walks over the number at the start of `text`; returns what follows it.
#[inline]
pub(super) fn skip(text: &[u8]) -> Result<&[u8], Stop<'_>> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => digits(unsigned)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = match exponent {
            [b'-' | b'+', magnitude @ ..] => digits(magnitude)?,
            _ => digits(exponent)?,
        };
    }
    // `01` and `1.2.3` would otherwise be reported as a stray character.
    match rest {
        [b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E', ..] => Err((Syntax::Number, rest)),
        _ => Ok(rest),
    }
}

/// Walks over one or more digits.
#[inline]
fn digits(text: &[u8]) -> Result<&[u8], Stop<'_>> {
    let mut rest = match text {
        [b'0'..=b'9', rest @ ..] => rest,
        [] => return Err((Syntax::End, text)),
        _ => return Err((Syntax::Number, text)),
    };
    while let [b'0'..=b'9', tail @ ..] = rest {
        rest = tail;
    }
    Ok(rest)
}
