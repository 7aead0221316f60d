//! `mcp_gateway.wasm`: all filters in one module, each going by what those before it found out.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use mcp_auth::{AuthConfig, AuthFilter};
use mcp_core::admission::{Admission, AdmissionConfig};
use mcp_core::config::{self, ConfigError, Section};
use mcp_core::pipeline::{Capabilities, Chain, Pipeline, Plan, Predecessor};
use mcp_core::telemetry::Telemetry;
use mcp_host::Module;
use mcp_quota::{QuotaConfig, QuotaFilter};
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
        let config: ModuleConfig = config::parse(configuration)?;
        let admission =
            Admission::try_from(config.admission.0).map_err(|error| error.within("admission"))?;
        let (auth, mut notices) = config.auth.0.build(capabilities)?;
        let (session, more) = config.session.0.build(capabilities, Predecessor::Auth)?;
        notices.extend(more);
        let (quota, more) = config.quota.0.build(capabilities, Predecessor::Auth)?;
        notices.extend(more);
        let (sse, more) = match config.sse {
            Some(Section(sse)) => sse.build(capabilities, Predecessor::Auth)?,
            None => (SseFilter::off(), Vec::new()),
        };
        notices.extend(more);
        if capabilities.signatures {
            mcp_signature::install(mcp_host::verify_signature);
            notices.push(mcp_signature::NOTICE.to_owned());
        }
        let chain = Chain(auth, Chain(session, Chain(quota, sse)));
        let (telemetry, notice) = config.telemetry.0.on(capabilities);
        notices.extend(notice);
        Ok(Plan { pipeline: Pipeline::new(admission, chain).telling(telemetry), notices })
    }
}

proxy_wasm::main! {{
    mcp_host::start::<Gateway>();
}}
