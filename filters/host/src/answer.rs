//! Answering a request here, and changing the head of one that goes on.

use mcp_core::edit::{Edit, HeaderName, HeaderValue};
use mcp_core::pipeline::Report;
use mcp_core::refusal::{Addressee, Reason, Refusal, Reply};
use proxy_wasm::types::Action;

use crate::abi::{self, Failed, Level, Map};
use crate::pairs;

/// Refuses a request where there is no pipeline, nor anybody who counts.
pub(crate) fn refuse(reason: Reason) -> Action {
    abi::log(Level::Warn, &Report::unread(reason).line());
    turn_away(reason)
}

/// Answers a request of which nothing is known with a refusal.
pub(crate) fn turn_away(reason: Reason) -> Action {
    reply(&Refusal::new(reason).reply(Addressee::Unknown), reason.as_str());
    Action::Pause
}

/// Sends a complete answer. After it, a pause is legal on every host.
pub(crate) fn reply(reply: &Reply, details: &str) {
    let headers = pairs::serialize(&reply.headers);
    if abi::send_local_response(reply.status, &headers, &reply.body, details).is_err() {
        // What the host did not take may be a header of ours; a bare status it always takes.
        let none: [(&'static str, HeaderValue); 0] = [];
        if let Err(Failed(status)) =
            abi::send_local_response(503, &pairs::serialize(&none), b"", details)
        {
            abi::log(Level::Critical, &format!("the host took no answer: status {status}"));
        }
    }
}

/// Makes the changes, in order.
pub(crate) fn apply(map: Map, edits: &[Edit]) -> Result<(), Failed> {
    edits.iter().try_for_each(|edit| match edit {
        Edit::Add(name, value) => abi::add_header(map, name.as_str(), value.as_str()),
        Edit::Remove(name) => abi::remove_header(map, name),
        Edit::Rename(from, to) => rename(map, from, to),
        Edit::Set(name, value) => abi::set_header(map, name.as_str(), value.as_str()),
    })
}

/// Moves a field's value to another name. A value that a head cannot hold as we write them goes on
/// as mirrored headers do, and one that is no text not at all.
fn rename(map: Map, from: &HeaderName, to: &HeaderName) -> Result<(), Failed> {
    let Some(value) = abi::header(map, from.as_str())? else { return Ok(()) };
    abi::remove_header(map, from.as_str().as_bytes())?;
    match core::str::from_utf8(&value).ok().and_then(HeaderValue::mirrored) {
        Some(value) => abi::set_header(map, to.as_str(), value.as_str()),
        None => abi::remove_header(map, to.as_str().as_bytes()),
    }
}
