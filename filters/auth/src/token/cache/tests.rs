//! The cache against the clock, key changes, and floods.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use core::cell::Cell;
use std::rc::Rc;

use super::*;

const NOW: u64 = 1_800_000_000;
const TTL: Duration = Duration::from_secs(300);

fn cache(entries: usize) -> TokenCache<u32> {
    TokenCache::new(entries * ENTRY, TTL, [7; 16])
}

#[test]
fn a_verdict_holds_until_the_token_expires_or_the_cap() {
    for (expires, until) in [(NOW + 10, NOW + 10), (NOW + 1000, NOW + 300), (u64::MAX, NOW + 300)] {
        let mut cache = cache(4);
        cache.insert(b"a", (1, 0), 0, NOW, expires);
        assert_eq!(cache.get(b"a", 0, NOW), Some(&1));
        assert_eq!(cache.get(b"a", 0, until - 1), Some(&1));
        assert_eq!(cache.get(b"a", 0, until), None);
        // It does not come back with the clock.
        assert_eq!(cache.get(b"a", 0, NOW), None);
    }
    let mut cache = cache(4);
    cache.insert(b"a", (1, 0), 0, NOW, NOW + 10);
    assert_eq!(cache.get(b"a", 0, NOW - 1), None);
    for expires in [NOW, NOW - 1, 0] {
        cache.insert(b"expired", (1, 0), 0, NOW, expires);
        assert!(cache.is_empty(), "{expires}");
    }
    cache.insert(b"last", (1, 0), 0, u64::MAX - 1, u64::MAX);
    assert_eq!(cache.get(b"last", 0, u64::MAX - 1), Some(&1));
}

#[test]
fn another_token_is_another_matter() {
    let mut cache = cache(4);
    cache.insert(b"abc", (1, 0), 0, NOW, NOW + 10);
    for other in [&b"abd"[..], b"ab", b"abcd", b"ABC", b""] {
        assert_eq!(cache.get(other, 0, NOW), None, "{other:?}");
    }
    assert_eq!(cache.get(b"abc", 0, NOW), Some(&1));
    // Even where the hash is the same.
    let hash = cache.hash(b"other");
    let entry = Entry { token: (*b"abc").into(), value: 2, since: NOW, until: NOW + 10 };
    cache.entries.insert(hash, entry);
    assert_eq!(cache.get(b"other", 0, NOW), None);
    assert_eq!(cache.len(), 2);
}

#[test]
fn hashes_depend_on_the_key() {
    let other = TokenCache::<u32>::new(0, TTL, [8; 16]);
    assert_ne!(cache(1).hash(b"a"), other.hash(b"a"));
    assert_eq!(cache(1).hash(b"a"), cache(2).hash(b"a"));
}

#[test]
fn new_keys_forget_everything() {
    let mut cache = cache(4);
    cache.insert(b"a", (1, 0), 1, NOW, NOW + 10);
    assert_eq!(cache.get(b"a", 1, NOW), Some(&1));
    assert_eq!(cache.get(b"a", 2, NOW), None);
    assert_eq!(cache.get(b"a", 1, NOW), None);
    cache.insert(b"a", (1, 0), 2, NOW, NOW + 10);
    cache.insert(b"b", (2, 0), 3, NOW, NOW + 10);
    assert_eq!(cache.get(b"a", 3, NOW), None);
    assert_eq!(cache.len(), 1);
}

#[test]
fn the_least_recently_used_makes_room() {
    let mut cache = cache(2);
    cache.insert(b"a", (1, 0), 0, NOW, NOW + 10);
    cache.insert(b"b", (2, 0), 0, NOW, NOW + 10);
    assert_eq!(cache.get(b"a", 0, NOW), Some(&1));
    cache.insert(b"c", (3, 0), 0, NOW, NOW + 10);
    assert_eq!(cache.get(b"b", 0, NOW), None);
    assert_eq!(cache.get(b"a", 0, NOW), Some(&1));
    assert_eq!(cache.get(b"c", 0, NOW), Some(&3));
}

/// A value that is counted for as long as it lives.
struct Held {
    bytes: usize,
    total: Rc<Cell<usize>>,
}

impl Held {
    fn new(bytes: usize, total: &Rc<Cell<usize>>) -> Self {
        total.set(total.get() + bytes);
        Self { bytes, total: Rc::clone(total) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.bytes);
    }
}

#[test]
fn a_million_tokens_stay_within_the_bytes() {
    let bytes = 1024 * 1024;
    let total = Rc::new(Cell::new(0));
    let mut cache = TokenCache::new(bytes, TTL, [7; 16]);
    let mut token = vec![b'x'; MAX_CACHED_TOKEN];
    for number in 0..1_000_000_u32 {
        // Mostly as real ones are; now and then the largest.
        let length = if number % 64 == 0 { MAX_CACHED_TOKEN } else { 400 };
        token[length - 4..length].copy_from_slice(&number.to_le_bytes());
        let weight = if number % 96 == 0 { MAX_CACHED_VALUE } else { 200 };
        let held = Held::new(length + weight, &total);
        cache.insert(&token[..length], (held, weight), 0, NOW, NOW + 10);
        assert!(total.get() <= bytes && cache.len() <= bytes / ENTRY, "{number}");
        assert!(cache.get(&token[..length], 0, NOW).is_some(), "{number}");
    }
    assert_eq!(cache.len(), bytes / ENTRY);
    drop(cache);
    assert_eq!(total.get(), 0);
}

#[test]
fn the_largest_tokens_stay_within_the_bytes_and_larger_ones_are_not_kept() {
    let bytes = 64 * 1024;
    let total = Rc::new(Cell::new(0));
    let mut cache = TokenCache::new(bytes, TTL, [7; 16]);
    let mut token = vec![b'x'; MAX_CACHED_TOKEN];
    for number in 0..1_000_u32 {
        token[..4].copy_from_slice(&number.to_le_bytes());
        let held = Held::new(MAX_CACHED_TOKEN + MAX_CACHED_VALUE, &total);
        cache.insert(&token, (held, MAX_CACHED_VALUE), 0, NOW, NOW + 10);
        assert!(total.get() <= bytes, "{number}");
    }
    let held = total.get();
    // What is too large is not kept, and pushes nothing out.
    let long = [b'x'; MAX_CACHED_TOKEN + 1];
    cache.insert(&long, (Held::new(1, &total), 0), 0, NOW, NOW + 10);
    cache.insert(b"heavy", (Held::new(1, &total), MAX_CACHED_VALUE + 1), 0, NOW, NOW + 10);
    assert_eq!(total.get(), held);
    assert!(cache.get(&token, 0, NOW).is_some());
    assert!(cache.get(&long, 0, NOW).is_none());
    assert!(cache.get(b"heavy", 0, NOW).is_none());
}
