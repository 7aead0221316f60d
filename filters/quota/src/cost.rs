//! What an exchange cost, in every unit there is a limit in.

use crate::usage::Usage;

/// What an exchange cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Calls under way.
    pub(crate) in_flight: u64,
    pub(crate) requests: u64,
    /// Of the request's body.
    pub(crate) request_bytes: u64,
    /// Of the answer's body.
    pub(crate) response_bytes: u64,
    pub(crate) usage: Usage,
    /// By the weights, in micro-units.
    pub(crate) micros: u64,
}

impl Cost {
    /// Both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            in_flight: self.in_flight.saturating_add(other.in_flight),
            requests: self.requests.saturating_add(other.requests),
            request_bytes: self.request_bytes.saturating_add(other.request_bytes),
            response_bytes: self.response_bytes.saturating_add(other.response_bytes),
            usage: self.usage.plus(other.usage),
            micros: self.micros.saturating_add(other.micros),
        }
    }
}

impl Usage {
    /// Both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }
}
