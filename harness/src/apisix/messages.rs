//! The messages APISIX makes: the request line for the upstream, and responses of its own.

use crate::calls::variable;
use crate::exchange::Response;
use crate::state::{Reply, Stream};

/// Where the request goes: the `upstream_uri` variable, or the path and query as changed.
pub(super) fn upstream_target(stream: &Stream) -> Vec<u8> {
    if let Some(uri) = stream.properties.get(&b"upstream_uri"[..]).filter(|uri| !uri.is_empty()) {
        return uri.clone();
    }
    let changed = [&b"uri"[..], b"args"].iter().any(|name| stream.properties.contains_key(*name));
    if !changed {
        return variable(stream, b"request_uri").unwrap_or_default();
    }
    let path = variable(stream, b"uri").unwrap_or_default();
    let mut target = String::from_utf8_lossy(&path).replace('?', "%3F").into_bytes();
    if let Some(query) = variable(stream, b"args").filter(|query| !query.is_empty()) {
        target.push(b'?');
        target.extend(query);
    }
    target
}

/// A plugin's reply; without a body an error status gets nginx's page.
pub(super) fn local_response(reply: Reply) -> Response {
    let status = u16::try_from(reply.status).unwrap_or(500);
    if reply.body.is_empty() && status >= 300 {
        let mut page = error_page(status);
        reply.headers.iter().for_each(|(name, value)| page.headers.set(name, value));
        return page;
    }
    let mut headers = reply.headers;
    if headers.get("content-type").is_none() {
        headers.add("content-type", "text/plain; charset=utf-8");
    }
    if headers.get("content-length").is_none() {
        headers.add("transfer-encoding", "chunked");
    }
    let chunks = if reply.body.is_empty() { Vec::new() } else { vec![reply.body] };
    Response { headers, chunks, ..Response::new(status) }
}

pub(super) fn error_page(status: u16) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1>\
         </center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"
    );
    Response::new(status)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-length", page.len().to_string())
        .body(page)
}
