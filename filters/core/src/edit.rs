//! Changes to a head, and the values that may be written into one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::MAX_EXPORTED_HEADER;

/// One change to a request's or response's head; carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Append a field, whatever there is.
    Add(HeaderName, HeaderValue),
    /// Remove every field of this name, spelled as it came in.
    Remove(Vec<u8>),
    /// Leave the value of the first field as the only one of the second, and none of the first.
    /// Nothing changes if there is none.
    Rename(HeaderName, HeaderName),
    /// Leave exactly one field of this name.
    Set(HeaderName, HeaderValue),
}

/// The name of a field that a filter writes, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeaderName(Cow<'static, str>);

/// Bytes of a field's name in a configuration.
const MAX_HEADER_NAME: usize = 128;

impl HeaderName {
    /// A name from the configuration, in any case: of letters, digits and `-`, which leaves out
    /// what servers tell apart or not as they like (`_`), and pseudo-headers. `None` if it is not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = (1..=MAX_HEADER_NAME).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        legal.then(|| Self(Cow::Owned(text.to_ascii_lowercase())))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for HeaderName {
    /// A name from the program text.
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// A value that can be written into a head: visible ASCII and inner spaces, never longer than
/// [`MAX_EXPORTED_HEADER`], so nothing can be injected through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValue(Cow<'static, str>);

impl HeaderValue {
    /// A value from the program text.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// `text` as it is, if a head can hold it.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        is_plain(&text).then_some(Self(Cow::Owned(text)))
    }

    /// `text` in the form MCP gives mirrored headers: as it is where that is possible, else
    /// `=?base64?…?=` (MCP 2026-07-28, basic/transports/streamable-http#value-encoding).
    /// `None` if the result would be too long.
    #[must_use]
    pub fn mirrored(text: &str) -> Option<Self> {
        let sentinel = text.starts_with("=?base64?") && text.ends_with("?=");
        if is_plain(text) && !sentinel {
            return Self::plain(text);
        }
        Self::plain(format!("=?base64?{}?=", STANDARD.encode(text)))
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for HeaderValue {
    fn from(number: u64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_EXPORTED_HEADER
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn nothing_can_be_injected_through_a_value() {
        for text in ["a\r\nx: y", "a\n", "\0", "é", " a", "a ", "", "a\tb", "\u{7f}"] {
            assert_eq!(HeaderValue::plain(text), None, "{text:?}");
        }
        assert_eq!(HeaderValue::plain("x".repeat(MAX_EXPORTED_HEADER + 1)), None);
        assert!(HeaderValue::plain("get weather").is_some());
    }

    #[test]
    fn a_configured_name_is_one_that_everybody_reads_alike() {
        for text in ["", ":path", "x_region", "x region", "x-é", "a:", &"x".repeat(129)] {
            assert_eq!(HeaderName::parse(text), None, "{text:?}");
        }
        assert_eq!(HeaderName::parse("X-Region"), Some("x-region".into()));
    }

    #[test]
    fn what_a_head_cannot_hold_is_mirrored_in_base64() {
        let cases = [
            ("get_weather", "get_weather"),
            ("wetter für", "=?base64?d2V0dGVyIGbDvHI=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
            (" a", "=?base64?IGE=?="),
        ];
        for (text, expect) in cases {
            let value = HeaderValue::mirrored(text).expect("short enough");
            assert_eq!(value.as_str(), expect, "{text:?}");
        }
    }
}
