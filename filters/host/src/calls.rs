//! HTTP calls to services of the gateway's configuration.
//!
//! Dispatch goes through the SDK, which registers the token; the answer is read by raw calls.

use core::time::Duration;

use mcp_core::pipeline::{HttpAnswer, HttpCall};

use crate::abi::{self, Level, Map};

/// Sends `call` and returns the host's token for it. `None`: the host would not, and the log says
/// why.
pub(crate) fn dispatch(call: &HttpCall) -> Option<u32> {
    // APISIX fills in what is missing from memory of an earlier call.
    let mut headers = vec![
        (":method", if call.form.is_some() { "POST" } else { "GET" }),
        (":scheme", call.scheme),
        (":authority", &call.authority),
        (":path", &call.path),
        ("accept", "application/json"),
    ];
    if let Some(form) = &call.form {
        headers.push(("authorization", form.authorization.as_str()));
        headers.push(("content-type", "application/x-www-form-urlencoded"));
    }
    let body = call.form.as_ref().map(|form| form.body.as_bytes());
    let timeout = Duration::from_millis(u64::from(call.timeout));
    let sent =
        proxy_wasm::hostcalls::dispatch_http_call(&call.service, headers, body, vec![], timeout);
    sent.inspect_err(|status| {
        abi::log(
            Level::Error,
            &format!("the host cannot call {}: {status:?}; is it configured?", call.service),
        );
    })
    .ok()
}

/// The answer whose callback this is, given to `take`. A call that failed has no headers.
pub(crate) fn with_answer<T>(
    headers: usize,
    size: usize,
    take: impl FnOnce(&HttpAnswer<'_>) -> T,
) -> T {
    if headers == 0 {
        return take(&HttpAnswer::NONE);
    }
    let field = |name| abi::header(Map::CallResponse, name).ok().flatten();
    let status =
        field(":status").and_then(|status| core::str::from_utf8(&status).ok()?.parse().ok());
    let body = abi::call_body(size).unwrap_or_default();
    take(&HttpAnswer { status, content_type: field("content-type").as_deref(), body: &body })
}
