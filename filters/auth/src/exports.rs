//! What the upstream and the gateway learn of a caller, and see of its credentials.

use core::fmt;

use mcp_core::config::ConfigError;
use mcp_core::edit::{Edit, HeaderName, HeaderValue};
use mcp_core::hash::{self, HashKey, Subject};
use mcp_core::owned;
use mcp_core::pipeline::Caller;
use serde::Deserialize;

/// The header of bearer tokens.
pub(crate) const AUTHORIZATION: &str = "authorization";

/// What the upstream sees of a client's credentials, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialsPolicy {
    /// All of them: only where the upstream is the audience of the same tokens.
    Keep,
    /// The gateway's own in their place.
    Replace,
    /// Nothing (MCP forbids to pass tokens through).
    #[default]
    Strip,
}

/// What goes upstream of every caller.
#[derive(Debug)]
pub(crate) struct Exports {
    pub(crate) key: HashKey,
    pub(crate) credentials: Credentials,
    /// The header of API keys, where there are any.
    pub(crate) api_key_header: Option<HeaderName>,
}

/// What the upstream sees of credentials.
#[derive(Debug)]
pub(crate) enum Credentials {
    Keep,
    Replace(Authorization),
    Strip,
}

/// The whole value of an `Authorization` field: a secret. It cannot be printed.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Authorization(HeaderValue);

impl Exports {
    /// The caller, with the name under which it is known outside.
    pub(crate) fn hashed(&self, caller: Caller) -> Caller {
        let hash = |principal: &Vec<u8>| hash::text(self.key.hash(Subject::Principal, principal));
        Caller { principal_hash: caller.principal.as_ref().map(hash), ..caller }
    }

    /// The changes to a request's head that tell of a caller, with the fields that its claims fill.
    pub(crate) fn of(&self, caller: &Caller, fields: Vec<(HeaderName, HeaderValue)>) -> Vec<Edit> {
        let mut edits = self.nobody();
        if let Credentials::Replace(Authorization(value)) = &self.credentials {
            edits.push(Edit::Set(AUTHORIZATION.into(), value.clone()));
        }
        let principal = caller.principal_hash.as_deref().and_then(HeaderValue::plain);
        let exports = [
            (owned::PRINCIPAL, principal),
            (owned::TENANT, caller.tenant.as_deref().and_then(HeaderValue::mirrored)),
            (owned::AGENT, caller.agent.as_deref().and_then(HeaderValue::mirrored)),
            (owned::SCOPES, HeaderValue::plain(caller.scopes.join(" "))),
        ];
        let exports = exports.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
        edits.extend(exports.chain(fields).map(|(name, value)| Edit::Set(name, value)));
        edits
    }

    /// The changes to the head of a request that passes as nobody's: no credentials, neither the
    /// gateway's own nor, unless they are the upstream's as well, what the client sent.
    pub(crate) fn nobody(&self) -> Vec<Edit> {
        if matches!(self.credentials, Credentials::Keep) {
            return Vec::new();
        }
        let api_key = self.api_key_header.as_ref().map(HeaderName::as_str);
        let names = [Some(AUTHORIZATION), api_key].into_iter().flatten();
        names.map(|name| Edit::Remove(name.into())).collect()
    }
}

impl CredentialsPolicy {
    /// The policy with what it needs: `upstream_authorization`, if it replaces.
    ///
    /// # Errors
    /// If the one is there without the other.
    pub(crate) fn with(
        self,
        authorization: Option<Authorization>,
    ) -> Result<Credentials, ConfigError> {
        let error = |problem: &str| Err(ConfigError::new("upstream_authorization", problem));
        match (self, authorization) {
            (Self::Keep, None) => Ok(Credentials::Keep),
            (Self::Strip, None) => Ok(Credentials::Strip),
            (Self::Replace, Some(authorization)) => Ok(Credentials::Replace(authorization)),
            (Self::Replace, None) => error("is required where upstream_credentials is \"replace\""),
            (Self::Keep | Self::Strip, Some(_)) => {
                error("goes upstream only where upstream_credentials is \"replace\"")
            }
        }
    }
}

impl TryFrom<String> for Authorization {
    type Error = &'static str;

    /// The error repeats nothing of the secret.
    fn try_from(text: String) -> Result<Self, &'static str> {
        HeaderValue::plain(text).map(Self).ok_or(
            "must be the value of a header, as \"Bearer …\": visible ASCII and spaces between",
        )
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authorization(…)")
    }
}
