//! The judgement where no host gives one: RustCrypto's, of every algorithm of `jsonwebtoken`.
//!
//! That library's own verifiers are the same cryptography of an earlier generation, whose curves are
//! unrolled into a hundred kilobytes of a module, and bring the code that signs along.

use hmac::digest::Digest;
use hmac::digest::const_oid::AssociatedOid;
use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::errors::{self, ErrorKind};
use jsonwebtoken::signature as jose;
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use p256::ecdsa::signature::Verifier;
use rsa::{BoxedUint, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

/// A key of an algorithm, checked.
pub(crate) struct InRust {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Secret(Vec<u8>),
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

// === impl InRust ===

impl InRust {
    /// # Errors
    /// The key is none of this algorithm.
    pub(crate) fn new(algorithm: Algorithm, key: &DecodingKey) -> errors::Result<Self> {
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Key::new(algorithm, key.kind())
            .map(|key| Self { algorithm, key })
            .ok_or_else(|| ErrorKind::InvalidKeyFormat.into())
    }

    pub(crate) fn fits(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Secret(secret) => match self.algorithm {
                Algorithm::HS256 => mac::<Sha256>(secret, text, signature),
                Algorithm::HS384 => mac::<Sha384>(secret, text, signature),
                Algorithm::HS512 => mac::<Sha512>(secret, text, signature),
                _ => false,
            },
            Key::Rsa(key) => match self.algorithm {
                Algorithm::RS256 => pkcs1::<Sha256>(key, text, signature),
                Algorithm::RS384 => pkcs1::<Sha384>(key, text, signature),
                Algorithm::RS512 => pkcs1::<Sha512>(key, text, signature),
                Algorithm::PS256 => pss::<Sha256>(key, text, signature),
                Algorithm::PS384 => pss::<Sha384>(key, text, signature),
                Algorithm::PS512 => pss::<Sha512>(key, text, signature),
                _ => false,
            },
            Key::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
            Key::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
            Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
        }
    }
}

impl jose::Verifier<Vec<u8>> for InRust {
    fn verify(&self, text: &[u8], signature: &Vec<u8>) -> Result<(), jose::Error> {
        if self.fits(text, signature) { Ok(()) } else { Err(jose::Error::new()) }
    }
}

impl JwtVerifier for InRust {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

// === impl Key ===

impl Key {
    fn new(algorithm: Algorithm, kind: &DecodingKeyKind) -> Option<Self> {
        match (algorithm, kind) {
            (
                Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512,
                DecodingKeyKind::SecretOrDer(secret),
            ) => Some(Self::Secret(secret.clone())),
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P256)
            }
            (Algorithm::ES384, DecodingKeyKind::SecretOrDer(point)) => {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P384)
            }
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => {
                let point = point.as_slice().try_into().ok()?;
                ed25519_dalek::VerifyingKey::from_bytes(point).ok().map(Self::Ed25519)
            }
            (_, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let number = BoxedUint::from_be_slice_vartime;
                rsa::PublicKey::new(number(n), number(e)).ok().map(Self::Rsa)
            }
            _ => None,
        }
    }
}

fn mac<D: EagerHash>(secret: &[u8], text: &[u8], signature: &[u8]) -> bool {
    Hmac::<D>::new_from_slice(secret)
        .is_ok_and(|mac| mac.chain_update(text).verify_slice(signature).is_ok())
}

fn pkcs1<D: Digest + AssociatedOid>(key: &rsa::PublicKey, text: &[u8], signature: &[u8]) -> bool
where
    pkcs1v15::VerifyingKey<D>: Verifier<pkcs1v15::Signature>,
{
    pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| {
        pkcs1v15::VerifyingKey::<D>::new(key.clone()).verify(text, &signature).is_ok()
    })
}

fn pss<D: Digest>(key: &rsa::PublicKey, text: &[u8], signature: &[u8]) -> bool
where
    pss::VerifyingKey<D>: Verifier<pss::Signature>,
{
    pss::Signature::try_from(signature).is_ok_and(|signature| {
        pss::VerifyingKey::<D>::new(key.clone()).verify(text, &signature).is_ok()
    })
}
