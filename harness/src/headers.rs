//! Header fields as hosts keep them: ordered, repeated names allowed, values of any bytes.
//!
//! The serialized form is proxy-wasm's: a count, then per pair the two sizes, then per pair name
//! and value, each followed by a NUL; all integers are little-endian `u32`.

use std::fmt;

/// An ordered list of header fields; names compare without regard to ASCII case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a field, keeping others of the same name.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
    }

    /// Replaces all fields of this name by one, at the place of the first.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        match self.position(name) {
            Some(first) => {
                self.0[first].1 = value.to_vec();
                let mut index = 0;
                self.0.retain(|(n, _)| {
                    index += 1;
                    index - 1 <= first || !n.eq_ignore_ascii_case(name)
                });
            }
            None => self.add(name, value),
        }
    }

    /// Removes every field of this name.
    pub fn remove(&mut self, name: &[u8]) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// The first value of this name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.position(name.as_ref()).map(|index| self.0[index].1.as_slice())
    }

    /// All values of this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Name and value of each field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same fields with names in lower case, as hosts show them to a guest.
    pub fn lower_cased(mut self) -> Self {
        self.0.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        self
    }

    /// The serialized form a guest reads.
    pub fn to_pairs(&self) -> Vec<u8> {
        let mut out = (self.0.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &self.0 {
            out.extend((name.len() as u32).to_le_bytes());
            out.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in &self.0 {
            for text in [name, value] {
                out.extend(text);
                out.push(0);
            }
        }
        out
    }

    /// Reads the serialized form a guest wrote; `None` when sizes do not fit the bytes.
    pub fn from_pairs(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::new());
        }
        let word = |at: usize| -> Option<usize> {
            Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize)
        };
        let count = word(0)?;
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        bytes.get(..at)?;
        let mut take = |size: usize| -> Option<Vec<u8>> {
            let text = bytes.get(at..at.checked_add(size)?)?.to_vec();
            at += size + 1;
            Some(text)
        };
        (0..count)
            .map(|index| {
                let name = take(word(4 + index * 8)?)?;
                Some((name, take(word(8 + index * 8)?)?))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::new();
        fields.into_iter().for_each(|(name, value)| headers.add(name, value));
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(n, v)| {
                (String::from_utf8_lossy(n).into_owned(), v.escape_ascii().to_string())
            }))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_a_round_trip() {
        for fields in [vec![], vec![("a", "")], vec![("a", "1"), ("b", "22"), ("A", "3")]] {
            let headers: Headers = fields.into_iter().collect();
            assert_eq!(Headers::from_pairs(&headers.to_pairs()), Some(headers));
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let good: Headers = [("name", "value")].into_iter().collect();
        let mut bytes = good.to_pairs();
        bytes[4] = 200;
        assert_eq!(Headers::from_pairs(&bytes), None);
        assert_eq!(Headers::from_pairs(&[255, 255, 255, 255]), None);
    }

    #[test]
    fn set_keeps_the_place_of_the_first_and_drops_the_rest() {
        let mut headers: Headers =
            [("a", "1"), ("b", "2"), ("A", "3"), ("c", "4")].into_iter().collect();
        headers.set(b"a", b"9");
        let expected: Headers = [("a", "9"), ("b", "2"), ("c", "4")].into_iter().collect();
        assert_eq!(headers, expected);
    }
}
