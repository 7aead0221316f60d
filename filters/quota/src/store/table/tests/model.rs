//! Random traffic over keys, windows, workers and clocks, against a plain count of the same.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::{Host, is_clean};
use crate::store::record::Record;
use crate::store::{
    Algorithm, Charge, CounterId, Debit, Entry, Failure, Mode, Store, Subject, Table, Verdict,
};

const CELLS: u32 = 3;
const SUBJECTS: u8 = 6;
const WORKERS: usize = 3;
const START: u64 = 100_000;

const LIMITS: [(Algorithm, u64); 6] = [
    (Algorithm::FixedWindow { window: 100 }, 10),
    (Algorithm::FixedWindow { window: 1_000 }, 20),
    (Algorithm::SlidingWindow { window: 100 }, 10),
    (Algorithm::SlidingWindow { window: 333 }, 17),
    (Algorithm::TokenBucket { window: 70, burst: 8 }, 9),
    (Algorithm::Concurrent { forget_after: 200 }, 5),
];

// === What happens ===

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        worker: usize,
        debits: Vec<Debit>,
        conflicts: u32,
    },
    /// Settles one of the open reservations, at these costs in tenths of what was taken.
    Settle {
        worker: usize,
        which: usize,
        tenths: Vec<u64>,
        conflicts: u32,
    },
    Clock {
        worker: usize,
        milliseconds: i64,
    },
}

fn charges() -> impl Strategy<Value = Vec<Charge>> {
    let mode =
        prop_oneof![8 => Just(Mode::Enforce), 1 => Just(Mode::Shadow), 1 => Just(Mode::Force)];
    let charge = prop::option::weighted(0.4, (0..6u64, mode));
    prop::collection::vec(charge, LIMITS.len()).prop_map(|charges| {
        let charges = (0..).zip(LIMITS).zip(charges);
        charges
            .filter_map(|((id, (algorithm, limit)), charge)| {
                let (amount, mode) = charge?;
                Some(Charge { counter: CounterId(id), algorithm, limit, amount, mode })
            })
            .collect()
    })
}

fn debits() -> impl Strategy<Value = Vec<Debit>> {
    prop::collection::btree_map(0..SUBJECTS, charges(), 1..4).prop_map(|debits| {
        let debit = |(name, charges)| Debit { subject: Subject([name * 40; 16]), charges };
        // Not in the order of the table.
        debits.into_iter().rev().map(debit).collect()
    })
}

fn conflicts() -> impl Strategy<Value = u32> {
    prop_oneof![6 => Just(0), 3 => 1..5u32, 1 => 5..12u32]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..WORKERS, debits(), conflicts())
            .prop_map(|(worker, debits, conflicts)| Step::Reserve { worker, debits, conflicts }),
        3 => (0..WORKERS, any::<usize>(), prop::collection::vec(0..20u64, 0..12), conflicts())
            .prop_map(|(worker, which, tenths, conflicts)| {
                Step::Settle { worker, which, tenths, conflicts }
            }),
        3 => (0..WORKERS, prop_oneof![4 => 0..60i64, 1 => -150..0i64, 1 => 0..1_500i64])
            .prop_map(|(worker, milliseconds)| Step::Clock { worker, milliseconds }),
    ];
    prop::collection::vec(step, 1..60)
}

// === What is expected ===

/// Counters as one would write them with all the time and memory of the world.
#[derive(Debug, Clone, Default)]
struct Model(BTreeMap<(Subject, CounterId), Reference>);

#[derive(Debug, Clone, Default)]
struct Reference {
    /// What was taken, by window.
    windows: BTreeMap<u64, u64>,
    /// What a bucket lacks, in parts of a token of which it has as many as its window milliseconds.
    lacks: u64,
    at: u64,
    full_at: u64,
}

impl Reference {
    fn used(&mut self, charge: &Charge, now: u64) -> u64 {
        let mut count = |index: u64| *self.windows.entry(index).or_default();
        match charge.algorithm {
            Algorithm::FixedWindow { window } => count(now / window),
            Algorithm::SlidingWindow { window } => {
                let (index, part) = (now / window, now % window);
                count(index) + (count(index - 1) * (window - part)).div_ceil(window)
            }
            Algorithm::Concurrent { forget_after } => {
                count(now / forget_after) + count(now / forget_after - 1)
            }
            Algorithm::TokenBucket { window, .. } => {
                for millisecond in self.at..=now {
                    if millisecond > self.at {
                        self.lacks = self.lacks.saturating_sub(charge.limit);
                    }
                    if self.lacks == 0 {
                        self.full_at = millisecond;
                    }
                }
                self.at = now;
                self.lacks.div_ceil(window)
            }
        }
    }

