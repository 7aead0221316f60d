//! What was said of tokens, and for how long it is believed.
//!
//! Memory is bounded: there is room for so many tokens, and what is kept of each is no larger than
//! an answer may be. Tokens that hold have a store of their own, so that any number of bad ones
//! pushes none of them out.

use core::num::NonZeroUsize;
use core::time::Duration;
use std::rc::Rc;

use mcp_core::cache::Bounded;

use super::TokenHash;
use crate::token::{Claims, Reject};

/// Verdicts by token.
#[derive(Debug)]
pub(super) struct Verdicts {
    accepted: Bounded<TokenHash, Entry>,
    others: Bounded<TokenHash, Entry>,
    /// Seconds for which an accepted token is believed to hold.
    ttl: u64,
}

/// What is known of a token.
#[derive(Debug)]
pub(super) enum Verdict {
    Accept(Rc<Claims>),
    Reject(Reject),
    /// The issuer could not say; do not ask before `until`.
    Unavailable {
        until: u64,
    },
}

#[derive(Debug)]
struct Entry {
    verdict: Verdict,
    since: u64,
    until: u64,
}

const MAX_ACCEPTED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
const MAX_OTHERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// Seconds for which a token that does not hold is not asked about again. It may come to hold: a
/// replica of the issuer's may not have heard of it yet.
const REJECTED: u64 = 5;

/// Seconds for which an issuer that could not say is not asked again about that token.
const UNAVAILABLE: u64 = 2;

impl Verdicts {
    pub(super) fn new(ttl: Duration) -> Self {
        let (accepted, others) = (Bounded::new(MAX_ACCEPTED), Bounded::new(MAX_OTHERS));
        Self { accepted, others, ttl: ttl.as_secs() }
    }

    /// What is known of `token` at `now`.
    pub(super) fn get(&mut self, token: &TokenHash, now: u64) -> Option<&Verdict> {
        for store in [&mut self.accepted, &mut self.others] {
            // Before a verdict, as after the clock went back, it says nothing.
            let holds = |entry: &Entry| (entry.since..entry.until).contains(&now);
            if store.peek(token).is_some_and(|entry| !holds(entry)) {
                store.remove(token);
            }
        }
        let store =
            if self.accepted.peek(token).is_some() { &mut self.accepted } else { &mut self.others };
        store.get(token).map(|entry| &entry.verdict)
    }

    /// Remembers what the issuer said at `now`.
    pub(super) fn judged(&mut self, token: TokenHash, said: Result<Claims, Reject>, now: u64) {
        match said {
            Ok(claims) => {
                let until = claims.expires_at().min(now.saturating_add(self.ttl));
                let verdict = Verdict::Accept(Rc::new(claims));
                self.others.remove(&token);
                self.accepted.insert(token, Entry::new(verdict, now, until));
            }
            Err(reject) => {
                self.accepted.remove(&token);
                let until = now.saturating_add(REJECTED);
                self.others.insert(token, Entry::new(Verdict::Reject(reject), now, until));
            }
        }
    }

    /// Remembers that the issuer could not say at `now`.
    pub(super) fn unavailable(&mut self, token: TokenHash, now: u64) {
        let until = now.saturating_add(UNAVAILABLE);
        self.others.insert(token, Entry::new(Verdict::Unavailable { until }, now, until));
    }
}

impl Entry {
    /// An entry for a second at least: the requests that wait for it must find it.
    fn new(verdict: Verdict, now: u64, until: u64) -> Self {
        Self { verdict, since: now, until: until.max(now.saturating_add(1)) }
    }
}
