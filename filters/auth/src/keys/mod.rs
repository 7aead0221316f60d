//! The keys that verify tokens: JWK sets (RFC 7517), read key by key.
//!
//! A key that cannot be used is left out with a reason and never spoils the set, since issuers add
//! key types before everybody knows them. `config` says where an issuer's keys are; `source` decides
//! when a remote set is fetched, `shared` which worker does, and `remote` has both carried out.

mod config;
mod jwk;
mod jwk_set;
mod remote;
mod shared;
pub mod source;

pub(crate) use config::{Keys, KeysConfig};
pub(crate) use remote::Found;

pub use jwk::{Key, SkipReason};
pub use jwk_set::{KeySet, KeySetError, NoKey, Origin, Skipped};

/// Bytes of a JWK set. Real ones hold a few keys of about 2 KB, certificates included.
pub const MAX_KEY_SET: usize = 256 * 1024;

/// Keys in a set.
pub const MAX_KEYS: usize = 64;

/// Bytes of a `kid`, in a key as well as in a token's header.
pub const MAX_KEY_ID: usize = 128;

#[cfg(test)]
mod tests;
