//! Calls in flight, and the back-off after failed ones.

use core::time::Duration;

use super::Policy;

/// The calls in flight.
#[derive(Debug)]
pub(super) struct Calls {
    timeout: u64,
    /// When each began, oldest first.
    began: Vec<u64>,
}

/// The failures since the last good answer.
#[derive(Debug)]
pub(super) struct Failure {
    count: u32,
    last: u64,
    /// Seconds to wait from the last one.
    delay: u64,
}

/// The whole seconds of a period, at least one.
pub(super) fn seconds(period: Duration) -> u64 {
    period.as_secs().max(1)
}

/// Whether `period` seconds have passed since `since`. If the clock went back they count as passed:
/// asking once too often is better than never again.
pub(super) fn has_passed(period: u64, since: u64, now: u64) -> bool {
    now.checked_sub(since).is_none_or(|elapsed| elapsed >= period)
}

impl Calls {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout: seconds(timeout), began: Vec::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.began.len()
    }

    pub(super) fn begin(&mut self, now: u64) {
        self.began.push(now);
    }

    /// Notes the outcome of a call; which one does not matter, as they are all for the same.
    pub(super) fn end(&mut self) {
        if !self.began.is_empty() {
            self.began.remove(0);
        }
    }

    /// Forgets calls whose outcome should long have been told.
    pub(super) fn give_up(&mut self, now: u64) {
        self.began.retain(|began| !has_passed(self.timeout, *began, now));
    }

    /// Seconds until the oldest call is given up: at least one, after [`Self::give_up`].
    pub(super) fn remaining(&self, now: u64) -> u64 {
        let elapsed = self.began.first().map_or(0, |began| now.saturating_sub(*began));
        self.timeout.saturating_sub(elapsed)
    }
}

impl Failure {
    /// One more failure after `count`. The delay doubles with each, and `jitter` takes off up to a
    /// half, so that workers that failed together do not come back together.
    pub(super) fn after(count: u32, policy: &Policy, now: u64, jitter: u64) -> Self {
        let doubled = 1_u64.checked_shl(count).unwrap_or(u64::MAX);
        let delay = seconds(policy.first_retry).saturating_mul(doubled);
        let delay = delay.min(seconds(policy.last_retry));
        let sooner = jitter.checked_rem((delay / 2).saturating_add(1)).unwrap_or_default();
        let delay = delay.saturating_sub(sooner);
        Self { count: count.saturating_add(1), last: now, delay }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Seconds until the next try; zero if it is time.
    pub(super) fn retry_after(&self, now: u64) -> u64 {
        now.checked_sub(self.last).map_or(0, |elapsed| self.delay.saturating_sub(elapsed))
    }
}
