//! Whose counters a limit keeps: the parts of its key, and their values in one call.

use core::fmt;
use core::net::IpAddr;
use std::borrow::Cow;

use mcp_core::edit::HeaderName;
use mcp_core::pipeline::Caller;
use serde::Deserialize;

/// What one subject differs from another by; in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    parts: Vec<Part>,
    /// As it is written, with commas.
    text: String,
}

/// One part of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Part {
    Agent,
    Header(HeaderName),
    Ip,
    Method,
    Principal,
    Session,
    Tenant,
    Tool,
}

/// What a call's keys are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) caller: &'a Caller,
    /// The id of its session as the client sends it.
    pub(crate) session: Option<&'a [u8]>,
    /// The tool or model it is about.
    pub(crate) tool: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) ip: Option<IpAddr>,
    /// Of the headers that keys name, the values there are.
    pub(crate) headers: &'a [(HeaderName, Vec<u8>)],
}

/// Bits of an IPv6 address that tell networks apart; the rest is for a client to choose.
const NETWORK_BITS: u32 = 64;

impl Key {
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        let text: Vec<String> = parts.iter().map(Part::to_string).collect();
        Self { parts, text: text.join(",") }
    }

    /// As it is written, with commas.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The headers it needs.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Header(name) => Some(name),
            _ => None,
        })
    }

    /// Whether it needs the client's address.
    pub(crate) fn has_ip(&self) -> bool {
        self.parts.contains(&Part::Ip)
    }

    /// The values of the parts, the key itself first, so that equal values of different keys are
    /// different subjects. `None` if there is no session or tool to count: such a call is no
    /// affair of the limit. Who is not known is one and the same subject.
    pub(crate) fn values<'a>(&'a self, who: &Who<'a>) -> Option<Vec<Cow<'a, [u8]>>> {
        let mut values = Vec::with_capacity(self.parts.len().saturating_add(1));
        values.push(Cow::Borrowed(self.text.as_bytes()));
        for part in &self.parts {
            values.push(match part {
                Part::Agent => text(who.caller.agent.as_deref()),
                Part::Header(name) => {
                    let value = who.headers.iter().find(|(field, _)| field == name);
                    Cow::Borrowed(value.map_or(b"", |(_, value)| value))
                }
                Part::Ip => Cow::Owned(network(who.ip)),
                Part::Method => text(who.method),
                Part::Principal => {
                    Cow::Borrowed(who.caller.principal.as_deref().unwrap_or_default())
                }
                Part::Session => Cow::Borrowed(who.session?),
                Part::Tenant => text(who.caller.tenant.as_deref()),
                Part::Tool => Cow::Borrowed(who.tool?.as_bytes()),
            });
        }
        Some(values)
    }

    /// Whether a client can make up any number of its subjects, by opening sessions or inventing a
    /// header.
    pub(crate) fn is_inventable(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Session | Part::Header(_)))
    }

    /// Whether a client cannot choose its subject.
    pub(crate) fn is_anchored(&self) -> bool {
        let proven = [Part::Ip, Part::Principal, Part::Tenant];
        !self.is_inventable() && self.parts.iter().any(|part| proven.contains(part))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Agent => "agent",
            Self::Header(name) => return write!(formatter, "header:{}", name.as_str()),
            Self::Ip => "ip",
            Self::Method => "method",
            Self::Principal => "principal",
            Self::Session => "session",
            Self::Tenant => "tenant",
            Self::Tool => "tool",
        })
    }
}

impl TryFrom<String> for Part {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(match text.as_str() {
            "agent" => Self::Agent,
            "ip" => Self::Ip,
            "method" => Self::Method,
            "principal" => Self::Principal,
            "session" => Self::Session,
            "tenant" => Self::Tenant,
            "tool" => Self::Tool,
            other => {
                let name = other.strip_prefix("header:").and_then(HeaderName::parse);
                Self::Header(name.ok_or(
                    "must be \"tenant\", \"principal\", \"agent\", \"session\", \"tool\", \
                     \"method\", \"ip\" or \"header:NAME\"",
                )?)
            }
        })
    }
}

fn text(value: Option<&str>) -> Cow<'_, [u8]> {
    Cow::Borrowed(value.unwrap_or_default().as_bytes())
}

/// An address as far as it is not the client's own choice.
fn network(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => {
            let bits = address.to_bits().checked_shr(NETWORK_BITS).unwrap_or_default();
            bits.to_be_bytes().to_vec()
        }
    }
}
