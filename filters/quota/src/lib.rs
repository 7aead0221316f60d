//! What it costs: limits on requests, bytes and tokens of MCP and LLM traffic.
//!
//! `usage` counts what a message costs, exactly where its sender says so and by `estimator` where
//! nobody does; `store` keeps the counters and debits all of them or none.

pub mod estimator;
pub mod store;
pub mod usage;
