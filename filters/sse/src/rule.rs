//! What changes in heads by configuration.

use mcp_core::config::{ConfigError, Section};
use mcp_core::edit::{Edit, HeaderName};
use mcp_core::owned::folds_to;
use mcp_core::pipeline::{Call, Caller, Predecessor};
use serde::Deserialize;

use crate::template::Template;

/// A rule as it is written: `{"set": "X-Tenant", "value": "{tenant}"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(crate) struct RuleConfig {
    set: Option<String>,
    append: Option<String>,
    remove: Option<String>,
    rename: Option<String>,
    value: Option<String>,
    to: Option<String>,
}

/// One change to a head.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Another field of this name, if its value is known.
    Append(HeaderName, Template),
    /// No field of this name.
    Remove(HeaderName),
    /// The first name's value under the second one.
    Rename(HeaderName, HeaderName),
    /// Exactly one field of this name, or none if its value is not known.
    Set(HeaderName, Template),
}

/// The rules of the list `key`, in order. `predecessor` tells who calls.
///
/// # Errors
/// The first that is wrong.
pub(crate) fn rules(
    key: &str,
    configs: Vec<Section<RuleConfig>>,
    predecessor: Predecessor,
) -> Result<Vec<Rule>, ConfigError> {
    let rule = |(index, Section(config)): (usize, Section<RuleConfig>)| {
        Rule::build(&format!("{key}[{index}]"), config, predecessor)
    };
    configs.into_iter().enumerate().map(rule).collect()
}

// === impl Rule ===

impl Rule {
    fn build(
        path: &str,
        config: RuleConfig,
        predecessor: Predecessor,
    ) -> Result<Self, ConfigError> {
        let at = |key: &str, problem| ConfigError::new(format!("{path}.{key}"), problem);
        let name = |key: &str, text: &str| name(text).map_err(|problem| at(key, problem));
        let value =
            |text: &str| template(text, predecessor).map_err(|problem| at("value", problem));
        let RuleConfig { set, append, remove, rename, value: text, to } = config;
        match (set, append, remove, rename, text, to) {
            (Some(set), None, None, None, Some(text), None) => {
                Ok(Self::Set(name("set", &set)?, value(&text)?))
            }
            (None, Some(append), None, None, Some(text), None) => {
                Ok(Self::Append(name("append", &append)?, value(&text)?))
            }
            (None, None, Some(remove), None, None, None) => {
                Ok(Self::Remove(name("remove", &remove)?))
            }
            (None, None, None, Some(rename), None, Some(to)) => {
                Ok(Self::Rename(name("rename", &rename)?, name("to", &to)?))
            }
            _ => Err(ConfigError::new(
                path,
                "must be one of {\"set\", \"value\"}, {\"append\", \"value\"}, {\"remove\"} and {\"rename\", \"to\"}",
            )),
        }
    }

    /// The change for one exchange.
    pub(crate) fn edit(&self, call: &Call<'_>, caller: &Caller) -> Option<Edit> {
        Some(match self {
            Self::Append(name, template) => Edit::Add(name.clone(), template.fill(call, caller)?),
            Self::Remove(name) => remove(name),
            Self::Rename(from, to) => Edit::Rename(from.clone(), to.clone()),
            Self::Set(name, template) => match template.fill(call, caller) {
                Some(value) => Edit::Set(name.clone(), value),
                None => remove(name),
            },
        })
    }

    /// Whether it says something of the exchange in a field of this name, so that what a client
    /// sends in its place is a forgery.
    pub(crate) fn vouches_in(&self, field: &[u8]) -> bool {
        matches!(self, Self::Set(name, template)
            if template.placeholders().next().is_some() && folds_to(field, name.as_str()))
    }
}

fn name(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::parse(text).ok_or(
        "must be a header name of letters, digits and \"-\"; no rule is about pseudo-headers",
    )?;
    match protection(name.as_str()) {
        Some(why) => Err(format!("is protected: {why}")),
        None => Ok(name),
    }
}

fn template(text: &str, predecessor: Predecessor) -> Result<Template, String> {
    let template = Template::parse(text)?;
    let is_told = predecessor == Predecessor::Auth;
    let untold = template.placeholders().find(|known| known.is_told() && !is_told);
    if let Some(placeholder) = untold {
        let name = placeholder.name();
        return Err(format!("{{{name}}} is known where auth is configured, in mcp_gateway.wasm"));
    }
    Ok(template)
}

fn remove(name: &HeaderName) -> Edit {
    Edit::Remove(name.as_str().into())
}

/// Why fields of this name (lower case) are not for rules.
fn protection(name: &str) -> Option<&'static str> {
    Some(match name {
        "connection"
        | "keep-alive"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade" => "it is about one connection, hop by hop (RFC 9110 §7.6.1)",
        "content-encoding" | "content-length" | "content-type" | "host" => {
            "it says where a message goes and how it is read"
        }
        "authorization" | "www-authenticate" => "credentials are for the auth section",
        "accept" | "last-event-id" => "MCP servers and clients need it as it is",
        _ if name.starts_with("mcp-") => "MCP servers and clients need it as it is",
        _ if name.starts_with("x-mcp-") => "the filters write it, and nobody else",
        _ => return None,
    })
}
