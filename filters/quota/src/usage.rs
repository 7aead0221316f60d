//! What messages cost, in tokens.
//!
//! A [`Meter`] takes in the messages of one answer as they pass and tells what they cost: exactly
//! where the model's provider says so (`llm`), estimated by their text where nobody does (`mcp`,
//! and streams without a usage). What a request costs is told before it is answered.

mod estimate;
mod llm;
mod mcp;
mod meter;
mod read;

pub use llm::{LlmRequest, of_llm_request};
pub use mcp::{of_request, of_response_body};
pub use meter::{Measured, Meter, Seen, Traffic};

/// Tokens by class; no token is in two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read by the model, and not from a cache; or sent to a server.
    pub input: u64,
    /// Read by the model from its cache.
    pub cached: u64,
    /// Written by the model, or by the server for one to read.
    pub output: u64,
    /// Written by the model for itself.
    pub reasoning: u64,
}

/// How a usage is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    /// The model's provider said so.
    Exact,
    /// All text was seen and estimated.
    Estimated,
    /// The answer broke off, or a part of it could not be read: what was seen.
    Partial,
    /// Nothing could be read.
    Missing,
}

impl Usage {
    /// All classes together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input
            .saturating_add(self.cached)
            .saturating_add(self.output)
            .saturating_add(self.reasoning)
    }
}
