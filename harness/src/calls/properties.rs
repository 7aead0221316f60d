//! Properties: Envoy's attribute paths, and nginx variables on APISIX.

use std::collections::BTreeMap;

use super::guest::{Answer, Guest};
use crate::abi::Status;
use crate::state::Stream;

// === Envoy ===

/// Envoy joins path segments by NUL.
pub(super) fn envoy_get(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let path = guest.text(arguments[0], arguments[1])?;
    // The SDKs end some paths with a NUL.
    let path = path.strip_suffix(b"\0").unwrap_or(&path).to_vec();
    let state = guest.state();
    let plugin_name = state.plugin_name.clone().into_bytes();
    let value = match path.as_slice() {
        b"plugin_name" | b"plugin_root_id" => Some(plugin_name),
        b"plugin_vm_id" => Some(Vec::new()),
        _ => state.stream().and_then(|stream| envoy_attribute(stream, &path)),
    };
    guest.give(&value.ok_or(Status::NotFound)?, arguments[2], arguments[3])
}

/// Header attributes follow the headers, whoever changed them.
fn envoy_attribute(stream: &Stream, path: &[u8]) -> Option<Vec<u8>> {
    let header = |prefix: &[u8]| path.strip_prefix(prefix).map(<[u8]>::to_vec);
    let found = if let Some(name) = header(b"request\0headers\0") {
        stream.request.headers.get(name)
    } else if let Some(name) = header(b"response\0headers\0") {
        stream.response.headers.get(name)
    } else {
        match path {
            b"request\0path" => stream.request.headers.get(":path"),
            b"request\0method" => stream.request.headers.get(":method"),
            b"request\0host" => stream.request.headers.get(":authority"),
            b"request\0scheme" => stream.request.headers.get(":scheme"),
            b"request\0url_path" => {
                let target = stream.request.headers.get(":path").unwrap_or_default();
                target.split(|byte| *byte == b'?').next()
            }
            b"request\0protocol" => Some(stream.version.protocol().as_bytes()),
            b"request\0id" => stream.request.headers.get("x-request-id"),
            _ => None,
        }
    };
    let known = found.or(stream.properties.get(path).map(Vec::as_slice));
    // What a filter set under several segments is never found again.
    known
        .or(stream.filter_state.get(path).filter(|_| !path.contains(&0)).map(Vec::as_slice))
        .map(<[u8]>::to_vec)
}

pub(super) fn envoy_set(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let path = guest.text(arguments[0], arguments[1])?;
    let value = guest.text(arguments[2], arguments[3])?;
    let stream = guest.stream().map_err(|_| Status::NotFound)?;
    stream.filter_state.insert(path, value);
    Ok(())
}

// === APISIX ===

/// Variables that a filter can write.
const WRITABLE: [&str; 6] = [
    "args",
    "upstream_host",
    "upstream_scheme",
    "upstream_uri",
    "wasm_process_req_body",
    "wasm_process_resp_body",
];

pub(super) fn apisix_get(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[0], arguments[1])?;
    let plugin_name = guest.state().plugin_name.clone().into_bytes();
    let value = match name.as_slice() {
        b"plugin_root_id" => Some(plugin_name),
        _ => variable(guest.stream()?, &name.to_ascii_lowercase()),
    };
    guest.give(&value.ok_or(Status::NotFound)?, arguments[2], arguments[3])
}

/// Variables that exist but cannot be written answer an internal failure; unknown ones are not
/// found.
pub(super) fn apisix_set(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[0], arguments[1])?.to_ascii_lowercase();
    let value = guest.text(arguments[2], arguments[3])?;
    let stream = guest.stream()?;
    let writable = WRITABLE.iter().any(|known| known.as_bytes() == name);
    if name.contains(&0) || (!writable && variable(stream, &name).is_some()) {
        return Err(Status::InternalFailure.into());
    }
    if !writable {
        return Err(Status::NotFound.into());
    }
    stream.properties.insert(name, value);
    Ok(())
}

/// An nginx variable: what the exchange or a filter set, or what follows from the request.
pub(crate) fn variable(stream: &Stream, name: &[u8]) -> Option<Vec<u8>> {
    if let Some(value) = stream.properties.get(name) {
        return Some(value.clone());
    }
    let request = &stream.request;
    let target = request.pseudo.get(":path").unwrap_or_default();
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    let text = |value: &[u8]| Some(value.to_vec());
    match name {
        b"request_uri" => text(target),
        b"uri" => text(path),
        b"args" => query.and_then(text),
        b"scheme" => request.pseudo.get(":scheme").and_then(text),
        b"request_method" => request.pseudo.get(":method").and_then(text),
        b"host" => request.headers.get("host").and_then(text),
        b"wasm_process_req_body" | b"wasm_process_resp_body" => text(b""),
        b"server_protocol" => text(stream.version.protocol().as_bytes()),
        _ => match family(name) {
            Some(("http_", rest)) => request.headers.get(rest.replace('_', "-")).and_then(text),
            Some(("arg_", rest)) => {
                parameters(query.unwrap_or_default(), b'&').remove(rest.as_bytes())
            }
            Some(("cookie_", rest)) => {
                let cookies = request.headers.get("cookie").unwrap_or_default();
                parameters(cookies, b';').remove(rest.as_bytes())
            }
            _ => None,
        },
    }
}

/// The family of a variable (`http_`, `arg_`, `cookie_`) and the rest of its name.
fn family(name: &[u8]) -> Option<(&'static str, &str)> {
    let name = std::str::from_utf8(name).ok()?;
    ["http_", "arg_", "cookie_"]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix).map(|rest| (prefix, rest)))
}

fn parameters(text: &[u8], separator: u8) -> BTreeMap<Vec<u8>, Vec<u8>> {
    text.split(|byte| *byte == separator)
        .filter_map(|pair| {
            let pair = pair.trim_ascii();
            let at = pair.iter().position(|byte| *byte == b'=')?;
            Some((pair[..at].to_ascii_lowercase(), pair[at + 1..].to_vec()))
        })
        .collect()
}
