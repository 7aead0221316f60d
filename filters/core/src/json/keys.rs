//! Keys that two JSON readers may understand differently.
//!
//! A gateway decides on what it reads, the server acts on what it reads. They differ where a key
//! comes twice (first or last wins), or where one of them matches keys without regard to case or
//! stops at a NUL (CVE-2026-27896, GHSA-q382-vc8q-7jhj).

use std::borrow::Cow;
use std::collections::BTreeSet;

/// The keys seen so far in one object.
///
/// The known ones are a bit each and the first few others are compared one by one, without any
/// allocation; further ones go into a tree, so that thousands of keys cost n log n.
#[derive(Debug)]
pub struct Keys<'a, 'k> {
    known: &'k [&'k str],
    /// The known keys seen, in their order from the lowest bit.
    seen: u32,
    few: [Option<Cow<'a, str>>; 8],
    more: BTreeSet<Cow<'a, str>>,
}

/// How a key stands to those before it and to the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// It was seen before.
    Duplicate,
    /// It is none of the known keys, but some reader would take it for one.
    LookAlike,
    /// Neither.
    New,
}

impl<'a, 'k> Keys<'a, 'k> {
    /// Starts an object, of which the reader acts on the keys `known`: in ASCII, different even
    /// when case is ignored, and no more than 32.
    pub fn new(known: &'k [&'k str]) -> Self {
        Self { known, seen: 0, few: Default::default(), more: BTreeSet::new() }
    }

    /// Judges `key` and remembers it.
    #[expect(clippy::ptr_arg, reason = "a copy of what is borrowed from the text is free")]
    pub fn insert(&mut self, key: &Cow<'a, str>) -> Spelling {
        let mut bit = 1;
        for known in self.known {
            if known == key {
                let new = self.seen & bit == 0;
                self.seen |= bit;
                return if new { Spelling::New } else { Spelling::Duplicate };
            }
            bit = bit.wrapping_shl(1);
        }
        // Whatever matches otherwise is not longer in characters, and not shorter in bytes.
        let could_be = |known: &&&str| known.len() <= key.len();
        if self.known.iter().filter(could_be).any(|known| look_alike(key, known)) {
            return Spelling::LookAlike;
        }
        if self.remember(key.clone()) { Spelling::New } else { Spelling::Duplicate }
    }

    /// Remembers an unknown key; says whether it is new.
    fn remember(&mut self, key: Cow<'a, str>) -> bool {
        for slot in &mut self.few {
            match slot {
                None => {
                    *slot = Some(key);
                    return true;
                }
                Some(seen) if *seen == key => return false,
                Some(_) => {}
            }
        }
        self.more.insert(key)
    }
}

/// Whether a reader that ignores case (by Unicode simple folding, as Go's does) or stops at a NUL
/// (as C's do) would take `key` for `name`, which must be ASCII.
#[must_use]
pub fn look_alike(key: &str, name: &str) -> bool {
    if key.bytes().all(|byte| matches!(byte, 1..=0x7f)) {
        return key.eq_ignore_ascii_case(name);
    }
    let key = key.split_once('\0').map_or(key, |(before, _)| before);
    key.chars().map(fold).eq(name.chars().map(|letter| letter.to_ascii_lowercase()))
}

/// Folds what folds into ASCII: besides the capitals, LATIN SMALL LETTER LONG S and KELVIN SIGN are
/// the only such characters in Unicode's CaseFolding.txt (statuses C and S).
fn fold(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    }
}
