//! The heads Envoy makes: of a request as filters see it, and of a local reply.

use super::Fields;
use crate::exchange::{Exchange, Request, UpstreamRequest, Version};
use crate::headers::Headers;
use crate::state::Reply;
use crate::vm::Vm;

/// What Envoy's connection manager answers by itself, with its default settings.
pub(super) fn refusal(request: &Request) -> Option<(u32, &'static str)> {
    match request.version {
        Version::Http10 => Some((426, "Envoy does not accept HTTP/1.0")),
        _ if request.headers.get("host").is_none() => Some((400, "a request without Host")),
        _ => None,
    }
}

/// Pseudo-headers first, `Host` as `:authority`, and what Envoy adds to every request.
pub(super) fn request_headers(vm: &mut Vm, exchange: &Exchange) -> Headers {
    let request = &exchange.request;
    let mut headers = Headers::new();
    headers.add(":authority", request.headers.get("host").unwrap_or_default());
    headers.add(":path", &request.target);
    headers.add(":method", &request.method);
    headers.add(":scheme", "http");
    for (name, value) in request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(b"host")) {
        Fields::Request.add(&mut headers, name, value);
    }
    headers.set(b"x-forwarded-proto", b"http");
    if headers.get("x-request-id").is_none() {
        let random = &mut vm.state().world().random;
        let (high, low) = (random.next(), random.next());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        );
        headers.add("x-request-id", id);
    }
    headers
}

/// The headers of a local reply: the filter's, and those of its body.
pub(super) fn local_headers(reply: &Reply) -> Headers {
    let mut headers = Headers::new();
    headers.add(":status", reply.status.to_string());
    reply.headers.iter().for_each(|(n, v)| Fields::Response.add(&mut headers, n, v));
    if reply.body.is_empty() {
        headers.remove(b"content-length");
        headers.remove(b"content-type");
    } else {
        headers.set(b"content-length", reply.body.len().to_string().as_bytes());
        if headers.get("content-type").is_none() {
            headers.add("content-type", "text/plain");
        }
    }
    headers
}

/// What goes upstream: pseudo-headers become the request line and `host` again.
pub(super) fn upstream_request(mut headers: Headers) -> UpstreamRequest {
    let method = take(&mut headers, ":method");
    let target = take(&mut headers, ":path");
    let authority = take(&mut headers, ":authority");
    take(&mut headers, ":scheme");
    let host: Headers = [("host", authority)].into_iter().collect();
    UpstreamRequest {
        method,
        target,
        headers: host.iter().chain(headers.iter()).collect(),
        chunks: Vec::new(),
        trailers: Headers::new(),
        complete: false,
    }
}

/// The status and the other headers of a response.
pub(super) fn client_head(mut headers: Headers) -> (u16, Headers) {
    let status = take(&mut headers, ":status");
    (String::from_utf8_lossy(&status).parse().unwrap_or(0), headers)
}

fn take(headers: &mut Headers, name: &str) -> Vec<u8> {
    let value = headers.get(name).unwrap_or_default().to_vec();
    headers.remove(name.as_bytes());
    value
}
