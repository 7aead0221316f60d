//! Keys that two JSON readers may understand differently.
//!
//! A gateway decides on what it reads, the server acts on what it reads. They differ where a key
//! comes twice (first or last wins), or where one of them matches keys without regard to case or
//! stops at a NUL (CVE-2026-27896, GHSA-q382-vc8q-7jhj).

use std::borrow::Cow;
use std::collections::BTreeSet;

/// The keys seen so far in one object.
///
/// The first few are compared one by one without any allocation; further ones go into a tree, so
/// that thousands of keys cost n log n.
#[derive(Debug, Default)]
pub struct Keys<'a> {
    few: [Option<Cow<'a, str>>; 12],
    more: BTreeSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    /// Remembers `key`; says whether it is new.
    pub fn insert(&mut self, key: Cow<'a, str>) -> bool {
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

/// Whether `key` is not `name`, but a reader that ignores case (by Unicode simple folding, as Go's
/// does) or a trailing NUL (as C's do) would take it for `name`, which must be ASCII.
pub fn look_alike(key: &str, name: &str) -> bool {
    key != name
        && key
            .trim_end_matches('\0')
            .chars()
            .map(fold)
            .eq(name.chars().map(|letter| letter.to_ascii_lowercase()))
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
