//! The store: a table of bounded size, debited by compare-and-swap.

use core::num::NonZeroU32;

use mcp_core::order;
use mcp_core::pipeline::Environment;

use super::cells::Cells;
use super::record::{Counters, Record};
use super::{Debit, Entry, Failure, Mode, Reservation, Standing, Store, Subject, Verdict};
use crate::counter::Tag;

/// The counters of as many subjects as it was made for, and of more as long as some are idle.
///
/// It is exact over all workers that share it. A subject that is not idle is never forgotten; one
/// more than there is room for is [`Failure::Full`]. In a cell there are up to 12, each with 17 bytes
/// and 45 for each counter, so a table that holds as many as it was made for has about a twelfth of
/// the bytes that it can have.
#[derive(Debug)]
pub struct Table {
    cells: Cells,
}

/// How often a debit is tried: a conflict costs two calls of the host, and each is another worker
/// that got its turn, so that five in a row say that the host is overloaded.
const DEBIT_TRIES: u32 = 5;

/// How often it is tried to settle, or to give back: what fails here is lost for its subject.
const SETTLE_TRIES: u32 = 50;

/// Counts charges that were not settled, or not given back.
const UNSETTLED: &str = "mcp_quota_unsettled";

/// A debit under way.
struct Part<'a> {
    /// Which of the debits.
    index: usize,
    debit: &'a Debit,
    entries: Vec<Entry>,
}

impl Table {
    /// A table in the host's shared data, for hosts that have it
    /// ([`Capabilities::shared_data`](mcp_core::pipeline::Capabilities)). Tables of the same size
    /// are the same table.
    #[must_use]
    pub fn shared(subjects: NonZeroU32) -> Self {
        Self { cells: Cells::shared("", subjects) }
    }

    /// A table in this VM's own memory: each worker counts for itself.
    #[must_use]
    pub fn own(subjects: NonZeroU32) -> Self {
        Self { cells: Cells::own(subjects) }
    }

    /// Takes all charges of one debit and puts what was taken into `entries`, or answers which charge
    /// was refused.
    fn debit(
        &self,
        debit: &Debit,
        entries: &mut Vec<Entry>,
        now: u64,
        environment: &mut dyn Environment,
    ) -> Result<Option<(usize, Standing)>, Failure> {
        let mut refused = None;
        let outcome = self.update(debit.subject, now, DEBIT_TRIES, environment, |counters, now| {
            entries.clear();
            refused = take(debit, counters, now, entries);
            refused.is_none() && entries.iter().any(|entry| entry.taken > 0)
        });
        if refused.is_some() || outcome.is_err() {
            entries.clear();
        }
        outcome.map(|()| refused)
    }

    /// Settles `entries`, which are all of one subject.
    fn settle_subject(
        &self,
        entries: &[Entry],
        costs: &[u64],
        now: u64,
        environment: &mut dyn Environment,
    ) -> Result<(), Failure> {
        let due = entries.iter().zip(costs).filter(|(entry, cost)| entry.taken != **cost);
        let Some((Entry { subject, at, .. }, _)) = due.clone().next() else { return Ok(()) };
        let settled =
            self.update(*subject, now.max(*at), SETTLE_TRIES, environment, |counters, now| {
                for (Entry { charge, taken, at, .. }, cost) in due.clone() {
                    counters.change(Tag::of(charge), |counter| {
                        counter.settle(charge, *at, *taken, *cost, now);
                    });
                }
                // Even where nothing changes, so that all know that it is that late.
                true
            });
        settled.inspect_err(|_| {
            let count = u64::try_from(due.count()).unwrap_or(u64::MAX);
            environment.add(UNSETTLED, count);
        })
    }

