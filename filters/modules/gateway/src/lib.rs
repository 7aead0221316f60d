//! `mcp_gateway.wasm`: all filters in one module, each going by what those before it found out.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use mcp_auth::{AuthConfig, AuthFilter};
use mcp_core::admission::AdmissionConfig;
use mcp_core::config::{ConfigError, Section};
use mcp_core::pipeline::{self, Capabilities, Chain, Pipeline, Plan, Predecessor};
use mcp_core::telemetry::Telemetry;
use mcp_host::Module;
use mcp_quota::{Counters, QuotaConfig, QuotaFilter, Site};
use mcp_session::{SessionConfig, SessionFilter};
use mcp_sse::{SseConfig, SseFilter};
use serde::Deserialize;

struct Gateway;

/// One section per filter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ModuleConfig {
    admission: Section<AdmissionConfig>,
    auth: Section<AuthConfig>,
    session: Section<SessionConfig>,
    quota: Section<QuotaConfig>,
    sse: Option<Section<SseConfig>>,
    telemetry: Section<Telemetry>,
}

impl Module for Gateway {
    type Filter = Chain<AuthFilter, Chain<SessionFilter, Chain<QuotaFilter, SseFilter>>>;

    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<Self::Filter>, ConfigError> {
        let counters = Counters::default();
        let predecessor = Predecessor::Auth;
        let mut plan = pipeline::plan(configuration, |config: ModuleConfig, server| {
            let admission = config.admission.0.build()?;
            let (auth, mut notices) = config.auth.0.build(capabilities)?;
            let (session, more) = config.session.0.build(capabilities, predecessor)?;
            notices.extend(more);
            let site = Site { capabilities, predecessor, server };
            let (quota, more) = config.quota.0.build(&site, &counters)?;
            notices.extend(more);
            let (sse, more) = match config.sse {
                Some(Section(sse)) => sse.build(capabilities, predecessor)?,
                None => (SseFilter::off(), Vec::new()),
            };
            notices.extend(more);
            let chain = Chain(auth, Chain(session, Chain(quota, sse)));
            let (telemetry, notice) = config.telemetry.0.on(capabilities);
            notices.extend(notice);
            Ok((Pipeline::new(admission, chain).telling(telemetry), notices))
        })?;
        if capabilities.signatures {
            mcp_signature::install(mcp_host::verify_signature);
            plan.notices.push(mcp_signature::NOTICE.to_owned());
        }
        Ok(plan)
    }
}

proxy_wasm::main! {{
    mcp_host::start::<Gateway>();
}}
