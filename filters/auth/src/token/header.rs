//! A token's header (RFC 7515 §4), which says how it was signed.
//!
//! Only `alg`, `typ` and `kid` are read. Places and copies of keys (`jku`, `jwk`, `x5u`, `x5c`) are
//! not: keys come from the configuration alone. Whatever changes the meaning of the token and is
//! not implemented here is refused.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::Reject;
use crate::json;
use crate::keys::MAX_KEY_ID;

/// What sort of token it says it is, by `typ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TokenType {
    /// It does not say.
    #[serde(rename = "absent")]
    Absent,
    /// A JWT of any purpose.
    #[serde(rename = "JWT")]
    Jwt,
    /// An access token (RFC 9068 §2.1).
    #[serde(rename = "at+jwt")]
    AccessToken,
}

/// What is read of a header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) token_type: TokenType,
    pub(super) key_id: Option<String>,
}

impl Header {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Reject> {
        let mut members = json::object(text).ok_or(Reject::Header)?;
        let refused = [
            // No extension is understood here (§4.1.11), and an empty list is not allowed either.
            ("crit", Reject::Critical),
            // RFC 7797: the payload would not be what it seems to be.
            ("b64", Reject::UnencodedPayload),
            ("enc", Reject::Encrypted),
            ("zip", Reject::Compressed),
        ];
        for (name, reject) in refused {
            if members.contains_key(name) {
                return Err(reject);
            }
        }
        let algorithm = match members.get("alg") {
            Some(Value::String(name)) => name.parse().map_err(|_| Reject::Algorithm)?,
            _ => return Err(Reject::Algorithm),
        };
        let token_type = match members.get("typ") {
            None => TokenType::Absent,
            Some(Value::String(name)) => TokenType::named(name).ok_or(Reject::TokenType)?,
            Some(_) => return Err(Reject::TokenType),
        };
        let key_id = match members.remove("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID => Some(id),
            Some(_) => return Err(Reject::KeyId),
        };
        Ok(Self { algorithm, token_type, key_id })
    }
}

impl TokenType {
    /// Reads a `typ`: a media type without regard to case, in which `application/` may be left out
    /// (RFC 7515 §4.1.9).
    fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("application/").unwrap_or(&name) {
            "jwt" => Some(Self::Jwt),
            "at+jwt" => Some(Self::AccessToken),
            _ => None,
        }
    }
}
