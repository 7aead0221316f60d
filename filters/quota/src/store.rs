//! Where the counters are, and what can be done to them.
//!
//! A counter belongs to a subject and a limit. All counters of a subject are in one record, so that
//! one read and one write debit them together.
//!
//! `table` is the store, over `cells` that the workers of a host share or that are this VM's own,
//! with a `record` in each; `hasher` makes subjects; `tickets` remembers what counts once.

mod cells;
mod hasher;
mod record;
mod table;
mod tickets;
#[cfg(test)]
mod world;

pub use hasher::Hasher;
pub use table::Table;
pub use tickets::Tickets;

use mcp_core::pipeline::Environment;

/// Whose counters: a keyed hash of the values of a key's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

/// Which of a subject's counters: a hash of what makes a limit what it is (its name, unit, window
/// and algorithm), so that a counter outlives a change of the configuration around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterId(pub u32);

/// How a counter forgets. All times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// All at once, at every multiple of `window` since 1970.
    FixedWindow {
        /// Its length.
        window: u64,
    },
    /// Evenly: the window before counts by the part of it that is within `window` of now.
    SlidingWindow {
        /// Its length.
        window: u64,
    },
    /// `limit` per `window`, evenly; up to `burst` at once.
    TokenBucket {
        /// In which the limit flows in.
        window: u64,
        /// What it holds; nothing if the limit is 0.
        burst: u64,
    },
    /// Not at all: what is taken is given back. In case its taker is gone, it is free again after
    /// `forget_after`, or twice that at most.
    Concurrent {
        /// After so long.
        forget_after: u64,
    },
}

/// What a debit takes from one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// From which.
    pub counter: CounterId,
    /// How that one forgets.
    pub algorithm: Algorithm,
    /// How much there is.
    pub limit: u64,
    /// How much is taken.
    pub amount: u64,
    /// What if there is less.
    pub mode: Mode,
}

/// What becomes of a charge for which too little is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is refused, and nothing at all is taken.
    Enforce,
    /// It is not taken, and that is reported; the others go on.
    Shadow,
    /// It is taken all the same.
    Force,
}

/// All that one exchange takes from one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debit {
    /// From whom.
    pub subject: Subject,
    /// From which counters; none twice.
    pub charges: Vec<Charge>,
}

/// How a counter stands after a debit, or stood when it refused one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What is left; 0 where more than the limit was taken.
    pub remaining: u64,
    /// Milliseconds until as much is left as was asked for (of a refusal), or until all is (of a
    /// debit). `None` if time alone brings nothing back.
    pub reset: Option<u64>,
    /// Whether the charge was refused, or would have been in another mode than [`Mode::Shadow`].
    pub exceeded: bool,
}

/// What a debit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was taken, shadowed charges that were exceeded aside.
    Reserved(Reservation),
    /// Nothing was taken: the charge at `charge` of the debit at `debit` was refused. Of several,
    /// this is one.
    Refused {
        /// Index of the debit.
        debit: usize,
        /// Index of its charge.
        charge: usize,
        /// How the counter stands.
        standing: Standing,
    },
}

/// What was taken, to be settled once the true cost is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reservation {
    /// In the order of the debits and of their charges.
    pub entries: Vec<Entry>,
}

/// One charge of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// From whom it was taken.
    pub subject: Subject,
    /// What was asked for.
    pub charge: Charge,
    /// What was taken: the charge's amount, or 0 if it was shadowed and exceeded.
    pub taken: u64,
    /// When, in milliseconds since 1970 as the record knows it: what is given back goes to the
    /// window it was taken from.
    pub at: u64,
    /// How the counter stands since.
    pub standing: Standing,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host has no clock.
    NoClock,
    /// Others wrote to the same record, again and again.
    Contention,
    /// There is no room for a further subject, or for a further counter of one.
    Full,
}

/// Where the counters are.
pub trait Store {
    /// Takes all charges of `debits`, or none.
    ///
    /// # Errors
    /// If the store could not tell; nothing was taken then.
    fn reserve(
        &self,
        debits: &[Debit],
        environment: &mut dyn Environment,
    ) -> Result<Verdict, Failure>;

    /// Makes each entry of a reservation what it really cost, in the order of its entries: gives
    /// back the difference, or takes it whatever is left.
    ///
    /// # Errors
    /// If an entry could not be settled; the others were.
    fn settle(
        &self,
        reservation: &Reservation,
        costs: &[u64],
        environment: &mut dyn Environment,
    ) -> Result<(), Failure>;
}
