//! The session id as the client holds it: the server's own id and what we know of the session,
//! sealed with XChaCha20-Poly1305.
//!
//! ```text
//! s1. base64url( nonce[24] · encrypted(Record) · tag[16] )
//! ```
//!
//! It is self-contained, so any worker of any replica opens it, and nothing of it, neither the
//! server's id nor a replica's address, can be read or changed by whoever carries it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_core::hash::HASH;
use mcp_core::limits::{MAX_SESSION_ENVELOPE, MAX_SESSION_ID};
use serde::{Deserialize, Serialize};

use crate::keys::Ring;

/// Names the format. A future one is told apart by it, and is authenticated with it.
const PREFIX: &str = "s1.";

/// What an envelope carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The id the server minted.
    pub(crate) id: String,
    /// Keyed hash of the principal that opened the session, if there was one.
    pub(crate) principal: Option<[u8; HASH]>,
    /// The protocol version that `initialize` asked for.
    pub(crate) version: String,
    /// The name the client gave itself: legacy clients say it once.
    pub(crate) client: String,
    /// What load balancing finds the replica by; empty if nothing.
    pub(crate) replica: String,
    /// Seconds since 1970.
    pub(crate) issued: u64,
    /// Seconds since 1970.
    pub(crate) expires: u64,
}

impl Record {
    /// The envelope, or `None` if the result would be longer than clients and gateways carry.
    pub(crate) fn seal(
        &self,
        ring: &Ring,
        randomize: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<String> {
        let plain = postcard::to_allocvec(self).ok()?;
        let sealed = ring.seal(&plain, PREFIX.as_bytes(), Ring::nonce(randomize)?)?;
        let mut text = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
        (text.len() <= MAX_SESSION_ENVELOPE).then_some(text)
    }

    /// What `envelope` carries, if this ring sealed it.
    pub(crate) fn open(envelope: &[u8], ring: &Ring) -> Option<Self> {
        if envelope.len() > MAX_SESSION_ENVELOPE {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(envelope.strip_prefix(PREFIX.as_bytes())?).ok()?;
        postcard::from_bytes(&ring.open(&sealed, PREFIX.as_bytes())?).ok()
    }
}

/// A session id as the specification allows it: visible ASCII, within our limit.
pub(crate) fn session_id(value: &[u8]) -> Option<&str> {
    let legal = !value.is_empty()
        && value.len() <= MAX_SESSION_ID
        && value.iter().all(u8::is_ascii_graphic);
    core::str::from_utf8(value).ok().filter(|_| legal)
}

#[cfg(test)]
mod tests;
