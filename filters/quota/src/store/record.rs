//! What is in a cell of the table: the counters of a few subjects.
//!
//! ```text
//! record  = [ seen *slot ]        ; nothing at all is a record of nobody
//! slot    = subject count *counter
//! counter = id kind idle-at 4word
//! ```
//!
//! `subject` has 16 bytes, `count` and `kind` have one, `id` has 4, and the others are times and
//! words of 8, all little-endian. What is in no use any more is left out whenever a record is
//! written.

use super::{CounterId, Subject};
use crate::counter::{Counter, Tag};

/// Subjects whose counters a record holds at most, as long as they are not idle. With one on
/// average, as in a table as large as configured, more come together once in 10^10.
pub(super) const SUBJECTS: usize = 12;

/// Counters that a subject can have at most: those of the configuration, and those of one before
/// which are not idle yet.
pub(super) const COUNTERS: usize = 64;

/// A record as it was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The latest time that anyone wrote here, in milliseconds since 1970: a clock that goes back
    /// stands still here.
    pub(super) seen: u64,
    /// The slots, of which each is whole.
    slots: &'a [u8],
}

/// The counters of one subject, to be changed.
#[derive(Debug)]
pub(super) struct Counters(Vec<Counter>);

/// The bytes of `subject` and `count`.
const HEAD: usize = 17;
/// The bytes of a counter.
const COUNTER: usize = 45;

// === impl Record ===

impl<'a> Record<'a> {
    /// Whatever is no record is an empty one.
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let Some((seen, slots)) = bytes.split_first_chunk() else { return Self::default() };
        let mut rest = slots;
        while !rest.is_empty() {
            let Some((_, next)) = split_slot(rest) else { return Self::default() };
            rest = next;
        }
        Self { seen: u64::from_le_bytes(*seen), slots }
    }

    /// The counters of `subject`.
    pub(super) fn counters(&self, subject: Subject) -> Counters {
        let slot = self.slots().find(|slot| slot.starts_with(&subject.0));
        Counters(slot.map(|slot| counters(slot).collect()).unwrap_or_default())
    }

    /// The record with these `counters` of `subject`, as of `now`; `None` if there is no room.
    pub(super) fn with(&self, subject: Subject, counters: &Counters, now: u64) -> Option<Vec<u8>> {
        let Counters(counters) = counters;
        let growth = counters.len().saturating_mul(COUNTER).saturating_add(HEAD);
        let size = self.slots.len().saturating_add(size_of::<u64>()).saturating_add(growth);
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(now.to_le_bytes());
        let mut subjects: usize = 0;
        for slot in self.slots() {
            let is_live = !slot.starts_with(&subject.0) && slot_idle_at(slot) > now;
            if is_live {
                bytes.extend(slot);
                subjects = subjects.saturating_add(1);
            }
        }
        let live = counters.iter().filter(|counter| !counter.is_idle(now));
        let count = live.clone().count();
        if count == 0 {
            return Some(bytes);
        }
        if subjects >= SUBJECTS || count > COUNTERS {
            return None;
        }
        bytes.extend(subject.0);
        bytes.push(u8::try_from(count).ok()?);
        for counter in live {
            bytes.extend(encode(counter));
        }
        Some(bytes)
    }

    fn slots(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.slots;
        core::iter::from_fn(move || {
            let (slot, next) = split_slot(rest)?;
            rest = next;
            Some(slot)
        })
    }
}

/// When the last of a slot's counters is idle.
fn slot_idle_at(slot: &[u8]) -> u64 {
    counters(slot).map(|counter| counter.idle_at).max().unwrap_or(0)
}

fn split_slot(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<HEAD>()?;
    let count = usize::from(*head.last()?);
    bytes.split_at_checked(count.checked_mul(COUNTER)?.checked_add(HEAD)?)
}

fn counters(slot: &[u8]) -> impl Iterator<Item = Counter> {
    slot.get(HEAD..).unwrap_or_default().chunks_exact(COUNTER).filter_map(decode)
}

fn encode(counter: &Counter) -> [u8; COUNTER] {
    let mut bytes = [0; COUNTER];
    let mut rest = bytes.as_mut_slice();
    put(&mut rest, &counter.tag.id.0.to_le_bytes());
    put(&mut rest, &[counter.tag.kind]);
    put(&mut rest, &counter.idle_at.to_le_bytes());
    for word in counter.words {
        put(&mut rest, &word.to_le_bytes());
    }
    bytes
}

fn put(rest: &mut &mut [u8], value: &[u8]) {
    if let Some(place) = rest.split_off_mut(..value.len()) {
        place.copy_from_slice(value);
    }
}

fn decode(mut bytes: &[u8]) -> Option<Counter> {
    let id = CounterId(u32::from_le_bytes(take(&mut bytes)?));
    let [kind] = take(&mut bytes)?;
    let mut word = || take(&mut bytes).map(u64::from_le_bytes);
    let idle_at = word()?;
    let words = [word()?, word()?, word()?, word()?];
    Some(Counter { tag: Tag { id, kind }, idle_at, words })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

// === impl Counters ===

impl Counters {
    /// Changes the one with this tag, which is a fresh one if there is none.
    pub(super) fn change<T>(&mut self, tag: Tag, change: impl FnOnce(&mut Counter) -> T) -> T {
        let Self(counters) = self;
        if let Some(counter) = counters.iter_mut().find(|counter| counter.tag == tag) {
            return change(counter);
        }
        let mut counter = Counter::fresh(tag);
        let outcome = change(&mut counter);
        counters.push(counter);
        outcome
    }
}

#[cfg(test)]
mod tests;
