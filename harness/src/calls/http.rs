//! Calls that end, resume or reset an exchange, and calls to HTTP services.

use std::time::Duration;

use super::guest::{Answer, Fault, Guest};
use crate::abi::Status;
use crate::headers::Headers;
use crate::profile::Profile;
use crate::services::{ServiceAnswer, ServiceCall};
use crate::state::{OpenCall, Reply, State};
use crate::world::Nanos;

/// How long a host takes to notice that a service cannot be reached.
const UNREACHABLE_AFTER: Duration = Duration::from_millis(1);

/// Carried out after the callback, if nothing keeps the host from it.
pub(super) fn reply(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let status = arguments[0] as u32;
    guest.read(arguments[1], arguments[2])?;
    let body = guest.text(arguments[3], arguments[4])?;
    let headers = Headers::from_pairs(&guest.read(arguments[5], arguments[6])?);
    let headers = headers.unwrap_or_default();
    let is_envoy = guest.state().rules.profile == Profile::Envoy;
    match guest.stream() {
        // Envoy says yes even where there is nobody to answer.
        Err(_) if is_envoy => Ok(()),
        Err(fault) => Err(fault),
        Ok(stream) => {
            stream.asked.reply.get_or_insert(Reply { status, headers, body });
            Ok(())
        }
    }
}

/// Streams 0 and 1 are request and response. Their headers are out of reach from here on.
pub(super) fn continue_stream(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let Ok(stream) = guest.stream() else { return Ok(()) };
    match arguments[0] {
        0 => stream.asked.resume_request = true,
        1 => stream.asked.resume_response = true,
        _ => return Err(Status::BadArgument.into()),
    }
    stream.request.visible = false;
    Ok(())
}

pub(super) fn close_stream(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    if !(0..=3).contains(&arguments[0]) {
        return Err(Status::BadArgument.into());
    }
    if let Ok(stream) = guest.stream() {
        stream.asked.reset = arguments[0] <= 1;
    }
    Ok(())
}

/// Calls belong to the plugin, whatever context makes them: they outlive exchanges.
pub(super) fn envoy_call(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let call = requested(guest, arguments)?;
    guest.write_u32(arguments[9], 0)?;
    let timeout_ms = arguments[8] as i32;
    let complete =
        [":method", ":path", ":authority"].iter().all(|name| call.headers.get(name).is_some());
    if timeout_ms < 0 || !complete || !guest.state().world().services.knows(&call.service) {
        return Err(Status::BadArgument.into());
    }
    let patience = (timeout_ms > 0).then_some(call.timeout);
    let token = open(guest.state(), call, patience, None);
    guest.write_u32(arguments[9], token)
}

/// Calls belong to the request, which waits for them.
pub(super) fn apisix_call(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    const PHASES: [&str; 3] =
        ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_http_call_response"];
    let call = requested(guest, arguments)?;
    let state = guest.state();
    let request = state.stream_id().ok_or(Status::BadArgument)?;
    if !PHASES.contains(&state.callback) || !is_address(&call.service) {
        return Err(Status::BadArgument.into());
    }
    let open_already = state.open_calls.iter().filter(|open| open.stream == Some(request)).count();
    if arguments[8] < 0 || state.rules.calls_at_once.is_some_and(|most| open_already >= most) {
        return Err(Status::InternalFailure.into());
    }
    for name in [":method", ":path", ":scheme", ":authority"] {
        if call.headers.get(name).is_none() {
            let why = format!("an HTTP call without {name}: nginx reuses freed memory for it");
            return Err(Fault::Crash(why));
        }
    }
    let patience = Some(call.timeout);
    let token = open(state, call, patience, Some(request));
    guest.write_u32(arguments[9], token)
}

fn requested(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Result<ServiceCall, Fault> {
    let service = guest.text(arguments[0], arguments[1])?;
    let headers = guest.read(arguments[2], arguments[3])?;
    let body = guest.text(arguments[4], arguments[5])?;
    guest.read(arguments[6], arguments[7])?;
    Ok(ServiceCall {
        worker: guest.state().worker,
        service,
        headers: Headers::from_pairs(&headers).unwrap_or_default(),
        body,
        timeout: Duration::from_millis(arguments[8] as u32 as u64),
    })
}

fn open(
    state: &mut State,
    call: ServiceCall,
    patience: Option<Duration>,
    stream: Option<u32>,
) -> u32 {
    let token = state.next_token;
    state.next_token += state.rules.token_step;
    let mut world = state.world();
    let answer = world.services.answer(&call.service);
    let answer = answer.unwrap_or(ServiceAnswer::Fail { after: UNREACHABLE_AFTER });
    let expiry = patience.map_or(Nanos::MAX, |patience| world.after(patience));
    let (due, answer) = match answer {
        ServiceAnswer::Respond { after, status, headers, body } => {
            let mut all = Headers::new();
            let status_at = |all: &mut Headers| all.add(":status", status.to_string());
            // The status comes first on Envoy, last on APISIX.
            if stream.is_none() {
                status_at(&mut all);
            }
            headers.iter().for_each(|(n, v)| all.add(n.to_ascii_lowercase(), v));
            if stream.is_some() {
                status_at(&mut all);
            }
            (world.after(after), Some((all, body)))
        }
        ServiceAnswer::Fail { after } => (world.after(after), None),
        ServiceAnswer::Silence => (Nanos::MAX, None),
    };
    let (due, answer) = if expiry < due { (expiry, None) } else { (due, answer) };
    world.journal.service_calls.push(call);
    drop(world);
    state.open_calls.push(OpenCall { token, stream, due, answer });
    token
}

/// `host` or `host:port`; nginx is lenient about the host.
fn is_address(service: &[u8]) -> bool {
    let colon = service.iter().position(|byte| *byte == b':');
    let (host, port) = match colon {
        Some(at) => (&service[..at], Some(&service[at + 1..])),
        None => (service, None),
    };
    let port_text = port.map(std::str::from_utf8);
    let port_fits = port_text
        .is_none_or(|text| text.is_ok_and(|port| port.parse::<u16>().is_ok_and(|p| p > 0)));
    !host.is_empty() && port_fits
}
