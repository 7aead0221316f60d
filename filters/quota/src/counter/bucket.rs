//! A token bucket, counted by what it lacks.
//!
//! What is owed is kept in tokens times milliseconds of the window, so that nothing is rounded: in
//! one millisecond `limit` of these flow in, and a token is `window` of them. It may be owed more
//! than the bucket holds: then it is in debt, by force or by settlement.

use core::num::NonZeroU64;

use super::{Words, divide, multiply};

#[derive(Debug)]
pub(super) struct Bucket {
    window: NonZeroU64,
    limit: u64,
    owed: u128,
    /// Up to when what flowed in is counted.
    now: u64,
    /// When the bucket was last full.
    full_at: u64,
}

impl Bucket {
    pub(super) fn load(words: Words, window: u64, limit: u64, now: u64) -> Self {
        let [low, high, since, full_at] = words;
        let inflow = multiply(now.saturating_sub(since), limit);
        let owed = (u128::from(high) << u64::BITS | u128::from(low)).saturating_sub(inflow);
        let window = NonZeroU64::new(window).unwrap_or(NonZeroU64::MIN);
        let mut bucket = Self { window, limit, owed, now, full_at };
        bucket.note_if_full();
        bucket
    }

    pub(super) fn words(&self) -> Words {
        let high = u64::try_from(self.owed >> u64::BITS).unwrap_or(u64::MAX);
        let low = u64::try_from(self.owed & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        [low, high, self.now, self.full_at]
    }

    pub(super) fn used(&self) -> u64 {
        divide(self.owed, self.window)
    }

    pub(super) fn until(&self, budget: u64) -> Option<u64> {
        let excess = self.owed.saturating_sub(self.tokens(budget));
        NonZeroU64::new(self.limit).map(|limit| divide(excess, limit))
    }

    pub(super) fn add(&mut self, amount: u64) {
        self.owed = self.owed.saturating_add(self.tokens(amount));
    }

    /// What was taken before the bucket was last full has flowed in again, and is not given back a
    /// second time.
    pub(super) fn settle(&mut self, at: u64, taken: u64, cost: u64) {
        if cost >= taken {
            self.add(cost.saturating_sub(taken));
        } else if at >= self.full_at {
            self.owed = self.owed.saturating_sub(self.tokens(taken.saturating_sub(cost)));
            self.note_if_full();
        }
    }

    /// One into which nothing flows gives nothing, and need not be kept longer than others.
    pub(super) fn idle_at(&self) -> u64 {
        if self.owed == 0 {
            return 0;
        }
        self.now.saturating_add(self.until(0).unwrap_or(self.window.get()))
    }

    const fn note_if_full(&mut self) {
        if self.owed == 0 {
            self.full_at = self.now;
        }
    }

    fn tokens(&self, amount: u64) -> u128 {
        multiply(amount, self.window.get())
    }
}
