//! The `auth` section, and the plan made of it.

use core::time::Duration;

use mcp_core::admission::{Admission, AdmissionConfig};
use mcp_core::config::{self, ConfigError, Period, Secret, Section};
use mcp_core::hash::HashKey;
use mcp_core::owned;
use mcp_core::pipeline::{Capabilities, Pipeline, Plan};
use serde::Deserialize;

use crate::api_key::{ApiKeyConfig, ApiKeys};
use crate::challenge::Challenger;
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
    auth: Section<AuthConfig>,
}

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(crate) struct AuthConfig {
    issuers: Vec<Section<IssuerConfig>>,
    api_keys: Vec<Section<ApiKeyConfig>>,
    api_key_header: Option<String>,
    metadata: Option<Section<MetadataConfig>>,
    scopes: Vec<Scope>,
    rules: Vec<Section<RuleConfig>>,
    list_filtering: ListFiltering,
    upstream_credentials: UpstreamCredentials,
    export_key: Option<Secret>,
    token_cache_ttl: Option<Period>,
}

/// Whether lists of tools, prompts and resources show only what the rules let the caller use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ListFiltering {
    /// Where the host cannot, the configuration is refused.
    #[default]
    Enforce,
    /// Where the host cannot, lists show everything.
    BestEffort,
    /// Lists show everything.
    Off,
}

/// What the upstream sees of a client's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamCredentials {
    /// All of them: only where the upstream is the audience of the same tokens.
    Keep,
    /// Nothing (MCP forbids to pass tokens through).
    #[default]
    Strip,
}

const DEFAULT_API_KEY_HEADER: &str = "x-api-key";
const TOKEN_CACHE_TTL: Duration = Duration::from_secs(5 * 60);

/// Reads the configuration of `mcp_auth.wasm` and decides how to run on this host.
///
/// # Errors
/// The first key that is wrong, or that the host cannot serve.
pub fn plan(text: &[u8], capabilities: &Capabilities) -> Result<Plan<AuthFilter>, ConfigError> {
    let config: ModuleConfig = config::parse(text)?;
    let admission =
        Admission::try_from(config.admission.0).map_err(|error| error.within("admission"))?;
    let (filter, notices) =
        filter(config.auth.0, capabilities).map_err(|error| error.within("auth"))?;
    Ok(Plan { pipeline: Pipeline::new(admission, filter), notices })
}

/// Makes the filter of its section.
///
/// # Errors
/// The first key that is wrong, its path relative to the section.
fn filter(
    config: AuthConfig,
    capabilities: &Capabilities,
) -> Result<(AuthFilter, Vec<String>), ConfigError> {
    if config.issuers.is_empty() && config.api_keys.is_empty() {
        return Err(ConfigError::new("issuers", "must name an issuer, unless api_keys are given"));
    }
    if !capabilities.clock {
        return Err(ConfigError::new("issuers", "need a clock, and this host has none"));
    }
    let mut notices = Vec::new();
    let mut issuers: Vec<Issuer> = Vec::with_capacity(config.issuers.len());
    for (index, Section(issuer)) in config.issuers.into_iter().enumerate() {
        let at = |error: ConfigError| error.within(&format!("issuers[{index}]"));
        let issuer = issuer.build(capabilities, &mut notices).map_err(at)?;
        if issuers.iter().any(|other| other.name() == issuer.name()) {
            return Err(at(ConfigError::new("issuer", "is configured twice")));
        }
        issuers.push(issuer);
    }
    let resource = config
        .metadata
        .map(|metadata| ProtectedResource::try_from(metadata.0))
        .transpose()
        .map_err(|error| error.within("metadata"))?;
    let Some(export_key) = &config.export_key else {
        return Err(ConfigError::new(
            "export_key",
            "is required: principals are known by it upstream",
        ));
    };
    let api_keys: Vec<_> = config.api_keys.into_iter().map(|entry| entry.0).collect();
    let rules: Vec<_> = config.rules.into_iter().map(|rule| rule.0).collect();
    let filter_lists = match config.list_filtering {
        ListFiltering::Off => false,
        _ if rules.is_empty() => false,
        _ if capabilities.bodies => true,
        ListFiltering::BestEffort => {
            notices.push(
                "this host cannot change an answer's body: lists show also what the rules deny"
                    .to_owned(),
            );
            false
        }
        ListFiltering::Enforce => {
            return Err(ConfigError::new(
                "list_filtering",
                "must be \"best_effort\" or \"off\" where there are rules: this host cannot \
                 change an answer's body, so lists would show what the rules deny",
            ));
        }
    };
    if !issuers.is_empty() && !capabilities.ends_streams {
        notices.push("this host cannot end a stream: open ones outlive their tokens".to_owned());
    }
    let filter = AuthFilter {
        issuers,
        api_keys: ApiKeys::try_from(api_keys)?,
        api_key_header: header_name(config.api_key_header)?,
        challenger: Challenger::new(resource.as_ref(), config.scopes),
        documents: Documents::new(resource.as_slice())?,
        rules: Rules::try_from(rules)?,
        filter_lists,
        end_streams: capabilities.ends_streams,
        upstream_credentials: config.upstream_credentials,
        export_key: HashKey::new(export_key),
        cache_ttl: config.token_cache_ttl.map_or(TOKEN_CACHE_TTL, |period| period.0),
        verified: core::cell::OnceCell::new(),
    };
    Ok((filter, notices))
}

fn header_name(name: Option<String>) -> Result<String, ConfigError> {
    let name = name.unwrap_or_else(|| DEFAULT_API_KEY_HEADER.to_owned()).to_ascii_lowercase();
    let legal =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !legal || owned::is_forged(name.as_bytes()) || name == "authorization" {
        return Err(ConfigError::new(
            "api_key_header",
            "must be a header name of letters, digits and '-', other than authorization and x-mcp-*",
        ));
    }
    Ok(name)
}
