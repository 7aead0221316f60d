//! `mcp_sse.wasm`: the sse filter as a loadable module.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Plan};
use mcp_host::Module;
use mcp_sse::SseFilter;

struct Sse;

impl Module for Sse {
    type Filter = SseFilter;

    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<SseFilter>, ConfigError> {
        mcp_sse::plan(configuration, capabilities)
    }
}

proxy_wasm::main! {{
    mcp_host::start::<Sse>();
}}
