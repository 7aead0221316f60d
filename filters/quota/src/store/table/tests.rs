//! The table: all or nothing, exact, bounded, and what becomes of conflicts.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may panic: that is how it fails"
)]

mod model;
mod size;

use std::num::NonZeroU32;

use crate::store::record::{Record, SUBJECTS};
use crate::store::world::{Host, Worker};
use crate::store::{
    Algorithm, Charge, CounterId, Debit, Failure, Mode, Reservation, Standing, Store, Subject,
    Table, Verdict,
};

const NOW: u64 = 1_000_000;
const MINUTE: Algorithm = Algorithm::FixedWindow { window: 60_000 };

fn table(size: u32) -> Table {
    Table::shared(NonZeroU32::new(size).expect("not zero"))
}

/// A subject whose cell is `place` of 256, as large as the table may be.
fn subject(place: u8, name: u8) -> Subject {
    let mut subject = [0; 16];
    (subject[3], subject[15]) = (place, name);
    Subject(subject)
}

fn charge(counter: u32, limit: u64, amount: u64) -> Charge {
    let counter = CounterId(counter);
    Charge { counter, algorithm: MINUTE, limit, amount, mode: Mode::Enforce }
}

fn debit(subject: Subject, charges: &[Charge]) -> Debit {
    Debit { subject, charges: charges.to_vec() }
}

fn reserved(verdict: Result<Verdict, Failure>) -> Reservation {
    match verdict {
        Ok(Verdict::Reserved(reservation)) => reservation,
        other => panic!("not reserved: {other:?}"),
    }
}

/// What is left for `charge`.
fn left(table: &Table, worker: &mut Worker, subject: Subject, charge: Charge) -> u64 {
    let charge = Charge { amount: 0, mode: Mode::Force, ..charge };
    let reservation = reserved(table.reserve(&[debit(subject, &[charge])], worker));
    reservation.entries[0].standing.remaining
}

/// Whether nothing is in any cell but when it was written.
fn is_clean(host: &Host) -> bool {
    host.values().iter().all(|record| record.len() <= size_of::<u64>())
}

#[test]
fn a_debit_is_taken_whole_in_one_read_and_one_write_per_subject() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW);
    // The second one comes first in the table.
    let debits = [
        debit(subject(9, 1), &[charge(1, 10, 3), charge(2, 10, 4)]),
        debit(subject(5, 2), &[charge(1, 10, 5)]),
    ];
    let reservation = reserved(table.reserve(&debits, &mut worker));
    assert_eq!(host.calls(), (2, 2));
    let seen: Vec<_> = reservation
        .entries
        .iter()
        .map(|entry| (entry.subject, entry.charge, entry.taken, entry.standing.remaining))
        .collect();
    let expected = [
        (debits[0].subject, debits[0].charges[0], 3, 7),
        (debits[0].subject, debits[0].charges[1], 4, 6),
        (debits[1].subject, debits[1].charges[0], 5, 5),
    ];
    assert_eq!(seen, expected);

    assert_eq!(table.settle(&reservation, &[3, 4, 5], &mut worker), Ok(()));
    assert_eq!(table.settle(&reservation, &[3], &mut worker), Ok(()), "the rest is as taken");
    assert_eq!(host.calls(), (0, 0), "what cost what was taken is left alone");
    assert_eq!(table.settle(&reservation, &[1, 9, 5], &mut worker), Ok(()));
    assert_eq!(host.calls(), (1, 1), "one subject had two differences, the other none");
    assert_eq!(left(&table, &mut worker, debits[0].subject, charge(1, 10, 0)), 9);
    assert_eq!(left(&table, &mut worker, debits[0].subject, charge(2, 10, 0)), 1);
    assert_eq!(left(&table, &mut worker, debits[1].subject, charge(1, 10, 0)), 5);

    worker.clock_reads = 0;
    assert_eq!(table.settle(&reservation, &[2, 9, 6], &mut worker), Ok(()));
    assert_eq!(worker.clock_reads, 1, "both subjects are settled as of the same time");
}

#[test]
fn a_refusal_anywhere_leaves_nothing_taken() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW);
    let [first, second] = [subject(1, 1), subject(2, 2)];
    let cases = [
        (vec![debit(first, &[charge(1, 10, 3), charge(2, 4, 5)])], (0, 1)),
        (vec![debit(first, &[charge(1, 10, 3)]), debit(second, &[charge(2, 4, 5)])], (1, 0)),
        (vec![debit(second, &[charge(2, 4, 5)]), debit(first, &[charge(1, 10, 3)])], (0, 0)),
    ];
    for (debits, expected) in cases {
        let verdict = table.reserve(&debits, &mut worker);
        let Ok(Verdict::Refused { debit, charge, standing }) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!((debit, charge), expected);
        assert_eq!(standing, Standing { remaining: 4, reset: None, exceeded: true });
        assert!(is_clean(&host), "{debits:?}");
    }
}

