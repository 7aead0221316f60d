//! Names that clients choose, as values of labels: each is kept, and by the host for good, so there
//! may not be many.

use core::cell::RefCell;
use std::collections::BTreeSet;

use mcp_core::limits::MAX_LABELS;

/// The longest name in a label, in bytes.
const MAX_NAME: usize = 64;

/// The values of one label.
#[derive(Debug, Default)]
pub(crate) struct Labels(RefCell<BTreeSet<String>>);

impl Labels {
    /// The value for `name`: itself if it is one of the first [`MAX_LABELS`], else `other`. Only
    /// names of calls that passed are `new` ones, so that refused clients cannot use them up.
    pub(crate) fn value(&self, name: &str, new: bool) -> String {
        let mut known = self.0.borrow_mut();
        if !known.contains(name) {
            if !new || known.len() >= MAX_LABELS || name.len() > MAX_NAME {
                return "other".to_owned();
            }
            known.insert(name.to_owned());
        }
        // What separates names from values in a metric's name is in none of them.
        let plain = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
        name.chars().map(|char| if plain(char) { char } else { '_' }).collect()
    }
}
