//! One line of an event stream: which field it sets, and which of its bytes are the value.

/// A line that is being read.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The start of the field's name, as much of it as tells the known fields from all others.
    name: Vec<u8>,
    /// The field, once its colon was read.
    field: Option<Field>,
    /// Whether the value has begun, so that a space is part of it.
    begun: bool,
}

/// What a line sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Nothing: a comment, or a field nobody knows.
    Comment,
    Data,
    Event,
    Id,
    Retry,
}

// === impl Line ===

impl Line {
    /// Takes in a piece; returns what of it belongs to the value, once the field is known.
    pub(super) fn text<'c>(&mut self, text: &'c [u8]) -> Option<(Field, &'c [u8])> {
        let (field, value) = match self.field {
            Some(field) => (field, text),
            None => {
                let mut parts = text.splitn(2, |&byte| byte == b':');
                let free = LONGEST_NAME.saturating_add(1).saturating_sub(self.name.len());
                self.name.extend(parts.next().unwrap_or_default().iter().take(free));
                let value = parts.next()?;
                (*self.field.insert(Field::of(&self.name)), value)
            }
        };
        if value.is_empty() || std::mem::replace(&mut self.begun, true) {
            return Some((field, value));
        }
        Some((field, value.strip_prefix(b" ").unwrap_or(value)))
    }

    /// Ends the line; returns its field, or `None` if it is blank.
    pub(super) fn end(&mut self) -> Option<Field> {
        let blank = self.name.is_empty() && self.field.is_none();
        let field = self.field.unwrap_or_else(|| Field::of(&self.name));
        self.name.clear();
        self.field = None;
        self.begun = false;
        (!blank).then_some(field)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.name.capacity()
    }
}

// === impl Field ===

impl Field {
    fn of(name: &[u8]) -> Self {
        match name {
            b"data" => Self::Data,
            b"event" => Self::Event,
            b"id" => Self::Id,
            b"retry" => Self::Retry,
            _ => Self::Comment,
        }
    }
}

/// Bytes of the longest known name.
const LONGEST_NAME: usize = b"event".len();
