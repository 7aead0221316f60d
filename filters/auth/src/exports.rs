//! What the upstream and the gateway learn of a caller, and see of its credentials.

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::hash::{self, HashKey, Subject};
use mcp_core::owned;
use mcp_core::pipeline::Caller;

use crate::config::UpstreamCredentials;

/// The header of bearer tokens.
pub(crate) const AUTHORIZATION: &str = "authorization";

/// What goes upstream of every caller.
#[derive(Debug)]
pub(crate) struct Exports {
    pub(crate) key: HashKey,
    pub(crate) credentials: UpstreamCredentials,
    /// The header of API keys, where there are any.
    pub(crate) api_key_header: Option<String>,
}

impl Exports {
    /// The changes to a request's head that tell of `caller`.
    pub(crate) fn of(&self, caller: &Caller) -> Vec<Edit> {
        let mut edits = self.nobody();
        let principal = caller.principal.as_deref().and_then(|principal| {
            HeaderValue::plain(hash::text(self.key.hash(Subject::Principal, principal)))
        });
        let exports = [
            (owned::PRINCIPAL, principal),
            (owned::TENANT, caller.tenant.as_deref().and_then(HeaderValue::mirrored)),
            (owned::AGENT, caller.agent.as_deref().and_then(HeaderValue::mirrored)),
            (owned::SCOPES, HeaderValue::plain(caller.scopes.join(" "))),
        ];
        edits.extend(exports.into_iter().filter_map(|(name, value)| Some(Edit::Set(name, value?))));
        edits
    }

    /// The changes to the head of a request that passes as nobody's: no credentials, unless they
    /// are the upstream's as well.
    pub(crate) fn nobody(&self) -> Vec<Edit> {
        match self.credentials {
            UpstreamCredentials::Keep => Vec::new(),
            UpstreamCredentials::Strip => {
                let names = [Some(AUTHORIZATION), self.api_key_header.as_deref()];
                names.into_iter().flatten().map(|name| Edit::Remove(name.into())).collect()
            }
        }
    }
}
