//! What an event stream says between two blank lines.

use super::line::Field;
use super::{Event, Message};

/// An event that is being read.
#[derive(Debug, Default)]
pub(super) struct Block {
    kind: Vec<u8>,
    /// Each `data` value, with a LF after it.
    data: Vec<u8>,
    id: Option<Vec<u8>>,
    retry: Option<u64>,
    /// The value of the line being read, unless that is `data`.
    value: Vec<u8>,
    too_long: bool,
}

impl Block {
    /// Takes in a piece of a field's value.
    pub(super) fn extend(&mut self, field: Field, value: &[u8], limit: usize) {
        if field != Field::Comment && self.fits(value.len(), limit) {
            match field {
                Field::Data => self.data.extend_from_slice(value),
                _ => self.value.extend_from_slice(value),
            }
        }
    }

    /// Ends a field's value.
    pub(super) fn end(&mut self, field: Field, limit: usize) {
        match field {
            Field::Data if self.fits(1, limit) => self.data.push(b'\n'),
            Field::Event => self.kind.clone_from(&self.value),
            Field::Id if !self.value.contains(&0) => self.id = Some(self.value.clone()),
            Field::Retry if self.value.iter().all(u8::is_ascii_digit) => {
                let digits = str::from_utf8(&self.value).unwrap_or_default();
                self.retry = digits.parse().ok().or(self.retry);
            }
            Field::Comment | Field::Data | Field::Id | Field::Retry => {}
        }
        self.value.clear();
    }

    /// The event, if there is one to tell of: data makes it one.
    pub(super) fn event(&self) -> Option<Event<'_>> {
        if self.too_long {
            return Some(Event::TooLong);
        }
        Some(Event::Message(Message {
            kind: if self.kind.is_empty() { b"message" } else { &self.kind },
            data: self.data.strip_suffix(b"\n")?,
            id: self.id.as_deref(),
            retry: self.retry,
        }))
    }

    /// Makes ready for the next event.
    pub(super) fn clear(&mut self) {
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        data.shrink_to(RETAINED);
        *self = Self { data, ..Self::default() };
    }

    /// Gives back a buffer that holds nothing: streams are many and mostly idle.
    pub(super) fn rest(&mut self) {
        if self.data.is_empty() {
            self.data = Vec::new();
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        [Some(&self.kind), Some(&self.data), Some(&self.value), self.id.as_ref()]
            .into_iter()
            .flatten()
            .map(Vec::capacity)
            .sum()
    }

    /// Whether `more` bytes may come in; if not, the event is lost and its memory given back.
    fn fits(&mut self, more: usize, limit: usize) -> bool {
        let held = [self.kind.len(), self.data.len(), self.value.len(), more]
            .into_iter()
            .chain(self.id.as_ref().map(Vec::len))
            .fold(0, usize::saturating_add);
        if held > limit {
            *self = Self { too_long: true, ..Self::default() };
        }
        !self.too_long
    }
}

/// Bytes of buffer that are kept from one event to the next, if that has begun.
const RETAINED: usize = 4096;
