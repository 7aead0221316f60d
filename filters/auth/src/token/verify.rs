//! The judgement: a token against its issuer's rules and keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Claims, IssuerRules, Reject, Token};
use crate::keys::{Key, KeySet, NoKey};

/// Verifies a token at the time `now`, in seconds since 1970.
///
/// What costs little comes first; the claims are read only once the signature fits.
///
/// # Errors
/// The first reason not to accept it.
pub fn verify(
    token: &Token<'_>,
    rules: &IssuerRules,
    keys: &KeySet,
    now: u64,
) -> Result<Claims, Reject> {
    if !rules.allow_algorithm(token.header.algorithm) {
        return Err(Reject::AlgorithmNotAllowed);
    }
    if !rules.allow_type(token.header.token_type) {
        return Err(Reject::TokenType);
    }
    let key = keys.select(token.key_id(), token.header.algorithm).map_err(|none| match none {
        NoKey::Unknown => Reject::UnknownKey,
        NoKey::OtherAlgorithm => Reject::KeyAlgorithm,
        NoKey::Ambiguous => Reject::AmbiguousKey,
    })?;
    if !signature_fits(token, key) {
        return Err(Reject::Signature);
    }
    let claims = Claims::parse(&token.payload)?;
    rules.check(&claims, now)?;
    Ok(claims)
}

/// The library checks nothing but the signature here: its own reading of headers and claims is laxer
/// than what this crate promises (it takes `crit`, repeated claims, and an array for `iss`).
pub(super) fn signature_fits(token: &Token<'_>, key: &Key) -> bool {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(token.signature) else { return false };
    mcp_signature::verifier(&token.header.algorithm, key.material())
        .is_ok_and(|verifier| verifier.verify(token.signed.as_bytes(), &signature).is_ok())
}
