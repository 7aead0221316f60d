//! Verdicts on tokens that come again, so that most requests cost no signature check.
//!
//! Tokens are found by a hash under a key of this VM's own, which makes collisions nobody's choice,
//! and then compared as a whole. Memory is bounded in bytes: longer tokens and heavier values are
//! not kept, and the least recently used makes room.

use core::hash::Hasher as _;
use core::num::NonZeroUsize;
use core::time::Duration;

use mcp_core::cache::Bounded;
use siphasher::sip::SipHasher13;

/// Longest token that is kept, in bytes.
pub const MAX_CACHED_TOKEN: usize = 4 * 1024;

/// Most bytes that a value may take on the heap to be kept.
pub const MAX_CACHED_VALUE: usize = 4 * 1024;

/// What an entry takes at most: the above, and the cache's own nodes.
const ENTRY: usize = MAX_CACHED_TOKEN + MAX_CACHED_VALUE + 256;

/// Bytes at the end of a token that it is found by: of its signature, which only its issuer makes.
const SIGNATURE: usize = 64;

/// A bounded map from accepted tokens to what follows from them.
#[derive(Debug)]
pub struct TokenCache<V> {
    entries: Bounded<u64, Entry<V>>,
    hash_key: [u8; 16],
    /// Longest time in seconds that a verdict is believed.
    ttl: u64,
    generation: u64,
}

#[derive(Debug)]
struct Entry<V> {
    token: Box<[u8]>,
    value: V,
    since: u64,
    until: u64,
}

impl<V> TokenCache<V> {
    /// An empty cache of at most `bytes` (one entry at least), which believes a verdict for `ttl`;
    /// `hash_key` is random and secret.
    pub fn new(bytes: usize, ttl: Duration, hash_key: [u8; 16]) -> Self {
        let capacity = bytes.checked_div(ENTRY).and_then(NonZeroUsize::new);
        let entries = Bounded::new(capacity.unwrap_or(NonZeroUsize::MIN));
        Self { entries, hash_key, ttl: ttl.as_secs(), generation: 0 }
    }

    /// What follows from `token`, if it was accepted not long before `now` with these keys.
    pub fn get(&mut self, token: &[u8], generation: u64, now: u64) -> Option<&V> {
        self.renew(generation);
        let hash = self.hash(token);
        let entry = self.entries.peek(&hash)?;
        if *entry.token != *token {
            return None;
        }
        // Before the verdict, as after the clock went back, the token may not have been valid.
        if now < entry.since || now >= entry.until {
            self.entries.remove(&hash);
            return None;
        }
        self.entries.get(&hash).map(|entry| &entry.value)
    }

    /// Remembers that `token` was accepted at `now` with the keys of `generation` and expires at
    /// `expires_at`. A `value` of more than [`MAX_CACHED_VALUE`] bytes (`weight`) is not kept.
    pub fn insert(
        &mut self,
        token: &[u8],
        (value, weight): (V, usize),
        generation: u64,
        now: u64,
        expires_at: u64,
    ) {
        self.renew(generation);
        let until = expires_at.min(now.saturating_add(self.ttl));
        if token.len() > MAX_CACHED_TOKEN || weight > MAX_CACHED_VALUE || until <= now {
            return;
        }
        let entry = Entry { token: token.into(), value, since: now, until };
        self.entries.insert(self.hash(token), entry);
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything that other keys than these had verified.
    fn renew(&mut self, generation: u64) {
        if self.generation != generation {
            self.entries.clear();
            self.generation = generation;
        }
    }

    fn hash(&self, token: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        let end = token.last_chunk::<SIGNATURE>().map_or(token, <[u8; SIGNATURE]>::as_slice);
        hasher.write(end);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests;
