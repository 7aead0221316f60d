//! What it costs: limits on requests, bytes and tokens of MCP and LLM traffic.
//!
//! `limit` is whom and what a limit counts, `who` calls; `reserve` takes from the limits before a
//! call and `settle` corrects that after it; `usage` counts what a message costs, exactly where its
//! sender says so and by `estimator` where nobody does, and `weights` what that is worth; `counter`
//! is how one counter counts, `store` keeps them and debits all or none; `repeats` knows calls that
//! come again; `caps` bounds results; `denial` tells clients, `tally` the operator.

mod caps;
mod config;
mod cost;
mod counter;
mod denial;
pub mod estimator;
mod filter;
mod limit;
mod repeats;
mod reserve;
mod settle;
pub mod store;
mod tally;
pub mod usage;
mod weights;
mod who;

pub use config::{QuotaConfig, plan};
pub use filter::QuotaFilter;
