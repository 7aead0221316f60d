//! What the tests of the built modules share: where the modules and the repository are, where a
//! test runs, which values are planted as secrets, the messages most of them send, and what
//! exchanges cost (which the command `costs` prints).
//!
//! The tests themselves: `modules/*.exchange` (traffic as text, run by `tests/exchanges.rs`),
//! `tests/endurance.rs` and `tests/contract.rs` (what a text cannot tell), and in Python `e2e`
//! (real Envoy).

pub mod callers;
pub mod costs;
pub mod growth;
pub mod message;
pub mod module;
pub mod place;
pub mod planted;
pub mod warm;
