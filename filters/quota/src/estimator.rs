//! How many tokens a text is likely to be, without a vocabulary.

/// Bytes of a token, on average over English prose.
const BYTES_PER_TOKEN: usize = 4;

/// How many tokens `text` is likely to be.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    u64::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}
