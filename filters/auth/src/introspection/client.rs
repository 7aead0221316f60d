//! Who asks: the gateway's own credentials at the issuer (RFC 6749 §2.3.1).

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_core::edit::HeaderValue;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

/// The `Authorization` of a client. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ClientCredentials(HeaderValue);

/// A client's secret, as it is written. It cannot be printed, nor can an error repeat it.
pub(super) struct ClientSecret(String);

impl ClientCredentials {
    /// Makes them. `None` if a header cannot hold them.
    pub(super) fn new(id: &str, secret: &ClientSecret) -> Option<Self> {
        let pair = format!("{}:{}", form_encoded(id), form_encoded(&secret.0));
        HeaderValue::plain(format!("Basic {}", STANDARD.encode(pair))).map(Self)
    }

    pub(super) fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// `text` in `application/x-www-form-urlencoded` (RFC 6749, appendix B).
pub(super) fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A derived reader would repeat a number that it did not expect.
        match Value::deserialize(deserializer)? {
            Value::String(secret) if !secret.is_empty() => Ok(Self(secret)),
            _ => Err(D::Error::custom("must be the client's secret, a string")),
        }
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientCredentials(…)")
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret(…)")
    }
}
