//! `mcp_gateway.wasm`: all filters in one module, each going by what those before it found out. Only
//! those run whose section is configured.
#![expect(missing_docs, reason = "the SDK's macro defines the initializer")]

use core::cell::Cell;

use mcp_auth::{AuthConfig, AuthFilter};
use mcp_core::admission::AdmissionConfig;
use mcp_core::config::{ConfigError, Section};
use mcp_core::pipeline::{self, Capabilities, Chain, Listed, Pipeline, Plan, Predecessor};
use mcp_core::telemetry::Telemetry;
use mcp_host::Module;
use mcp_quota::{Counters, QuotaConfig, QuotaFilter, Site};
use mcp_session::{SessionConfig, SessionFilter};
use mcp_sse::{SseConfig, SseFilter};
use serde::{Deserialize, Deserializer};

struct Gateway;

/// One section per filter; one that is absent leaves its filter out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ModuleConfig {
    #[serde(deserialize_with = "written")]
    admission: Written<AdmissionConfig>,
    #[serde(deserialize_with = "written")]
    auth: Written<AuthConfig>,
    #[serde(deserialize_with = "written")]
    session: Written<SessionConfig>,
    #[serde(deserialize_with = "written")]
    quota: Written<QuotaConfig>,
    #[serde(deserialize_with = "written")]
    sse: Written<SseConfig>,
    telemetry: Section<Telemetry>,
}

type Written<T> = Option<Section<T>>;

/// A section that is there: `null` leaves none out, since a template that lost its values writes it.
fn written<'de, T, D>(deserializer: D) -> Result<Written<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Section::deserialize(deserializer).map(Some)
}

/// What is told where nobody is asked who they are.
const NO_AUTH: &str =
    "auth is not configured: requests pass whoever calls, and nobody is known here";

impl Module for Gateway {
    type Filter = Chain<
        Option<AuthFilter>,
        Chain<Option<SessionFilter>, Chain<Option<QuotaFilter>, Option<SseFilter>>>,
    >;

    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<Self::Filter>, ConfigError> {
        let counters = Counters::default();
        let reads_tokens = Cell::new(false);
        let mut plan = pipeline::plan(configuration, |config: ModuleConfig, server| {
            config.check(server)?;
            let admission = config.admission.unwrap_or_default().0.build()?;
            let mut notices = Vec::new();
            let auth = built(config.auth, &mut notices, |auth| auth.build(capabilities))?;
            let predecessor = if auth.is_some() { Predecessor::Auth } else { Predecessor::None };
            match auth {
                Some(_) => reads_tokens.set(true),
                None => notices.push(NO_AUTH.to_owned()),
            }
            let session = built(config.session, &mut notices, |session| {
                session.build(capabilities, predecessor)
            })?;
            let quota = built(config.quota, &mut notices, |quota| {
                quota.build(&Site { capabilities, predecessor, server }, &counters)
            })?;
            let sse = built(config.sse, &mut notices, |sse| sse.build(capabilities, predecessor))?;
            let chain = Chain(auth, Chain(session, Chain(quota, sse)));
            let (telemetry, notice) = config.telemetry.0.on(capabilities);
            notices.extend(notice);
            Ok((Pipeline::new(admission, chain).telling(telemetry), notices))
        })?;
        if capabilities.signatures && reads_tokens.get() {
            mcp_signature::install(mcp_host::verify_signature);
            plan.notices.push(mcp_signature::NOTICE.to_owned());
        }
        Ok(plan)
    }
}

impl ModuleConfig {
    /// A module that is told nothing was meant to be told something, and nobody gets in by a word
    /// that says nothing: in an entry of `servers`, `null` takes away what is written beside them.
    fn check(&self, server: Option<&Listed>) -> Result<(), ConfigError> {
        let Self { admission, auth, session, quota, sse, telemetry: _ } = self;
        if admission.is_none()
            && auth.is_none()
            && session.is_none()
            && quota.is_none()
            && sse.is_none()
        {
            let problem = "has no section: write auth, session, quota or sse, or admission alone";
            return Err(ConfigError::new("configuration", problem));
        }
        match server.map(|server| server.at(&["auth"])) {
            Some((None, Some(_))) => {
                let problem = "is that of all servers: write it in the entries that need it, \
                               and in no other, if one is for everybody";
                Err(ConfigError::new("auth", problem))
            }
            _ => Ok(()),
        }
    }
}

/// The filter of a section, if that is there; what it says is added to `notices`.
fn built<C, F>(
    section: Written<C>,
    notices: &mut Vec<String>,
    build: impl FnOnce(C) -> Result<(F, Vec<String>), ConfigError>,
) -> Result<Option<F>, ConfigError> {
    let Some(Section(config)) = section else { return Ok(None) };
    let (filter, more) = build(config)?;
    notices.extend(more);
    Ok(Some(filter))
}

proxy_wasm::main! {{
    mcp_host::start::<Gateway>();
}}
