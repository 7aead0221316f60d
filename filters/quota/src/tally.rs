//! What is told of limits in metrics. Counts are gathered here and handed to the host with its
//! ticks, since each hand-over is a call to it.

use core::cell::{Cell, RefCell};

use mcp_core::order;
use mcp_core::pipeline::Environment;

use crate::limit::Limit;
use crate::store::Subject;
use crate::usage::Provenance;

/// The metrics of all limits.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counters: RefCell<Vec<Counter>>,
    busiest: RefCell<Vec<Vec<Busy>>>,
    limits: Vec<String>,
    /// Answers whose usage could not be read.
    missing: Cell<u64>,
}

#[derive(Debug)]
struct Counter {
    name: String,
    pending: u64,
}

/// A subject that is seen often.
#[derive(Debug, Clone, Copy)]
struct Busy {
    subject: Subject,
    hits: u64,
    remaining: u64,
}

/// What is counted of each limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Calls that it let pass.
    Allowed,
    /// Calls that it refused.
    Refused,
    /// Calls that it would have refused, were it not in shadow.
    WouldRefuse,
    /// Units taken before the answer.
    Reserved,
    /// Units that calls cost in the end.
    Settled,
    /// Units given back.
    Refunded,
}

const COUNTS: [(Count, &str); 6] = [
    (Count::Allowed, "mcp_quota_calls.limit.{}.outcome.allowed"),
    (Count::Refused, "mcp_quota_calls.limit.{}.outcome.refused"),
    (Count::WouldRefuse, "mcp_quota_calls.limit.{}.outcome.would_refuse"),
    (Count::Reserved, "mcp_quota_units.limit.{}.stage.reserved"),
    (Count::Settled, "mcp_quota_units.limit.{}.stage.settled"),
    (Count::Refunded, "mcp_quota_units.limit.{}.stage.refunded"),
];

const PROVENANCES: [(Provenance, &str); 4] = [
    (Provenance::Exact, "mcp_quota_usage.provenance.exact"),
    (Provenance::Estimated, "mcp_quota_usage.provenance.estimated"),
    (Provenance::Partial, "mcp_quota_usage.provenance.partial"),
    (Provenance::Missing, "mcp_quota_usage.provenance.missing"),
];

/// Subjects of each limit whose remainder is shown, busiest first. Their rank is the label: who they
/// are is no one's affair.
const SHOWN: usize = 3;

/// Subjects of each limit that are watched for it.
const WATCHED: usize = 16;

impl Tally {
    pub(crate) fn new(limits: &[Limit]) -> Self {
        let names = |limit: &Limit| COUNTS.map(|(_, name)| name.replace("{}", &limit.name));
        let usages = PROVENANCES.map(|(_, name)| name.to_owned());
        let names = usages.into_iter().chain(limits.iter().flat_map(names));
        Self {
            counters: RefCell::new(names.map(|name| Counter { name, pending: 0 }).collect()),
            busiest: RefCell::new(vec![Vec::new(); limits.len()]),
            limits: limits.iter().map(|limit| limit.name.clone()).collect(),
            missing: Cell::new(0),
        }
    }

    /// Counts for the limit at this index.
    pub(crate) fn add(&self, limit: usize, count: Count, amount: u64) {
        let Some(column) = COUNTS.iter().position(|(known, _)| *known == count) else { return };
        let row = limit.saturating_mul(COUNTS.len()).saturating_add(PROVENANCES.len());
        self.note(row.saturating_add(column), amount);
    }

    /// Counts an answer whose usage is known in this way. That none can be read is worth a line in
    /// the log, though not one for each: after so many, the next comes after as many again.
    pub(crate) fn usage(&self, provenance: Provenance, environment: &mut dyn Environment) {
        let index = PROVENANCES.iter().position(|(known, _)| *known == provenance);
        self.note(index.unwrap_or_default(), 1);
        if provenance == Provenance::Missing {
            let missing = self.missing.get().saturating_add(1);
            self.missing.set(missing);
            if missing.is_power_of_two() {
                environment.warn(&format!(
                    "quota: the usage of {missing} answers so far could not be read (provenance \
                     missing): they are charged by missing_usage"
                ));
            }
        }
    }

    /// Notes how much a subject of the limit at this index has left.
    pub(crate) fn saw(&self, limit: usize, subject: Subject, remaining: u64) {
        let mut busiest = self.busiest.borrow_mut();
        let Some(watched) = busiest.get_mut(limit) else { return };
        if let Some(known) = watched.iter_mut().find(|known| known.subject == subject) {
            known.hits = known.hits.saturating_add(1);
            known.remaining = remaining;
        } else if watched.len() < WATCHED {
            watched.push(Busy { subject, hits: 1, remaining });
        } else if let Some(least) = watched.iter_mut().min_by_key(|known| known.hits) {
            // Who comes in its place may have been as busy unseen (Metwally et al., Space-Saving).
            *least = Busy { subject, hits: least.hits.saturating_add(1), remaining };
        }
    }

    /// Hands over what was gathered.
    pub(crate) fn flush(&self, environment: &mut dyn Environment) {
        for counter in self.counters.borrow_mut().iter_mut().filter(|counter| counter.pending > 0) {
            environment.add(&counter.name, counter.pending);
            counter.pending = 0;
        }
        for (watched, limit) in self.busiest.borrow_mut().iter_mut().zip(&self.limits) {
            order::by(watched, |one, other| other.hits.cmp(&one.hits));
            for (rank, known) in watched.iter().take(SHOWN).enumerate() {
                let rank = rank.saturating_add(1);
                let name = format!("mcp_quota_remaining.limit.{limit}.rank.{rank}");
                environment.gauge(&name, known.remaining);
            }
            for known in watched {
                known.hits = known.hits.div_ceil(2);
            }
        }
    }

    fn note(&self, index: usize, amount: u64) {
        if let Some(counter) = self.counters.borrow_mut().get_mut(index) {
            counter.pending = counter.pending.saturating_add(amount);
        }
    }
}
