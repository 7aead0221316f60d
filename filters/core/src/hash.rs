//! Keyed hashes: how sessions and principals are known outside the gateway.
//!
//! The key outlives every other one, so that affinity, quotas and logs survive their rotation.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::config::Secret;

/// Bytes of a hash: 128 bits collide for nobody.
pub const HASH: usize = 16;

/// Bytes of a SHA-256.
pub const DIGEST: usize = 32;

/// What a hash is of, so that equal bytes in two roles hash differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Who calls.
    Principal,
    /// A session id, as the server minted it.
    Session,
}

/// The key of exported hashes: HMAC-SHA-256, cut to [`HASH`] bytes.
pub struct HashKey(Hmac<Sha256>);

impl HashKey {
    /// A key made of a secret of the configuration.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(keyed(secret))
    }

    /// The hash of `value` in its role.
    #[must_use]
    pub fn hash(&self, subject: Subject, value: &[u8]) -> [u8; HASH] {
        let mut mac = self.0.clone();
        mac.update(match subject {
            Subject::Principal => b"principal\0",
            Subject::Session => b"session\0",
        });
        mac.update(value);
        let full = mac.finalize().into_bytes();
        full.first_chunk::<HASH>().copied().unwrap_or_default()
    }
}

/// A hash as header text: 22 characters.
#[must_use]
pub fn text(hash: [u8; HASH]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}

/// HMAC under the digest of `secret`, which always fits the key's block.
#[must_use]
pub fn keyed(secret: &Secret) -> Hmac<Sha256> {
    let mut block = Key::<Hmac<Sha256>>::default();
    for (byte, digest) in block.iter_mut().zip(Sha256::digest(secret.expose())) {
        *byte = digest;
    }
    Hmac::new(&block)
}

/// Reads a SHA-256 of 64 hexadecimal digits.
#[must_use]
pub fn digest_from_hex(digits: &[u8]) -> Option<[u8; DIGEST]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| hex_byte(*high, *low)).collect();
    bytes?.try_into().ok()
}

/// The byte of two hexadecimal digits.
pub(crate) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |character| char::from(character).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

impl fmt::Debug for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HashKey(…)")
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// The SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_is_64_digits() {
        let digest = digest_from_hex(ABC.as_bytes()).expect("64 digits");
        assert_eq!(digest.first(), Some(&0xba));
        assert_eq!(digest_from_hex(ABC.to_uppercase().as_bytes()), Some(digest));
        for text in
            ["", "ba", ABC.trim_start_matches('b'), &format!("{ABC}00"), &ABC.replace('b', "g")]
        {
            assert_eq!(digest_from_hex(text.as_bytes()), None, "{text}");
        }
    }
}