    /// Changes the counters of `subject`; `change` says whether it did.
    fn update(
        &self,
        subject: Subject,
        now: u64,
        tries: u32,
        environment: &mut dyn Environment,
        mut change: impl FnMut(&mut Counters, u64) -> bool,
    ) -> Result<(), Failure> {
        let outcome = self.cells.update(subject, tries, environment, |bytes| {
            let record = Record::parse(bytes);
            let now = now.max(record.seen);
            let mut counters = record.counters(subject);
            if !change(&mut counters, now) {
                return (None, Ok(()));
            }
            let record = record.with(subject, &counters, now);
            let outcome = if record.is_some() { Ok(()) } else { Err(Failure::Full) };
            (record, outcome)
        });
        let outcome = outcome.unwrap_or(Err(Failure::Contention));
        outcome.inspect_err(|failure| environment.count(failure.counter()))
    }
}

impl Store for Table {
    fn reserve(
        &self,
        debits: &[Debit],
        environment: &mut dyn Environment,
    ) -> Result<Verdict, Failure> {
        let Some(now) = environment.milliseconds() else {
            environment.count(Failure::NoClock.counter());
            return Err(Failure::NoClock);
        };
        let part = |(index, debit)| Part { index, debit, entries: Vec::new() };
        let mut parts: Vec<_> = debits.iter().enumerate().map(part).collect();
        // In the same order by all workers, so that two that want the same do not both refuse.
        let place = |part: &Part<'_>| (self.cells.cell_of(part.debit.subject), part.debit.subject);
        order::by(&mut parts, |one, other| place(one).cmp(&place(other)));
        let stopped = parts.iter_mut().find_map(|part| {
            match self.debit(part.debit, &mut part.entries, now, environment) {
                Ok(None) => None,
                Ok(Some((charge, standing))) => {
                    Some(Ok(Verdict::Refused { debit: part.index, charge, standing }))
                }
                Err(failure) => Some(Err(failure)),
            }
        });
        if let Some(stopped) = stopped {
            for Part { entries, .. } in &parts {
                // What cannot be given back is counted; the answer is the same.
                let _ = self.settle_subject(entries, &vec![0; entries.len()], now, environment);
            }
            return stopped;
        }
        order::by(&mut parts, |one, other| one.index.cmp(&other.index));
        let entries = parts.into_iter().flat_map(|part| part.entries).collect();
        Ok(Verdict::Reserved(Reservation { entries }))
    }

    fn settle(
        &self,
        reservation: &Reservation,
        costs: &[u64],
        environment: &mut dyn Environment,
    ) -> Result<(), Failure> {
        if reservation.entries.iter().zip(costs).all(|(entry, cost)| entry.taken == *cost) {
            return Ok(());
        }
        // What is given back goes to when it was taken, so a second does not matter; and a host that
        // lost its clock meanwhile settles as of when it had one.
        let now = environment.recent_milliseconds().unwrap_or(0);
        let (mut result, mut rest) = (Ok(()), costs);
        for entries in reservation.entries.chunk_by(|a, b| a.subject == b.subject) {
            let (costs, next) = rest.split_at_checked(entries.len()).unwrap_or((rest, &[]));
            rest = next;
            let settled = self.settle_subject(entries, costs, now, environment);
            result = result.and(settled);
        }
        result
    }
}

impl Failure {
    /// What counts this failure.
    const fn counter(self) -> &'static str {
        match self {
            Self::Contention => "mcp_quota_contention",
            Self::Full => "mcp_quota_table_full",
            Self::NoClock => "mcp_quota_no_clock",
        }
    }
}

/// Takes the charges of `debit` one after the other, up to one that is refused.
fn take(
    debit: &Debit,
    counters: &mut Counters,
    at: u64,
    entries: &mut Vec<Entry>,
) -> Option<(usize, Standing)> {
    entries.reserve(debit.charges.len());
    for (index, charge) in debit.charges.iter().enumerate() {
        let taken = counters.change(Tag::of(charge), |counter| counter.take(charge, at));
        if taken.standing.exceeded && charge.mode == Mode::Enforce {
            return Some((index, taken.standing));
        }
        entries.push(Entry {
            subject: debit.subject,
            charge: *charge,
            taken: taken.amount,
            at,
            standing: taken.standing,
        });
    }
    None
}

#[cfg(test)]
mod tests;
