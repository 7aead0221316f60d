//! Answering a request here, and changing the head of one that goes on.

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::refusal::{Addressee, Reason, Refusal, Reply};
use proxy_wasm::types::Action;

use crate::abi::{self, Failed, Level, Map};
use crate::pairs;

/// Refuses a request that no pipeline judged.
pub(crate) fn refuse(reason: Reason) -> Action {
    abi::log(Level::Warn, &format!(r#"{{"event":"refused","reason":"{}"}}"#, reason.as_str()));
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
        Edit::Add(name, value) => abi::add_header(map, name, value.as_str()),
        Edit::Remove(name) => abi::remove_header(map, name),
        Edit::Set(name, value) => abi::set_header(map, name.as_str(), value.as_str()),
    })
}
