//! The messages of a request, as limits see them.

use mcp_core::message::{Kind, Message};
use mcp_core::pipeline::{Call, Traffic};

use crate::cost::Cost;
use crate::usage::{self, Usage};

/// One message of a request, as limits see it.
pub(crate) struct Item<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) cost: Cost,
    /// Whether it may be refused.
    pub(crate) refusable: bool,
}

/// What clients must be able to do whatever they used up: open a session, and find out what there
/// is.
const NEVER_REFUSED: [&str; 2] = ["initialize", "server/discover"];

/// The messages of a request; `known` if it repeats a call that was charged, `prompt` tokens if it is
/// one to a model.
pub(crate) fn items<'a>(
    call: &Call<'a>,
    opens_stream: bool,
    known: bool,
    prompt: u64,
) -> Vec<Item<'a>> {
    let bytes = call.body.map_or(0, |body| u64::try_from(body.len()).unwrap_or(u64::MAX));
    let one = Cost { in_flight: 1, requests: 1, ..Cost::default() };
    if call.traffic == Traffic::Llm {
        let usage = Usage { input: prompt, ..Usage::default() };
        let cost = Cost { request_bytes: bytes, usage, ..one };
        return vec![Item { method: call.method, name: call.name, cost, refusable: true }];
    }
    if let Some(message) = call.message {
        return vec![item(message, call.body, bytes, call.name, known)];
    }
    if !call.batch.is_empty() {
        let share = bytes.div_ceil(u64::try_from(call.batch.len()).unwrap_or(u64::MAX).max(1));
        let each = |message: &'a Message<'a>| {
            let name = message.params.name.as_deref();
            item(message, None, share, name, false)
        };
        return call.batch.iter().map(each).collect();
    }
    match call.method {
        Some(method) => {
            let refusable = !NEVER_REFUSED.contains(&method);
            let cost = if refusable { one } else { Cost::default() };
            vec![Item { method: Some(method), name: call.name, cost, refusable }]
        }
        // A stream that the client listens on is open, and no request.
        None if opens_stream => {
            let cost = Cost { in_flight: 1, ..Cost::default() };
            vec![Item { method: None, name: None, cost, refusable: true }]
        }
        None => Vec::new(),
    }
}

/// One message; `known` if it repeats a call that was charged.
fn item<'a>(
    message: &'a Message<'a>,
    body: Option<&[u8]>,
    request_bytes: u64,
    name: Option<&'a str>,
    known: bool,
) -> Item<'a> {
    let method = message.method.as_deref();
    let refusable =
        message.kind == Kind::Request && !method.is_some_and(|m| NEVER_REFUSED.contains(&m));
    let usage = match (message.kind, body) {
        _ if known => Usage::default(),
        (Kind::Response, Some(body)) => usage::of_response_body(body),
        _ => usage::of_request(message),
    };
    let count = u64::from(refusable);
    let requests = if known { 0 } else { count };
    let cost =
        Cost { in_flight: count, requests, request_bytes, usage, micros: 0, ..Cost::default() };
    Item { method, name, cost, refusable }
}
