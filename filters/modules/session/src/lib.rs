//! `mcp_session.wasm`: the session filter as a loadable module.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Plan};
use mcp_host::Module;
use mcp_session::SessionFilter;

struct Session;

impl Module for Session {
    type Filter = SessionFilter;

    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<SessionFilter>, ConfigError> {
        mcp_session::plan(configuration, capabilities)
    }
}

proxy_wasm::main! {{
    mcp_host::start::<Session>();
}}
