//! Where bytes are kept: a fixed number of cells, shared by the workers of a host or this VM's own.

use core::cell::RefCell;
use core::fmt::Write as _;
use core::num::NonZeroU32;

use mcp_core::pipeline::{ABSENT, Environment};

use super::Subject;

/// A table of cells, in which a subject has its place. Subjects share cells; there are as many
/// cells whatever comes, so memory is bounded as long as what is in a cell is.
#[derive(Debug)]
pub(super) struct Cells {
    size: NonZeroU32,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The host's shared data, under keys that begin so.
    Shared { prefix: String },
    /// This VM's memory.
    Own { cells: RefCell<Vec<Vec<u8>>> },
}

/// The first words of all keys, with the version of what is under them.
pub(super) const KEY: &str = "mcp_quota.1.";

/// Counts how often another worker wrote first.
const CONFLICTS: &str = "mcp_quota_conflicts";

impl Cells {
    /// `size` cells in the host's shared data. The size is part of their keys, as with another one
    /// subjects have other places.
    pub(super) fn shared(name: &str, size: NonZeroU32) -> Self {
        Self { size, place: Place::Shared { prefix: format!("{KEY}{name}{size}.") } }
    }

    /// `size` cells in this VM's memory.
    pub(super) fn own(size: NonZeroU32) -> Self {
        let count = usize::try_from(size.get()).unwrap_or(usize::MAX);
        Self { size, place: Place::Own { cells: RefCell::new(vec![Vec::new(); count]) } }
    }

    /// The cell of `subject`.
    pub(super) fn cell_of(&self, subject: Subject) -> u32 {
        let [a, b, c, d, ..] = subject.0;
        let hash = u64::from(u32::from_le_bytes([a, b, c, d]));
        let cell = hash.saturating_mul(self.size.get().into()) >> u32::BITS;
        u32::try_from(cell).unwrap_or(0)
    }

    /// Changes the cell of `subject`: `change` is given what is there, and answers what is to be
    /// there instead, if anything, and what to return. It is asked again if another worker wrote
    /// in between; after so many `tries`, the answer is `None` and nothing was written.
    pub(super) fn update<T>(
        &self,
        subject: Subject,
        tries: u32,
        environment: &mut dyn Environment,
        mut change: impl FnMut(&[u8]) -> (Option<Vec<u8>>, T),
    ) -> Option<T> {
        let cell = self.cell_of(subject);
        let prefix = match &self.place {
            Place::Shared { prefix } => prefix,
            Place::Own { cells } => {
                let mut cells = cells.borrow_mut();
                let old = cells.get_mut(usize::try_from(cell).ok()?)?;
                let (new, outcome) = change(old);
                if let Some(new) = new {
                    *old = new;
                }
                return Some(outcome);
            }
        };
        let key = key(prefix, cell);
        for _ in 0..tries {
            // To create what is absent only if it still is, is safe: see `ABSENT`.
            let (old, version) = environment.shared(&key).unwrap_or((Vec::new(), ABSENT));
            let (new, outcome) = change(&old);
            let Some(new) = new else { return Some(outcome) };
            if environment.share(&key, &new, version) {
                return Some(outcome);
            }
            environment.count(CONFLICTS);
        }
        None
    }
}

fn key(prefix: &str, cell: u32) -> String {
    /// Digits of a cell's number, at most.
    const DIGITS: usize = 10;
    let mut key = String::with_capacity(prefix.len().saturating_add(DIGITS));
    key.push_str(prefix);
    // Writing to a string cannot fail.
    let _ = write!(key, "{cell}");
    key
}
