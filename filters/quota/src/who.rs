//! Who calls, as far as keys can tell callers apart.

use core::net::IpAddr;

use mcp_core::edit::HeaderName;
use mcp_core::head::{Head, Single, session_in_query};
use mcp_core::limits::MAX_PRINCIPAL;
use mcp_core::order;
use mcp_core::pipeline::{Caller, Environment, LLM_METHOD};
use mcp_core::refusal::{Reason, Refusal};

use crate::limit::{Key, Who};

/// Where a request says who calls.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Headers of the gateway's own authentication.
    pub(crate) principal: Option<HeaderName>,
    pub(crate) tenant: Option<HeaderName>,
    pub(crate) agent: Option<HeaderName>,
    /// Headers that keys name.
    pub(crate) headers: Vec<HeaderName>,
    /// Whether a key needs the client's address.
    pub(crate) ip: bool,
}

/// What a request's head says for keys.
#[derive(Debug, Default)]
pub(crate) struct Sighting {
    session: Option<Vec<u8>>,
    ip: Option<IpAddr>,
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// Whether the client takes answers that are compressed.
    pub(crate) accepts_coding: bool,
    /// Whether it asks for a stream of server messages.
    pub(crate) opens_stream: bool,
}

pub(crate) const ACCEPT_ENCODING: &str = "accept-encoding";
const SESSION_ID: &str = "mcp-session-id";

impl Sources {
    /// What `keys` need, besides the headers of the gateway's authentication.
    pub(crate) fn of(keys: &[Key]) -> Self {
        let mut headers: Vec<_> = keys.iter().flat_map(Key::headers).cloned().collect();
        order::by(&mut headers, HeaderName::cmp);
        headers.dedup();
        Self { headers, ip: keys.iter().any(Key::has_ip), ..Self::default() }
    }

    /// Reads a head, and completes who calls by what the gateway's authentication says.
    ///
    /// # Errors
    /// If a header that names the caller is there twice or too long to be true.
    pub(crate) fn read(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
    ) -> Result<Sighting, Refusal> {
        if let Some(principal) = named(head, self.principal.as_ref())? {
            caller.principal = Some(principal.to_vec());
        }
        for (name, value) in [(&self.tenant, &mut caller.tenant), (&self.agent, &mut caller.agent)]
        {
            if let Some(text) = named(head, name.as_ref())? {
                *value = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        let value = |name: &HeaderName| {
            let value = head.single(name.as_str()).one()?;
            Some((name.clone(), value.to_vec()))
        };
        Ok(Sighting {
            session: head
                .single(SESSION_ID)
                .one()
                .or_else(|| head.first(":path").and_then(session_in_query))
                .map(<[u8]>::to_vec),
            ip: if self.ip { environment.client_address() } else { None },
            headers: self.headers.iter().filter_map(value).collect(),
            accepts_coding: head.first(ACCEPT_ENCODING).is_some(),
            opens_stream: head.first(":method") == Some(b"GET"),
        })
    }
}

impl Sighting {
    /// What the keys of a call are made of.
    pub(crate) fn who<'a>(
        &'a self,
        caller: &'a Caller,
        method: Option<&'a str>,
        name: Option<&'a str>,
    ) -> Who<'a> {
        let names_tool = matches!(method, Some("tools/call" | LLM_METHOD));
        Who {
            caller,
            session: self.session.as_deref(),
            tool: name.filter(|_| names_tool),
            method,
            ip: self.ip,
            headers: &self.headers,
        }
    }
}

fn named<'a>(head: &Head<'a>, name: Option<&HeaderName>) -> Result<Option<&'a [u8]>, Refusal> {
    let Some(name) = name else { return Ok(None) };
    match head.single(name.as_str()) {
        Single::Absent | Single::One(b"") => Ok(None),
        Single::One(value) if value.len() <= MAX_PRINCIPAL => Ok(Some(value)),
        Single::One(_) => Err(Refusal::new(Reason::PrincipalTooLong)),
        Single::Repeated => Err(Refusal::new(Reason::DuplicateHeader)),
    }
}
