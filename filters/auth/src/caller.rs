//! Who calls, made of what the credentials say.

use mcp_core::edit::{HeaderName, HeaderValue};
use mcp_core::hash::DIGEST;
use mcp_core::pipeline::Caller;

use crate::api_key::Identity;
use crate::issuer::Issuer;
use crate::token::Claims;

/// A caller whose credentials hold, and what the upstream is told of it besides.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) caller: Caller,
    /// The certificate its token is bound to, which each connection must show anew.
    pub(crate) certificate: Option<[u8; DIGEST]>,
    /// The fields that its claims fill.
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
}

impl Known {
    /// The caller that an API key stands for.
    pub(crate) fn of_api_key(identity: &Identity) -> Self {
        Self::without_token(Caller {
            principal: Some(identity.principal.clone().into_bytes()),
            agent: identity.agent.clone(),
            tenant: identity.tenant.clone(),
            scopes: identity.scopes.clone(),
            expires_at: None,
        })
    }

    /// A caller whose credentials are no token.
    pub(crate) const fn without_token(caller: Caller) -> Self {
        Self { caller, certificate: None, fields: Vec::new() }
    }

    /// The caller that a verified token names. The principal is issuer, client and subject: a
    /// refreshed token has the same three, and neither another issuer's nor another client's user
    /// of the same name does.
    pub(crate) fn of_token(issuer: &Issuer, claims: &Claims) -> Self {
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
        };
        Self { caller, certificate: claims.certificate().copied(), fields: issuer.fields(claims) }
    }

    /// Bytes that it takes on the heap.
    pub(crate) fn weight(&self) -> usize {
        let Caller { principal, agent, tenant, scopes, expires_at: _ } = &self.caller;
        let texts = [agent, tenant].into_iter().flatten().map(String::len);
        let scopes = scopes.iter().map(|scope| scope.len().saturating_add(PER_ITEM));
        let fields = self.fields.iter().map(|(name, value)| {
            let texts = name.as_str().len().saturating_add(value.as_str().len());
            texts.saturating_add(PER_ITEM.saturating_mul(2))
        });
        let principal = principal.as_ref().map(Vec::len);
        texts.chain(scopes).chain(fields).chain(principal).fold(0, usize::saturating_add)
    }
}

/// Bytes of a text in a list, its characters aside.
const PER_ITEM: usize = 24;
