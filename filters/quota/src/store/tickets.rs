//! What counts once, and what came often of late: kept like counters, but of less weight, so that
//! a full table forgets the oldest.

use core::num::NonZeroU32;

use mcp_core::order;
use mcp_core::pipeline::Environment;

use super::Subject;
use super::cells::Cells;

/// One-time tickets, and counts of what was seen lately. Both are found by a subject; for which of
/// the two it is has to be among the parts it is made of.
#[derive(Debug)]
pub struct Tickets {
    cells: Cells,
}

/// One of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    subject: Subject,
    /// From when on it is void.
    until: u64,
    /// How often it was seen.
    count: u64,
}

/// Notes in a cell; the next makes the one go that would be void first.
const NOTES: usize = 8;

/// The bytes of a note: subject, until and count, the latter little-endian.
const NOTE: usize = 32;

/// How often a note is written that others write as well.
const TRIES: u32 = 5;

impl Tickets {
    /// A table in the host's shared data, of `size` cells with up to 8 notes each.
    #[must_use]
    pub fn shared(size: NonZeroU32) -> Self {
        Self { cells: Cells::shared("tickets.", size) }
    }

    /// The same in this VM's own memory.
    #[must_use]
    pub fn own(size: NonZeroU32) -> Self {
        Self { cells: Cells::own(size) }
    }

    /// Issues a ticket that holds until `until` (in milliseconds since 1970, exclusive). One that
    /// could not be written is never found.
    pub fn remember(&self, subject: Subject, until: u64, environment: &mut dyn Environment) {
        self.cells.update(subject, TRIES, environment, |bytes| {
            let others = notes(bytes).filter(|note| note.subject != subject);
            (Some(encode(others, Some(Note { subject, until, count: 1 }))), ())
        });
    }

    /// Whether there is such a ticket that holds at `now`. It is used up by that: of workers that
    /// ask at once, one is told so.
    pub fn take(&self, subject: Subject, now: u64, environment: &mut dyn Environment) -> bool {
        let taken = self.cells.update(subject, TRIES, environment, |bytes| {
            let held = notes(bytes).any(|note| note.subject == subject && note.until > now);
            let rest = notes(bytes).filter(|note| note.subject != subject && note.until > now);
            (held.then(|| encode(rest, None)), held)
        });
        taken.unwrap_or(false)
    }

    /// How often it was seen, this time included, in a window of so many milliseconds that began
    /// when it was seen first; the first time after such a window begins the next one. What cannot
    /// be written, since others write again and again, is not counted the next time.
    pub fn seen(
        &self,
        subject: Subject,
        window: u64,
        now: u64,
        environment: &mut dyn Environment,
    ) -> u64 {
        let mut count = 1;
        self.cells.update(subject, TRIES, environment, |bytes| {
            let live = notes(bytes).filter(|note| note.until > now);
            let new = Note { subject, until: now.saturating_add(window), count: 1 };
            let note = live.clone().find(|note| note.subject == subject).map_or(new, |note| Note {
                // A window that ends later than one that begins now: the clock went back.
                until: note.until.min(new.until),
                count: note.count.saturating_add(1),
                ..note
            });
            count = note.count;
            (Some(encode(live.filter(|note| note.subject != subject), Some(note))), ())
        });
        count
    }
}

/// The notes in a cell. Whatever does not fill one is none.
fn notes(bytes: &[u8]) -> impl Iterator<Item = Note> + Clone {
    bytes.chunks_exact(NOTE).filter_map(|bytes| {
        let (subject, rest) = bytes.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (count, _) = rest.split_first_chunk()?;
        let (until, count) = (u64::from_le_bytes(*until), u64::from_le_bytes(*count));
        Some(Note { subject: Subject(*subject), until, count })
    })
}

/// `others`, as far as there is room, and then `note`.
fn encode(others: impl Iterator<Item = Note>, note: Option<Note>) -> Vec<u8> {
    let mut kept: Vec<Note> = others.collect();
    order::by(&mut kept, |one, other| other.until.cmp(&one.until));
    kept.truncate(NOTES.saturating_sub(1));
    kept.extend(note);
    let mut bytes = Vec::with_capacity(kept.len().saturating_mul(NOTE));
    for note in kept {
        bytes.extend(note.subject.0);
        bytes.extend(note.until.to_le_bytes());
        bytes.extend(note.count.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;
