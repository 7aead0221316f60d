//! The ring of keys that seals sessions.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::Mac as _;
use mcp_core::config::Secret;
use mcp_core::hash::keyed;

/// Bytes of a nonce: long enough to be drawn at random for every seal.
const NONCE: usize = 24;

/// The current key, which seals, and while rotating the previous one, which still opens.
pub(crate) struct Ring {
    keys: Vec<XChaCha20Poly1305>,
}

impl Ring {
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let key = |secret: &Secret| {
            let mut mac = keyed(secret);
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

impl core::fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Ring({} keys)", self.keys.len())
    }
}
