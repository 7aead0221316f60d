//! A set of keys, and which of them a token may be verified with.

use std::collections::{BTreeMap, BTreeSet};

use jsonwebtoken::Algorithm;
use mcp_core::json::{Error, Reader};
use mcp_core::order;
use sha2::{Digest as _, Sha256};

use super::jwk::{self, Key, SkipReason};
use super::{MAX_KEY_SET, MAX_KEYS};

/// Levels of nested arrays and objects in a set: the set, `keys`, a key, its lists and a spare.
const DEPTH: u32 = 8;

/// Where a set comes from, which decides whether it may hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration: symmetric keys are allowed.
    Inline,
    /// An issuer's public document: whoever can read it could sign with a symmetric key.
    Remote,
}

/// Keys that are fit to verify signatures; at least one, and no two of one `kid`.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    fingerprint: [u8; 32],
}

/// A key that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in `keys`, from zero.
    pub index: usize,
    /// Why.
    pub reason: SkipReason,
}

/// Why a text is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetError {
    /// Longer than [`MAX_KEY_SET`].
    TooLong,
    /// Not a JSON object with one array `keys`.
    Malformed,
    /// More than [`MAX_KEYS`] keys.
    TooManyKeys,
    /// None of its keys can be used.
    NoUsableKey,
}

/// Why no key was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// No key has this `kid`; or, without one, no key has this algorithm.
    Unknown,
    /// The key with this `kid` is for another algorithm.
    OtherAlgorithm,
    /// There is no `kid`, and several keys have this algorithm.
    Ambiguous,
}

impl KeySet {
    /// Reads a JWK set, and says which of its keys were left out.
    ///
    /// # Errors
    /// If the set as a whole cannot be used; one bad key is no reason.
    pub fn parse(json: &[u8], origin: Origin) -> Result<(Self, Vec<Skipped>), KeySetError> {
        if json.len() > MAX_KEY_SET {
            return Err(KeySetError::TooLong);
        }
        let texts = members_of_keys(json)?;
        if texts.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut skipped = Vec::new();
        let mut keys = BTreeMap::new();
        for (index, text) in texts.into_iter().enumerate() {
            match jwk::parse(text, origin) {
                Ok(key) => drop(keys.insert(index, key)),
                Err(reason) => skipped.push(Skipped { index, reason }),
            }
        }
        for index in ambiguous(&keys) {
            keys.remove(&index);
            skipped.push(Skipped { index, reason: SkipReason::DuplicateKeyId });
        }
        order::by(&mut skipped, |one: &Skipped, other| one.index.cmp(&other.index));
        let keys: Vec<Key> = keys.into_values().collect();
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok((Self { keys, fingerprint: Sha256::digest(json).into() }, skipped))
    }

    /// The one key a token may be verified with: the one it names; or, if it names none, the only
    /// one for its algorithm. Trying several keys would let a client choose how much work it costs.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, NoKey> {
        if kid.is_some() {
            let key = self.keys.iter().find(|key| key.id() == kid).ok_or(NoKey::Unknown)?;
            return key.allows(algorithm).then_some(key).ok_or(NoKey::OtherAlgorithm);
        }
        let mut fitting = self.keys.iter().filter(|key| key.allows(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
            (None, _) => Err(NoKey::Unknown),
        }
    }

    /// Whether a key has this `kid`.
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.id() == Some(kid))
    }

    /// The keys, in the order of the set.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The SHA-256 of the text the set was read from.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl KeySetError {
    /// The error in a word, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "key_set_too_long",
            Self::Malformed => "key_set_malformed",
            Self::TooManyKeys => "key_set_too_many_keys",
            Self::NoUsableKey => "key_set_no_usable_key",
        }
    }
}

/// The texts of the elements of `keys`.
fn members_of_keys(json: &[u8]) -> Result<Vec<&str>, KeySetError> {
    let mut texts = None;
    let mut twice = false;
    let mut read = || -> Result<(), Error> {
        let mut reader = Reader::new(json, DEPTH)?;
        reader.object(|reader, name| {
            if name != "keys" {
                return reader.skip().map(drop);
            }
            let mut elements = Vec::new();
            reader.array(|reader| {
                elements.push(reader.skip()?);
                Ok(())
            })?;
            twice |= texts.replace(elements).is_some();
            Ok(())
        })?;
        reader.finish()
    };
    read().map_err(|_| KeySetError::Malformed)?;
    texts.filter(|_| !twice).ok_or(KeySetError::Malformed)
}

/// The places of keys that share their `kid` with another: which one a token means is unknown.
fn ambiguous(keys: &BTreeMap<usize, Key>) -> Vec<usize> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for id in keys.values().filter_map(Key::id) {
        if !seen.insert(id) {
            twice.insert(id);
        }
    }
    let shared = |key: &Key| key.id().is_some_and(|id| twice.contains(id));
    keys.iter().filter(|(_, key)| shared(key)).map(|(index, _)| *index).collect()
}
