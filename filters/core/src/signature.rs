//! A signature as a host that judges signatures takes it.

/// Hash functions of such signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A text, and a signature that may or may not be of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedText<'a> {
    /// What the text is hashed with before it is signed.
    pub digest: Digest,
    /// `SubjectPublicKeyInfo` in DER (RFC 5280 §4.1.2.7); it decides between RSA and ECDSA.
    pub public_key: &'a [u8],
    /// Of RSA by PKCS #1 v1.5 (RFC 8017 §8.2); of ECDSA in DER (RFC 3279 §2.2.3).
    pub signature: &'a [u8],
    /// The text itself.
    pub text: &'a [u8],
}
