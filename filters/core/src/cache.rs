//! A map that cannot outgrow its capacity: the least recently used entry makes room.
//!
//! For state keyed by what clients send (verified tokens, label values). It knows no clock; entries
//! that expire carry their expiry in the value.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// A map of at most `capacity` entries.
///
/// Lookup and insertion cost log n. Keys are ordered rather than hashed, so that no choice of keys
/// makes them collide.
#[derive(Debug, Clone)]
pub struct Bounded<K, V> {
    capacity: NonZeroUsize,
    entries: BTreeMap<K, Entry<V>>,
    /// The keys by the time of their last use, oldest first.
    uses: BTreeMap<u64, K>,
    /// The time: a count of uses.
    now: u64,
}

#[derive(Debug, Clone)]
struct Entry<V> {
    value: V,
    used: u64,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    /// Makes an empty map for `capacity` entries.
    pub const fn new(capacity: NonZeroUsize) -> Self {
        Self { capacity, entries: BTreeMap::new(), uses: BTreeMap::new(), now: 0 }
    }

    /// Looks `key` up, and counts it as used.
    pub fn get<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key)?;
        if let Some(key) = self.uses.remove(&entry.used) {
            self.now = self.now.saturating_add(1);
            entry.used = self.now;
            self.uses.insert(self.now, key);
        }
        Some(&mut entry.value)
    }

    /// Looks `key` up without counting it as used.
    pub fn peek<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Puts `value` under `key`, in place of what was there; returns the entry that had to make
    /// room, if the map was full.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        self.remove(&key);
        let evicted = if self.is_full() { self.evict() } else { None };
        self.now = self.now.saturating_add(1);
        self.uses.insert(self.now, key.clone());
        self.entries.insert(key, Entry { value, used: self.now });
        evicted
    }

    /// Takes out the value under `key`.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.remove(key)?;
        self.uses.remove(&entry.used);
        Some(entry.value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the next new key will push another out.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity.get()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.uses.clear();
    }

    fn evict(&mut self) -> Option<(K, V)> {
        let (_, key) = self.uses.pop_first()?;
        let entry = self.entries.remove(&key)?;
        Some((key, entry.value))
    }
}

#[cfg(test)]
mod tests;
