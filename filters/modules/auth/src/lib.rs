//! `mcp_auth.wasm`: the auth filter as a loadable module.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use mcp_auth::AuthFilter;
use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Plan};
use mcp_host::Module;

struct Auth;

impl Module for Auth {
    type Filter = AuthFilter;

    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<AuthFilter>, ConfigError> {
        let mut plan = mcp_auth::plan(configuration, capabilities)?;
        if capabilities.signatures {
            mcp_signature::install(mcp_host::verify_signature);
            plan.notices.push(mcp_signature::NOTICE.to_owned());
        }
        Ok(plan)
    }
}

proxy_wasm::main! {{
    mcp_host::start::<Auth>();
}}
