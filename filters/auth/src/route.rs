//! Who can tell whether a bearer token holds: the keys of the issuer it names, or the one issuer
//! that is asked about tokens.

use crate::issuer::Issuer;
use crate::token::{Reject, Token};

/// Where a token is judged: by which issuer, at which place of the configuration.
#[derive(Debug)]
pub(crate) enum Route<'a> {
    /// By the issuer's keys.
    Keys(usize, &'a Issuer, Token<'a>),
    /// By the issuer's own word.
    Introspection(usize, &'a Issuer),
}

impl<'a> Route<'a> {
    /// Chooses among `issuers`, of which at most one is asked about tokens.
    ///
    /// A token that may be a JWT is sent to nobody unless the issuer it names has no keys here.
    ///
    /// # Errors
    /// If nobody can tell.
    pub(crate) fn of(bearer: &'a [u8], issuers: &'a [Issuer]) -> Result<Self, Reject> {
        let asked = issuers.iter().enumerate().find(|(_, issuer)| issuer.introspector().is_some());
        if let Some((index, issuer)) = asked
            && !issuers.iter().any(Issuer::has_keys)
        {
            return Ok(Self::Introspection(index, issuer));
        }
        let token = match (Token::parse(bearer), asked) {
            (Ok(token), _) => token,
            // It has another form than a JWT.
            (
                Err(Reject::Parts | Reject::Characters | Reject::HeaderEncoding | Reject::Header),
                Some((index, issuer)),
            ) => return Ok(Self::Introspection(index, issuer)),
            (Err(reject), _) => return Err(reject),
        };
        let named = token.issuer_hint();
        let named = issuers.iter().enumerate().find(|(_, it)| Some(it.name()) == named.as_deref());
        match named.ok_or(Reject::Issuer)? {
            (index, issuer) if issuer.has_keys() => Ok(Self::Keys(index, issuer, token)),
            (index, issuer) => Ok(Self::Introspection(index, issuer)),
        }
    }
}
