//! Once is once, and a full table forgets the oldest.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use proptest::prelude::*;

use super::{NOTES, Tickets};
use crate::store::Subject;
use crate::store::world::{Host, Worker};

fn size(cells: u32) -> NonZeroU32 {
    NonZeroU32::new(cells).expect("not zero")
}

fn subject(name: u8) -> Subject {
    Subject([name; 16])
}

fn both() -> [(Tickets, Worker); 2] {
    [Tickets::shared(size(4)), Tickets::own(size(4))].map(|tickets| (tickets, Worker::default()))
}

#[test]
fn a_ticket_is_good_once_and_in_its_time() {
    for (tickets, mut worker) in both() {
        let worker = &mut worker;
        tickets.remember(subject(1), 100, worker);
        tickets.remember(subject(2), 100, worker);
        assert!(!tickets.take(subject(3), 99, worker));
        assert!(tickets.take(subject(1), 99, worker));
        assert!(!tickets.take(subject(1), 99, worker));
        assert!(!tickets.take(subject(2), 100, worker));
        // Issued twice is still one.
        tickets.remember(subject(1), 200, worker);
        tickets.remember(subject(1), 300, worker);
        assert!(tickets.take(subject(1), 250, worker));
        assert!(!tickets.take(subject(1), 250, worker));
    }
}

#[test]
fn of_two_workers_that_race_for_a_ticket_one_gets_it() {
    let host = Host::default();
    let tickets = Tickets::shared(size(4));
    tickets.remember(subject(1), 100, &mut host.worker(0));
    let (other, won) = (host.clone(), Rc::new(Cell::new(false)));
    let result = won.clone();
    let mut worker = host.worker(0);
    worker.before_write = Some(Box::new(move || {
        result.set(Tickets::shared(size(4)).take(subject(1), 99, &mut other.worker(0)));
    }));
    assert!(!tickets.take(subject(1), 99, &mut worker));
    assert!(won.get());
}

#[test]
fn a_ticket_that_cannot_be_used_up_is_not_good() {
    let host = Host::default();
    let tickets = Tickets::shared(size(4));
    let mut worker = host.worker(0);
    tickets.remember(subject(1), 100, &mut worker);
    worker.conflicts = 5;
    assert!(!tickets.take(subject(1), 99, &mut worker));
    assert_eq!(worker.counted("mcp_quota_conflicts"), 5);
    worker.conflicts = 4;
    assert!(tickets.take(subject(1), 99, &mut worker));
}

#[test]
fn a_full_cell_forgets_what_would_be_void_first() {
    let (tickets, mut worker) = (Tickets::own(size(1)), Worker::default());
    let names = 0..=u8::try_from(NOTES).expect("few");
    for name in names.clone() {
        let until = if name == 3 { 100 } else { 200 };
        tickets.remember(subject(name), until, &mut worker);
    }
    let kept: Vec<_> = names.filter(|name| tickets.take(subject(*name), 99, &mut worker)).collect();
    assert_eq!(kept, [0, 1, 2, 4, 5, 6, 7, 8]);
}

#[test]
fn what_is_seen_again_is_counted_for_a_window() {
    for (tickets, mut worker) in both() {
        let worker = &mut worker;
        let seen = [(1, 1_000), (1, 1_000), (2, 1_050), (1, 1_099), (1, 1_100), (2, 1_149)]
            .map(|(name, now)| tickets.seen(subject(name), 100, now, worker));
        assert_eq!(seen, [1, 2, 1, 3, 1, 2]);
        // A clock that goes back makes no window longer.
        assert_eq!(tickets.seen(subject(1), 100, 500, worker), 2);
        assert_eq!(tickets.seen(subject(1), 100, 600, worker), 1);
    }
}

#[test]
fn workers_count_together() {
    let host = Host::default();
    let counts = (0..100).map(|now| {
        let mut worker = host.worker(0);
        worker.conflicts = now % 5;
        Tickets::shared(size(4)).seen(subject(1), 1_000, now.into(), &mut worker)
    });
    assert!(counts.eq(1..=100));
}

#[test]
fn any_number_of_subjects_leaves_memory_bounded() {
    let host = Host::default();
    let tickets = Tickets::shared(size(16));
    let mut worker = host.worker(0);
    for name in 0..100_000u32 {
        let name = name.wrapping_mul(0x9e37_79b9).to_le_bytes();
        let name = Subject(*[name; 4].as_flattened().first_chunk().expect("16 bytes"));
        tickets.seen(name, 1_000, 0, &mut worker);
    }
    assert_eq!(host.values().len(), 16);
    assert!(host.values().iter().all(|cell| cell.len() == NOTES * 32));
}

proptest! {
    #[test]
    fn any_bytes_are_a_cell(bytes in prop::collection::vec(any::<u8>(), 0..400), now: u64) {
        let host = Host::default();
        host.set("mcp_quota.1.tickets.1.0", &bytes, 0);
        let tickets = Tickets::shared(size(1));
        let mut worker = host.worker(0);
        tickets.take(subject(1), now, &mut worker);
        tickets.seen(subject(1), 100, now, &mut worker);
        tickets.remember(subject(2), u64::MAX, &mut worker);
        prop_assert!(tickets.take(subject(2), 0, &mut worker));
    }
}
