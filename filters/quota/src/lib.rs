//! What it costs: limits on requests, bytes and tokens of MCP and LLM traffic.
//!
//! `limit` is whom and what a limit counts, `who` calls, and `items` what of; `reserve` takes the
//! `bill` of a call before it, then the call is `open`, and `settle` corrects it by what it cost;
//! `usage` counts tokens, exactly where a message's sender says so and by `estimator` where nobody
//! does, and `weights` what they are worth; `counter` is how one counter counts, `store` keeps them
//! and debits all or none; `repeats` knows calls that come again; `caps` bounds results; `denial`
//! tells clients, `tally` the operator; `site` is where a filter counts, of several servers.

mod bill;
mod caps;
mod config;
mod cost;
mod counter;
mod denial;
pub mod estimator;
mod filter;
mod items;
mod limit;
mod open;
mod repeats;
mod reserve;
mod settle;
mod site;
pub mod store;
mod tally;
pub mod usage;
mod weights;
mod who;

pub use config::{QuotaConfig, plan};
pub use filter::QuotaFilter;
pub use site::{Counters, Site};
