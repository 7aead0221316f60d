//! What all filters share, without a host: everything here is a pure function of its arguments.
//!
//! `json`, `message` and `sse` read the wire; `version`, `mirror` and `agreement` hold MCP's rules;
//! `admission` decides what is let in; `pipeline` drives the filters of a chain through the stages
//! of an exchange, of one server or of several; `rewrite` changes what is in an answer's body, and `tap` reads it as it passes;
//! `refusal` says no; `certificate` is what is known of a client's; `signature` is what a host
//! judges; `pattern` are names with `*` in them; `order` sorts; `telemetry` is what is told of exchanges;
//! `config` turns text into checked values.

pub mod admission;
pub mod agreement;
pub mod cache;
pub mod certificate;
pub mod config;
pub mod cutoff;
pub mod edit;
mod exports;
pub mod hash;
pub mod head;
pub mod json;
pub mod limits;
pub mod message;
pub mod mirror;
pub mod order;
pub mod owned;
pub mod pattern;
pub mod pipeline;
pub mod refusal;
pub mod rewrite;
pub mod signature;
pub mod sse;
pub mod tap;
pub mod telemetry;
pub mod version;
