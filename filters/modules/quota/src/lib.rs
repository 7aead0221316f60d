//! `mcp_quota.wasm`: the quota filter as a loadable module.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Plan};
use mcp_host::Module;
use mcp_quota::QuotaFilter;

struct Quota;

impl Module for Quota {
    type Filter = QuotaFilter;

    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<QuotaFilter>, ConfigError> {
        mcp_quota::plan(configuration, capabilities)
    }
}

proxy_wasm::main! {{
    mcp_host::start::<Quota>();
}}
