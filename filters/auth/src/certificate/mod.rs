//! Callers known by the certificate of their connection, and tokens that are bound to one.

mod filter;
mod xfcc;

use mcp_core::certificate::PeerCertificate;
use mcp_core::config::ConfigError;
use mcp_core::head::{Head, Single};
use mcp_core::pipeline::{Caller, Environment};
use mcp_core::refusal::{Reason, Refusal};
use serde::Deserialize;

use crate::api_key::{MAX_LABEL, is_label};
use crate::scope::Scope;

/// `mtls`, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct MtlsConfig {
    principal: Name,
    tenant: Option<String>,
    agent: Option<String>,
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(default)]
    xfcc_trusted: bool,
}

/// How certificates name callers.
#[derive(Debug)]
pub(crate) struct Mtls {
    name: Name,
    /// What every such caller is besides.
    caller: Caller,
    source: Source,
}

/// The part of a certificate that is the principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    DnsSan,
    Subject,
    UriSan,
}

/// Where the client's certificate is looked for. It is one place: the proxy in front may have a
/// certificate too, and must not be taken for a client that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Source {
    /// The connection's.
    #[default]
    Connection,
    /// The one that the proxy in front reports in `X-Forwarded-Client-Cert`.
    Forwarded,
}

const FORWARDED: &str = "x-forwarded-client-cert";

impl TryFrom<MtlsConfig> for Mtls {
    type Error = ConfigError;

    fn try_from(config: MtlsConfig) -> Result<Self, ConfigError> {
        for (key, label) in [("tenant", &config.tenant), ("agent", &config.agent)] {
            if label.as_ref().is_some_and(|label| !is_label(label, MAX_LABEL)) {
                let problem = format!("must be 1 to {MAX_LABEL} bytes without control characters");
                return Err(ConfigError::new(key, problem));
            }
        }
        Ok(Self {
            name: config.principal,
            caller: Caller {
                principal: None,
                tenant: config.tenant,
                agent: config.agent,
                scopes: config.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
                ..Caller::default()
            },
            source: if config.xfcc_trusted { Source::Forwarded } else { Source::Connection },
        })
    }
}

impl Mtls {
    /// Where certificates are looked for.
    pub(crate) const fn source(&self) -> Source {
        self.source
    }

    /// Who has this certificate; nobody, if it lacks the name that is the principal. No issuer or
    /// API key makes the same principal: theirs do not begin with a NUL.
    pub(crate) fn caller(&self, certificate: &PeerCertificate) -> Option<Caller> {
        let (kind, name) = match self.name {
            Name::DnsSan => ("dns_san", &certificate.dns_san),
            Name::Subject => ("subject", &certificate.subject),
            Name::UriSan => ("uri_san", &certificate.uri_san),
        };
        let name = name.as_ref().filter(|name| !name.is_empty())?;
        let principal = Some(format!("\0certificate\0{kind}\0{name}").into_bytes());
        Some(Caller { principal, ..self.caller.clone() })
    }
}

impl Source {
    /// The client's certificate.
    ///
    /// # Errors
    /// If it is reported twice.
    pub(crate) fn certificate(
        self,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<Option<PeerCertificate>, Refusal> {
        match self {
            Self::Connection => Ok(environment.peer_certificate()),
            Self::Forwarded => match head.single(FORWARDED) {
                Single::Absent => Ok(None),
                Single::One(value) => Ok(xfcc::nearest(value)),
                Single::Repeated => Err(Refusal::new(Reason::DuplicateHeader)),
            },
        }
    }
}

#[cfg(test)]
mod tests;
