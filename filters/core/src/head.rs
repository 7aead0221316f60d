//! The head of a request or response as a filter sees it: field names and values as bytes.
//!
//! Hosts join or drop repeated fields when asked for one by name, so every decision here is made
//! over the full listing (RFC 9110 §5.3 lets recipients combine only list-valued fields).

/// The fields of a head, in order, pseudo-headers (`:method`, `:path`, …) included.
#[derive(Debug, Clone, Default)]
pub struct Head<'a> {
    fields: Vec<(&'a [u8], &'a [u8])>,
    /// Of each field, in the same order.
    marks: Vec<Mark>,
}

/// What tells most names apart at a glance: length, first and last byte, the case bit set. A head is
/// asked for some thirty names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u32);

impl Mark {
    const fn of(name: &[u8]) -> Self {
        const CASE: u8 = 0x20;
        let (first, last) = match name {
            [first, .., last] => (*first | CASE, *last | CASE),
            [only] => (*only | CASE, *only | CASE),
            [] => (0, 0),
        };
        let [length, high, ..] = name.len().to_le_bytes();
        Self(u32::from_le_bytes([first, last, length, high]))
    }
}

/// What a head says about a field that may occur once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single<'a> {
    /// It does not occur.
    Absent,
    /// It occurs once, with this value.
    One(&'a [u8]),
    /// It occurs more than once, whatever the values.
    Repeated,
}

impl<'a> Head<'a> {
    /// A head of these fields. Names may be in any case.
    #[must_use]
    pub fn new(fields: Vec<(&'a [u8], &'a [u8])>) -> Self {
        let marks = fields.iter().map(|(name, _)| Mark::of(name)).collect();
        Self { fields, marks }
    }

    /// The only value of field `name` (lower case).
    #[must_use]
    pub fn single(&self, name: &str) -> Single<'a> {
        let mark = Mark::of(name.as_bytes());
        let mut found = Single::Absent;
        // A plain loop: thirty such searches are much of what a head costs.
        for (other, (candidate, value)) in self.marks.iter().zip(&self.fields) {
            if *other == mark && candidate.eq_ignore_ascii_case(name.as_bytes()) {
                if matches!(found, Single::One(_)) {
                    return Single::Repeated;
                }
                found = Single::One(value);
            }
        }
        found
    }

    /// The first value of field `name`: for pseudo-headers, which hosts never repeat.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// All names, in order, as the host wrote them.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().map(|(name, _)| *name)
    }

    /// How many fields there are, pseudo-headers aside.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names().filter(|name| !name.starts_with(b":")).count()
    }

    /// The values of field `name` (lower case), in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let mark = Mark::of(name.as_bytes());
        let marked = self.marks.iter().zip(&self.fields).filter(move |(other, _)| **other == mark);
        marked
            .filter(move |(_, (candidate, _))| candidate.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, (_, value))| *value)
    }
}

impl<'a> Single<'a> {
    /// The value, where there is exactly one.
    #[must_use]
    pub const fn one(self) -> Option<&'a [u8]> {
        match self {
            Self::One(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}

/// The session of an HTTP+SSE message (2024-11-05), which is in the query of its POST's `path`.
#[must_use]
pub fn session_in_query(path: &[u8]) -> Option<&[u8]> {
    let query = path.splitn(2, |byte| *byte == b'?').nth(1)?;
    query.split(|byte| *byte == b'&').find_map(|pair| {
        pair.strip_prefix(b"sessionId=").or_else(|| pair.strip_prefix(b"session_id="))
    })
}

/// The type of a media type or range, without its parameters (RFC 9110 §8.3.1).
#[must_use]
pub fn essence(media_type: &[u8]) -> &[u8] {
    media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_repeated_field_is_never_read_as_one() {
        let head = Head::new(vec![
            (b":method", b"POST"),
            (b"origin", b"https://a.example"),
            (b"Origin", b"https://b.example"),
            (b"host", b"a.example"),
        ]);
        assert_eq!(head.single("origin"), Single::Repeated);
        assert_eq!(head.single("host"), Single::One(b"a.example"));
        assert_eq!(head.single("accept"), Single::Absent);
        assert_eq!(head.first(":method"), Some(&b"POST"[..]));
        assert_eq!(head.count(), 3);
    }
}
