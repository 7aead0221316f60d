//! The `admission` section: what is let in at all.

use core::time::Duration;

use serde::Deserialize;

use super::origin::{Host, Origin};
use super::path::PathRule;
use crate::config::{ConfigError, Period, Section, Size};
use crate::exports::Exports;
use crate::limits;
use crate::order;
use crate::version::Version;

/// The section as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct AdmissionConfig {
    paths: Vec<String>,
    llm_paths: Vec<String>,
    origins: Vec<String>,
    hosts: Vec<String>,
    cors: Option<Section<CorsConfig>>,
    max_body: Option<Size>,
    body_timeout: Option<Period>,
    validation: Validation,
    versions: Option<Vec<String>>,
    batches: Batches,
    exports: Option<Vec<String>>,
}

/// `cors`: its presence makes the gateway answer browsers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct CorsConfig {
    max_age: Option<Period>,
}

/// What happens when a modern request's headers and body disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// It is refused.
    #[default]
    Enforce,
    /// It is logged and counted, and passes.
    LogOnly,
    /// Complete headers are believed and the body is not read: only for upstreams that check.
    TrustHeaders,
}

/// What happens to a JSON-RPC batch in a version that has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batches {
    /// It passes.
    Allow,
    /// It is refused.
    #[default]
    Refuse,
}

/// The section, checked.
#[derive(Debug, Clone)]
pub struct Admission {
    pub(super) paths: Vec<PathRule>,
    /// Endpoints of models rather than of MCP servers.
    pub(super) llm_paths: Vec<PathRule>,
    pub(super) origins: Vec<Origin>,
    pub(super) hosts: Vec<Host>,
    pub(super) cors: Option<Cors>,
    /// Bytes of a request body.
    pub max_body: u64,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// What disagreement between headers and body leads to.
    pub validation: Validation,
    /// The versions spoken here, oldest first.
    pub versions: Vec<Version>,
    /// What becomes of batches.
    pub batches: Batches,
    /// Which of their headers filters write.
    pub(crate) exports: Exports,
}

/// `cors`, checked.
#[derive(Debug, Clone)]
pub(super) struct Cors {
    pub(super) max_age: Duration,
}

/// Browsers cap it at two hours or less; more is no use.
const CORS_MAX_AGE: Duration = Duration::from_secs(600);

impl AdmissionConfig {
    /// Checks the section.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn build(self) -> Result<Admission, ConfigError> {
        Admission::try_from(self).map_err(|error| error.within("admission"))
    }
}

impl TryFrom<AdmissionConfig> for Admission {
    type Error = ConfigError;

    fn try_from(config: AdmissionConfig) -> Result<Self, ConfigError> {
        if config.cors.is_some() && config.origins.is_empty() {
            return Err(ConfigError::new("cors", "answers no browser without admission.origins"));
        }
        let max_body = config.max_body.map_or(limits::MAX_BODY, |size| size.0);
        if max_body == 0 {
            return Err(ConfigError::new("max_body", "must be at least \"1B\""));
        }
        let body_timeout = config.body_timeout.map_or(limits::BODY_TIMEOUT, |period| period.0);
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&body_timeout) {
            return Err(ConfigError::new("body_timeout", "must be between \"1s\" and \"1h\""));
        }
        Ok(Self {
            paths: each("paths", &config.paths, PathRule::parse)?,
            llm_paths: each("llm_paths", &config.llm_paths, PathRule::parse)?,
            origins: each("origins", &config.origins, Origin::parse)?,
            hosts: each("hosts", &config.hosts, Host::parse)?,
            cors: config.cors.map(|cors| Cors {
                max_age: cors.0.max_age.map_or(CORS_MAX_AGE, |period| period.0),
            }),
            max_body,
            body_timeout,
            validation: config.validation,
            versions: versions(config.versions)?,
            batches: config.batches,
            exports: exports(config.exports)?,
        })
    }
}

fn each<T>(
    key: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, ConfigError> {
    let item = |(index, text): (usize, &String)| {
        parse(text).map_err(|problem| ConfigError::new(format!("{key}[{index}]"), problem))
    };
    texts.iter().enumerate().map(item).collect()
}

fn exports(names: Option<Vec<String>>) -> Result<Exports, ConfigError> {
    let Some(names) = names else { return Ok(Exports::default()) };
    Exports::of(&names)
        .map_err(|(index, problem)| ConfigError::new(format!("exports[{index}]"), problem))
}

fn versions(names: Option<Vec<String>>) -> Result<Vec<Version>, ConfigError> {
    let Some(names) = names else { return Ok(Version::ALL.to_vec()) };
    let mut versions = each("versions", &names, |name| {
        Version::parse(name.as_bytes()).ok_or(
            "not a known version: 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25 or 2026-07-28",
        )
    })?;
    order::by(&mut versions, Version::cmp);
    versions.dedup();
    if versions.is_empty() {
        return Err(ConfigError::new(
            "versions",
            "an empty list admits nobody: leave it out to admit all",
        ));
    }
    Ok(versions)
}
