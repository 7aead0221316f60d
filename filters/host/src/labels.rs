//! Names that clients choose, as values of labels: each is kept, and by the host for good, so there
//! may not be many.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mcp_core::limits::MAX_LABELS;

/// The longest name in a label, in bytes.
const MAX_NAME: usize = 64;

/// The value of all names that are not kept.
const OTHER: &str = "other";

/// The values of one label, by name.
#[derive(Debug)]
pub(crate) struct Labels {
    known: RefCell<BTreeMap<String, Rc<str>>>,
    other: Rc<str>,
}

impl Default for Labels {
    fn default() -> Self {
        Self { known: RefCell::default(), other: OTHER.into() }
    }
}

impl Labels {
    /// The value for `name`: itself if it is one of the first [`MAX_LABELS`], else `other`. Only
    /// names of calls that passed are `new` ones, so that refused clients cannot use them up.
    pub(crate) fn value(&self, name: &str, new: bool) -> Rc<str> {
        let mut known = self.known.borrow_mut();
        if let Some(value) = known.get(name) {
            return Rc::clone(value);
        }
        if !new || known.len() >= MAX_LABELS || name.len() > MAX_NAME {
            return Rc::clone(&self.other);
        }
        // What separates names from values in a metric's name is in none of them.
        let plain = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
        let value: String = name.chars().map(|char| if plain(char) { char } else { '_' }).collect();
        let value: Rc<str> = value.into();
        known.insert(name.to_owned(), Rc::clone(&value));
        value
    }
}
