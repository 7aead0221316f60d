//! The `auth` section, and the plan made of it.

use core::time::Duration;

use mcp_core::admission::AdmissionConfig;
use mcp_core::config::{ConfigError, Period, Secret, Section};
use mcp_core::edit::HeaderName;
use mcp_core::hash::HashKey;
use mcp_core::owned;
use mcp_core::pipeline::{self, Capabilities, Pipeline, Plan};
use mcp_core::telemetry::Telemetry;
use serde::Deserialize;

use crate::answers::{Answers, ListFiltering};
use crate::api_key::{ApiKeyConfig, ApiKeys};
use crate::certificate::{Mtls, MtlsConfig};
use crate::challenge::Challenger;
use crate::exports::{AUTHORIZATION, Authorization, CredentialsPolicy, Exports};
use crate::filter::AuthFilter;
use crate::issuer::{Issuer, IssuerConfig};
use crate::metadata::{Documents, MetadataConfig, ProtectedResource};
use crate::rules::{RuleConfig, Rules};
use crate::scope::Scope;

/// The configuration of `mcp_auth.wasm`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ModuleConfig {
    admission: Section<AdmissionConfig>,
    telemetry: Section<Telemetry>,
    auth: Section<AuthConfig>,
}

/// The `auth` section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct AuthConfig {
    issuers: Vec<Section<IssuerConfig>>,
    api_keys: Vec<Section<ApiKeyConfig>>,
    api_key_header: Option<String>,
    mtls: Option<Section<MtlsConfig>>,
    metadata: Option<Section<MetadataConfig>>,
    scopes: Vec<Scope>,
    rules: Vec<Section<RuleConfig>>,
    list_filtering: ListFiltering,
    upstream_credentials: CredentialsPolicy,
    upstream_authorization: Option<Authorization>,
    export_key: Option<Secret>,
    token_cache_ttl: Option<Period>,
    shadow: bool,
}

const DEFAULT_API_KEY_HEADER: &str = "x-api-key";
const TOKEN_CACHE_TTL: Duration = Duration::from_secs(5 * 60);

/// Reads the configuration of `mcp_auth.wasm` and decides how to run on this host.
///
/// # Errors
/// The first key that is wrong, or that the host cannot serve.
pub fn plan(text: &[u8], capabilities: &Capabilities) -> Result<Plan<AuthFilter>, ConfigError> {
    pipeline::plan(text, |config: ModuleConfig, _| {
        let admission = config.admission.0.build()?;
        let (filter, mut notices) = config.auth.0.build(capabilities)?;
        let (telemetry, notice) = config.telemetry.0.on(capabilities);
        notices.extend(notice);
        Ok((Pipeline::new(admission, filter).telling(telemetry), notices))
    })
}

impl AuthConfig {
    /// Makes the filter, and says what an operator should know of it.
    ///
    /// # Errors
    /// The first key that is wrong, or that the host cannot serve.
    pub fn build(
        self,
        capabilities: &Capabilities,
    ) -> Result<(AuthFilter, Vec<String>), ConfigError> {
        filter(self, capabilities).map_err(|error| error.within("auth"))
    }
}

fn filter(
    config: AuthConfig,
    capabilities: &Capabilities,
) -> Result<(AuthFilter, Vec<String>), ConfigError> {
    if config.issuers.is_empty() && config.api_keys.is_empty() && config.mtls.is_none() {
        let problem = "must name an issuer, unless api_keys or mtls are given";
        return Err(ConfigError::new("issuers", problem));
    }
    if !capabilities.clock {
        return Err(ConfigError::new("issuers", "need a clock, and this host has none"));
    }
    let api_key_header = header_name(config.api_key_header)?;
    let mut notices = Vec::new();
    let names = config.issuers.iter().map(|issuer| issuer.0.name());
    let metadata = config.metadata.map(|metadata| metadata.0.issued_by(names));
    let resource = metadata.as_ref().map(MetadataConfig::resource);
    let mut issuers: Vec<Issuer> = Vec::with_capacity(config.issuers.len());
    for (index, Section(issuer)) in config.issuers.into_iter().enumerate() {
        let at = |error: ConfigError| error.within(&format!("issuers[{index}]"));
        let issuer =
            issuer.build(resource, capabilities, &api_key_header, &mut notices).map_err(at)?;
        if issuers.iter().any(|other| other.name() == issuer.name()) {
            return Err(at(ConfigError::new("issuer", "is configured twice")));
        }
        if issuer.introspector().is_some()
            && issuers.iter().any(|other| other.introspector().is_some())
        {
            let problem = "is configured twice: an opaque token names no issuer to ask";
            return Err(at(ConfigError::new("introspection", problem)));
        }
        issuers.push(issuer);
    }
    let resource = metadata
        .map(ProtectedResource::try_from)
        .transpose()
        .map_err(|error| error.within("metadata"))?;
    let mtls = config
        .mtls
        .map(|mtls| Mtls::try_from(mtls.0))
        .transpose()
        .map_err(|error| error.within("mtls"))?;
    let Some(export_key) = &config.export_key else {
        return Err(ConfigError::new(
            "export_key",
            "is required: principals are known by it upstream",
        ));
    };
    let api_keys: Vec<_> = config.api_keys.into_iter().map(|entry| entry.0).collect();
    let api_keys = ApiKeys::try_from(api_keys)?;
    let rules: Vec<_> = config.rules.into_iter().map(|rule| rule.0).collect();
    if !issuers.is_empty() && !capabilities.ends_streams {
        notices.push("this host cannot end a stream: open ones outlive their tokens".to_owned());
    }
    let rules = Rules::try_from(rules)?;
    let answers = if config.shadow {
        Answers::default()
    } else {
        Answers::plan(config.list_filtering, &rules, capabilities, &mut notices)?
    };
    let filter = AuthFilter {
        issuers,
        exports: Exports {
            key: HashKey::new(export_key),
            credentials: config.upstream_credentials.with(config.upstream_authorization)?,
            api_key_header: Some(api_key_header.clone()).filter(|_| !api_keys.is_empty()),
        },
        api_keys,
        api_key_header,
        mtls,
        challenger: Challenger::new(resource.as_ref(), config.scopes),
        documents: Documents::new(resource.as_slice())?,
        rules,
        answers,
        cache_ttl: config.token_cache_ttl.map_or(TOKEN_CACHE_TTL, |period| period.0),
        shadow: config.shadow,
        verified: core::cell::OnceCell::new(),
    };
    if filter.shadow {
        notices.push("auth.shadow: nothing is refused, only reported".to_owned());
    }
    Ok((filter, notices))
}

fn header_name(name: Option<String>) -> Result<HeaderName, ConfigError> {
    let Some(name) = name else { return Ok(DEFAULT_API_KEY_HEADER.into()) };
    HeaderName::parse(&name)
        .filter(|name| !owned::is_forged(name.as_str().as_bytes()) && name.as_str() != AUTHORIZATION)
        .ok_or_else(|| {
            ConfigError::new(
                "api_key_header",
                "must be a header name of letters, digits and '-', other than authorization and x-mcp-*",
            )
        })
}
