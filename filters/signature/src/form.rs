//! Keys and signatures in the form that hosts take: DER, where JOSE has bare numbers.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use mcp_core::signature::Digest;
use pkcs1::{RsaPublicKey, UintRef};
use spki::der::asn1::{AnyRef, BitStringRef};
use spki::der::{self, Encode as _};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

/// What is said to a host of a key and an algorithm.
pub(crate) struct Form {
    digest: Digest,
    signature: SignatureForm,
    public_key: Vec<u8>,
}

/// How signatures look.
#[derive(Clone, Copy)]
enum SignatureForm {
    /// As long as the modulus, in bytes.
    Rsa(usize),
    P256,
    P384,
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

// === impl Form ===

impl Form {
    /// `None` for what hosts cannot judge.
    pub(crate) fn new(algorithm: Algorithm, key: &DecodingKey) -> Option<Self> {
        if key.family() != algorithm.family() {
            return None;
        }
        let digest = match algorithm {
            Algorithm::RS256 | Algorithm::ES256 => Digest::Sha256,
            Algorithm::RS384 | Algorithm::ES384 => Digest::Sha384,
            Algorithm::RS512 => Digest::Sha512,
            _ => return None,
        };
        let (signature, public_key) = match (algorithm, key.kind()) {
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) if point.len() == 65 => {
                (SignatureForm::P256, ec_key(&P256, point))
            }
            (Algorithm::ES384, DecodingKeyKind::SecretOrDer(point)) if point.len() == 97 => {
                (SignatureForm::P384, ec_key(&P384, point))
            }
            (_, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                (SignatureForm::Rsa(n.len()), rsa_key(n, e))
            }
            _ => return None,
        };
        Some(Self { digest, signature, public_key: public_key.ok()? })
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// `SubjectPublicKeyInfo`.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// A signature as JOSE has it (RFC 7518 §3.3, §3.4), or `None` if it can be none: of the wrong
    /// length, or of ECDSA with a number that is zero or not below the curve's order.
    pub(crate) fn signature<'a>(&self, jose: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self.signature {
            SignatureForm::Rsa(length) => (jose.len() == length).then_some(Cow::Borrowed(jose)),
            SignatureForm::P256 => {
                let signature = p256::ecdsa::Signature::from_slice(jose).ok()?;
                Some(Cow::Owned(signature.to_der().as_bytes().to_vec()))
            }
            SignatureForm::P384 => {
                let signature = p384::ecdsa::Signature::from_slice(jose).ok()?;
                Some(Cow::Owned(signature.to_der().as_bytes().to_vec()))
            }
        }
    }
}

/// RFC 5480 §2. The point is uncompressed: a byte, then two coordinates as long as the field.
fn ec_key(curve: &ObjectIdentifier, point: &[u8]) -> der::Result<Vec<u8>> {
    public_key(
        AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(curve)) },
        point,
    )
}

/// RFC 3279 §2.3.1.
fn rsa_key(modulus: &[u8], exponent: &[u8]) -> der::Result<Vec<u8>> {
    let key =
        RsaPublicKey { modulus: UintRef::new(modulus)?, public_exponent: UintRef::new(exponent)? };
    public_key(pkcs1::ALGORITHM_ID, &key.to_der()?)
}

fn public_key(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> der::Result<Vec<u8>> {
    SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(key)? }
        .to_der()
}
