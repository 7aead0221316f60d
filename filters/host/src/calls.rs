//! HTTP calls to services of the gateway's configuration.
//!
//! Dispatch goes through the SDK, which registers the token; the answer is read by raw calls.

use core::time::Duration;

use mcp_core::pipeline::HttpCall;

use crate::abi::{self, Level, Map};

/// Sends `call` and returns the host's token for it. `None`: the host would not, and the log says
/// why.
pub(crate) fn dispatch(call: &HttpCall) -> Option<u32> {
    // APISIX fills in what is missing from memory of an earlier call.
    let mut headers: Vec<(&str, &str)> = vec![
        (":method", call.method),
        (":scheme", call.scheme),
        (":authority", &call.authority),
        (":path", &call.path),
    ];
    headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
    let body = Some(call.body.as_slice()).filter(|body| !body.is_empty());
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

/// The status and body of the answer whose callback this is. A call that failed has neither.
pub(crate) fn answer(headers: usize, size: usize) -> (Option<u16>, Vec<u8>) {
    if headers == 0 {
        return (None, Vec::new());
    }
    let status = abi::header(Map::CallResponse, ":status").ok().flatten();
    let status = status.and_then(|status| core::str::from_utf8(&status).ok()?.parse().ok());
    (status, abi::call_body(size).unwrap_or_default())
}
