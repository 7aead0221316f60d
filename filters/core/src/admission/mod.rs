//! What is let in: owned headers are stripped, paths told apart, and everything on an MCP endpoint
//! that is not MCP is refused, whichever module comes first in the chain.

mod config;
mod cors;
mod cover;
mod origin;
mod path;
#[cfg(test)]
mod tests;

pub use config::{Admission, AdmissionConfig, Batches, Validation};
pub(crate) use cors::Reader;
pub(crate) use cover::{Target, authority, names_host};

use crate::agreement;
use crate::edit::{Edit, HeaderValue};
use crate::head::{Head, Single, essence};
use crate::limits::MAX_HEADERS;
use crate::owned;
use crate::refusal::{Reason, Refusal, Reply};
use crate::version::{Claim, Era};

/// What becomes of a request, judged by its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// An MCP request.
    Mcp(Verb),
    /// A request to a model; whether its body is JSON.
    Llm { json: bool },
    /// Outside the configured paths: passes, stripped.
    Foreign,
    /// Answered here: a preflight.
    Answer(Reply),
}

/// The HTTP methods of an MCP endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Ends a session.
    Delete,
    /// Opens a stream of server messages.
    Get,
    /// Carries a message.
    Post,
}

/// The edits that remove every inbound copy of a header that a filter owns, those included that
/// filters own by their configuration (`is_owned`).
pub(crate) fn strip(head: &Head<'_>, is_owned: impl Fn(&[u8]) -> bool) -> Vec<Edit> {
    remove(head, |name| owned::is_forged(name) || is_owned(name))
}

/// The edits that remove every inbound field whose name is `unwanted`.
pub(crate) fn remove(head: &Head<'_>, unwanted: impl Fn(&[u8]) -> bool) -> Vec<Edit> {
    let mut removed: Vec<Edit> = Vec::new();
    for name in head.names().filter(|name| unwanted(name)) {
        let edit = Edit::Remove(name.to_vec());
        if !removed.contains(&edit) {
            removed.push(edit);
        }
    }
    removed
}

impl Admission {
    /// Judges the head of a request.
    pub(crate) fn admit(&self, head: &Head<'_>) -> Result<Admitted, Refusal> {
        if head.count() >= MAX_HEADERS {
            return Err(Refusal::new(Reason::TooManyHeaders));
        }
        let path = head.first(":path").unwrap_or(b"/");
        let llm = !self.llm_paths.is_empty() && path::is_covered(&self.llm_paths, path);
        if !llm && !path::is_covered(&self.paths, path) {
            return Ok(Admitted::Foreign);
        }
        if owned::SINGLETONS.iter().any(|name| head.single(name) == Single::Repeated) {
            return Err(Refusal::new(Reason::DuplicateHeader));
        }
        self.check_origin(head)?;
        self.check_host(head)?;
        match head.first(":method") {
            Some(b"OPTIONS") if self.cors.is_some() => Ok(Admitted::Answer(self.preflight(head))),
            method if llm => {
                let json = method == Some(b"POST") && is_json(head);
                if json {
                    self.check_body_headers(head)?
                }
                Ok(Admitted::Llm { json })
            }
            Some(b"POST") => self.check_body_headers(head).map(|()| Admitted::Mcp(Verb::Post)),
            Some(b"GET") => self.check_stream(head).map(|()| Admitted::Mcp(Verb::Get)),
            Some(b"DELETE") => self.check_stream(head).map(|()| Admitted::Mcp(Verb::Delete)),
            _ if self.cors.is_some() => Err(not_allowed("GET, POST, DELETE, OPTIONS")),
            _ => Err(not_allowed("GET, POST, DELETE")),
        }
    }

    fn check_origin(&self, head: &Head<'_>) -> Result<(), Refusal> {
        match head.single("origin") {
            Single::Absent => Ok(()),
            Single::One(value) if self.origins.iter().any(|origin| origin.matches(value)) => Ok(()),
            Single::One(_) | Single::Repeated => Err(Refusal::new(Reason::Origin)),
        }
    }

    fn check_host(&self, head: &Head<'_>) -> Result<(), Refusal> {
        if self.covers_host(authority(head)) { Ok(()) } else { Err(Refusal::new(Reason::Host)) }
    }

    fn check_body_headers(&self, head: &Head<'_>) -> Result<(), Refusal> {
        if !is_json(head) {
            return Err(Refusal::new(Reason::MediaType));
        }
        let encoding = head.single("content-encoding").one().unwrap_or(b"identity");
        if !encoding.trim_ascii().eq_ignore_ascii_case(b"identity") {
            return Err(Refusal::new(Reason::ContentEncoding));
        }
        let length =
            head.single("content-length").one().and_then(|value| core::str::from_utf8(value).ok());
        match length.and_then(|length| length.parse::<u64>().ok()) {
            Some(length) if length > self.max_body => Err(Refusal::new(Reason::BodyTooLarge)),
            _ => Ok(()),
        }
    }

    /// GET and DELETE left the protocol with the sessions they served.
    fn check_stream(&self, head: &Head<'_>) -> Result<(), Refusal> {
        let version = head.single("mcp-protocol-version");
        if version == Single::Repeated {
            return Err(Refusal::new(Reason::DuplicateHeader));
        }
        let modern_only = self.versions.iter().all(|version| version.era() == Era::Modern);
        match Claim::parse(version.one()) {
            claim if modern_only || claim.era() == Era::Modern => Err(not_allowed("POST")),
            Claim::Known(version) if !self.versions.contains(&version) => {
                Err(agreement::unsupported(version.as_str(), &self.versions))
            }
            _ => Ok(()),
        }
    }
}

fn not_allowed(allow: &'static str) -> Refusal {
    Refusal::new(Reason::MethodNotAllowed).with_header("allow", HeaderValue::from_static(allow))
}

fn is_json(head: &Head<'_>) -> bool {
    let media_type = head.single("content-type").one().unwrap_or_default();
    essence(media_type).eq_ignore_ascii_case(b"application/json")
}
