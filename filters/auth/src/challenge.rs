//! `WWW-Authenticate`: how a refused client learns where to get a token, and with which scopes
//! (RFC 6750 §3, RFC 9728 §5.1, MCP 2026-07-28 basic/authorization).
//!
//! The first parameter of a name is the one clients find, some of them by pattern, so no value may
//! hold what looks like a parameter.

#[cfg(test)]
mod tests;
mod upstream;

use mcp_core::edit::HeaderValue;
use mcp_core::refusal::{Reason, Refusal};
use serde_json::json;

use crate::metadata::ProtectedResource;
use crate::scope::{self, Scope};

const HEADER: &str = "www-authenticate";

/// Bytes of an `error_description`.
const MAX_DESCRIPTION: usize = 200;

/// How a resource challenges those it refuses.
#[derive(Debug, Clone)]
pub struct Challenger {
    metadata_url: Option<String>,
    scopes: Vec<Scope>,
}

impl Challenger {
    /// Challenges for `resource`, if it is described to OAuth clients at all; a 401 asks for
    /// `scopes`, those that basic use needs.
    #[must_use]
    pub fn new(resource: Option<&ProtectedResource>, scopes: Vec<Scope>) -> Self {
        let metadata_url = resource.map(|resource| resource.metadata_url().to_owned());
        Self { metadata_url, scopes }
    }

    /// There are no credentials: 401, without an error, since nothing was wrong (RFC 6750 §3.1).
    #[must_use]
    pub fn no_credentials(&self) -> Refusal {
        Refusal::new(Reason::Unauthorized).with_header(HEADER, self.unauthorized(None))
    }

    /// The credentials do not hold: 401. `description` is for people; it says no more than that a
    /// token is expired, say, and nothing a client sent.
    #[must_use]
    pub fn invalid_token(&self, description: &str) -> Refusal {
        let value = self.unauthorized(Some(description));
        Refusal::new(Reason::Unauthorized).with_header(HEADER, value)
    }

    /// The token lacks `missing`: 403, and the client may ask for a token that has them.
    #[must_use]
    pub fn insufficient_scope(&self, missing: &[Scope]) -> Refusal {
        let names: Vec<&str> = missing.iter().map(Scope::as_str).collect();
        Refusal::new(Reason::InsufficientScope)
            .saying(format!("insufficient_scope: {}", names.join(" ")))
            .with_data(json!({ "requiredScopes": names }))
            .with_header(HEADER, self.forbidden(missing))
    }

    /// Whether [`Self::redirect`] ever has something to replace.
    #[must_use]
    pub const fn redirects(&self) -> bool {
        self.metadata_url.is_some()
    }

    /// An upstream's own `WWW-Authenticate`, with this resource's metadata URL in the place of the
    /// upstream's; all else stays as it is, byte for byte, further challenges included. `None` if
    /// there is nothing to replace, or if the field is no list of challenges or not visible ASCII:
    /// then it is better left alone.
    #[must_use]
    pub fn redirect(&self, field: &[u8]) -> Option<HeaderValue> {
        let field = core::str::from_utf8(field).ok()?;
        upstream::redirect(field, self.metadata_url.as_deref()?).and_then(HeaderValue::plain)
    }

    fn unauthorized(&self, description: Option<&str>) -> HeaderValue {
        let error = description.map(|_| "invalid_token");
        let description = description.map(describable);
        let scopes = Some(scope::join(&self.scopes)).filter(|scopes| !scopes.is_empty());
        bearer(&[
            ("resource_metadata", self.metadata_url.as_deref()),
            ("scope", scopes.as_deref()),
            ("error", error),
            ("error_description", description.as_deref()),
        ])
    }

    fn forbidden(&self, missing: &[Scope]) -> HeaderValue {
        bearer(&[
            ("error", Some("insufficient_scope")),
            ("scope", Some(&scope::join(missing))),
            ("resource_metadata", self.metadata_url.as_deref()),
            ("error_description", Some("More scopes are needed for this call")),
        ])
    }
}

/// A challenge of these parameters, none of which needs an escape. One that is too long for a head
/// says nothing but its scheme.
fn bearer(parameters: &[(&str, Option<&str>)]) -> HeaderValue {
    let parameters: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}=\"{value}\"")))
        .collect();
    let challenge = format!("Bearer {}", parameters.join(", "));
    HeaderValue::plain(challenge.trim_end()).unwrap_or(HeaderValue::from_static("Bearer"))
}

/// `text` in the characters of an `error_description` (RFC 6750 §3), without `=`, so that it holds
/// no parameter, and cut to its bound.
fn describable(text: &str) -> String {
    text.chars()
        .filter(|character| {
            matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | '=')
        })
        .take(MAX_DESCRIPTION)
        .collect()
}
