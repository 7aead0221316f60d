//! Which tokens are being asked about.

use core::time::Duration;

use super::TokenHash;

/// The calls under way.
#[derive(Debug)]
pub(super) struct Calls {
    /// Seconds after which a call without an outcome is given up.
    timeout: u64,
    limit: usize,
    /// Whether one call serves every request with its token.
    shared: bool,
    /// What each is about and when it began, oldest first.
    began: Vec<(TokenHash, u64)>,
}

/// What became of the wish to begin a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    New,
    /// Another's will do.
    UnderWay,
    TooMany,
}

/// Seconds that a call may be late: hosts begin it with their next tick, and round its timeout.
const SLACK: u64 = 2;

impl Calls {
    /// At most `limit` calls, one for each token: where requests can wait for each other's.
    pub(super) fn shared(timeout: Duration, limit: usize) -> Self {
        Self {
            timeout: timeout.as_secs().saturating_add(SLACK),
            limit,
            shared: true,
            began: vec![],
        }
    }

    /// At most `limit` calls, where each request must make its own.
    pub(super) fn separate(timeout: Duration, limit: usize) -> Self {
        Self { shared: false, ..Self::shared(timeout, limit) }
    }

    /// Begins a call about `token`, unless there is one to wait for, or no room.
    pub(super) fn begin(&mut self, token: TokenHash, now: u64) -> Begun {
        let timeout = self.timeout;
        // If the clock went back, a call counts as given up: better one too many than none for long.
        self.began.retain(|(_, began)| now.checked_sub(*began).is_some_and(|age| age < timeout));
        if self.shared && self.began.iter().any(|(known, _)| *known == token) {
            return Begun::UnderWay;
        }
        if self.began.len() >= self.limit {
            return Begun::TooMany;
        }
        self.began.push((token, now));
        Begun::New
    }

    /// Notes the outcome of a call.
    pub(super) fn end(&mut self, token: TokenHash) {
        if let Some(index) = self.began.iter().position(|(known, _)| *known == token) {
            self.began.remove(index);
        }
    }
}
