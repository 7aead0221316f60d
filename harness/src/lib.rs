//! A proxy-wasm host for tests: runs filter modules under the rules of Envoy and of Apache APISIX.
//!
//! The harness knows the proxy-wasm ABI and nothing of what a module does. Time, randomness, HTTP
//! services and the traffic are in the test's hands, so every run gives the same result. What would
//! kill or hang a real gateway is an [`Outcome`], not an accident.
//!
//! ```no_run
//! use mcp_harness::{Exchange, Host, Module, Options, Outcome, Profile, Request};
//!
//! let module = Module::load(&std::fs::read("filter.wasm")?)?;
//! let mut host = Host::new(&module, Profile::Apisix, Options::default())?;
//! let transcript = host.exchange(0, &Exchange::new(Request::new("GET", "/")));
//! assert_eq!(transcript.outcome, Outcome::Proxied);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod abi;
mod apisix;
mod calls;
mod envoy;
mod exchange;
mod flow;
mod headers;
mod host;
mod metrics;
mod module;
mod options;
mod profile;
mod script;
mod services;
mod state;
mod vm;
mod worker;
mod world;

pub use abi::{LogLevel, Status};
pub use exchange::{
    ClientResponse, Exchange, Outcome, Request, Response, Transcript, UpstreamRequest, Version,
};
pub use headers::Headers;
pub use host::{ExchangeId, Host};
pub use module::{LoadError, Module, Symbol};
pub use options::{EnvoyOptions, FailurePolicy, Options};
pub use profile::Profile;
pub use script::{ExchangeReport, Failure, Report, SyntaxError, Unmet, run_file, run_text};
pub use services::{ServiceAnswer, ServiceCall};
pub use world::{Copied, Crossing, HostCall, LogLine};
