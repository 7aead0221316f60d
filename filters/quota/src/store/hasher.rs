//! Whose counters: a hash that all workers of a host compute alike, and that nobody outside can.

use core::cell::Cell;
use core::hash::Hasher as _;

use mcp_core::pipeline::{ABSENT, Environment};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::Subject;
use super::cells::KEY;

/// Hashes the parts of a key. Its own key is random, so that no client chooses whom it shares a
/// record with, and shared, so that workers agree.
#[derive(Debug, Default)]
pub struct Hasher {
    key: Cell<Option<HashKey>>,
}

type HashKey = [u8; 16];

impl Hasher {
    /// The subject that these `parts` are, in this order.
    pub fn subject<'a>(
        &self,
        parts: impl Iterator<Item = &'a [u8]>,
        environment: &mut dyn Environment,
    ) -> Subject {
        let key = self.key.get().unwrap_or_else(|| agree(environment));
        self.key.set(Some(key));
        let mut hasher = SipHasher24::new_with_key(&key);
        for part in parts {
            // Where one part ends is no part's word.
            hasher.write(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.write(part);
        }
        Subject(hasher.finish128().as_bytes())
    }
}

/// The key that the workers share, which the first of them makes. A host that shares nothing has a
/// key in each worker, and one without randomness one that is no secret.
fn agree(environment: &mut dyn Environment) -> HashKey {
    let name = format!("{KEY}hash_key");
    let (found, version) = read(&name, environment);
    if let Some(key) = found {
        return key;
    }
    let mut key = HashKey::default();
    if !environment.randomize(&mut key) {
        key = *b"no random source";
    }
    if environment.share(&name, &key, version) {
        return key;
    }
    // Another was first, or nothing can be shared.
    read(&name, environment).0.unwrap_or(key)
}

fn read(name: &str, environment: &mut dyn Environment) -> (Option<HashKey>, u32) {
    match environment.shared(name) {
        Some((value, version)) => (value.try_into().ok(), version),
        None => (None, ABSENT),
    }
}

#[cfg(test)]
mod tests;
