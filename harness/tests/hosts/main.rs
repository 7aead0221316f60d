//! The harness judged by small guests: each imitated row of either host has one that provokes it.

mod answers;
mod callbacks;
mod files;
mod foreign;
mod guest;
mod headers;
mod properties;
mod services;
mod traps;
mod workers;

use mcp_harness::{Exchange, Host, Module, Options, Profile, Request, Response, Transcript};

fn host(module: &Module, profile: Profile) -> Host {
    Host::new(module, profile, Options::default()).expect("the guest loads")
}

/// Runs one exchange on a fresh host.
fn run(module: &Module, profile: Profile, exchange: &Exchange) -> Transcript {
    host(module, profile).exchange(0, exchange)
}

fn get() -> Exchange {
    Exchange::new(Request::new("GET", "/"))
}

fn post(body: &str) -> Exchange {
    let request = Request::new("POST", "/mcp?x=1").header("X-Mixed-Case", "v").body(body);
    Exchange::with(request, Response::new(200).header("content-type", "text/plain").body("answer"))
}
