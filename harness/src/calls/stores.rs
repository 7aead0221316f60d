//! Calls to what workers share: data, queues, metrics.

use super::guest::{Answer, Guest};

pub(super) fn shared_data(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let key = guest.text(arguments[0], arguments[1])?;
    let found = guest.state().world().shared_data.get(&key);
    let (value, cas) = found?;
    guest.give(&value, arguments[2], arguments[3])?;
    guest.write_u32(arguments[4], cas)
}

pub(super) fn set_shared_data(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let key = guest.text(arguments[0], arguments[1])?;
    let value = guest.text(arguments[2], arguments[3])?;
    guest.state().world().shared_data.set(&key, &value, arguments[4] as u32)?;
    Ok(())
}

pub(super) fn register_queue(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[0], arguments[1])?;
    let worker = guest.state().worker;
    let id = guest.state().world().queues.register(&name, worker);
    guest.write_u32(arguments[2], id)
}

/// The queue's virtual machine is not looked at: a harness host runs one plugin.
pub(super) fn resolve_queue(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[2], arguments[3])?;
    let found = guest.state().world().queues.resolve(&name);
    guest.write_u32(arguments[4], found?)
}

pub(super) fn dequeue(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let item = guest.state().world().queues.dequeue(arguments[0] as u32);
    guest.give(&item?, arguments[1], arguments[2])
}

pub(super) fn enqueue(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let item = guest.text(arguments[1], arguments[2])?;
    guest.state().world().queues.enqueue(arguments[0] as u32, item)?;
    Ok(())
}

pub(super) fn define_metric(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[1], arguments[2])?;
    let id = guest.state().world().metrics.define(arguments[0] as u32, &name)?;
    guest.write_u32(arguments[3], id)
}

pub(super) fn increment_metric(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    guest.state().world().metrics.increment(arguments[0] as u32, arguments[1])?;
    Ok(())
}

pub(super) fn record_metric(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    guest.state().world().metrics.record(arguments[0] as u32, arguments[1] as u64)?;
    Ok(())
}

pub(super) fn metric(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let value = guest.state().world().metrics.value(arguments[0] as u32);
    guest.write_u64(arguments[1], value?)
}
