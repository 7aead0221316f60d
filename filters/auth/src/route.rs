//! Who can tell whether a bearer token holds: the keys of the issuer it names, or the one issuer
//! that is asked about tokens.

use crate::issuer::Issuer;
use crate::token::{Reject, Token};

/// Where a token is judged, with the index of the issuer.
#[derive(Debug)]
pub(crate) enum Route<'a> {
    /// By the issuer's keys.
    Keys(usize, Token<'a>),
    /// By the issuer's own word.
    Introspection(usize),
}

impl<'a> Route<'a> {
    /// Chooses among `issuers`, of which at most one is asked about tokens.
    ///
    /// A token that may be a JWT is sent to nobody unless the issuer it names has no keys here.
    ///
    /// # Errors
    /// If nobody can tell.
    pub(crate) fn of(bearer: &'a [u8], issuers: &[Issuer]) -> Result<Self, Reject> {
        let asked = issuers.iter().position(|issuer| issuer.introspector().is_some());
        if let Some(index) = asked
            && !issuers.iter().any(Issuer::has_keys)
        {
            return Ok(Self::Introspection(index));
        }
        let token = match (Token::parse(bearer), asked) {
            (Ok(token), _) => token,
            // It has another form than a JWT.
            (
                Err(Reject::Parts | Reject::Characters | Reject::HeaderEncoding | Reject::Header),
                Some(index),
            ) => return Ok(Self::Introspection(index)),
            (Err(reject), _) => return Err(reject),
        };
        let named = token.issuer_hint();
        let index = issuers.iter().position(|issuer| Some(issuer.name()) == named.as_deref());
        let index = index.ok_or(Reject::Issuer)?;
        if issuers.get(index).is_some_and(Issuer::has_keys) {
            Ok(Self::Keys(index, token))
        } else {
            Ok(Self::Introspection(index))
        }
    }
}
