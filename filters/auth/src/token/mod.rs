//! A JSON Web Token as an access token: RFC 7519 in the compact form of RFC 7515, judged by
//! RFC 8725, RFC 9068 and the rules of one issuer.
//!
//! `header` and `claims` read what the token says, strictly; `rules` holds what an issuer's tokens
//! must be like; `verify` judges; `cache` remembers verdicts. Nothing in a token is believed before
//! its signature was checked, except its issuer's name, which only chooses the rules.

mod audience;
pub mod cache;
mod claim_path;
mod claims;
mod header;
mod reject;
mod rules;
mod verify;

pub use claim_path::ClaimPath;
pub use claims::Claims;
pub use header::TokenType;
pub use reject::Reject;
pub use rules::{IssuerRules, IssuerSettings};
pub use verify::verify;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use mcp_core::json::{Kind, Reader};

use header::Header;

/// Bytes of a token. Real ones have 0.5 to 4 KB; larger ones would not fit most servers' headers.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Levels of nested arrays and objects in claims that are read for the issuer's name alone.
const DEPTH: u32 = 32;

/// A token in the form it should have; nothing in it is verified yet.
#[derive(Debug)]
pub struct Token<'a> {
    header: Header,
    /// What was signed: header and payload, encoded, with the dot between them.
    signed: &'a str,
    /// The signature, encoded.
    signature: &'a str,
    payload: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes apart the credentials of the `Bearer` scheme.
    ///
    /// # Errors
    /// What is wrong with the form or the header.
    pub fn parse(bearer: &'a [u8]) -> Result<Self, Reject> {
        if bearer.len() > MAX_TOKEN {
            return Err(Reject::TooLong);
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let text = Some(bearer).filter(|bearer| bearer.iter().all(allowed));
        let text = text.and_then(|bearer| str::from_utf8(bearer).ok()).ok_or(Reject::Characters)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Reject::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Reject::Parts)?;
        if payload.contains('.') {
            return Err(Reject::Parts);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Reject::HeaderEncoding)?;
        let header = Header::parse(&header)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Reject::ClaimsEncoding)?;
        Ok(Self { header, signed, signature, payload })
    }

    /// Who the token says issued it. That is not verified: it serves to choose the rules, which
    /// then demand it. `None` if it does not say so in one string.
    pub fn issuer_hint(&self) -> Option<String> {
        let mut reader = Reader::new(&self.payload, DEPTH).ok()?;
        let mut issuers = Vec::new();
        reader
            .object(|reader, name| {
                if name != "iss" {
                    return reader.skip().map(drop);
                }
                let issuer = match reader.kind()? {
                    Kind::String => Some(reader.string()?.into_owned()),
                    _ => reader.skip().map(|_| None)?,
                };
                issuers.push(issuer);
                Ok(())
            })
            .ok()?;
        match issuers.as_slice() {
            [issuer] => issuer.clone(),
            _ => None,
        }
    }

    /// The `kid` of the key it says it was signed with.
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// The algorithm it says it was signed with.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }
}

#[cfg(test)]
mod tests;
