//! `claims_to_headers`: claims of a token that the upstream gets as header fields.
//!
//! A claim that is not there, or that no field can hold without doubt, leaves the field absent.

use mcp_core::config::{ConfigError, Section};
use mcp_core::edit::{HeaderName, HeaderValue};
use mcp_core::owned;
use serde::Deserialize;
use serde_json::Value;

use crate::token::{ClaimPath, Claims};

/// Entries in one issuer's list.
const MAX_CLAIM_HEADERS: usize = 32;

/// One entry, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct ClaimHeaderConfig {
    claim: String,
    header: String,
}

/// The claims of one issuer's tokens that go upstream.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimHeaders(Vec<(ClaimPath, HeaderName)>);

impl ClaimHeaders {
    /// Checks the entries; `api_key_header` cannot be one of them.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(crate) fn new(
        entries: Vec<Section<ClaimHeaderConfig>>,
        api_key_header: &HeaderName,
    ) -> Result<Self, ConfigError> {
        if entries.len() > MAX_CLAIM_HEADERS {
            let problem = format!("has more than {MAX_CLAIM_HEADERS} entries");
            return Err(ConfigError::new("claims_to_headers", problem));
        }
        let mut headers: Vec<(ClaimPath, HeaderName)> = Vec::with_capacity(entries.len());
        for (index, Section(entry)) in entries.into_iter().enumerate() {
            let at = |key: &str, problem: String| {
                ConfigError::new(format!("claims_to_headers[{index}].{key}"), problem)
            };
            let claim =
                ClaimPath::parse(&entry.claim).map_err(|error| at("claim", error.problem))?;
            let header = HeaderName::parse(&entry.header).filter(|name| name != api_key_header);
            let Some(header) = header.filter(|name| !is_reserved(name.as_str())) else {
                return Err(at("header", RESERVED_PROBLEM.to_owned()));
            };
            if headers.iter().any(|(_, taken)| *taken == header) {
                return Err(at("header", "is set by another entry".to_owned()));
            }
            headers.push((claim, header));
        }
        Ok(Self(headers))
    }

    /// Whether `name` is a spelling of one of the fields, as clients may send it.
    pub(crate) fn own(&self, name: &[u8]) -> bool {
        self.0.iter().any(|(_, header)| owned::folds_to(name, header.as_str()))
    }

    /// The fields that `claims` fill.
    pub(crate) fn of(&self, claims: &Claims) -> Vec<(HeaderName, HeaderValue)> {
        let field = |(claim, header): &(ClaimPath, HeaderName)| {
            let text = text(claims.get(claim)?).filter(|text| !text.is_empty())?;
            Some((header.clone(), HeaderValue::mirrored(&text)?))
        };
        self.0.iter().filter_map(field).collect()
    }
}

/// A claim as the text of a field. Strings of an array are joined by commas: one that holds a comma
/// would be read as two, so such an array is no text at all.
fn text(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(values) => {
            let item = |value: &Value| {
                value
                    .as_str()
                    .filter(|text| !text.is_empty() && !text.contains(','))
                    .map(str::to_owned)
            };
            Some(values.iter().map(item).collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

const RESERVED_PROBLEM: &str = "must be a header name of letters, digits and '-' that nobody else \
    sets: not authorization, cookie, host, origin, the API keys' header, one of HTTP's connection, \
    nor content-*, mcp-*, x-mcp-*, proxy-*, sec-*, x-envoy-* or x-forwarded-*";

/// Names that HTTP, MCP, the gateway or this filter give a meaning of their own.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "accept",
        "authorization",
        "connection",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "last-event-id",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-real-ip",
    ];
    const PREFIXES: [&str; 9] = [
        "accept-",
        "access-control-",
        "content-",
        "mcp-",
        "proxy-",
        "sec-",
        "x-envoy-",
        "x-forwarded-",
        "x-mcp-",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
