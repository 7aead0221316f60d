//! The `quota` section, and the plan made of it.

use core::num::NonZeroU32;

use mcp_core::admission::AdmissionConfig;
use mcp_core::config::{ConfigError, Period, Section};
use mcp_core::edit::HeaderName;
use mcp_core::pipeline::{self, Capabilities, Pipeline, Plan, Predecessor};
use mcp_core::telemetry::Telemetry;
use serde::Deserialize;

use crate::caps::{CapConfig, Caps};
use crate::denial::Denial;
use crate::filter::QuotaFilter;
use crate::limit::{Amount, LimitConfig, Limits, MAX_NAME, Scope};
use crate::repeats::{LoopBreakerConfig, Repeats};
use crate::site::{Counters, Site};
use crate::tally::Tally;
use crate::weights::{Weights, WeightsConfig};
use crate::who::Sources;

/// The configuration of `mcp_quota.wasm`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ModuleConfig {
    admission: Section<AdmissionConfig>,
    telemetry: Section<Telemetry>,
    quota: Section<QuotaConfig>,
}

/// The `quota` section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct QuotaConfig {
    limits: Vec<Section<LimitConfig>>,
    flood_guard: Option<Section<FloodGuardConfig>>,
    loop_breaker: Option<Section<LoopBreakerConfig>>,
    result_caps: Vec<Section<CapConfig>>,
    weights: Vec<Section<WeightsConfig>>,
    denial: Denial,
    remaining_headers: bool,
    missing_usage: MissingUsage,
    upstream_failure: UpstreamFailure,
    on_store_failure: OnStoreFailure,
    namespace: String,
    max_subjects: Option<Amount>,
    workers: Option<Amount>,
    principal_header: Option<String>,
    tenant_header: Option<String>,
    agent_header: Option<String>,
    identity_headers_trusted: bool,
}

/// `flood_guard`: a limit on everything that a client sends, whatever it is.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
struct FloodGuardConfig {
    limit: Amount,
    window: Period,
}

/// What an answer costs whose usage cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingUsage {
    /// Nothing.
    Free,
    /// What was reserved for it.
    #[default]
    Reserved,
}

/// What a call costs that the upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamFailure {
    /// What it would have cost.
    Charge,
    /// Nothing.
    #[default]
    Refund,
}

/// What becomes of a call that could not be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnStoreFailure {
    /// It passes.
    Allow,
    /// It is refused.
    #[default]
    Deny,
}

/// Subjects there is room for, unless configured.
const MAX_SUBJECTS: u64 = 65_536;

/// Subjects there can be room for: a few hundred bytes of the host each.
const MOST_SUBJECTS: u64 = 4_194_304;

/// The name of the limit that `flood_guard` is.
pub(crate) const FLOOD_GUARD: &str = "flood_guard";

/// Reads the configuration of `mcp_quota.wasm` and decides how to run on this host.
///
/// # Errors
/// The first key that is wrong, or that the host cannot serve.
pub fn plan(
    configuration: &[u8],
    capabilities: &Capabilities,
) -> Result<Plan<QuotaFilter>, ConfigError> {
    let counters = Counters::default();
    pipeline::plan(configuration, |config: ModuleConfig, server| {
        let admission = config.admission.0.build()?;
        let site = Site { capabilities, predecessor: Predecessor::None, server };
        let (filter, mut notices) = config.quota.0.build(&site, &counters)?;
        let (telemetry, notice) = config.telemetry.0.on(capabilities);
        notices.extend(notice);
        Ok((Pipeline::new(admission, filter).telling(telemetry), notices))
    })
}

impl QuotaConfig {
    /// Makes the filter, and says what an operator should know of it. `counters` are those of all
    /// filters of one configuration.
    ///
    /// # Errors
    /// The first key that is wrong, or that the host cannot serve.
    pub fn build(
        self,
        site: &Site<'_>,
        counters: &Counters,
    ) -> Result<(QuotaFilter, Vec<String>), ConfigError> {
        let mut notices = Vec::new();
        let filter =
            self.filter(site, counters, &mut notices).map_err(|error| error.within("quota"))?;
        Ok((filter, notices))
    }

