//! The sse filter: streams that stay streams, and the headers of both sides by rule.
//!
//! `rule` is what changes in heads, `template` the values it writes; `stream` are the fields of an
//! event stream's head; `trace` is the trace context that a message carries; `endpoint` leads
//! HTTP+SSE clients back through the gateway; `health` is how one stream goes, and `tally` what the
//! operator learns of all; `filter` is its part in each stage of an exchange.

mod config;
mod endpoint;
mod filter;
mod health;
mod rule;
mod stream;
mod tally;
mod template;
mod trace;

pub use config::{SseConfig, plan};
pub use filter::SseFilter;
