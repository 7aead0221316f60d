//! Key material: the ring that seals sessions, and the key under which sessions and principals are
//! known outside.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::digest::Key;
use hmac::{Hmac, Mac as _};
use mcp_core::config::Secret;
use sha2::{Digest as _, Sha256};

/// Bytes of a keyed hash: 128 bits collide for nobody.
pub(crate) const HASH: usize = 16;

/// Bytes of a nonce: long enough to be drawn at random for every seal.
const NONCE: usize = 24;

/// What a hash is of, so that equal bytes in two roles hash differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Principal,
    Session,
}

/// The current key, which seals, and while rotating the previous one, which still opens.
pub(crate) struct Ring {
    keys: Vec<XChaCha20Poly1305>,
}

/// The key of exported hashes. It outlives the ring's keys, so that affinity and quotas survive
/// their rotation.
pub(crate) struct ExportKey(Hmac<Sha256>);

impl Ring {
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let key = |secret: &Secret| {
            let mut mac = keyed(secret.expose());
            mac.update(b"mcp-session envelope key");
            XChaCha20Poly1305::new(&mac.finalize().into_bytes())
        };
        Self { keys: secrets.iter().map(key).collect() }
    }

    /// Seals `plain` under a fresh `nonce`.
    pub(crate) fn seal(&self, plain: &[u8], context: &[u8], nonce: [u8; NONCE]) -> Option<Vec<u8>> {
        let payload = Payload { msg: plain, aad: context };
        let sealed = self.keys.first()?.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what any key of the ring sealed; `None` if it was not, or was touched since.
    pub(crate) fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let nonce = XNonce::from(*nonce);
        self.keys
            .iter()
            .find_map(|key| key.decrypt(&nonce, Payload { msg: sealed, aad: context }).ok())
    }

    /// A nonce filled by `randomize`.
    pub(crate) fn nonce(randomize: impl FnOnce(&mut [u8]) -> bool) -> Option<[u8; NONCE]> {
        let mut nonce = [0; NONCE];
        randomize(&mut nonce).then_some(nonce)
    }
}

impl ExportKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(keyed(secret.expose()))
    }

    /// The hash of `value` in its role.
    pub(crate) fn hash(&self, subject: Subject, value: &[u8]) -> [u8; HASH] {
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

/// The hash as header text: 22 characters.
pub(crate) fn text(hash: [u8; HASH]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}

/// HMAC under the digest of `secret`, which always fits the key's block.
fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    let mut block = Key::<Hmac<Sha256>>::default();
    for (byte, digest) in block.iter_mut().zip(Sha256::digest(secret)) {
        *byte = digest;
    }
    Hmac::new(&block)
}

impl core::fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Ring({} keys)", self.keys.len())
    }
}

impl core::fmt::Debug for ExportKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("ExportKey(…)")
    }
}
