//! Adding members to a message's `_meta` while every other byte stays as it came.

use serde_json::Value;

/// Where members of `_meta` can be added: behind the brace at this offset of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// That of `_meta`.
    Meta(usize),
    /// That of `params`, which have no `_meta`.
    Params(usize),
    /// That of the message, which has no `params`.
    Message(usize),
}

impl Slot {
    /// `body`, in which the slot was found, with these texts in `_meta`; no key of theirs may be
    /// there already. `None` if it is not that body.
    #[must_use]
    pub fn fill(self, body: &[u8], texts: &[(&str, &str)]) -> Option<Vec<u8>> {
        let members = texts.iter().map(|(key, text)| {
            format!("{}:{}", Value::from(*key), Value::from(*text)) // escaped as JSON wants it
        });
        let members = members.collect::<Vec<_>>().join(",");
        let (brace, members) = match self {
            Self::Meta(brace) => (brace, members),
            Self::Params(brace) => (brace, format!(r#""_meta":{{{members}}}"#)),
            Self::Message(brace) => (brace, format!(r#""params":{{"_meta":{{{members}}}}}"#)),
        };
        let (before, after) = body.split_at_checked(brace.checked_add(1)?)?;
        let empty = after.trim_ascii_start().starts_with(b"}");
        let comma: &[u8] = if empty { b"" } else { b"," };
        Some([before, members.as_bytes(), comma, after].concat())
    }
}
