//! What messages cost, in tokens.

/// Tokens by class; no token is in two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read by the model, and not from a cache.
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