    fn filter(
        self,
        site: &Site<'_>,
        counters: &Counters,
        notices: &mut Vec<String>,
    ) -> Result<QuotaFilter, ConfigError> {
        let Site { capabilities, predecessor, .. } = *site;
        site.check()?;
        let namespace = &self.namespace;
        if namespace.len() > MAX_NAME {
            let problem = format!("must be at most {MAX_NAME} bytes");
            return Err(ConfigError::new("namespace", problem));
        }
        if !capabilities.clock && !self.limits.is_empty() {
            return Err(ConfigError::new("limits", "this host has no clock to count by"));
        }
        let workers = self.workers(capabilities, notices)?;
        let scope = |owner| Scope { namespace, owner, workers };
        let mut limits =
            Limits::build(self.limits, |index| scope(site.owner("limits", Some(index))))?;
        let flood_guard = self.flood_guard.map(|Section(guard)| {
            let guard = LimitConfig::flood_guard(FLOOD_GUARD, guard.limit, guard.window);
            let scope = scope(site.owner("flood_guard", None));
            limits.add(guard, &scope).map_err(|error| error.within("flood_guard"))?;
            Ok(limits.limits.len().saturating_sub(1))
        });
        let flood_guard = flood_guard.transpose()?;
        let hard = limits.limits.iter().position(|limit| limit.hard);
        if let Some(index) = hard.filter(|_| !capabilities.bodies) {
            return Err(ConfigError::new(
                format!("limits[{index}].hard"),
                "this host cannot end an answer; leave it out, and what passes is charged",
            ));
        }
        let subjects = self.max_subjects.map_or(MAX_SUBJECTS, |subjects| subjects.0);
        if !(1..=MOST_SUBJECTS).contains(&subjects) {
            let problem = format!("must be between 1 and {MOST_SUBJECTS}");
            return Err(ConfigError::new("max_subjects", problem));
        }
        let subjects =
            u32::try_from(subjects).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let store = counters.of(subjects, capabilities);
        let mut sources = Sources::of(&limits.keys);
        if self.loop_breaker.is_some() {
            sources.ip = true;
        }
        let headers = [
            ("principal_header", &self.principal_header, &mut sources.principal),
            ("tenant_header", &self.tenant_header, &mut sources.tenant),
            ("agent_header", &self.agent_header, &mut sources.agent),
        ];
        for (key, name, source) in headers {
            let Some(name) = name else { continue };
            if predecessor == Predecessor::Auth {
                let problem =
                    "is for gateways that authenticate by themselves; here auth says who calls";
                return Err(ConfigError::new(key, problem));
            }
            if !self.identity_headers_trusted {
                return Err(ConfigError::new(
                    "identity_headers_trusted",
                    format!(
                        "must be true with {key}: state that the gateway overwrites that header on every request"
                    ),
                ));
            }
            *source = Some(HeaderName::parse(name).ok_or_else(|| {
                ConfigError::new(key, "must be a header name of letters, digits and \"-\"")
            })?);
        }
        Ok(QuotaFilter {
            tally: Tally::new(&limits.limits),
            repeats: Repeats::build(self.loop_breaker, site)?,
            caps: Caps::build(self.result_caps, capabilities)?,
            weights: Weights::build(self.weights)?,
            limits,
            hasher: counters.hasher(),
            flood_guard,
            store,
            sources,
            denial: self.denial,
            remaining_headers: self.remaining_headers,
            missing_usage: self.missing_usage,
            upstream_failure: self.upstream_failure,
            on_store_failure: self.on_store_failure,
        })
    }

    /// How many counters of each kind there are that do not know each other.
    fn workers(
        &self,
        capabilities: &Capabilities,
        notices: &mut Vec<String>,
    ) -> Result<u64, ConfigError> {
        let workers = self.workers.map_or(1, |workers| workers.0);
        if !(1..=1_024).contains(&workers) {
            return Err(ConfigError::new("workers", "must be between 1 and 1024"));
        }
        if capabilities.shared_data {
            if self.workers.is_some() {
                let problem = "is for hosts whose workers cannot share counters; these can";
                return Err(ConfigError::new("workers", problem));
            }
        } else if !self.limits.is_empty() {
            notices.push(format!(
                "quota: workers of this host cannot share counters: each counts for itself, and \
                 allows 1/{workers} of every limit (quota.workers)"
            ));
        }
        Ok(workers)
    }
}
