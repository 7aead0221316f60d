//! Calls about the running module itself: log, clock, ticks, contexts.

use std::time::Duration;

use super::guest::{Answer, Guest};
use crate::abi::{LogLevel, Status};
use crate::state::Tick;
use crate::world::LogLine;

pub(super) fn log(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let level = LogLevel::from_code(arguments[0]).ok_or(Status::BadArgument)?;
    let text = guest.read(arguments[1], arguments[2])?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let worker = guest.state().worker;
    guest.state().world().journal.log.push(LogLine { worker, level, text });
    Ok(())
}

/// Everything is logged, so that tests see it.
pub(super) fn log_level(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    guest.write_u32(arguments[0], LogLevel::Trace as u32)
}

pub(super) fn time(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let now = guest.state().world().now;
    guest.write_u64(arguments[0], now)
}

/// A period of 0 stops the ticks.
pub(super) fn tick_period(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let period = Duration::from_millis(arguments[0] as u32 as u64);
    let state = guest.state();
    let due = state.world().after(period);
    state.tick = (!period.is_zero()).then_some(Tick { period, due });
    Ok(())
}

pub(super) fn effective_context(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let context = arguments[0] as u32;
    let state = guest.state();
    if !state.contexts.contains(&context) {
        return Err(Status::BadArgument.into());
    }
    state.effective_context = Some(context);
    Ok(())
}

/// The status of the last gRPC or HTTP call; there is none to tell.
pub(super) fn status(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    guest.write_u32(arguments[0], 0)?;
    guest.give(&[], arguments[1], arguments[2])
}
