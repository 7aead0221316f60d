//! Callers known by a shared key. The configuration holds SHA-256 hashes, never keys.
//!
//! A hash without salt is safe for keys from a random source, which cannot be guessed; it is not
//! for passwords. How long a key is cannot be told from its hash, so nothing here can refuse a
//! short one: make keys of at least 128 random bits.

use core::fmt;
use std::collections::BTreeMap;

use mcp_core::config::ConfigError;
use mcp_core::hash::{DIGEST, digest_from_hex};
use mcp_core::limits::MAX_PRINCIPAL;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::scope::Scope;

/// Bytes of a key as a client presents it; a longer one is nobody's.
pub const MAX_API_KEY: usize = 512;

/// Keys in one configuration.
pub const MAX_API_KEYS: usize = 4096;

/// Bytes of a tenant or an agent.
pub(crate) const MAX_LABEL: usize = 256;

/// One entry of `api_keys`, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct ApiKeyConfig {
    hash: Hash,
    principal: String,
    tenant: Option<String>,
    agent: Option<String>,
    #[serde(default)]
    scopes: Vec<Scope>,
}

/// Who presents a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who the key stands for; unique among the gateway's callers.
    pub principal: String,
    /// The tenant the principal belongs to.
    pub tenant: Option<String>,
    /// The client program.
    pub agent: Option<String>,
    /// What the key is good for.
    pub scopes: Vec<String>,
}

/// The keys of a configuration.
#[derive(Debug, Clone, Default)]
pub struct ApiKeys(BTreeMap<Hash, Identity>);

/// The SHA-256 of a key, written as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Hash([u8; DIGEST]);

impl ApiKeys {
    /// Who presents `presented`, if it is one of the keys. The time it takes may tell how far the
    /// hash of what was presented is that of a key, which leads to no key.
    #[must_use]
    pub fn lookup(&self, presented: &[u8]) -> Option<&Identity> {
        if !(1..=MAX_API_KEY).contains(&presented.len()) {
            return None;
        }
        self.0.get(&Hash(Sha256::digest(presented).into()))
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<ApiKeyConfig>> for ApiKeys {
    type Error = ConfigError;

    fn try_from(entries: Vec<ApiKeyConfig>) -> Result<Self, ConfigError> {
        if entries.len() > MAX_API_KEYS {
            return Err(ConfigError::new("api_keys", format!("has more than {MAX_API_KEYS} keys")));
        }
        let mut seen = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let at = |key: &str| format!("api_keys[{index}].{key}");
            if let Some(first) = seen.insert(entry.hash.0, index) {
                return Err(ConfigError::new(
                    at("hash"),
                    format!("is the same as api_keys[{first}].hash: one key is one caller"),
                ));
            }
            let labels = [
                ("principal", Some(&entry.principal), MAX_PRINCIPAL),
                ("tenant", entry.tenant.as_ref(), MAX_LABEL),
                ("agent", entry.agent.as_ref(), MAX_LABEL),
            ];
            for (key, label, limit) in labels {
                if label.is_some_and(|label| !is_label(label, limit)) {
                    return Err(ConfigError::new(
                        at(key),
                        format!("must be 1 to {limit} bytes without control characters"),
                    ));
                }
            }
            let scopes = entry.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
            let ApiKeyConfig { hash, principal, tenant, agent, .. } = entry;
            keys.insert(hash, Identity { principal, tenant, agent, scopes });
        }
        Ok(Self(keys))
    }
}

/// Whether `text` can be a name in logs and headers.
pub(crate) fn is_label(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    /// The error repeats nothing: what stands here may be a key.
    fn try_from(text: String) -> Result<Self, &'static str> {
        const PROBLEM: &str =
            "must be \"sha256:\" and the 64 hexadecimal digits of the key's SHA-256";
        let digits = text.strip_prefix("sha256:").ok_or(PROBLEM)?;
        digest_from_hex(digits.as_bytes()).map(Self).ok_or(PROBLEM)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hash(…)")
    }
}

#[cfg(test)]
mod tests;
