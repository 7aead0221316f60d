//! The session filter: tells the gateway what a request is about, and ties legacy sessions to
//! whoever opened them.
//!
//! `config` is its section of the configuration; `envelope` seals the session ids that servers
//! mint; `keys` holds the key material; `filter` is its part in each stage of an exchange.

mod config;
mod envelope;
mod filter;
mod keys;

pub use config::{SessionConfig, plan};
pub use filter::SessionFilter;
