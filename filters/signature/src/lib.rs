//! Verifiers of `jsonwebtoken` that let the host judge the signatures it can, and leave everything
//! else to the library's own.
//!
//! A host judges RSA with PKCS #1 v1.5 and ECDSA. What it is asked went through the checks of the
//! library's own code first, so that no host is laxer: see `form`.

mod form;

use std::sync::OnceLock;

use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::errors;
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey};
use mcp_core::signature::SignedText;

use form::Form;

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

/// The `verifier_factory` of a [`CryptoProvider`](jsonwebtoken::crypto::CryptoProvider). It is not
/// made the library's default one: a module in which that is a matter of run time holds all the code
/// that signs as well, a quarter of a megabyte.
///
/// # Errors
/// The key is none of this algorithm.
pub fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> errors::Result<Box<dyn JwtVerifier>> {
    let by_host = HOST.get().zip(Form::new(*algorithm, key));
    match by_host {
        Some((host, form)) => {
            Ok(Box::new(ByHost { host: *host, form, algorithm: *algorithm, key: key.clone() }))
        }
        None => (DEFAULT_PROVIDER.verifier_factory)(algorithm, key),
    }
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
            None => (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm, &self.key)
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
