//! One limit: whom it counts, what of them, and how much there is.

mod config;
mod key;

pub(crate) use config::{Amount, LimitConfig, Limits, MAX_NAME, Scope};
use config::{MAX_AMOUNT, share};
pub(crate) use key::{Key, Who};

use mcp_core::pattern::{Holds, Pattern};
use mcp_core::pipeline::Caller;
use serde::Deserialize;

use crate::cost::Cost;
use crate::store::{Algorithm, CounterId};

/// A configured limit.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) name: String,
    /// Index of its key among all keys.
    pub(crate) key: usize,
    pub(crate) covers: Covers,
    pub(crate) unit: Unit,
    /// How much there is; more or less for some.
    amount: u64,
    overrides: Vec<(Vec<Pattern>, u64)>,
    /// Of how many counters that do not know each other this one gets its share.
    workers: u64,
    /// Milliseconds.
    pub(crate) window: u64,
    algorithm: Algorithm,
    /// Whether it says how much a bucket holds; else that is what flows in.
    has_burst: bool,
    /// What is taken for an answer before it came.
    reserve: u64,
    /// Whether an answer ends where the limit does.
    pub(crate) hard: bool,
    /// Whether it refuses nothing.
    pub(crate) shadow: bool,
    pub(crate) counter: CounterId,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Bytes of both bodies.
    Bytes,
    /// Calls in flight and open streams.
    Concurrent,
    /// Micro-units of whatever the weights are in.
    Cost,
    /// Tokens that a model reads, cached ones included.
    InputTokens,
    /// Tokens that a model or a tool writes, reasoning included.
    OutputTokens,
    /// Bytes of the request's body.
    RequestBytes,
    /// Requests.
    Requests,
    /// Bytes of the answer's body.
    ResponseBytes,
    /// Tokens of all classes.
    Tokens,
}

/// Which calls a limit is about: those that meet all conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Covers {
    methods: Vec<Pattern>,
    names: Vec<Pattern>,
    scopes: Vec<String>,
    tenants: Vec<Pattern>,
}

// === impl Limit ===

impl Limit {
    /// How much there is for this caller: what its credentials say, else what is configured for its
    /// tenant.
    pub(crate) fn amount_for(&self, caller: &Caller) -> u64 {
        if let Some((_, amount)) = caller.limits.iter().find(|(name, _)| *name == self.name) {
            return share(*amount.min(&MAX_AMOUNT), self.workers);
        }
        let tenant = caller.tenant.as_deref();
        let own = self.overrides.iter().find(|(tenants, _)| any(tenants, tenant));
        own.map_or(self.amount, |(_, amount)| *amount)
    }

    /// How it forgets, for a caller who has this `amount`.
    pub(crate) const fn algorithm_for(&self, amount: u64) -> Algorithm {
        match self.algorithm {
            Algorithm::TokenBucket { window, .. } if !self.has_burst => {
                Algorithm::TokenBucket { window, burst: amount }
            }
            algorithm => algorithm,
        }
    }

    /// What is taken for an answer before it came, of a caller who has this `amount`: as large a part
    /// of it as is configured, where that is less, or who has little could make no call.
    pub(crate) fn reserve_for(&self, amount: u64) -> u64 {
        let whole = u128::from(self.amount).saturating_mul(self.workers.into());
        let part = u128::from(self.reserve).saturating_mul(amount.into());
        let part = part.checked_div(whole).and_then(|part| u64::try_from(part).ok());
        part.map_or(self.reserve, |part| self.reserve.min(part)).max(1)
    }

    /// Whether what is taken comes back with time.
    pub(crate) const fn forgets(&self) -> bool {
        !matches!(self.algorithm, Algorithm::Concurrent { .. })
    }
}

// === impl Unit ===

impl Unit {
    /// How much of it `cost` is.
    pub(crate) const fn of(self, cost: &Cost) -> u64 {
        let usage = &cost.usage;
        let input = usage.input.saturating_add(usage.cached);
        let output = usage.output.saturating_add(usage.reasoning);
        match self {
            Self::Bytes => cost.request_bytes.saturating_add(cost.response_bytes),
            Self::Concurrent => cost.in_flight,
            Self::Cost => cost.micros,
            Self::InputTokens => input,
            Self::OutputTokens => output,
            Self::RequestBytes => cost.request_bytes,
            Self::Requests => cost.requests,
            Self::ResponseBytes => cost.response_bytes,
            Self::Tokens => input.saturating_add(output),
        }
    }

    /// Whether the answer adds to it.
    pub(crate) const fn counts_answers(self) -> bool {
        !matches!(self, Self::Concurrent | Self::RequestBytes | Self::Requests)
    }

    /// Whether the text of messages has to be read for it.
    pub(crate) const fn counts_tokens(self) -> bool {
        matches!(self, Self::Cost | Self::InputTokens | Self::OutputTokens | Self::Tokens)
    }

    /// Whether the request has to be read for it.
    pub(crate) const fn reads_requests(self) -> bool {
        !matches!(
            self,
            Self::Concurrent | Self::OutputTokens | Self::Requests | Self::ResponseBytes
        )
    }

    /// Its name in headers (`qu` of `RateLimit-Policy`) and words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Concurrent => "concurrent",
            Self::Cost => "cost",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::RequestBytes => "request_bytes",
            Self::Requests => "requests",
            Self::ResponseBytes => "response_bytes",
            Self::Tokens => "tokens",
        }
    }
}

// === impl Covers ===

impl Covers {
    /// Whether the limit is about a call of `method` on `name` by `caller`.
    pub(crate) fn call(&self, method: Option<&str>, name: Option<&str>, caller: &Caller) -> bool {
        let tenant = caller.tenant.as_deref();
        (self.methods.is_empty() || any(&self.methods, method))
            && (self.names.is_empty() || any(&self.names, name))
            && (self.tenants.is_empty() || any(&self.tenants, tenant))
            && self.scopes.iter().all(|scope| caller.scopes.contains(scope))
    }

    /// Whether there is no condition.
    fn is_everything(&self) -> bool {
        self.methods.is_empty()
            && self.names.is_empty()
            && self.scopes.is_empty()
            && self.tenants.is_empty()
    }
}

/// Whether a pattern covers `value`. What is unclear is covered, since a limit that counts too much
/// is the safer one.
pub(crate) fn any(patterns: &[Pattern], value: Option<&str>) -> bool {
    value.is_some_and(|value| patterns.iter().any(|pattern| pattern.covers(value) != Holds::No))
}

#[cfg(test)]
mod tests;
