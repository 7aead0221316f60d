//! The headers in which a modern request mirrors its body, so that gateways need not read it
//! (MCP 2026-07-28, basic/transports/streamable-http).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::head::{Head, Single};
use crate::limits::MAX_MIRRORED_HEADER;
use crate::version::Claim;

/// The mirrored headers of one request, kept until its body was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `MCP-Protocol-Version`.
    pub version: Field,
    /// `Mcp-Method`.
    pub method: Field,
    /// `Mcp-Name`.
    pub name: Field,
}

/// One mirrored header, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field {
    /// Not sent.
    #[default]
    Absent,
    /// Sent once and well formed.
    Value(String),
    /// Sent once, but longer than the limit, badly encoded or not UTF-8.
    Malformed,
    /// Sent more than once.
    Repeated,
}

impl Mirror {
    /// The mirrored headers of `head`. Only `Mcp-Name` may be encoded.
    #[must_use]
    pub fn of(head: &Head<'_>) -> Self {
        let field = |name: &str, decode: fn(&[u8]) -> Option<Cow<'_, str>>| match head.single(name)
        {
            Single::Absent => Field::Absent,
            Single::Repeated => Field::Repeated,
            Single::One(value) if value.len() > MAX_MIRRORED_HEADER => Field::Malformed,
            Single::One(value) => decode(value.trim_ascii())
                .map_or(Field::Malformed, |text| Field::Value(text.into_owned())),
        };
        Self {
            version: field("mcp-protocol-version", literal),
            method: field("mcp-method", literal),
            name: field("mcp-name", decode),
        }
    }

    /// What the version header claims.
    #[must_use]
    pub fn claim(&self) -> Claim {
        match &self.version {
            Field::Absent => Claim::Absent,
            Field::Value(version) => Claim::parse(Some(version.as_bytes())),
            Field::Malformed | Field::Repeated => Claim::Unknown,
        }
    }

    /// Whether any of the three was sent more than once.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        [&self.version, &self.method, &self.name].into_iter().any(|field| *field == Field::Repeated)
    }
}

impl Field {
    /// The decoded value, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Value(text) => Some(text),
            Self::Absent | Self::Malformed | Self::Repeated => None,
        }
    }
}

fn literal(value: &[u8]) -> Option<Cow<'_, str>> {
    core::str::from_utf8(value).ok().map(Cow::Borrowed)
}

/// Undoes `=?base64?…?=`. The markers are case-sensitive; anything that lacks one of them is
/// literal text. `None`: not canonical base64, or not UTF-8.
fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let encoded = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    match encoded {
        None => literal(value),
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn names_decode_as_the_specification_says() {
        let cases: [(&[u8], Field); 11] = [
            (b"get_weather", Field::Value("get_weather".into())),
            (b"  get_weather\t", Field::Value("get_weather".into())),
            (b"=?base64?d2V0dGVyIGbDvHI=?=", Field::Value("wetter für".into())),
            (b"=?BASE64?YQ==?=", Field::Value("=?BASE64?YQ==?=".into())),
            (b"=?base64?YQ==", Field::Value("=?base64?YQ==".into())),
            (b"=?base64??=", Field::Value(String::new())),
            (b"=?base64?YQ=?=", Field::Malformed),
            (b"=?base64?YR==?=", Field::Malformed),
            (b"=?base64?!!!!?=", Field::Malformed),
            (b"=?base64?/w==?=", Field::Malformed),
            (b"a\xff", Field::Malformed),
        ];
        for (value, expect) in cases {
            let mirror = Mirror::of(&Head::new(vec![(b"mcp-name", value)]));
            assert_eq!(mirror.name, expect, "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn version_and_method_have_no_encoded_form() {
        let encoded: &[u8] = b"=?base64?YQ==?=";
        let mirror = Mirror::of(&Head::new(vec![(b"mcp-method", encoded)]));
        assert_eq!(mirror.method, Field::Value("=?base64?YQ==?=".into()));
    }

    #[test]
    fn an_overlong_value_is_malformed_and_a_second_one_is_repeated() {
        let long = vec![b'a'; MAX_MIRRORED_HEADER + 1];
        let mirror = Mirror::of(&Head::new(vec![
            (b"mcp-name", &long),
            (b"mcp-method", b"tools/call"),
            (b"Mcp-Method", b"tools/call"),
        ]));
        assert_eq!(mirror.name, Field::Malformed);
        assert_eq!(mirror.method, Field::Repeated);
        assert!(mirror.is_repeated());
    }
}
