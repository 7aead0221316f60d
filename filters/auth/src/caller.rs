//! Who calls, made of what the credentials say.

use mcp_core::edit::Edit;
use mcp_core::hash::DIGEST;
use mcp_core::pipeline::Caller;

use crate::api_key::Identity;
use crate::exports::Exports;
use crate::issuer::Issuer;
use crate::token::Claims;

/// A caller whose credentials hold, and what the upstream is told of it: made once for a token, since
/// its hashes cost more than all the rest of a request that brings the token again.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) caller: Caller,
    /// The certificate its token is bound to, which each connection must show anew.
    pub(crate) certificate: Option<[u8; DIGEST]>,
    /// The changes to each request's head.
    pub(crate) edits: Vec<Edit>,
}

impl Known {
    /// The caller that an API key stands for.
    pub(crate) fn of_api_key(identity: &Identity, exports: &Exports) -> Self {
        let caller = Caller {
            principal: Some(identity.principal.clone().into_bytes()),
            agent: identity.agent.clone(),
            tenant: identity.tenant.clone(),
            scopes: identity.scopes.clone(),
            ..Caller::default()
        };
        Self::without_token(caller, exports)
    }

    /// A caller whose credentials are no token.
    pub(crate) fn without_token(caller: Caller, exports: &Exports) -> Self {
        let caller = exports.hashed(caller);
        let edits = exports.of(&caller, Vec::new());
        Self { caller, certificate: None, edits }
    }

    /// The caller that a verified token names. The principal is issuer, client and subject: a
    /// refreshed token has the same three, and neither another issuer's nor another client's user
    /// of the same name does.
    pub(crate) fn of_token(issuer: &Issuer, claims: &Claims, exports: &Exports) -> Self {
        let parts = [
            claims.issuer(),
            claims.client().unwrap_or_default(),
            claims.subject().unwrap_or_default(),
        ];
        let caller = Caller {
            principal: Some(parts.join("\0").into_bytes()),
            agent: issuer.agent(claims),
            tenant: issuer.tenant(claims),
            scopes: claims.scopes().to_vec(),
            expires_at: Some(issuer.expires_at(claims)),
            limits: issuer.limits(claims),
            ..Caller::default()
        };
        let caller = exports.hashed(caller);
        let edits = exports.of(&caller, issuer.fields(claims));
        Self { caller, certificate: claims.certificate().copied(), edits }
    }

    /// Bytes that it takes on the heap.
    pub(crate) fn weight(&self) -> usize {
        let caller = &self.caller;
        let Caller { principal, agent, tenant, scopes, limits, .. } = caller;
        let texts = [agent, tenant, &caller.principal_hash, &caller.session_hash];
        let texts = texts.into_iter().flatten().map(String::len);
        let scopes = scopes.iter().map(|scope| scope.len().saturating_add(PER_ITEM));
        let edits = self.edits.iter().map(|edit| {
            let texts = match edit {
                Edit::Remove(name) => name.len(),
                Edit::Rename(from, to) => from.as_str().len().saturating_add(to.as_str().len()),
                Edit::Add(name, value) | Edit::Set(name, value) => {
                    name.as_str().len().saturating_add(value.as_str().len())
                }
            };
            texts.saturating_add(PER_ITEM.saturating_mul(2))
        });
        let limits = limits.iter().map(|(name, _)| name.len().saturating_add(PER_ITEM));
        let principal = principal.as_ref().map(Vec::len);
        texts
            .chain(scopes)
            .chain(limits)
            .chain(edits)
            .chain(principal)
            .fold(0, usize::saturating_add)
    }
}

/// Bytes of a text in a list, its characters aside.
const PER_ITEM: usize = 24;
