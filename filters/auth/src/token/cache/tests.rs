//! The cache against the clock, key changes, and floods.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

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

#[test]
fn a_flood_of_tokens_stays_within_the_bytes() {
    let bytes = 1024 * 1024;
    let mut cache = TokenCache::new(bytes, TTL, [7; 16]);
    let mut token = vec![b'x'; MAX_CACHED_TOKEN];
    for number in 0..100_000_u32 {
        token[..4].copy_from_slice(&number.to_le_bytes());
        cache.insert(&token, (number, MAX_CACHED_VALUE), 0, NOW, NOW + 10);
    }
    assert_eq!(cache.len(), bytes / ENTRY);
    assert!(cache.len() * (MAX_CACHED_TOKEN + MAX_CACHED_VALUE) <= bytes);
    // What is too large is not kept, and pushes nothing out.
    let long = [b'x'; MAX_CACHED_TOKEN + 1];
    cache.insert(&long, (0, 0), 0, NOW, NOW + 10);
    cache.insert(b"heavy", (0, MAX_CACHED_VALUE + 1), 0, NOW, NOW + 10);
    assert_eq!(cache.get(&token, 0, NOW), Some(&99_999));
    assert_eq!(cache.get(&long, 0, NOW), None);
    assert_eq!(cache.get(b"heavy", 0, NOW), None);
}
