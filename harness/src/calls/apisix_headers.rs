//! Header maps as wasm-nginx-module has them: pseudo-headers are functions of the request, lists
//! are capped, and several names do something else than they say.

use super::guest::{Answer, Fault, Guest};
use crate::abi::{Status, map};
use crate::headers::Headers;
use crate::state::Message;

/// Lists: at most so many request headers, and garbage beyond so many response headers.
pub(super) fn pairs(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let rules = guest.state().rules;
    let list = match arguments[0] {
        map::REQUEST_HEADERS => {
            let request = &guest.stream()?.request;
            let host = authority(request, "the request headers were listed")?;
            let cap = rules.listed_request_headers.unwrap_or(usize::MAX);
            let mut list: Headers = request.headers.iter().take(cap).collect();
            for name in [":scheme", ":path", ":method"] {
                list.add(name, request.pseudo.get(name).unwrap_or_default());
            }
            list.add(":authority", host);
            list.lower_cased()
        }
        map::RESPONSE_HEADERS => {
            let response = &guest.stream()?.response;
            let own_fields = [&b"content-type"[..], b"content-length"];
            let is_listed =
                |name: &[u8]| !own_fields.iter().any(|own| own.eq_ignore_ascii_case(name));
            let listed = response.headers.iter().filter(|(name, _)| is_listed(name)).count();
            let mut list = response.headers.clone().lower_cased();
            list.add(":status", response.pseudo.get(":status").unwrap_or_default());
            if rules.listed_response_headers.is_some_and(|cap| listed > cap) {
                return guest.give(&garbage(&list), arguments[1], arguments[2]);
            }
            list
        }
        map::CALL_RESPONSE_HEADERS => {
            guest.stream()?;
            let state = guest.state();
            state.call_answer.as_ref().ok_or(Status::NotFound)?.0.clone()
        }
        _ => return Err(Status::Unimplemented.into()),
    };
    guest.give_pairs(&list, arguments[1], arguments[2])
}

pub(super) fn value(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?.to_ascii_lowercase();
    guest.stream()?;
    let found = match arguments[0] {
        map::REQUEST_HEADERS if name == b":authority" => {
            Some(authority(&guest.stream()?.request, ":authority was read")?)
        }
        map::REQUEST_HEADERS => lookup(&guest.stream()?.request, &name),
        map::RESPONSE_HEADERS => lookup(&guest.stream()?.response, &name),
        map::CALL_RESPONSE_HEADERS => {
            let answer = guest.state().call_answer.as_ref();
            answer.and_then(|(headers, _)| headers.get(&name)).map(<[u8]>::to_vec)
        }
        _ => return Err(Status::Unimplemented.into()),
    };
    guest.give(&found.ok_or(Status::NotFound)?, arguments[3], arguments[4])
}

/// An empty value removes the header.
pub(super) fn replace(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let value = guest.text(arguments[3], arguments[4])?;
    let stream = guest.stream()?;
    match (arguments[0], name.to_ascii_lowercase().as_slice()) {
        // The path alone changes: a `?` will be escaped, the query stays, and `:path` still reads
        // as it came.
        (map::REQUEST_HEADERS, b":path") => {
            stream.properties.insert(b"uri".to_vec(), value);
        }
        // A bug of the module: `:authority` sets the method as well.
        (map::REQUEST_HEADERS, b":method" | b":authority") => {
            if value.is_empty() || !value.iter().all(u8::is_ascii_alphabetic) {
                return Err(Status::BadArgument.into());
            }
            stream.request.pseudo.set(b":method", &value);
        }
        (map::REQUEST_HEADERS, b":scheme") => stream.request.headers.set(b"%3Ascheme", &value),
        (map::REQUEST_HEADERS, _) => set(&mut stream.request.headers, &name, &value),
        (map::RESPONSE_HEADERS, b":status") => {
            if !value.iter().all(u8::is_ascii_digit) {
                return Err(Status::BadArgument.into());
            }
            stream.response.pseudo.set(b":status", &value);
        }
        (map::RESPONSE_HEADERS, _) => set(&mut stream.response.headers, &name, &value),
        _ => return Err(Status::Unimplemented.into()),
    }
    Ok(())
}

pub(super) fn add(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let value = guest.text(arguments[3], arguments[4])?;
    if name.starts_with(b":") {
        return replace(guest, arguments);
    }
    message(guest, arguments[0])?.headers.add(name, value);
    Ok(())
}

pub(super) fn remove(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let message = message(guest, arguments[0])?;
    if name.starts_with(b":") {
        return Err(Status::BadArgument.into());
    }
    message.headers.remove(&name);
    Ok(())
}

fn message<'g>(guest: &'g mut Guest<'_, '_>, kind: i64) -> Result<&'g mut Message, Fault> {
    let stream = guest.stream()?;
    match kind {
        map::REQUEST_HEADERS => Ok(&mut stream.request),
        map::RESPONSE_HEADERS => Ok(&mut stream.response),
        _ => Err(Status::Unimplemented.into()),
    }
}

fn lookup(message: &Message, name: &[u8]) -> Option<Vec<u8>> {
    let headers = if name.starts_with(b":") { &message.pseudo } else { &message.headers };
    headers.get(name).map(<[u8]>::to_vec)
}

/// Only HTTP/1.0 requests come without a Host, and the module does not expect them.
fn authority(request: &Message, what: &str) -> Result<Vec<u8>, Fault> {
    let host = request.headers.get("host").map(<[u8]>::to_vec);
    host.ok_or_else(|| Fault::Crash(format!("{what} on a request without Host: null pointer")))
}

fn set(headers: &mut Headers, name: &[u8], value: &[u8]) {
    if value.is_empty() { headers.remove(name) } else { headers.set(name, value) }
}

/// What the real host hands out: the right length, but sizes and text from freed memory.
fn garbage(list: &Headers) -> Vec<u8> {
    let mut bytes = list.to_pairs();
    for (index, byte) in bytes.iter_mut().enumerate().skip(4) {
        *byte = (index as u8).wrapping_mul(37) | 0x80;
    }
    bytes
}