#[test]
fn shadowed_charges_refuse_nothing_and_forced_ones_are_taken() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW);
    let shadow = Charge { mode: Mode::Shadow, ..charge(1, 4, 5) };
    let force = Charge { mode: Mode::Force, ..charge(2, 4, 5) };
    let debits = [debit(subject(1, 1), &[shadow, force, charge(3, 10, 1)])];
    let reservation = reserved(table.reserve(&debits, &mut worker));
    let taken: Vec<_> =
        reservation.entries.iter().map(|entry| (entry.taken, entry.standing.exceeded)).collect();
    assert_eq!(taken, [(0, true), (5, true), (1, false)]);
    // What was shadowed cost something all the same.
    assert_eq!(table.settle(&reservation, &[2, 0, 1], &mut worker), Ok(()));
    assert_eq!(left(&table, &mut worker, subject(1, 1), shadow), 2);
    assert_eq!(left(&table, &mut worker, subject(1, 1), force), 4);
}

#[test]
fn workers_that_write_in_between_cost_a_try_and_count_once() {
    let (host, table) = (Host::default(), table(256));
    let ours = debit(subject(1, 1), &[charge(1, 100, 1)]);
    for (conflicts, expected) in [(1, Ok(())), (4, Ok(())), (5, Err(Failure::Contention))] {
        let mut worker = host.worker(NOW);
        worker.conflicts = conflicts;
        let before = left(&table, &mut worker, ours.subject, ours.charges[0]);
        let outcome = table.reserve(std::slice::from_ref(&ours), &mut worker);
        let after = left(&table, &mut worker, ours.subject, ours.charges[0]);
        assert_eq!(outcome.clone().map(|_| ()), expected, "{conflicts}");
        assert_eq!(before - after, u64::from(outcome.is_ok()), "{conflicts}");
        assert_eq!(worker.counted("mcp_quota_conflicts"), u64::from(conflicts));
        assert_eq!(worker.counted("mcp_quota_contention"), u64::from(outcome.is_err()));
    }
}

#[test]
fn a_record_that_two_create_at_once_holds_what_both_took() {
    let (host, limit) = (Host::default(), charge(1, 100, 1));
    let mut worker = host.worker(NOW);
    let (other_host, other_debit) = (host.clone(), debit(subject(1, 2), &[limit]));
    worker.before_write = Some(Box::new(move || {
        reserved(table(256).reserve(&[other_debit], &mut other_host.worker(NOW)));
    }));
    let table = table(256);
    reserved(table.reserve(&[debit(subject(1, 1), &[limit])], &mut worker));
    assert_eq!(left(&table, &mut worker, subject(1, 1), limit), 99);
    assert_eq!(left(&table, &mut worker, subject(1, 2), limit), 99);
}

#[test]
fn a_failure_at_the_second_subject_gives_back_what_was_taken_from_the_first() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW);
    let debits =
        [debit(subject(1, 1), &[charge(1, 10, 3)]), debit(subject(2, 1), &[charge(1, 10, 3)])];
    worker.conflicts = 5;
    worker.conflicts_under = Some("mcp_quota.1.256.2");
    assert_eq!(table.reserve(&debits, &mut worker), Err(Failure::Contention));
    assert!(is_clean(&host));
    // To give back is tried harder than to take.
    worker.conflicts = 5 + 49;
    worker.conflicts_under = None;
    assert_eq!(table.reserve(&debits[..1], &mut worker), Err(Failure::Contention));
    worker.conflicts = 0;
    let reservation = reserved(table.reserve(&debits, &mut worker));
    worker.conflicts = 49;
    assert_eq!(table.settle(&reservation, &[0, 0], &mut worker), Ok(()));
    assert!(is_clean(&host));
    assert_eq!(worker.counted("mcp_quota_unsettled"), 0);
}

#[test]
fn subjects_are_debited_in_the_order_of_the_table_whatever_the_order_of_the_debits() {
    let mut debits =
        [debit(subject(5, 1), &[charge(1, 10, 3)]), debit(subject(9, 1), &[charge(1, 10, 3)])];
    for _ in 0..2 {
        let (host, table) = (Host::default(), table(256));
        let mut worker = host.worker(NOW);
        worker.conflicts = 5;
        worker.conflicts_under = Some("mcp_quota.1.256.5");
        assert_eq!(table.reserve(&debits, &mut worker), Err(Failure::Contention));
        assert_eq!(host.get("mcp_quota.1.256.9"), None, "it was not its turn");
        debits.reverse();
    }
}

