//! What is kept, what makes room, and what is no record.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use proptest::prelude::*;

use super::{COUNTERS, Counters, Record, SUBJECTS};
use crate::counter::{Counter, Tag};
use crate::store::{CounterId, Subject};

fn counter(id: u32, idle_at: u64) -> Counter {
    let words = [u64::from(id), u64::MAX, 2, 3];
    Counter { tag: Tag { id: CounterId(id), kind: 2 }, idle_at, words }
}

fn subject(name: u8) -> Subject {
    Subject([name; 16])
}

fn found(bytes: &[u8], name: u8) -> Vec<Counter> {
    Record::parse(bytes).counters(subject(name)).0
}

fn with(bytes: &[u8], name: u8, counters: Vec<Counter>, now: u64) -> Option<Vec<u8>> {
    Record::parse(bytes).with(subject(name), &Counters(counters), now)
}

#[test]
fn a_record_tells_what_was_put_there() {
    let bytes = with(b"", 1, vec![counter(1, 20), counter(2, 30)], 10).expect("there is room");
    let bytes = with(&bytes, 2, vec![counter(1, 40)], 11).expect("there is room");
    assert_eq!(Record::parse(&bytes).seen, 11);
    assert_eq!(found(&bytes, 1), [counter(1, 20), counter(2, 30)]);
    assert_eq!(found(&bytes, 2), [counter(1, 40)]);
    assert_eq!(found(&bytes, 3), []);
    assert_eq!(bytes.len(), 8 + 2 * 17 + 3 * 45);
}

#[test]
fn what_is_idle_makes_room_and_what_is_not_stays() {
    // One of another configuration is kept as long as the others.
    let bytes = with(b"", 1, vec![counter(1, 20), counter(2, 30)], 10).expect("there is room");
    let bytes = with(&bytes, 2, vec![counter(1, 15)], 15).expect("there is room");
    assert_eq!(found(&bytes, 2), [], "idle from the start");
    let bytes = with(&bytes, 2, vec![counter(1, 90)], 25).expect("there is room");
    assert_eq!(found(&bytes, 1).len(), 2, "one of its counters is not idle");
    let kept = found(&bytes, 1);
    let bytes = with(&bytes, 1, kept, 25).expect("there is room");
    assert_eq!(found(&bytes, 1), [counter(2, 30)]);
    let bytes = with(&bytes, 2, vec![counter(1, 90)], 30).expect("there is room");
    assert_eq!((found(&bytes, 1), found(&bytes, 2)), (vec![], vec![counter(1, 90)]));
}

#[test]
fn a_record_has_room_for_so_many_subjects_and_counters() {
    let counters = |count: usize| (0..).take(count).map(|id| counter(id, 20)).collect::<Vec<_>>();
    let mut bytes = Vec::new();
    for name in (0..).take(SUBJECTS) {
        bytes = with(&bytes, name, counters(COUNTERS), 10).expect("there is room");
    }
    assert_eq!(with(&bytes, 99, counters(1), 19), None);
    assert!(with(&bytes, 99, counters(0), 19).is_some(), "nothing takes no room");
    assert!(with(&bytes, 0, counters(1), 19).is_some(), "who has a place may stay");
    assert_eq!(with(&bytes, 0, counters(COUNTERS + 1), 19), None);
    let bytes = with(&bytes, 99, vec![counter(1, 90)], 20).expect("all others are idle");
    assert_eq!(bytes.len(), 8 + 17 + 45);
}

#[test]
fn a_counter_that_is_not_there_is_a_fresh_one() {
    let mut counters = Counters(vec![counter(1, 20)]);
    let same = counter(1, 20).tag;
    let other = Tag { kind: 1, ..same };
    counters.change(same, |found| assert_eq!(*found, counter(1, 20)));
    counters.change(other, |found| assert_eq!(*found, Counter::fresh(other), "another algorithm"));
    assert_eq!(counters.0, [counter(1, 20), Counter::fresh(other)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Any bytes can be read and written over, and a record that lost its end is no record.
    #[test]
    fn any_bytes_are_a_record(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1..70usize) {
        let written = with(&bytes, 1, vec![counter(1, u64::MAX)], 0);
        if let Some(written) = written {
            prop_assert_eq!(found(&written, 1), [counter(1, u64::MAX)]);
        }
        let whole = with(b"", 1, vec![counter(1, 20)], 10).expect("there is room");
        let record = &whole[..whole.len() - cut.min(whole.len())];
        if record.len() != size_of::<u64>() {
            prop_assert_eq!(Record::parse(record), Record::default());
        }
    }
}
