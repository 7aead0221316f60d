//! Counting by windows that begin at the multiples of their length: the current one and the one
//! before, which is all that any of their algorithms looks back.

use core::num::NonZeroU64;

use super::{Words, divide, multiply, small_product};

/// How much a window counts once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fading {
    /// Not at all.
    AtOnce,
    /// By the part of it that is less than a window ago: a sliding window, if what was taken was
    /// taken evenly.
    Evenly,
    /// In full, until the next is over as well.
    AtTheEnd,
}

#[derive(Debug)]
pub(super) struct Windows {
    window: NonZeroU64,
    fading: Fading,
    /// The number of the current window.
    index: u64,
    current: u64,
    previous: u64,
}

impl Windows {
    pub(super) fn load(words: Words, window: u64, fading: Fading, now: u64) -> Self {
        let window = NonZeroU64::new(window).unwrap_or(NonZeroU64::MIN);
        let [index, current, previous, _] = words;
        let next = now / window;
        let (current, previous) = match next.saturating_sub(index) {
            0 => (current, previous),
            1 => (0, current),
            _ => (0, 0),
        };
        Self { window, fading, index: index.max(next), current, previous }
    }

    pub(super) const fn words(&self) -> Words {
        [self.index, self.current, self.previous, 0]
    }

    pub(super) fn used(&self, now: u64) -> u64 {
        let previous = match self.fading {
            Fading::AtOnce => 0,
            // Rounded up: what is left of a token is a token.
            Fading::Evenly => {
                let left = self.end().saturating_sub(now).min(self.window.get());
                divide(multiply(self.previous, left), self.window)
            }
            Fading::AtTheEnd => self.previous,
        };
        self.current.saturating_add(previous)
    }

    pub(super) fn until(&self, budget: u64, now: u64) -> Option<u64> {
        let at = match (self.fading, budget.checked_sub(self.current)) {
            (Fading::AtOnce, _) => self.end(),
            (Fading::AtTheEnd, _) => return None,
            (Fading::Evenly, Some(budget)) => self.faded(self.end(), self.previous, budget),
            (Fading::Evenly, None) => {
                self.faded(self.end().saturating_add(self.window.get()), self.current, budget)
            }
        };
        Some(at.saturating_sub(now))
    }

    pub(super) const fn add(&mut self, amount: u64) {
        self.current = self.current.saturating_add(amount);
    }

    pub(super) fn settle(&mut self, at: u64, taken: u64, cost: u64) {
        let count = match self.index.checked_sub(at / self.window) {
            Some(0) => &mut self.current,
            Some(1) => &mut self.previous,
            _ => return,
        };
        *count = if cost < taken {
            count.saturating_sub(taken.saturating_sub(cost))
        } else {
            count.saturating_add(cost.saturating_sub(taken))
        };
    }

    pub(super) fn idle_at(&self) -> u64 {
        match self.fading {
            Fading::AtOnce if self.current == 0 => 0,
            Fading::AtOnce => self.end(),
            _ if self.current > 0 => self.end().saturating_add(self.window.get()),
            _ if self.previous > 0 => self.end(),
            _ => 0,
        }
    }

    /// When the current window ends.
    fn end(&self) -> u64 {
        let (next, window) = (self.index.saturating_add(1), self.window.get());
        small_product(next, window).unwrap_or_else(|| next.saturating_mul(window))
    }

    /// When no more than `budget` is left of `total`, of which nothing is left at `end`.
    fn faded(&self, end: u64, total: u64, budget: u64) -> u64 {
        // What has to go, rounded up, of what goes in a window.
        let excess = multiply(total.saturating_sub(budget), self.window.get());
        let gone = NonZeroU64::new(total).map_or(0, |total| divide(excess, total));
        end.saturating_sub(self.window.get()).saturating_add(gone)
    }
}