    fn change(&mut self, charge: &Charge, at: u64, now: u64, from: u64, to: u64) {
        self.used(charge, now);
        match charge.algorithm {
            Algorithm::FixedWindow { window }
            | Algorithm::SlidingWindow { window }
            | Algorithm::Concurrent { forget_after: window } => {
                let count = self.windows.entry(at / window).or_default();
                *count = *count + to - from;
            }
            Algorithm::TokenBucket { .. } if to < from && at < self.full_at => {}
            Algorithm::TokenBucket { window, .. } => {
                self.lacks = (self.lacks + to * window).saturating_sub(from * window);
                self.full_at = if self.lacks == 0 { now } else { self.full_at };
            }
        }
    }
}

impl Model {
    fn of(&mut self, subject: Subject, charge: &Charge) -> &mut Reference {
        let fresh = Reference { at: START - 10_000, ..Reference::default() };
        self.0.entry((subject, charge.counter)).or_insert(fresh)
    }

    /// What is taken of each charge, or which ones were refused.
    fn reserve(&self, debits: &[Debit], now: impl Fn(Subject) -> u64) -> (Self, Expected) {
        let (mut after, mut taken, mut refused) = (self.clone(), Vec::new(), Vec::new());
        for (index, debit) in debits.iter().enumerate() {
            let (now, before) = (now(debit.subject), after.clone());
            for (position, charge) in debit.charges.iter().enumerate() {
                let reference = after.of(debit.subject, charge);
                let capacity = match charge.algorithm {
                    Algorithm::TokenBucket { burst, .. } => burst,
                    _ => charge.limit,
                };
                let exceeded = reference.used(charge, now) + charge.amount > capacity;
                if exceeded && charge.mode == Mode::Enforce {
                    refused.push((index, position));
                    break;
                }
                let amount =
                    if exceeded && charge.mode == Mode::Shadow { 0 } else { charge.amount };
                reference.change(charge, now, now, 0, amount);
                let left = capacity.saturating_sub(reference.used(charge, now));
                taken.push((debit.subject, charge.counter, amount, left));
            }
            let of_debit = taken.iter().filter(|(subject, ..)| *subject == debit.subject);
            if of_debit.map(|(_, _, amount, _)| amount).sum::<u64>() == 0 {
                // Nothing is written then, not even how late it is.
                after = before;
            }
        }
        if refused.is_empty() { (after, Ok(taken)) } else { (self.clone(), Err(refused)) }
    }
}

type Expected = Result<Vec<(Subject, CounterId, u64, u64)>, Vec<(usize, usize)>>;

// === Both ===

struct Run {
    host: Host,
    tables: Vec<Table>,
    clocks: [u64; WORKERS],
    model: Model,
    open: Vec<Vec<Entry>>,
}

impl Run {
    fn new() -> Self {
        let size = NonZeroU32::new(CELLS).expect("not zero");
        Self {
            host: Host::default(),
            tables: (0..WORKERS).map(|_| Table::shared(size)).collect(),
            clocks: [START; WORKERS],
            model: Model::default(),
            open: Vec::new(),
        }
    }

