//! The serialized form of header fields: a count, all sizes, then all names and values, each
//! followed by NUL; numbers are 32-bit little-endian (proxy-wasm ABI 0.2.1, "Header map").

use mcp_core::edit::HeaderValue;

/// Serialized fields, read one by one: `None` is one that is not in this form. APISIX writes such
/// bytes for a response of more than twenty fields.
struct Fields<'a> {
    sizes: &'a [u8],
    data: &'a [u8],
}

/// Reads the fields, or `None` if the bytes are not in this form.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    Fields::of(bytes)?.collect()
}

/// The value of the first field of this name (lower case), where the bytes are in this form so far.
pub(crate) fn first<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut fields = Fields::of(bytes)?.map_while(|field| field);
    let found = fields.find(|(candidate, _)| candidate.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| value)
}

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = number(bytes)?;
        let (sizes, data) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some(Self { sizes, data })
    }

    fn take(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name_size, sizes) = number(self.sizes)?;
        let (value_size, sizes) = number(sizes)?;
        self.sizes = sizes;
        let (name, data) = terminated(self.data, name_size)?;
        let (value, data) = terminated(data, value_size)?;
        self.data = data;
        Some((name, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.sizes.is_empty()).then(|| self.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let fields = self.sizes.len() / 8;
        (fields, Some(fields))
    }
}

/// Writes the fields of a reply.
pub(crate) fn serialize(fields: &[(&'static str, HeaderValue)]) -> Vec<u8> {
    let mut bytes = size(fields.len()).to_vec();
    for (name, value) in fields {
        bytes.extend(size(name.len()));
        bytes.extend(size(value.as_str().len()));
    }
    for (name, value) in fields {
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.extend(value.as_str().bytes());
        bytes.push(0);
    }
    bytes
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*number)).ok().map(|number| (number, rest))
}

fn terminated(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size)?;
    rest.strip_prefix(b"\0").map(|rest| (text, rest))
}

/// Names and values are bounded far below 4 GiB by their types.
fn size(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let fields = [
            ("content-type", HeaderValue::from_static("application/json")),
            ("allow", HeaderValue::from_static("POST")),
        ];
        let bytes = serialize(&fields);
        let expect: Vec<(&[u8], &[u8])> =
            vec![(b"content-type", b"application/json"), (b"allow", b"POST")];
        assert_eq!(parse(&bytes), Some(expect));
        assert_eq!(parse(&serialize(&[])), Some(Vec::new()));
        assert_eq!(parse(b""), Some(Vec::new()));
    }

    #[test]
    fn every_truncation_and_every_wrong_size_is_noticed() {
        let bytes = serialize(&[("allow", HeaderValue::from_static("POST"))]);
        for end in 1..bytes.len() {
            assert_eq!(parse(bytes.get(..end).unwrap_or_default()), None, "cut at {end}");
        }
        for at in 0..12 {
            let mut wrong = bytes.clone();
            if let Some(byte) = wrong.get_mut(at) {
                *byte = 0xff;
            }
            assert_eq!(parse(&wrong), None, "byte {at}");
        }
    }
}
