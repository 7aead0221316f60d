//! Header–body agreement: what a message is, judged by its mirrored headers and its body together,
//! in the order of checks that every MCP SDK keeps (a gateway that answers out of order breaks the
//! clients' era probing):
//!
//! 1. repeated mirrored header → −32020 · 2. `_meta` incomplete → −32602 · 3. version, method, name
//!    disagree → −32020 · 4. version not supported → −32022
//!
//! Some servers choose the era by header, some by body; a message on which the two disagree would
//! be read differently by each, so it is refused.

use serde_json::json;

use crate::message::{Kind, Message, Meta};
use crate::mirror::{Field, Mirror};
use crate::refusal::{Reason, Refusal};
use crate::version::{Claim, Era, Version};

/// The longest part of a client's version string that is echoed, in bytes.
const MAX_ECHOED_VERSION: usize = 64;

/// Judges a single message. `versions` are the ones admitted here.
///
/// # Errors
/// The refusal to answer with, unless the route only logs disagreement.
pub fn check(mirror: &Mirror, message: &Message<'_>, versions: &[Version]) -> Result<Era, Refusal> {
    let claim = mirror.claim();
    let era = claim.era();
    if mirror.is_repeated() {
        return Err(mismatch("a mirrored header was sent more than once"));
    }
    let meta = message.params.meta.as_ref();
    match era {
        Era::Legacy => legacy(claim, message, meta, versions)?,
        Era::Modern => modern(mirror, message, meta, versions)?,
    }
    Ok(era)
}

/// The value that `Mcp-Name` mirrors for `message`'s method, if that method has one.
#[must_use]
pub fn subject<'a>(message: &'a Message<'_>) -> Option<&'a str> {
    let params = &message.params;
    match message.method.as_deref()? {
        "tools/call" | "prompts/get" => params.name.as_deref(),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => params.uri.as_deref(),
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => params.task_id.as_deref(),
        _ => None,
    }
}

/// Whether a modern request carries `Mcp-Name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It must.
    Always,
    /// The tasks extension says it must, and released clients do not.
    IfSent,
    /// The header means nothing there, and servers ignore it.
    Never,
}

/// Whether a modern request with this method carries `Mcp-Name`.
#[must_use]
pub fn named_by(method: &str) -> Named {
    match method {
        "tools/call" | "prompts/get" | "resources/read" => Named::Always,
        "tasks/get" | "tasks/update" | "tasks/cancel" => Named::IfSent,
        _ => Named::Never,
    }
}

fn legacy(
    claim: Claim,
    message: &Message<'_>,
    meta: Option<&Meta<'_>>,
    versions: &[Version],
) -> Result<(), Refusal> {
    if meta.is_some_and(|meta| meta.protocol_version.is_some()) {
        return Err(mismatch("MCP-Protocol-Version does not match the version in _meta"));
    }
    match claim {
        Claim::Known(version) if !versions.contains(&version) => {
            Err(unsupported(version.as_str(), versions))
        }
        // Without the header, `initialize` says what it wants, and all else is 2025-03-26 or older.
        Claim::Absent if versions.iter().all(|version| version.era() == Era::Modern) => {
            let asked = message.params.protocol_version.as_deref();
            Err(unsupported(asked.unwrap_or(Version::V2025_03_26.as_str()), versions))
        }
        _ => Ok(()),
    }
}

fn modern(
    mirror: &Mirror,
    message: &Message<'_>,
    meta: Option<&Meta<'_>>,
    versions: &[Version],
) -> Result<(), Refusal> {
    let named = meta.and_then(|meta| meta.protocol_version.as_deref());
    match message.kind {
        Kind::Response => return Err(Refusal::new(Reason::ResponsePosted)),
        // Header rules for notifications are undefined; what is there must still be true.
        Kind::Notification => {
            agree_if_sent("Mcp-Method", &mirror.method, message.method.as_deref())?;
            if named.is_none() {
                return supports(mirror.version.value(), versions);
            }
        }
        Kind::Request => {
            if named.is_none() {
                return Err(incomplete("io.modelcontextprotocol/protocolVersion"));
            }
            if !meta.is_some_and(|meta| meta.client_capabilities) {
                return Err(incomplete("io.modelcontextprotocol/clientCapabilities"));
            }
        }
    }
    agree("MCP-Protocol-Version", &mirror.version, named)?;
    if message.kind == Kind::Request {
        let method = message.method.as_deref();
        agree("Mcp-Method", &mirror.method, method)?;
        match method.map_or(Named::Never, named_by) {
            Named::Always => agree("Mcp-Name", &mirror.name, subject(message))?,
            Named::IfSent => agree_if_sent("Mcp-Name", &mirror.name, subject(message))?,
            Named::Never => {}
        }
    }
    supports(named, versions)
}

fn supports(requested: Option<&str>, versions: &[Version]) -> Result<(), Refusal> {
    match requested.and_then(|name| Version::parse(name.as_bytes())) {
        Some(version) if versions.contains(&version) => Ok(()),
        _ => Err(unsupported(requested.unwrap_or_default(), versions)),
    }
}

fn agree(header: &str, field: &Field, body: Option<&str>) -> Result<(), Refusal> {
    match (field, body) {
        // A method that needs a name and has none is the server's -32602 to give.
        (Field::Absent, None) => Ok(()),
        (Field::Absent, Some(_)) => Err(mismatch(&format!("{header} is missing"))),
        (Field::Value(value), Some(body)) if value == body => Ok(()),
        (Field::Value(_), _) => Err(mismatch(&format!("{header} does not match the body"))),
        (Field::Malformed | Field::Repeated, _) => Err(mismatch(&format!("{header} is malformed"))),
    }
}

fn agree_if_sent(header: &str, field: &Field, body: Option<&str>) -> Result<(), Refusal> {
    if *field == Field::Absent { Ok(()) } else { agree(header, field, body) }
}

fn mismatch(what: &str) -> Refusal {
    Refusal::new(Reason::HeaderMismatch).saying(format!("Header mismatch: {what}"))
}

fn incomplete(key: &'static str) -> Refusal {
    Refusal::new(Reason::MetaMissing).saying(format!("Invalid params: _meta lacks {key}"))
}

/// Refuses a version as clients need it to negotiate another one. The requested version is echoed
/// since the schema requires it, cut to a bound and escaped by the JSON writer.
#[must_use]
pub fn unsupported(requested: &str, versions: &[Version]) -> Refusal {
    let cut = requested.floor_char_boundary(MAX_ECHOED_VERSION);
    let requested = requested.get(..cut).unwrap_or_default();
    let (modern, legacy): (Vec<_>, Vec<_>) =
        versions.iter().partition(|version| version.era() == Era::Modern);
    // A client retries with a version of this list as it stands, so versions that open with a
    // handshake are offered only where there is no other.
    let offered = if modern.is_empty() { legacy } else { modern };
    let supported: Vec<_> = offered.into_iter().map(Version::as_str).collect();
    Refusal::new(Reason::UnsupportedVersion)
        .with_data(json!({ "supported": supported, "requested": requested }))
}

#[cfg(test)]
mod tests;
