//! What it costs: limits on requests, bytes and tokens of MCP and LLM traffic.
//!
//! `usage` counts what a message costs, exactly where its sender says so and by `estimator` where
//! nobody does; `counter` is how one counter counts; `store` keeps them and debits all or none.

mod counter;
pub mod estimator;
pub mod store;
pub mod usage;
