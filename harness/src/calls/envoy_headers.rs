//! Header maps as Envoy has them: pseudo-headers are ordinary entries, and a map is there only
//! until its head has passed the filter.

use super::guest::{Answer, Fault, Guest};
use crate::abi::{Status, map};
use crate::envoy::Fields;
use crate::headers::Headers;
use crate::state::Message;

pub(super) fn size(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let headers = read(guest, arguments[0])?.ok_or(Status::BadArgument)?;
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    guest.write_u32(arguments[1], bytes as u32)
}

/// A map that is not there is shown as empty.
pub(super) fn pairs(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let headers = read(guest, arguments[0])?.unwrap_or_default();
    guest.give_pairs(&headers, arguments[1], arguments[2])
}

pub(super) fn set_pairs(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let bytes = guest.text(arguments[1], arguments[2])?;
    let pairs = Headers::from_pairs(&bytes).unwrap_or_default();
    let headers = written(guest, arguments[0])?;
    *headers = Headers::new();
    let fields = fields(arguments[0]);
    pairs.iter().for_each(|(name, value)| fields.add(headers, name, value));
    Ok(())
}

/// The first value only.
pub(super) fn value(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let headers = read(guest, arguments[0])?.ok_or(Status::BadArgument)?;
    let value = headers.get(fields(arguments[0]).name(&name)).ok_or(Status::NotFound)?;
    guest.give(value, arguments[3], arguments[4])
}

pub(super) fn replace(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let value = guest.text(arguments[3], arguments[4])?;
    written(guest, arguments[0])?.set(&fields(arguments[0]).name(&name), &value);
    Ok(())
}

pub(super) fn add(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let value = guest.text(arguments[3], arguments[4])?;
    fields(arguments[0]).add(written(guest, arguments[0])?, &name, &value);
    Ok(())
}

pub(super) fn remove(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    written(guest, arguments[0])?.remove(&fields(arguments[0]).name(&name));
    Ok(())
}

fn fields(kind: i64) -> Fields {
    match kind {
        map::REQUEST_HEADERS => Fields::Request,
        map::RESPONSE_HEADERS | map::CALL_RESPONSE_HEADERS => Fields::Response,
        _ => Fields::Trailers,
    }
}

/// A map for reading; access loggers see both ends of an exchange that is over.
fn read(guest: &mut Guest<'_, '_>, kind: i64) -> Result<Option<Headers>, Fault> {
    let state = guest.state();
    let logging = state.callback == "proxy_on_log";
    let shown = |message: &Message| (message.visible || logging).then(|| message.headers.clone());
    Ok(match kind {
        map::REQUEST_HEADERS => state.stream().and_then(|stream| shown(&stream.request)),
        map::RESPONSE_HEADERS => state.stream().and_then(|stream| shown(&stream.response)),
        map::REQUEST_TRAILERS => state.stream().and_then(|s| s.request.trailers.clone()),
        map::RESPONSE_TRAILERS => state.stream().and_then(|s| s.response.trailers.clone()),
        map::CALL_RESPONSE_HEADERS => {
            state.call_answer.as_ref().map(|(headers, _)| headers.clone())
        }
        kind if (0..=map::CALL_RESPONSE_TRAILERS).contains(&kind) => None,
        _ => return Err(Status::BadArgument.into()),
    })
}

fn written<'g>(guest: &'g mut Guest<'_, '_>, kind: i64) -> Result<&'g mut Headers, Fault> {
    let stream = guest.stream()?;
    let shown = |message: &'g mut Message| message.visible.then_some(&mut message.headers);
    let headers = match kind {
        map::REQUEST_HEADERS => shown(&mut stream.request),
        map::RESPONSE_HEADERS => shown(&mut stream.response),
        map::REQUEST_TRAILERS => stream.request.trailers.as_mut(),
        map::RESPONSE_TRAILERS => stream.response.trailers.as_mut(),
        _ => None,
    };
    Ok(headers.ok_or(Status::BadArgument)?)
}
