//! Body and configuration buffers.

use super::guest::{Answer, Fault, Guest};
use crate::abi::{Status, buffer};
use crate::state::Message;

// === Envoy ===

pub(super) fn envoy_get(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let bytes = envoy_buffer(guest, arguments[0])?;
    let (start, size) = (arguments[1] as u32, arguments[2] as u32);
    let end = start.checked_add(size).ok_or(Status::BadArgument)?;
    let from = (start as usize).min(bytes.len());
    let to = (end as usize).min(bytes.len());
    match &bytes[from..to] {
        [] => Ok(()),
        part => guest.give(part, arguments[3], arguments[4]),
    }
}

pub(super) fn envoy_status(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let size = envoy_buffer(guest, arguments[0])?.len() as u32;
    guest.write_u32(arguments[1], size)?;
    guest.write_u32(arguments[2], 0)
}

/// Envoy replaces bytes from the start of a body, or appends, and nothing else.
pub(super) fn envoy_set(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let data = guest.text(arguments[3], arguments[4])?;
    let kind = arguments[0];
    if !BODIES.contains(&kind) {
        envoy_buffer(guest, kind)?;
        return Err(Status::BadArgument.into());
    }
    let stream = guest.stream()?;
    let message =
        if kind == buffer::REQUEST_BODY { &mut stream.request } else { &mut stream.response };
    let body = message.body.as_mut().ok_or(Status::BadArgument)?;
    match (arguments[1] as u32 as usize, arguments[2] as u32 as usize) {
        (0, size) => drop(body.splice(..size.min(body.len()), data)),
        (start, _) if start >= body.len() => body.extend(data),
        _ => return Err(Status::BadArgument.into()),
    }
    Ok(())
}

const BODIES: [i64; 2] = [buffer::REQUEST_BODY, buffer::RESPONSE_BODY];

/// A body that is not there reads as an empty one.
fn envoy_buffer(guest: &mut Guest<'_, '_>, kind: i64) -> Result<Vec<u8>, Fault> {
    let state = guest.state();
    let body = |message: &Message| message.body.clone().unwrap_or_default();
    let bytes = match kind {
        buffer::PLUGIN_CONFIGURATION
            if ["proxy_on_configure", "proxy_on_context_create"].contains(&state.callback) =>
        {
            Some(state.plugin_configuration.to_vec())
        }
        buffer::VM_CONFIGURATION => Some(state.vm_configuration.to_vec()),
        buffer::CALL_RESPONSE_BODY => state.call_answer.as_ref().map(|(_, body)| body.clone()),
        buffer::REQUEST_BODY => Some(state.stream().map(|s| body(&s.request)).unwrap_or_default()),
        buffer::RESPONSE_BODY => {
            Some(state.stream().map(|s| body(&s.response)).unwrap_or_default())
        }
        kind if (0..=buffer::LAST).contains(&kind) => None,
        _ => return Err(Status::BadArgument.into()),
    };
    Ok(bytes.ok_or(Status::NotFound)?)
}

// === APISIX ===

/// The configuration comes whole, whatever range is asked for; bodies are judged strictly, and
/// sizes are signed there.
pub(super) fn apisix_get(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let state = guest.state();
    let bytes = match arguments[0] {
        buffer::PLUGIN_CONFIGURATION => state.plugin_configuration.to_vec(),
        buffer::REQUEST_BODY | buffer::RESPONSE_BODY if state.callback == "proxy_on_configure" => {
            return Err(Fault::Crash(
                "a body was read in proxy_on_configure: nginx reads uninitialised memory".into(),
            ));
        }
        // Both names mean the body of the callback that runs.
        buffer::REQUEST_BODY | buffer::RESPONSE_BODY => {
            let stream = guest.stream()?;
            stream
                .request
                .body
                .as_ref()
                .or(stream.response.body.as_ref())
                .cloned()
                .unwrap_or_default()
        }
        buffer::CALL_RESPONSE_BODY => match &state.call_answer {
            Some((_, body)) => body.clone(),
            None => return Err(Status::BadArgument.into()),
        },
        _ => return Err(Status::Unimplemented.into()),
    };
    if bytes.is_empty() {
        return Err(Status::NotFound.into());
    }
    if arguments[0] == buffer::PLUGIN_CONFIGURATION {
        return guest.give(&bytes, arguments[3], arguments[4]);
    }
    let (Ok(start), Ok(size)) = (usize::try_from(arguments[1]), usize::try_from(arguments[2]))
    else {
        return Err(Status::BadArgument.into());
    };
    if size == 0 || start >= bytes.len() {
        return Err(Status::BadArgument.into());
    }
    let end = start.saturating_add(size).min(bytes.len());
    guest.give(&bytes[start..end], arguments[3], arguments[4])
}

/// The call of ABI 0.1.0.
pub(super) fn configuration(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let configuration = guest.state().plugin_configuration.clone();
    guest.give(&configuration, arguments[0], arguments[1])
}
