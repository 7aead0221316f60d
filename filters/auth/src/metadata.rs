//! Protected-resource metadata (RFC 9728): where an OAuth client that was told 401 learns which
//! authorization server to ask, and for which resource.
//!
//! Everything comes from the configuration, the resource's external URL above all: clients compare
//! it with the one they called, which a gateway behind other proxies cannot see.

#[cfg(test)]
mod tests;
mod url;

use mcp_core::config::ConfigError;
use mcp_core::edit::HeaderValue;
use mcp_core::refusal::Reply;
use serde::{Deserialize, Serialize};

use crate::scope::Scope;
pub use url::{Identifier, MAX_URL, Page};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Entries in one list of the metadata.
const MAX_LIST: usize = 64;

/// Bytes of a resource's name.
const MAX_RESOURCE_NAME: usize = 256;

/// The `metadata` section as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct MetadataConfig {
    resource: Identifier,
    authorization_servers: Option<Vec<Identifier>>,
    #[serde(default)]
    scopes_supported: Vec<Scope>,
    resource_name: Option<String>,
    resource_documentation: Option<Page>,
    resource_policy_uri: Option<Page>,
    resource_tos_uri: Option<Page>,
}

/// An MCP endpoint as OAuth clients know it.
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    resource: Identifier,
    metadata_url: String,
    document: Vec<u8>,
}

/// All documents that a gateway serves, by the paths they are served at.
#[derive(Debug, Clone, Default)]
pub struct Documents(Vec<(String, Vec<u8>)>);

/// The document's members, in the order of RFC 9728 §2.
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a Identifier,
    authorization_servers: &'a [Identifier],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a Page>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_policy_uri: Option<&'a Page>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_tos_uri: Option<&'a Page>,
}

impl MetadataConfig {
    /// The same, where no authorization servers are written down with those of these names that are
    /// URLs: the document lists authorization servers by their issuer identifiers (RFC 9728 §2).
    pub(crate) fn issued_by<'a>(mut self, issuers: impl Iterator<Item = &'a str>) -> Self {
        let named = || issuers.filter_map(|name| Identifier::try_from(name.to_owned()).ok());
        self.authorization_servers.get_or_insert_with(|| named().collect());
        self
    }

    /// The external URL of the MCP endpoint.
    pub(crate) const fn resource(&self) -> &Identifier {
        &self.resource
    }
}

impl TryFrom<MetadataConfig> for ProtectedResource {
    type Error = ConfigError;

    fn try_from(config: MetadataConfig) -> Result<Self, ConfigError> {
        let authorization_servers = config.authorization_servers.unwrap_or_default();
        if !(1..=MAX_LIST).contains(&authorization_servers.len()) {
            return Err(ConfigError::new(
                "authorization_servers",
                format!("must name 1 to {MAX_LIST} servers by their issuer URL"),
            ));
        }
        if config.scopes_supported.len() > MAX_LIST {
            return Err(ConfigError::new(
                "scopes_supported",
                format!("has more than {MAX_LIST} scopes"),
            ));
        }
        if config.scopes_supported.iter().any(|scope| scope.as_str() == "offline_access") {
            return Err(ConfigError::new(
                "scopes_supported",
                "must not list \"offline_access\": it is not this resource's, and clients ask for it by themselves",
            ));
        }
        let name = config.resource_name.as_deref();
        if name.is_some_and(|name| !(1..=MAX_RESOURCE_NAME).contains(&name.len())) {
            return Err(ConfigError::new(
                "resource_name",
                format!("must be 1 to {MAX_RESOURCE_NAME} bytes"),
            ));
        }
        let document = Document {
            resource: &config.resource,
            authorization_servers: &authorization_servers,
            scopes_supported: config.scopes_supported.iter().map(Scope::as_str).collect(),
            bearer_methods_supported: ["header"],
            resource_name: name,
            resource_documentation: config.resource_documentation.as_ref(),
            resource_policy_uri: config.resource_policy_uri.as_ref(),
            resource_tos_uri: config.resource_tos_uri.as_ref(),
        };
        let document = serde_json::to_vec(&document)
            .map_err(|error| ConfigError::new("metadata", error.to_string()))?;
        let metadata_url = format!("{}{}", config.resource.origin(), well_known(&config.resource));
        Ok(Self { resource: config.resource, metadata_url, document })
    }
}

impl ProtectedResource {
    /// The external URL of the MCP endpoint: what a token's audience must be.
    #[must_use]
    pub const fn resource(&self) -> &Identifier {
        &self.resource
    }

    /// Where the metadata is: the value of a challenge's `resource_metadata`.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }
}

impl Documents {
    /// The documents of `resources`: each at its own path, and a single one at the root too.
    ///
    /// # Errors
    /// If two resources would be described at the same path.
    pub fn new(resources: &[ProtectedResource]) -> Result<Self, ConfigError> {
        let mut documents: Vec<(String, Vec<u8>)> = Vec::new();
        for (index, ProtectedResource { resource, document, .. }) in resources.iter().enumerate() {
            let path = without_final_slash(&well_known(resource)).to_owned();
            if documents.iter().any(|(taken, _)| *taken == path) {
                return Err(ConfigError::new(
                    format!("[{index}].metadata.resource"),
                    format!("has the path of another resource: both are described at {path}"),
                ));
            }
            documents.push((path, document.clone()));
        }
        if let [(_, document)] = documents.as_slice() {
            let document = document.clone();
            documents.push((WELL_KNOWN.to_owned(), document));
        }
        Ok(Self(documents))
    }

    /// The answer to a request for metadata, from anybody. `None` if `target` (path and query as
    /// received) is not the place of a document.
    #[must_use]
    pub fn answer(&self, method: &[u8], target: &[u8]) -> Option<Reply> {
        let path = target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        let path = core::str::from_utf8(path).ok().map(without_final_slash)?;
        let (_, document) = self.0.iter().find(|(place, _)| place == path)?;
        let mut headers = vec![("access-control-allow-origin", HeaderValue::from_static("*"))];
        let (status, body, more) = match method {
            b"GET" => (200, document.clone(), DOCUMENT_HEADERS),
            b"HEAD" => (200, Vec::new(), DOCUMENT_HEADERS),
            b"OPTIONS" => (204, Vec::new(), PREFLIGHT_HEADERS),
            _ => (405, Vec::new(), &[("allow", METHODS)][..]),
        };
        headers.extend(more.iter().map(|(name, value)| (*name, HeaderValue::from_static(value))));
        Some(Reply { status, headers, body })
    }
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// Five minutes: a client asks once for each sign-in, and a changed configuration is soon seen.
const DOCUMENT_HEADERS: &[(&str, &str)] =
    &[("content-type", "application/json"), ("cache-control", "public, max-age=300")];

/// Browsers take `*` for every name but `Authorization`, and MCP clients send their version here.
const PREFLIGHT_HEADERS: &[(&str, &str)] = &[
    ("access-control-allow-methods", METHODS),
    ("access-control-allow-headers", "*, authorization"),
    ("access-control-max-age", "600"),
];

/// The path of a resource's metadata: the well-known part stands before the resource's own
/// (RFC 9728 §3.1).
fn well_known(resource: &Identifier) -> String {
    match resource.path() {
        "/" => WELL_KNOWN.to_owned(),
        path => format!("{WELL_KNOWN}{path}"),
    }
}

fn without_final_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
