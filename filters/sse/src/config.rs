//! The `sse` section, and the plan made of it.

use mcp_core::admission::AdmissionConfig;
use mcp_core::config::{ConfigError, Section};
use mcp_core::pipeline::{self, Capabilities, Pipeline, Plan, Predecessor};
use mcp_core::telemetry::Telemetry;
use serde::Deserialize;

use crate::endpoint::{Endpoint, EndpointConfig};
use crate::filter::SseFilter;
use crate::rule::{RuleConfig, rules};
use crate::tally::Tally;
use crate::trace::TraceContext;

/// The configuration of `mcp_sse.wasm`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ModuleConfig {
    admission: Section<AdmissionConfig>,
    telemetry: Section<Telemetry>,
    sse: Section<SseConfig>,
}

/// The `sse` section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct SseConfig {
    request_headers: Vec<Section<RuleConfig>>,
    response_headers: Vec<Section<RuleConfig>>,
    measure: bool,
    endpoint: Option<Section<EndpointConfig>>,
    trace_context: TraceContext,
}

/// Reads the configuration of `mcp_sse.wasm` and decides how to run on this host.
///
/// # Errors
/// The first key that is wrong, or that the host cannot serve.
pub fn plan(
    configuration: &[u8],
    capabilities: &Capabilities,
) -> Result<Plan<SseFilter>, ConfigError> {
    pipeline::plan(configuration, |config: ModuleConfig, _| {
        let admission = config.admission.0.build()?;
        let (filter, mut notices) = config.sse.0.build(capabilities, Predecessor::None)?;
        let (telemetry, notice) = config.telemetry.0.on(capabilities);
        notices.extend(notice);
        Ok((Pipeline::new(admission, filter).telling(telemetry), notices))
    })
}

impl SseConfig {
    /// Makes the filter, and says what an operator should know of it.
    ///
    /// # Errors
    /// The first key that is wrong, or that the host cannot serve.
    pub fn build(
        mut self,
        capabilities: &Capabilities,
        predecessor: Predecessor,
    ) -> Result<(SseFilter, Vec<String>), ConfigError> {
        let mut notices = Vec::new();
        if self.measure && !capabilities.ticks {
            notices.push(
                "sse.measure: this host takes no metrics; broken streams are told in the log"
                    .to_owned(),
            );
        }
        if self.trace_context == TraceContext::Both && !capabilities.bodies {
            notices.push(
                "sse.trace_context: this host cannot change a request's body; \"both\" acts as \
                 \"to_headers\""
                    .to_owned(),
            );
            self.trace_context = TraceContext::ToHeaders;
        }
        let filter = self.filter(capabilities, predecessor).map_err(|error| error.within("sse"))?;
        Ok((filter, notices))
    }

    fn filter(
        self,
        capabilities: &Capabilities,
        predecessor: Predecessor,
    ) -> Result<SseFilter, ConfigError> {
        let endpoint = self.endpoint.map(|Section(endpoint)| Endpoint::try_from(endpoint));
        let endpoint = endpoint.transpose()?;
        if endpoint.is_some() && !capabilities.bodies {
            let problem =
                "this host cannot change an answer's body; serve the server under its own path";
            return Err(ConfigError::new("endpoint", problem));
        }
        Ok(SseFilter {
            request: rules("request_headers", self.request_headers, predecessor)?,
            response: rules("response_headers", self.response_headers, predecessor)?,
            tally: self.measure.then(Tally::default),
            endpoint,
            trace_context: self.trace_context,
        })
    }
}

#[cfg(test)]
mod tests;
