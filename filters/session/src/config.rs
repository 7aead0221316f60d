//! The `session` section, and the plan made of it.

use core::time::Duration;

use mcp_core::admission::AdmissionConfig;
use mcp_core::config::{ConfigError, Period, Secret, Section};
use mcp_core::hash::HashKey;
use mcp_core::limits;
use mcp_core::owned;
use mcp_core::pipeline::{self, Capabilities, Pipeline, Plan, Predecessor};
use mcp_core::telemetry::Telemetry;
use serde::Deserialize;

use crate::filter::{Sealing, SessionFilter};
use crate::keys::Ring;

/// The configuration of `mcp_session.wasm`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ModuleConfig {
    admission: Section<AdmissionConfig>,
    telemetry: Section<Telemetry>,
    session: Section<SessionConfig>,
}

/// The `session` section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct SessionConfig {
    secrets: Vec<Secret>,
    ttl: Option<Period>,
    export_key: Option<Secret>,
    principal_header: Option<String>,
    principal_header_trusted: bool,
    affinity: Affinity,
}

/// What keeps a legacy session on the replica that minted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Affinity {
    /// Nothing: one replica, or replicas that share their sessions.
    #[default]
    Off,
    /// A token in `x-mcp-affinity`, for load balancing that hashes a header.
    Token,
    /// The address of the replica in `x-mcp-affinity`, for Envoy's `override_host`.
    UpstreamAddress,
}

/// Reads the configuration of `mcp_session.wasm` and decides how to run on this host.
///
/// # Errors
/// The first key that is wrong, or that the host cannot serve.
pub fn plan(
    configuration: &[u8],
    capabilities: &Capabilities,
) -> Result<Plan<SessionFilter>, ConfigError> {
    pipeline::plan(configuration, |config: ModuleConfig, _| {
        let admission = config.admission.0.build()?;
        let (filter, mut notices) = config.session.0.build(capabilities, Predecessor::None)?;
        let (telemetry, notice) = config.telemetry.0.on(capabilities);
        notices.extend(notice);
        Ok((Pipeline::new(admission, filter).telling(telemetry), notices))
    })
}

impl SessionConfig {
    /// Makes the filter, and says what an operator should know of it.
    ///
    /// # Errors
    /// The first key that is wrong, or that the host cannot serve.
    pub fn build(
        self,
        capabilities: &Capabilities,
        predecessor: Predecessor,
    ) -> Result<(SessionFilter, Vec<String>), ConfigError> {
        if predecessor == Predecessor::Auth && self.principal_header.is_some() {
            let problem =
                "is for gateways that authenticate by themselves; here auth says who calls";
            return Err(ConfigError::new("session.principal_header", problem));
        }
        let notices = notices(&self, predecessor);
        let filter = filter(self, capabilities).map_err(|error| error.within("session"))?;
        Ok((filter, notices))
    }
}

fn filter(
    config: SessionConfig,
    capabilities: &Capabilities,
) -> Result<SessionFilter, ConfigError> {
    let ttl = config.ttl.map_or(limits::SESSION_TTL, |period| period.0);
    if !(Duration::from_secs(1)..=limits::MAX_SESSION_TTL).contains(&ttl) {
        return Err(ConfigError::new("ttl", "must be between \"1s\" and \"30days\""));
    }
    let export_key = config.export_key.as_ref().map(HashKey::new);
    let sealing = match (config.secrets.as_slice(), &export_key) {
        ([], _) => None,
        ([_] | [_, _], None) => {
            return Err(ConfigError::new(
                "export_key",
                "is required with session.secrets: sessions and principals are known by it across rotations",
            ));
        }
        (secrets @ ([_] | [_, _]), Some(_)) => {
            Some(Sealing { ring: Ring::new(secrets), ttl: ttl.as_secs() })
        }
        _ => {
            return Err(ConfigError::new(
                "secrets",
                "holds the current secret and, while rotating, the previous one",
            ));
        }
    };
    if sealing.is_some() && !capabilities.clock {
        return Err(ConfigError::new("secrets", "need a clock to expire, and this host has none"));
    }
    if config.affinity != Affinity::Off && sealing.is_none() {
        return Err(ConfigError::new(
            "affinity",
            "needs session.secrets, which seal the replica into the session id",
        ));
    }
    let principal_header =
        principal_header(config.principal_header, config.principal_header_trusted)?;
    Ok(SessionFilter { sealing, export_key, principal_header, affinity: config.affinity })
}

fn principal_header(name: Option<String>, trusted: bool) -> Result<Option<String>, ConfigError> {
    let Some(name) = name else {
        return if trusted {
            Err(ConfigError::new(
                "principal_header",
                "is what principal_header_trusted is about, and is missing",
            ))
        } else {
            Ok(None)
        };
    };
    let name = name.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(ConfigError::new(
            "principal_header",
            "must be a header name of letters, digits and '-'",
        ));
    }
    if owned::is_forged(name.as_bytes()) {
        return Err(ConfigError::new(
            "principal_header",
            "is one of the headers that are removed from every request",
        ));
    }
    if !trusted {
        return Err(ConfigError::new(
            "principal_header_trusted",
            "must be true: say that the gateway overwrites this header on every request, since a client could send it otherwise",
        ));
    }
    Ok(Some(name))
}

/// What an operator should know of this configuration, without reading it again.
fn notices(config: &SessionConfig, predecessor: Predecessor) -> Vec<String> {
    let mut notices = Vec::new();
    if config.secrets.is_empty() {
        notices.push("session.secrets is not set: session ids pass as the server minted them, bound to nobody".to_owned());
    } else if config.principal_header.is_none() && predecessor == Predecessor::None {
        notices.push("session.principal_header is not set: session ids are sealed and expire, but are bound to nobody".to_owned());
    }
    if config.export_key.is_none() {
        notices.push("session.export_key is not set: x-mcp-session is not exported".to_owned());
    }
    notices
}

#[cfg(test)]
mod tests;
