//! Workers that share one store: who fetches, and what the others do meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mcp_core::pipeline::Environment;

use super::{Claim, Record, SharedKeys};

/// What a host keeps for its workers, with the rules of Envoy: a version is compared only if the key
/// is there and the version is not zero.
#[derive(Debug, Clone, Default)]
struct Store(Rc<RefCell<BTreeMap<String, Versioned>>>);

type Versioned = (Vec<u8>, u32);

/// One worker's view of it.
#[derive(Debug, Default)]
struct Worker {
    store: Store,
    number: u8,
    /// Whether another worker writes just before this one does, each time.
    contended: bool,
    alone: bool,
}

impl Environment for Worker {
    fn now(&mut self) -> Option<u64> {
        None
    }

    fn randomize(&mut self, bytes: &mut [u8]) -> bool {
        bytes.fill(self.number);
        true
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }

    fn shared(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.store.0.borrow().get(key).cloned().filter(|_| !self.alone)
    }

    fn share(&mut self, key: &str, value: &[u8], version: u32) -> bool {
        let mut store = self.store.0.borrow_mut();
        let current = store.get(key).map_or(0, |(_, version)| *version);
        let raced = self.contended && version != 0;
        if self.alone || raced || (version != 0 && current != 0 && version != current) {
            return false;
        }
        store.insert(key.to_owned(), (value.to_vec(), current.saturating_add(1)));
        true
    }
}

const NOW: u64 = 1_000_000;
const TIMEOUT: u64 = 10;

fn keys() -> SharedKeys {
    SharedKeys::of(&["https://issuer.example", "keys", "/jwks"], TIMEOUT)
}

fn workers<const N: usize>() -> [(SharedKeys, Worker); N] {
    let store = Store::default();
    core::array::from_fn(|index| {
        let number = u8::try_from(index).expect("few").saturating_add(1);
        (keys(), Worker { store: store.clone(), number, ..Worker::default() })
    })
}

fn claim((keys, worker): &mut (SharedKeys, Worker), now: u64) -> Claim {
    keys.claim(now, worker, |_, _| false)
}

#[test]
fn one_of_many_fetches_and_the_others_take_over_what_it_got() {
    let mut all = workers::<4>();
    let claims = all.each_mut().map(|worker| claim(worker, NOW));
    assert_eq!(claims, [Claim::Granted, Claim::Taken, Claim::Taken, Claim::Taken]);
    // It asks for metadata first and for keys then.
    assert_eq!(claim(&mut all[0], NOW + 1), Claim::Granted);
    let (shared, worker) = &mut all[0];
    shared.publish(Some((b"the keys", NOW + 2)), worker);
    for (shared, worker) in &mut all[1..] {
        let mut seen = None;
        let claim = shared.claim(NOW + 3, worker, |keys, since| {
            seen = Some((keys.to_vec(), since));
            true
        });
        assert_eq!((claim, seen), (Claim::Adopted, Some((b"the keys".to_vec(), NOW + 2))));
    }
}

#[test]
fn keys_that_do_not_help_leave_the_next_fetch_to_one_worker_again() {
    let mut all = workers::<3>();
    let (shared, worker) = &mut all[0];
    shared.publish(Some((b"old", NOW)), worker);
    assert_eq!(claim(&mut all[2], NOW + 100), Claim::Granted);
    assert_eq!(claim(&mut all[0], NOW + 100), Claim::Taken);
}

#[test]
fn a_lease_ends_when_its_fetch_fails_or_its_time_is_over_or_the_clock_went_back() {
    let mut all = workers::<2>();
    assert_eq!(claim(&mut all[0], NOW), Claim::Granted);
    // Another's failure ends nothing.
    let (shared, worker) = &mut all[1];
    shared.publish(None, worker);
    assert_eq!(claim(&mut all[1], NOW), Claim::Taken);
    let (shared, worker) = &mut all[0];
    shared.publish(None, worker);
    assert_eq!(claim(&mut all[1], NOW), Claim::Granted);

    assert_eq!(claim(&mut all[0], NOW + 2 * TIMEOUT - 1), Claim::Taken);
    assert_eq!(claim(&mut all[0], NOW + 2 * TIMEOUT), Claim::Granted);
    assert_eq!(claim(&mut all[1], NOW - 1), Claim::Granted, "the clock went back");
}

#[test]
fn a_record_that_is_none_or_of_the_future_is_taken_for_empty() {
    let [mut first, mut second] = workers::<2>();
    let future = Record { since: NOW + 1, keys: b"future", ..Record::default() };
    for text in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"", &future.text()] {
        assert!(first.1.share(&first.0.key, text, 0));
        let claim = first.0.claim(NOW, &mut first.1, |_, _| true);
        assert_eq!(claim, Claim::Granted, "{text:?}");
        assert_eq!(second.0.claim(NOW, &mut second.1, |_, _| true), Claim::Taken);
    }
}

#[test]
fn who_loses_the_race_for_a_lease_waits_and_who_cannot_share_fetches() {
    let [mut first, _] = workers::<2>();
    first.1.contended = true;
    assert_eq!(claim(&mut first, NOW), Claim::Taken);
    first.1.alone = true;
    assert_eq!(claim(&mut first, NOW), Claim::Granted);
}

#[test]
fn records_of_different_places_do_not_mix() {
    let places = [&["a", "b"][..], &["ab"], &["a", "b", ""], &["a", "c"]];
    let keys: std::collections::BTreeSet<String> =
        places.iter().map(|place| SharedKeys::of(place, 1).key).collect();
    assert_eq!(keys.len(), places.len());
}