    /// The time as a subject's record knows it.
    fn now(&self, subject: Subject, clock: u64) -> u64 {
        let cell = self.tables[0].cells.cell_of(subject);
        let record = self.host.get(&format!("mcp_quota.1.{CELLS}.{cell}"));
        clock.max(record.map_or(0, |(bytes, _)| Record::parse(&bytes).seen))
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Clock { worker, milliseconds } => {
                self.clocks[worker] = self.clocks[worker].saturating_add_signed(milliseconds);
                Ok(())
            }
            Step::Reserve { worker, debits, conflicts } => self.reserve(worker, &debits, conflicts),
            Step::Settle { .. } if self.open.is_empty() => Ok(()),
            Step::Settle { worker, which, tenths, conflicts } => {
                let entries = self.open.swap_remove(which % self.open.len());
                let costs = entries.iter().zip(tenths);
                let costs: Vec<_> =
                    costs.map(|(entry, tenths)| (entry.taken * tenths).div_ceil(10)).collect();
                self.settle(worker, entries, &costs, conflicts)
            }
        }
    }

    fn reserve(
        &mut self,
        worker: usize,
        debits: &[Debit],
        conflicts: u32,
    ) -> Result<(), TestCaseError> {
        let clock = self.clocks[worker];
        let (after, expected) = self.model.reserve(debits, |subject| self.now(subject, clock));
        let mut environment = self.host.worker(clock);
        environment.conflicts = conflicts;
        let verdict = self.tables[worker].reserve(debits, &mut environment);
        prop_assert_eq!(environment.counted("mcp_quota_unsettled"), 0);
        match verdict {
            Ok(Verdict::Reserved(reservation)) => {
                let entries = reservation.entries;
                let taken = entries.iter().map(|entry| {
                    let left = entry.standing.remaining;
                    (entry.subject, entry.charge.counter, entry.taken, left)
                });
                prop_assert_eq!(Ok(taken.collect()), expected);
                self.model = after;
                self.open.push(entries);
            }
            Ok(Verdict::Refused { debit, charge, .. }) => {
                let refused = expected.expect_err("it is refused");
                prop_assert!(refused.contains(&(debit, charge)));
            }
            Err(failure) => {
                prop_assert_eq!(failure, Failure::Contention);
                prop_assert!(conflicts >= 5);
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        worker: usize,
        entries: Vec<Entry>,
        costs: &[u64],
        conflicts: u32,
    ) -> Result<(), TestCaseError> {
        for (entry, cost) in entries.iter().zip(costs).filter(|(entry, cost)| entry.taken != **cost)
        {
            let now = self.now(entry.subject, self.clocks[worker].max(entry.at));
            let reference = self.model.of(entry.subject, &entry.charge);
            reference.change(&entry.charge, entry.at, now, entry.taken, *cost);
        }
        let mut environment = self.host.worker(self.clocks[worker]);
        environment.conflicts = conflicts;
        let reservation = crate::store::Reservation { entries };
        let settled = self.tables[worker].settle(&reservation, costs, &mut environment);
        prop_assert_eq!(settled, Ok(()));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn the_table_counts_as_one_would_by_hand(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.step(step)?;
        }
    }

    /// After everything was given back, it is as if nothing had been.
    #[test]
    fn what_is_given_back_leaves_no_trace(steps in steps()) {
        let mut run = Run::new();
        let reserves = steps.into_iter().filter(|step| !matches!(step, Step::Settle { .. }));
        for step in reserves {
            run.step(step)?;
        }
        for entries in std::mem::take(&mut run.open) {
            let costs = vec![0; entries.len()];
            run.settle(0, entries, &costs, 0)?;
        }
        prop_assert!(is_clean(&run.host));
    }

    /// Where the bytes are makes no difference.
    #[test]
    fn a_table_of_its_own_counts_alike(steps in steps()) {
        let size = NonZeroU32::new(CELLS).expect("not zero");
        let host = Host::default();
        let (shared, own) = (Table::shared(size), Table::own(size));
        let (mut now, mut open) = (START, Vec::new());
        for step in steps {
            let mut worker = host.worker(now);
            match step {
                Step::Clock { milliseconds, .. } => now = now.saturating_add_signed(milliseconds),
                Step::Reserve { debits, .. } => {
                    let verdict = shared.reserve(&debits, &mut worker);
                    prop_assert_eq!(&own.reserve(&debits, &mut worker), &verdict);
                    open.extend(match verdict {
                        Ok(Verdict::Reserved(reservation)) => Some(reservation),
                        _ => None,
                    });
                }
                Step::Settle { .. } if open.is_empty() => {}
                Step::Settle { which, tenths, .. } => {
                    let reservation = open.swap_remove(which % open.len());
                    prop_assert_eq!(shared.settle(&reservation, &tenths, &mut worker), Ok(()));
                    prop_assert_eq!(own.settle(&reservation, &tenths, &mut worker), Ok(()));
                }
            }
        }
    }
}