#[test]
fn nobody_loses_its_place_to_one_more_than_there_is_room_for() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW);
    let limit = charge(1, 10, 3);
    let names = 2..2 + u8::try_from(SUBJECTS).expect("few");
    for name in names.clone() {
        reserved(table.reserve(&[debit(subject(2, name), &[limit])], &mut worker));
    }
    let debits = [debit(subject(1, 1), &[limit]), debit(subject(2, 1), &[limit])];
    assert_eq!(table.reserve(&debits, &mut worker), Err(Failure::Full));
    assert_eq!(worker.counted("mcp_quota_table_full"), 1);
    assert_eq!(left(&table, &mut worker, subject(1, 1), limit), 10, "it was given back");
    for name in names {
        assert_eq!(left(&table, &mut worker, subject(2, name), limit), 7);
    }
    // A minute later all of them are idle.
    worker.now = Some(NOW + 60_000);
    reserved(table.reserve(&debits, &mut worker));
    assert_eq!(left(&table, &mut worker, subject(2, 1), limit), 7);
}

#[test]
fn what_cannot_be_settled_is_counted_and_the_others_are_settled() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW);
    let debits = [
        debit(subject(1, 1), &[charge(1, 10, 3), charge(2, 10, 3)]),
        debit(subject(2, 1), &[charge(1, 10, 3)]),
    ];
    let reservation = reserved(table.reserve(&debits, &mut worker));
    worker.conflicts = 50;
    let settled = table.settle(&reservation, &[0, 0, 0], &mut worker);
    assert_eq!(settled, Err(Failure::Contention));
    assert_eq!(worker.counted("mcp_quota_unsettled"), 2);
    assert_eq!(left(&table, &mut worker, subject(1, 1), charge(1, 10, 0)), 7);
    assert_eq!(left(&table, &mut worker, subject(2, 1), charge(1, 10, 0)), 10);
}

#[test]
fn a_clock_that_goes_back_stands_still_and_one_that_is_gone_is_a_failure() {
    let (host, table) = (Host::default(), table(256));
    let mut worker = host.worker(NOW + 60_000);
    let all = debit(subject(1, 1), &[charge(1, 10, 10)]);
    let reservation = reserved(table.reserve(std::slice::from_ref(&all), &mut worker));
    worker.now = Some(NOW);
    let verdict = table.reserve(std::slice::from_ref(&all), &mut worker);
    assert!(matches!(verdict, Ok(Verdict::Refused { .. })), "{verdict:?}");
    worker.now = None;
    assert_eq!(table.reserve(&[all], &mut worker), Err(Failure::NoClock));
    assert_eq!(worker.counted("mcp_quota_no_clock"), 1);
    assert_eq!(table.settle(&reservation, &[0], &mut worker), Ok(()));
    assert!(is_clean(&host));
}

#[test]
fn bytes_that_are_no_record_are_an_empty_one() {
    for bytes in [&b""[..], b"short", &[0xff; 8 + 17], &[0xff; 200], &[1; 8 + 16]] {
        let (host, table) = (Host::default(), table(256));
        let mut worker = host.worker(NOW);
        host.set("mcp_quota.1.256.1", bytes, 0);
        let all = debit(subject(1, 1), &[charge(1, 10, 10)]);
        reserved(table.reserve(std::slice::from_ref(&all), &mut worker));
        assert_eq!(left(&table, &mut worker, all.subject, all.charges[0]), 0, "{bytes:?}");
        let (record, _) = host.get("mcp_quota.1.256.1").expect("it is there");
        assert_eq!(Record::parse(&record).seen, NOW);
    }
}

#[test]
fn four_workers_count_ten_thousand_each_exactly() {
    const EACH: u64 = 10_000;
    let host = Host::default();
    let limit = charge(1, 4 * EACH - 1, 1);
    let mut workers: Vec<_> = (0..4).map(|_| (table(256), host.worker(NOW))).collect();
    let mut refused = 0;
    for round in 0..2 * EACH {
        // Of two, one does its whole debit while the other is between its read and its write; who
        // is with whom changes.
        let [first, second] = [round % 4, (round + 1 + round / 4 % 3) % 4].map(|i| i as usize);
        let inner = host.clone();
        let verdict = std::rc::Rc::new(std::cell::RefCell::new(None));
        let result = verdict.clone();
        workers[first].1.before_write = Some(Box::new(move || {
            let mut worker = inner.worker(NOW);
            let debits = [debit(subject(1, 1), &[limit])];
            *result.borrow_mut() = Some(table(256).reserve(&debits, &mut worker));
        }));
        let (table, worker) = &mut workers[first];
        let outer = table.reserve(&[debit(subject(1, 1), &[limit])], worker);
        let inner = verdict.borrow_mut().take();
        let (table, worker) = &mut workers[second];
        let inner =
            inner.unwrap_or_else(|| table.reserve(&[debit(subject(1, 1), &[limit])], worker));
        for verdict in [outer, inner] {
            refused += u64::from(matches!(verdict.expect("told"), Verdict::Refused { .. }));
        }
    }
    assert_eq!(refused, 1, "all but the last of 40,000 were taken");
    let conflicts: u64 = workers.iter().map(|(_, w)| w.counted("mcp_quota_conflicts")).sum();
    assert!(conflicts > EACH, "{conflicts}");
}
