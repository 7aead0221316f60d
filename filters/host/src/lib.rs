//! The boundary to the gateway: everything that knows proxy-wasm is here, and nothing else is.
//!
//! `abi` declares the raw host calls and holds the only `unsafe`; `probe` asks once what the host
//! can do; `stream` feeds the pipeline and carries out what it returns; `shell` configures and ticks;
//! `watchdog` gives up requests
//! whose body never comes; `telemetry` counts and logs.

mod abi;
mod answer;
mod calls;
mod deadlines;
mod environment;
mod pairs;
mod probe;
mod response;
mod shell;
mod stream;
mod telemetry;
mod watchdog;

pub use shell::{Module, start};
