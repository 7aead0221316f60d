//! The boundary to the gateway: everything that knows proxy-wasm is here, and nothing else is.
//!
//! `abi` declares the raw host calls and holds, with `memory`, the only `unsafe`; `probe` asks once what the host
//! can do; `signature` lets it judge signatures; `stream` takes the callbacks of an exchange, and
//! `request` and `response` feed the pipeline from them and carry out what it returns; `shell`
//! configures and ticks; `waiting` holds requests until an answer comes, `watchdog` gives up those
//! whose body never does, `deadlines` knows when open streams end; `telemetry` counts and logs, by
//! `labels` of which there are few.

mod abi;
mod answer;
mod calls;
mod certificate;
mod clock;
mod deadlines;
mod environment;
mod labels;
#[cfg(target_arch = "wasm32")]
mod memory;
mod pairs;
mod probe;
mod request;
mod response;
mod shell;
mod signature;
mod stream;
mod telemetry;
mod waiting;
mod watchdog;

pub use shell::{Module, start};
pub use signature::verify_signature;
