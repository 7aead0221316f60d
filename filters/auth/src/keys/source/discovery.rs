//! From an issuer's name to the place of its keys, by OpenID Connect Discovery 1.0 §4 or, where
//! there is no such document, by RFC 8414 §3.
//!
//! A document is believed only if it names this very issuer, and leads only to paths of the
//! issuer's own host: what is fetched never decides whom to ask next.

use super::answer::{Answer, AnswerError};
use crate::json;

/// Bytes of a path that a document may name.
const MAX_PATH: usize = 2048;

/// The search for one issuer's keys.
#[derive(Debug)]
pub struct Discovery {
    issuer: String,
    /// Scheme and authority, in lower case.
    origin: String,
    /// The paths where the metadata may be, in the order to try them.
    documents: [String; 2],
    /// Whether the first of them was in vain.
    second: bool,
    keys: Option<String>,
}

/// Why an issuer cannot be discovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerError;

impl Discovery {
    /// Begins the search.
    ///
    /// # Errors
    /// If the issuer is no `https://` or `http://` URL with a host, or has a query, fragment or
    /// user (RFC 8414 §2), or characters that a URL cannot have.
    pub fn of(issuer: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(issuer).ok_or(IssuerError)?;
        if url.path.contains('?') {
            return Err(IssuerError);
        }
        let path = url.path.strip_suffix('/').unwrap_or(url.path);
        Ok(Self {
            issuer: issuer.to_owned(),
            origin: url.origin,
            documents: [
                format!("{path}/.well-known/openid-configuration"),
                format!("/.well-known/oauth-authorization-server{path}"),
            ],
            second: false,
            keys: None,
        })
    }

    /// Host and port of the issuer, for the `Host` of the calls.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The path of the keys, once it is known.
    pub(super) fn keys(&self) -> Option<&str> {
        self.keys.as_deref()
    }

    /// The path of the metadata to look at next.
    pub(super) fn metadata(&self) -> &str {
        let [openid, oauth] = &self.documents;
        if self.second { oauth } else { openid }
    }

    /// Takes the answer to a request for the metadata at `path`.
    pub(super) fn learn(&mut self, path: &str, answer: &Answer<'_>) -> Result<(), AnswerError> {
        let [openid, _] = &self.documents;
        // What an issuer without OpenID Connect says to a path it does not know.
        if (400..500).contains(&answer.status) && path == openid {
            self.second = true;
            return Ok(());
        }
        let metadata = json::object(answer.json()?).ok_or(AnswerError::Metadata)?;
        let text = |name| metadata.get(name).and_then(|value| value.as_str());
        if text("issuer").ok_or(AnswerError::Metadata)? != self.issuer {
            return Err(AnswerError::Issuer);
        }
        let keys = text("jwks_uri").and_then(Url::parse).ok_or(AnswerError::Metadata)?;
        if keys.origin != self.origin {
            return Err(AnswerError::KeysElsewhere);
        }
        if keys.path.len() > MAX_PATH || !keys.path.starts_with('/') {
            return Err(AnswerError::Metadata);
        }
        self.keys = Some(keys.path.to_owned());
        Ok(())
    }

    /// Begins anew.
    pub(super) fn forget(&mut self) {
        self.second = false;
        self.keys = None;
    }
}

/// The parts of an HTTP URL without user and fragment.
struct Url<'a> {
    /// Scheme and authority, in lower case.
    origin: String,
    /// The rest: empty, or a path, or a query without a path.
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let visible = url.bytes().all(|byte| byte.is_ascii_graphic());
        let forbidden =
            |letter| matches!(letter, '#' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
        if !visible || url.contains(forbidden) {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let known = ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if !known || authority.is_empty() || authority.contains('@') {
            return None;
        }
        let origin = format!("{scheme}://{authority}").to_ascii_lowercase();
        Some(Self { origin, path })
    }
}
