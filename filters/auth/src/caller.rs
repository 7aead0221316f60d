//! Who calls, made of what the credentials say.

use mcp_core::pipeline::Caller;

use crate::api_key::Identity;
use crate::issuer::Issuer;
use crate::token::Claims;

/// The caller that an API key stands for.
pub(crate) fn of_api_key(identity: &Identity) -> Caller {
    Caller {
        principal: Some(identity.principal.clone().into_bytes()),
        agent: identity.agent.clone(),
        tenant: identity.tenant.clone(),
        scopes: identity.scopes.clone(),
    }
}

/// The caller that a verified token names. The principal is issuer, client and subject: a refreshed
/// token has the same three, and neither another issuer's nor another client's user of the same
/// name does.
pub(crate) fn of_token(issuer: &Issuer, claims: &Claims) -> Caller {
    let parts = [
        claims.issuer(),
        claims.client().unwrap_or_default(),
        claims.subject().unwrap_or_default(),
    ];
    Caller {
        principal: Some(parts.join("\0").into_bytes()),
        agent: issuer.agent(claims),
        tenant: issuer.tenant(claims),
        scopes: claims.scopes().to_vec(),
    }
}

/// Bytes that a caller takes on the heap.
pub(crate) fn weight(caller: &Caller) -> usize {
    let texts = [caller.agent.as_ref(), caller.tenant.as_ref()].into_iter().flatten();
    let scopes = caller.scopes.iter().map(|scope| scope.len().saturating_add(24));
    texts
        .map(String::len)
        .chain(scopes)
        .chain(caller.principal.as_ref().map(Vec::len))
        .fold(0, usize::saturating_add)
}
