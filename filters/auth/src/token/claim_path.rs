//! Where in the claims to look for something.

use mcp_core::config::ConfigError;
use serde_json::{Map, Value};

/// The place of a claim: `tenant`, or `org.id` for member `id` of claim `org`. A name that is a URL,
/// as `https://example.com/tenant`, is one claim whatever dots it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    first: String,
    rest: Vec<String>,
}

impl ClaimPath {
    /// Reads a path from the configuration.
    ///
    /// # Errors
    /// If it has an empty part; the error's path is empty.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let parts: Vec<String> = if text.contains("://") {
            vec![text.to_owned()]
        } else {
            text.split('.').map(str::to_owned).collect()
        };
        if parts.iter().any(String::is_empty) {
            let problem = "must be a claim's name, or names with dots between them as \"org.id\"";
            return Err(ConfigError::new("", problem));
        }
        let mut parts = parts.into_iter();
        Ok(Self { first: parts.next().unwrap_or_default(), rest: parts.collect() })
    }

    /// What is at this place.
    pub(super) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        self.rest.iter().try_fold(claims.get(&self.first)?, |value, name| value.get(name))
    }
}
