//! A million subjects.

use super::{Failure, Host, charge, debit, left, table};
use crate::store::record::SUBJECTS;
use crate::store::{Algorithm, Charge, Hasher, Store, Subject, Table, Verdict};

const CELLS: u32 = 4_096;
const MILLION: u32 = 1_000_000;
/// So many that no cell of the table has room left.
const CROWD: usize = 200_000;

/// Bytes of a full table whose subjects have one counter each, and of its keys.
const BYTES: usize = CELLS as usize * ("mcp_quota.1.4096.4095".len() + 8 + SUBJECTS * (17 + 45));

fn subjects() -> impl Iterator<Item = Subject> {
    let hasher = Hasher::default();
    let mut worker = Host::default().worker(0);
    (0..MILLION).map(move |n| hasher.subject([&n.to_le_bytes()[..]].into_iter(), &mut worker))
}

#[test]
fn a_million_that_come_and_go_find_room_in_little() {
    let (host, table) = (Host::default(), table(CELLS));
    let mut worker = host.worker(0);
    let limit =
        Charge { algorithm: Algorithm::SlidingWindow { window: 1_000 }, ..charge(1, 10, 1) };
    for (now, subject) in (1_000_000..).zip(subjects()) {
        // One to two thousand are not idle at a time.
        worker.now = Some(now);
        let verdict = table.reserve(&[debit(subject, &[limit])], &mut worker);
        assert!(matches!(verdict, Ok(Verdict::Reserved(_))), "{now}: {verdict:?}");
    }
    assert_eq!(host.values().len(), CELLS as usize);
    assert!(host.size() < BYTES / 6, "{}", host.size());
}

#[test]
fn more_at_once_than_there_is_room_for_fill_the_table_and_who_is_in_stays() {
    let (host, table) = (Host::default(), table(CELLS));
    let mut worker = host.worker(1_000_000);
    let limit = charge(1, 10, 1);
    let mut inside = Vec::new();
    for subject in subjects().take(CROWD) {
        match table.reserve(&[debit(subject, &[limit])], &mut worker) {
            Ok(Verdict::Reserved(_)) => inside.push(subject),
            other => assert_eq!(other, Err(Failure::Full)),
        }
    }
    assert_eq!(inside.len(), CELLS as usize * SUBJECTS, "each cell is full");
    assert_eq!(worker.counted("mcp_quota_table_full"), (CROWD - inside.len()) as u64);
    for subject in inside {
        assert_eq!(left(&table, &mut worker, subject, limit), 9);
    }
    assert!(host.size() <= BYTES, "{}", host.size());
    assert!(host.size() > BYTES - 4 * CELLS as usize, "{}", host.size());
}

#[test]
fn a_table_of_its_own_is_as_bounded() {
    let table = Table::own(CELLS.try_into().expect("not zero"));
    let mut worker = Host::default().worker(1_000_000);
    let limit = charge(1, 10, 1);
    let debits = subjects().take(CROWD).map(|subject| debit(subject, &[limit]));
    let reserved = debits.filter(|debit| {
        let verdict = table.reserve(std::slice::from_ref(debit), &mut worker);
        matches!(verdict, Ok(Verdict::Reserved(_)))
    });
    assert_eq!(reserved.count(), CELLS as usize * SUBJECTS);
    assert_eq!(worker.host.size(), 0);
}
