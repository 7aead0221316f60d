//! The `introspection` of an issuer.

use core::cell::RefCell;
use core::time::Duration;

use mcp_core::config::{ConfigError, Period};
use mcp_core::pipeline::{Capabilities, HttpCall};
use serde::Deserialize;

use super::Introspector;
use super::calls::Calls;
use super::client::{ClientCredentials, ClientSecret};
use super::verdicts::Verdicts;
use crate::keys::source::Discovery;
use crate::token::IssuerRules;

/// The section as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct IntrospectionConfig {
    service: String,
    path: String,
    authority: Option<String>,
    client_id: String,
    client_secret: ClientSecret,
    timeout: Option<Period>,
    cache_ttl: Option<Period>,
    #[serde(default = "yes")]
    require_audience: bool,
}

const TIMEOUT: Duration = Duration::from_secs(5);
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const CACHE_TTL: Duration = Duration::from_secs(60);
/// A token that was revoked is accepted for so long at most.
const MAX_CACHE_TTL: Duration = Duration::from_secs(60 * 60);

/// Calls of one VM under way where each request makes its own: APISIX, whose requests block none.
const MAX_CALLS_WITHOUT_TICKS: usize = 8;
/// The same where one call serves all requests with its token.
const MAX_CALLS: usize = 32;

const fn yes() -> bool {
    true
}

impl IntrospectionConfig {
    /// Checks the section, of the issuer with these rules.
    ///
    /// # Errors
    /// The first key that is wrong, its path relative to the section.
    pub(crate) fn build(
        self,
        rules: IssuerRules,
        capabilities: &Capabilities,
    ) -> Result<Introspector, ConfigError> {
        let timeout = self.timeout.map_or(TIMEOUT, |period| period.0);
        if !(MIN_TIMEOUT..=MAX_TIMEOUT).contains(&timeout) {
            return Err(ConfigError::new("timeout", "must be from \"100ms\" to \"60s\""));
        }
        let cache_ttl = self.cache_ttl.map_or(CACHE_TTL, |period| period.0);
        if cache_ttl > MAX_CACHE_TTL {
            return Err(ConfigError::new("cache_ttl", "must be at most \"1h\""));
        }
        if self.service.is_empty() {
            return Err(ConfigError::new("service", "must name the service to ask"));
        }
        if !self.path.starts_with('/') {
            return Err(ConfigError::new("path", "must begin with '/'"));
        }
        if self.client_id.is_empty() {
            return Err(ConfigError::new("client_id", "must not be empty"));
        }
        let client = ClientCredentials::new(&self.client_id, &self.client_secret)
            .ok_or_else(|| ConfigError::new("client_secret", "is too long for a header"))?;
        let of_issuer = || Discovery::of(rules.issuer()).ok().map(|url| url.authority().to_owned());
        let authority = self.authority.or_else(of_issuer).ok_or_else(|| {
            ConfigError::new("authority", "is required, since the issuer is no URL with a host")
        })?;
        let endpoint = HttpCall {
            service: self.service,
            scheme: if rules.issuer().starts_with("http://") { "http" } else { "https" },
            authority,
            path: self.path,
            form: None,
            timeout: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        };
        let calls = if capabilities.ticks {
            Calls::shared(timeout, MAX_CALLS)
        } else {
            Calls::separate(timeout, MAX_CALLS_WITHOUT_TICKS)
        };
        Ok(Introspector {
            endpoint,
            client,
            rules,
            require_audience: self.require_audience,
            calls: RefCell::new(calls),
            verdicts: RefCell::new(Verdicts::new(cache_ttl)),
        })
    }
}
