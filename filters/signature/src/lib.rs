//! Verifiers for `jsonwebtoken` that let the host judge the signatures it can, and judge all others
//! themselves.
//!
//! A host judges RSA with PKCS #1 v1.5 and ECDSA. What it is asked went through the checks of our
//! own code first, so that no host is laxer: see `form`.

mod form;
mod in_rust;

use std::sync::OnceLock;

use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::errors;
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey};
use mcp_core::signature::SignedText;

use form::Form;
use in_rust::InRust;

/// How a host is asked; `None` if it cannot tell.
pub type HostVerify = fn(&SignedText<'_>) -> Option<bool>;

/// For operators: what [`install`] changes.
pub const NOTICE: &str = "signatures of RS256, RS384, RS512, ES256 and ES384 are verified by the host, all others \
     by this module";

/// From now on, [`verifier`] lets the host judge. The first host stays: a module has but one.
pub fn install(host: HostVerify) {
    HOST.get_or_init(|| host);
}

static HOST: OnceLock<HostVerify> = OnceLock::new();

/// The `verifier_factory` of a [`CryptoProvider`](jsonwebtoken::crypto::CryptoProvider).
///
/// # Errors
/// The key is none of this algorithm.
pub fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> errors::Result<Box<dyn JwtVerifier>> {
    let by_host = HOST.get().zip(Form::new(*algorithm, key));
    match by_host {
        Some((host, form)) => {
            Ok(Box::new(ByHost { host: *host, form, algorithm: *algorithm, key: key.clone() }))
        }
        None => Ok(Box::new(InRust::new(*algorithm, key)?)),
    }
}

/// Whether the key is one of this algorithm: of a curve, whether it is a point of it.
#[must_use]
pub fn is_key_of(algorithm: Algorithm, key: &DecodingKey) -> bool {
    InRust::new(algorithm, key).is_ok()
}

/// A key, ready to be put to the host.
struct ByHost {
    host: HostVerify,
    form: Form,
    algorithm: Algorithm,
    key: DecodingKey,
}

// === impl ByHost ===

impl Verifier<Vec<u8>> for ByHost {
    fn verify(&self, text: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let refused = || Err(signature::Error::new());
        let Some(for_host) = self.form.signature(signature) else { return refused() };
        let signed = SignedText {
            digest: self.form.digest(),
            public_key: self.form.public_key(),
            signature: &for_host,
            text,
        };
        match (self.host)(&signed) {
            Some(true) => Ok(()),
            Some(false) => refused(),
            None => InRust::new(self.algorithm, &self.key)
                .map_err(signature::Error::from_source)?
                .verify(text, signature),
        }
    }
}

impl JwtVerifier for ByHost {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
