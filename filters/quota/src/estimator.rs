//! How many tokens a text is likely to be, without a vocabulary.
//!
//! A token begins where it does because of the characters around. So each character costs what the
//! chance is that a token begins with it (of a character that may be several tokens: how many to
//! expect), given what it is, where in its word or run it stands and what is before it. The chances
//! were counted over texts of many kinds, as the vocabulary o200k cuts them; `calibrate` is how.
//!
//! One pass, one look into a table for each character, no allocation.

#[cfg(test)]
mod calibrate;
mod class;
mod costs;
mod rows;
mod run;
mod walk;
mod wide;

use costs::{NARROW, WIDE};
use walk::Walk;

/// The byte of the tables that means no cost at all: they are printable text.
const FREE: u8 = b'#';
/// No token of o200k or cl100k is longer, in bytes.
const LONGEST_TOKEN: usize = 128;
/// A token, in steps of the table of ASCII.
const TOKEN: u64 = 90;
/// A step of the table of other characters, in steps of that of ASCII.
const WIDE_STEP: u64 = 4;

/// How many tokens `text` is likely to be in the vocabulary o200k. In cl100k, which is older, it is
/// about as many in English and code, a third more in Chinese and Japanese, twice as many in Arabic.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    let mut walk = Walk::new();
    let (mut narrow, mut wide) = (0_u64, 0_u64);
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        if let Some(cell) = walk.step_narrow(*byte) {
            narrow = narrow.wrapping_add(cost(NARROW, cell));
            at = at.wrapping_add(1);
        } else {
            let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else {
                break;
            };
            wide = wide.wrapping_add(cost(WIDE, walk.step_wide(character)));
            at = at.wrapping_add(character.len_utf8());
        }
    }
    // At most 91 steps a character: no text in memory comes near the limit of 64 bits.
    let expected = narrow.wrapping_add(wide.wrapping_mul(WIDE_STEP)).div_ceil(TOKEN);
    let least = text.len().div_ceil(LONGEST_TOKEN);
    expected.max(u64::try_from(least).unwrap_or(u64::MAX))
}

fn cost(table: &[u8], cell: usize) -> u64 {
    table.get(cell).map_or(0, |level| u64::from(level.wrapping_sub(FREE)))
}
