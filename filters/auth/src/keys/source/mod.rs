//! One issuer's remote keys: when to fetch them, and what to do meanwhile.
//!
//! A state machine without a clock, a socket or randomness: [`Source::decide`] says what a request
//! should do, whoever does it tells the outcome by [`Source::fetched`] or [`Source::failed`]. Keys
//! that were once fetched stay in use while their issuer is down, for [`Policy::max_stale`].

mod answer;
mod calls;
mod discovery;

pub(crate) use answer::is_json;
pub use answer::{Answer, AnswerError};
pub use discovery::{Discovery, IssuerError};

use core::time::Duration;

use calls::{Calls, Failure, has_passed, seconds};

use super::jwk_set::{KeySet, KeySetError, Origin, Skipped};

/// When to fetch. Times count in whole seconds, and none is shorter than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Age at which keys are fetched anew.
    pub refresh: Duration,
    /// Age up to which keys are used when no newer ones can be had.
    pub max_stale: Duration,
    /// Least time from one answer to a fetch for a `kid` it did not have.
    pub cooldown: Duration,
    /// Delay after a first failure; it doubles with each further one.
    pub first_retry: Duration,
    /// Longest delay after a failure.
    pub last_retry: Duration,
    /// Time after which a call without an outcome is given up.
    pub call_timeout: Duration,
    /// Calls in flight while there are no keys: one where requests can wait for each other's.
    pub max_calls: usize,
    /// Whether a timer asks [`Source::due`], so that no request needs to begin a refresh.
    pub timer: bool,
}

/// One issuer's keys, and the calls for them.
#[derive(Debug)]
pub struct Source {
    policy: Policy,
    location: Location,
    held: Option<Held>,
    calls: Calls,
    failure: Option<Failure>,
    generation: u64,
}

/// Where the keys are.
#[derive(Debug)]
enum Location {
    /// At a path that was configured.
    Path(String),
    /// Where the issuer's metadata says.
    Discovery(Discovery),
}

#[derive(Debug)]
struct Held {
    keys: KeySet,
    since: u64,
    /// Seconds after which they are due to be fetched anew.
    refresh: u64,
}

/// A document to get from the configured service, with `Accept: application/json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path, with the query if there is one.
    pub path: String,
    document: Document,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Metadata,
    Keys,
}

/// What a request that needs keys should do.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Verify with these keys.
    Use(&'a KeySet),
    /// Verify with these keys; they are due to be fetched anew, and this request is the one to
    /// begin, whether or not it waits.
    Refresh(&'a KeySet, Request),
    /// Get this first, then decide again.
    Fetch(Request),
    /// A call in flight may bring the key: wait for it, or come back after so many seconds.
    Wait {
        /// Seconds until the call is given up; at least one.
        retry_after: u64,
    },
    /// There are no keys to judge the token with, and it is too early to try again.
    Unavailable {
        /// Seconds until the next try; at least one.
        retry_after: u64,
    },
}

/// What an answer brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The place of the keys, or of other metadata to look at: decide again.
    Located,
    /// Keys, without those that were left out.
    Keys(Vec<Skipped>),
}

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing was fetched yet, and nothing failed.
    NeverFetched,
    /// The keys are younger than [`Policy::refresh`].
    Fresh,
    /// The keys are older than that; they serve up to [`Policy::max_stale`].
    Stale,
    /// The last fetch failed; keys may be in use still.
    Failing,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(10 * 60),
            max_stale: Duration::from_secs(24 * 60 * 60),
            cooldown: Duration::from_secs(30),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_secs(60),
            call_timeout: Duration::from_secs(10),
            max_calls: 1,
            timer: false,
        }
    }
}

impl Source {
    /// Keys that are at `path` of the configured service.
    pub fn at(path: impl Into<String>, policy: Policy) -> Self {
        Self::new(Location::Path(path.into()), policy)
    }

    /// Keys that the issuer's metadata locates.
    pub fn discovered(discovery: Discovery, policy: Policy) -> Self {
        Self::new(Location::Discovery(discovery), policy)
    }

    fn new(location: Location, policy: Policy) -> Self {
        let calls = Calls::new(policy.call_timeout);
        Self { policy, location, held: None, calls, failure: None, generation: 0 }
    }

