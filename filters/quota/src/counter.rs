//! One counter: what was taken from it, and how it forgets.
//!
//! Pure: time comes in, and must not go back; whoever stores counters sees to that. A counter is
//! stored as plain words, of which all-zero are a fresh one. How much there is and how it flows
//! comes with each charge, so a limit that changed is a new limit against the old words.
//!
//! How much can be taken beyond a limit of n, other than by force and by settlement: nothing within
//! a fixed or sliding window that begins at a multiple of its length, and n in another stretch as
//! long; nothing from a token bucket, which gives its burst at once and its limit per window; and
//! nothing at a time from a concurrent counter, whose takers count for `forget_after` at least.

mod bucket;
mod windows;

use core::num::NonZeroU64;

use bucket::Bucket;
use windows::{Fading, Windows};

use crate::store::{Algorithm, Charge, CounterId, Mode, Standing};

/// Which counter of a subject this is. Of two with the same id, but different algorithms, neither
/// can read the other's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) id: CounterId,
    pub(crate) kind: u8,
}

/// A counter as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) tag: Tag,
    /// When it will be as good as a fresh one.
    pub(crate) idle_at: u64,
    pub(crate) words: Words,
}

/// What a counter remembers.
pub(crate) type Words = [u64; 4];

/// What a charge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// What was taken.
    pub(crate) amount: u64,
    /// How the counter stands since.
    pub(crate) standing: Standing,
}

// === impl Tag ===

impl Tag {
    /// The counter that `charge` is for.
    pub(crate) const fn of(charge: &Charge) -> Self {
        let kind = match charge.algorithm {
            Algorithm::FixedWindow { .. } => 0,
            Algorithm::SlidingWindow { .. } => 1,
            Algorithm::TokenBucket { .. } => 2,
            Algorithm::Concurrent { .. } => 3,
        };
        Self { id: charge.counter, kind }
    }
}

// === impl Counter ===

impl Counter {
    /// A counter from which nothing was taken.
    pub(crate) const fn fresh(tag: Tag) -> Self {
        Self { tag, idle_at: 0, words: [0; 4] }
    }

    /// Whether it is as good as a fresh one.
    pub(crate) const fn is_idle(&self, now: u64) -> bool {
        self.idle_at <= now
    }

    /// Takes what `charge` asks for, or nothing where its mode says so.
    pub(crate) fn take(&mut self, charge: &Charge, now: u64) -> Taken {
        let mut ledger = Ledger::load(charge, self.words, now);
        let (used, capacity) = (ledger.used(now), ledger.capacity(charge));
        let exceeded = used.checked_add(charge.amount).is_none_or(|wanted| wanted > capacity);
        if exceeded && charge.mode != Mode::Force {
            let budget = capacity.checked_sub(charge.amount);
            let reset = budget.and_then(|budget| ledger.until(budget, now));
            let remaining = capacity.saturating_sub(used);
            return Taken { amount: 0, standing: Standing { remaining, reset, exceeded } };
        }
        ledger.add(charge.amount);
        self.store(&ledger);
        let used = used.saturating_add(charge.amount);
        let reset = if used == 0 { Some(0) } else { ledger.until(0, now) };
        let standing = Standing { remaining: capacity.saturating_sub(used), reset, exceeded };
        Taken { amount: charge.amount, standing }
    }

    /// Makes of what was `taken` for `charge` at `at` what it really cost. Where it was taken from
    /// may be forgotten by now; then nothing changes.
    pub(crate) fn settle(&mut self, charge: &Charge, at: u64, taken: u64, cost: u64, now: u64) {
        let mut ledger = Ledger::load(charge, self.words, now);
        match &mut ledger {
            Ledger::Windows(windows) => windows.settle(at, taken, cost),
            Ledger::Bucket(bucket) => bucket.settle(at, taken, cost),
        }
        self.store(&ledger);
    }

    fn store(&mut self, ledger: &Ledger) {
        (self.words, self.idle_at) = match ledger {
            Ledger::Windows(windows) => (windows.words(), windows.idle_at()),
            Ledger::Bucket(bucket) => (bucket.words(), bucket.idle_at()),
        };
    }
}

/// A counter's words, read by its algorithm and brought up to now.
enum Ledger {
    Windows(Windows),
    Bucket(Bucket),
}

impl Ledger {
    fn load(charge: &Charge, words: Words, now: u64) -> Self {
        let windows = |window, fading| Self::Windows(Windows::load(words, window, fading, now));
        match charge.algorithm {
            Algorithm::FixedWindow { window } => windows(window, Fading::AtOnce),
            Algorithm::SlidingWindow { window } => windows(window, Fading::Evenly),
            Algorithm::Concurrent { forget_after } => windows(forget_after, Fading::AtTheEnd),
            Algorithm::TokenBucket { window, .. } => {
                Self::Bucket(Bucket::load(words, window, charge.limit, now))
            }
        }
    }

    /// How much can be taken of it at once. Where nothing flows in, nothing can be had.
    const fn capacity(&self, charge: &Charge) -> u64 {
        match charge.algorithm {
            Algorithm::TokenBucket { burst, .. } if charge.limit > 0 => burst,
            _ => charge.limit,
        }
    }

    fn used(&self, now: u64) -> u64 {
        match self {
            Self::Windows(windows) => windows.used(now),
            Self::Bucket(bucket) => bucket.used(),
        }
    }

    /// Milliseconds until no more than `budget` is used, as long as more is.
    fn until(&self, budget: u64, now: u64) -> Option<u64> {
        match self {
            Self::Windows(windows) => windows.until(budget, now),
            Self::Bucket(bucket) => bucket.until(budget),
        }
    }

    fn add(&mut self, amount: u64) {
        match self {
            Self::Windows(windows) => windows.add(amount),
            Self::Bucket(bucket) => bucket.add(amount),
        }
    }
}

/// A quotient, rounded up.
fn divide(dividend: u128, divisor: NonZeroU64) -> u64 {
    // Most of them are small, and the division of large ones is slow.
    match u64::try_from(dividend) {
        Ok(dividend) => dividend.div_ceil(divisor.get()),
        Err(_) => u64::try_from(dividend.div_ceil(divisor.get().into())).unwrap_or(u64::MAX),
    }
}

/// A product that cannot overflow.
fn multiply(a: u64, b: u64) -> u128 {
    match small_product(a, b) {
        Some(product) => product.into(),
        None => u128::from(a).saturating_mul(b.into()),
    }
}

/// The product of two numbers of 32 bits, which most of ours are: WebAssembly has no instruction for
/// larger ones, nor for noticing that one is too large.
fn small_product(a: u64, b: u64) -> Option<u64> {
    let (a, b) = (u32::try_from(a).ok()?, u32::try_from(b).ok()?);
    Some(u64::from(a).wrapping_mul(u64::from(b)))
}

#[cfg(test)]
mod tests;
