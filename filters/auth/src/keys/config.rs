//! Where an issuer's keys come from, as it is written.

use mcp_core::config::{ConfigError, Period};
use mcp_core::pipeline::Capabilities;
use serde::Deserialize;
use serde_json::Value;

use super::jwk_set::{KeySet, Origin};
use super::remote::{RemoteKeys, Service};
use super::shared::SharedKeys;
use super::source::{Discovery, Policy, Source};

/// `jwks`: the keys themselves, or the service that has them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct KeysConfig {
    keys: Option<Vec<Value>>,
    service: Option<String>,
    path: Option<String>,
    authority: Option<String>,
    refresh: Option<Period>,
    max_stale: Option<Period>,
    cooldown: Option<Period>,
    timeout: Option<Period>,
}

/// Where an issuer's keys are.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Nowhere: its tokens are asked about.
    None,
    /// In the configuration.
    Inline(KeySet),
    /// At a service that is asked for them.
    Remote(Box<RemoteKeys>),
}

/// Calls in flight for one issuer's keys, on a host where each request makes its own.
const MAX_CALLS_WITHOUT_TICKS: usize = 8;

/// In milliseconds.
const MAX_TIMEOUT: u32 = 60_000;

impl KeysConfig {
    /// Checks the entry of `issuer`. What is worth knowing of the keys goes to `notices`.
    pub(crate) fn build(
        self,
        issuer: &str,
        capabilities: &Capabilities,
        notices: &mut Vec<String>,
    ) -> Result<Keys, ConfigError> {
        match (&self.keys, &self.service) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new("service", "is not asked where keys are given"))
            }
            (None, None) => {
                Err(ConfigError::new("keys", "must be given, or the service that has them"))
            }
            (Some(keys), None) => inline(keys, issuer, notices),
            (None, Some(_)) => self.remote(issuer, capabilities),
        }
    }

    fn remote(self, issuer: &str, capabilities: &Capabilities) -> Result<Keys, ConfigError> {
        let defaults = Policy::default();
        let seconds =
            |period: Option<Period>, default| period.map_or(default, |period: Period| period.0);
        let call_timeout = seconds(self.timeout, defaults.call_timeout);
        let policy = Policy {
            refresh: seconds(self.refresh, defaults.refresh),
            max_stale: seconds(self.max_stale, defaults.max_stale),
            cooldown: seconds(self.cooldown, defaults.cooldown),
            call_timeout,
            // A host that cannot wake a request lets each one that waits make a call of its own.
            max_calls: if capabilities.ticks { 1 } else { MAX_CALLS_WITHOUT_TICKS },
            timer: capabilities.ticks,
            ..defaults
        };
        let discovery = Discovery::of(issuer);
        let place = self.path.clone().unwrap_or_default();
        let authority = match (self.authority, &discovery) {
            (Some(authority), _) => authority,
            (None, Ok(discovery)) => discovery.authority().to_owned(),
            (None, Err(_)) => {
                return Err(ConfigError::new(
                    "authority",
                    "is required, since the issuer is no URL with a host",
                ));
            }
        };
        let source = match (self.path, discovery) {
            (Some(path), _) if path.starts_with('/') => Source::at(path, policy),
            (Some(_), _) => return Err(ConfigError::new("path", "must begin with '/'")),
            (None, Ok(discovery)) => Source::discovered(discovery, policy),
            (None, Err(_)) => {
                return Err(ConfigError::new(
                    "path",
                    "is required, since the issuer is no https URL",
                ));
            }
        };
        let service = Service {
            name: self.service.unwrap_or_default(),
            scheme: if issuer.starts_with("http://") { "http" } else { "https" },
            authority,
            timeout: u32::try_from(call_timeout.as_millis()).unwrap_or(MAX_TIMEOUT),
        };
        let shared = capabilities.shared_data.then(|| {
            let place = [issuer, &service.name, &service.authority, place.as_str()];
            SharedKeys::of(&place, call_timeout.as_secs())
        });
        Ok(Keys::Remote(Box::new(RemoteKeys::new(source, service, capabilities.ticks, shared))))
    }
}

fn inline(keys: &[Value], issuer: &str, notices: &mut Vec<String>) -> Result<Keys, ConfigError> {
    let text = serde_json::json!({ "keys": keys }).to_string();
    let (set, skipped) = KeySet::parse(text.as_bytes(), Origin::Inline)
        .map_err(|error| ConfigError::new("keys", format!("cannot be used: {}", error.as_str())))?;
    if let Some(key) = skipped.first() {
        // A key that was written down on purpose and does not work is a mistake, not a surprise.
        return Err(ConfigError::new(
            format!("keys[{}]", key.index),
            format!("cannot be used: {}", key.reason.as_str()),
        ));
    }
    notices.push(format!("{} keys are configured for {issuer}", set.keys().len()));
    Ok(Keys::Inline(set))
}