    /// What a request should do whose token names `kid`. Answering [`Decision::Fetch`] or
    /// [`Decision::Refresh`] begins a call: its outcome must be told.
    pub fn decide(&mut self, now: u64, kid: Option<&str>) -> Decision<'_> {
        let Self { policy, location, held, calls, failure, .. } = self;
        calls.give_up(now);
        let retry_after = failure.as_ref().map_or(0, |failure| failure.retry_after(now));
        let Some(held) = held.as_ref().filter(|held| held.age(now) < seconds(policy.max_stale))
        else {
            return if retry_after > 0 {
                Decision::Unavailable { retry_after }
            } else if calls.count() >= policy.max_calls.max(1) {
                Decision::Wait { retry_after: calls.remaining(now) }
            } else {
                calls.begin(now);
                Decision::Fetch(location.request())
            };
        };
        if kid.is_none_or(|kid| held.keys.knows(kid)) {
            let due = !policy.timer && has_passed(held.refresh, held.since, now);
            if !due || calls.count() > 0 || retry_after > 0 {
                return Decision::Use(&held.keys);
            }
            calls.begin(now);
            return Decision::Refresh(&held.keys, location.request());
        }
        if calls.count() > 0 {
            return Decision::Wait { retry_after: calls.remaining(now) };
        }
        if retry_after > 0 {
            // The issuer may have new keys, so nobody can tell whether this token is bad.
            return Decision::Unavailable { retry_after };
        }
        if !has_passed(seconds(policy.cooldown), held.since, now) {
            return Decision::Use(&held.keys);
        }
        calls.begin(now);
        Decision::Fetch(location.request())
    }

    /// What a timer should get, if keys are missing or due to be fetched anew. That begins a call:
    /// its outcome must be told.
    pub fn due(&mut self, now: u64) -> Option<Request> {
        self.calls.give_up(now);
        let held = self.held.as_ref();
        let fresh = held.is_some_and(|held| !has_passed(held.refresh, held.since, now));
        let retry_after = self.failure.as_ref().map_or(0, |failure| failure.retry_after(now));
        if fresh || retry_after > 0 || self.calls.count() > 0 {
            return None;
        }
        self.calls.begin(now);
        Some(self.location.request())
    }

    /// Takes the answer to `request`; `jitter` is random. Keys in use stay if it is no good.
    ///
    /// # Errors
    /// What is wrong with the answer; the next try is put off as by [`Source::failed`].
    pub fn fetched(
        &mut self,
        now: u64,
        request: &Request,
        answer: &Answer<'_>,
        jitter: u64,
    ) -> Result<Progress, AnswerError> {
        self.calls.end();
        let progress = match (request.document, &mut self.location) {
            (Document::Metadata, Location::Discovery(discovery)) => {
                discovery.learn(&request.path, answer).map(|()| Progress::Located)
            }
            _ => answer.json().and_then(|body| {
                let (keys, skipped) = KeySet::parse(body, Origin::Remote)?;
                self.hold(keys, now, jitter);
                Ok(Progress::Keys(skipped))
            }),
        };
        if progress.is_err() {
            self.put_off(now, jitter);
        }
        progress
    }

    /// Takes note that a call brought no answer, or could not be begun; `jitter` is random.
    pub fn failed(&mut self, now: u64, jitter: u64) {
        self.calls.end();
        self.put_off(now, jitter);
    }

    /// Undoes the beginning of a call that somebody else makes.
    pub fn call_off(&mut self) {
        self.calls.end();
    }

    /// When the keys were fetched, in seconds since 1970; zero if there are none.
    pub fn since(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.since)
    }

    /// Takes a key set that another worker fetched at `since` and left in shared data.
    ///
    /// # Errors
    /// If it is no key set; nothing changes then.
    pub fn adopt(&mut self, body: &[u8], since: u64, jitter: u64) -> Result<(), KeySetError> {
        let (keys, _) = KeySet::parse(body, Origin::Remote)?;
        self.hold(keys, since, jitter);
        Ok(())
    }

    /// How the source is doing.
    pub fn state(&self, now: u64) -> State {
        match (&self.failure, &self.held) {
            (Some(_), _) => State::Failing,
            (None, None) => State::NeverFetched,
            (None, Some(held)) if has_passed(held.refresh, held.since, now) => State::Stale,
            (None, Some(_)) => State::Fresh,
        }
    }

    /// A number that changes whenever the keys do: what was verified with others must be forgotten.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn hold(&mut self, keys: KeySet, since: u64, jitter: u64) {
        let known = self.held.as_ref().map(|held| held.keys.fingerprint());
        if known != Some(keys.fingerprint()) {
            self.generation = self.generation.wrapping_add(1);
        }
        // Up to a tenth early, so that workers that started together drift apart.
        let refresh = seconds(self.policy.refresh);
        let early = jitter.checked_rem(refresh / 10).unwrap_or_default();
        self.held = Some(Held { keys, since, refresh: refresh.saturating_sub(early) });
        self.failure = None;
    }

    fn put_off(&mut self, now: u64, jitter: u64) {
        let count = self.failure.as_ref().map_or(0, Failure::count);
        self.failure = Some(Failure::after(count, &self.policy, now, jitter));
        // The keys may have moved.
        if let Location::Discovery(discovery) = &mut self.location {
            discovery.forget();
        }
    }
}

// === impl Location ===

impl Location {
    fn request(&self) -> Request {
        match self {
            Self::Path(path) => Request { path: path.clone(), document: Document::Keys },
            Self::Discovery(discovery) => match discovery.keys() {
                Some(path) => Request { path: path.to_owned(), document: Document::Keys },
                None => {
                    Request { path: discovery.metadata().to_owned(), document: Document::Metadata }
                }
            },
        }
    }
}

// === impl Held ===

impl Held {
    /// Seconds since they were fetched; none if the clock went back.
    fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests;
