//! The host calls, one row each: what it is called with, and what either host does.
//!
//! A row that only answers a status is a stub of the real host. `NotLinked` and a differing
//! signature make a module that imports the call fail to load, as they do there.

mod apisix_headers;
mod buffers;
mod envoy_headers;
mod foreign;
pub(crate) mod guest;
mod http;
mod properties;
mod runtime;
mod stores;
mod wasi;

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use crate::abi::Status;
use crate::profile::Profile;
use crate::state::State;
use crate::vm::CrashMark;
use crate::world::HostCall;
use guest::{Answer, Fault, Guest};

/// A host call: its name, its parameters (`w` an `i32`, `l` an `i64`), and what each host does.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static str,
    pub(crate) envoy: Does,
    pub(crate) apisix: Does,
}

#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// This.
    This(fn(&mut Guest<'_, '_>, &[i64]) -> Answer),
    /// Nothing, and answers so.
    Answers(Status),
    /// The host has no such call.
    NotLinked,
    /// The host has it with other parameters.
    OtherParameters(&'static str),
    /// The host has it; the harness does not imitate it and traps, so that nobody is misled.
    NotImitated,
}

pub(crate) use properties::variable;

use Does::{Answers, NotImitated, NotLinked, OtherParameters, This};
use Status::{Ok as OK, Unimplemented as NONE};

const fn row(name: &'static str, parameters: &'static str, envoy: Does, apisix: Does) -> Row {
    Row { name, parameters, envoy, apisix }
}

pub(crate) const TABLE: &[Row] = &[
    row("proxy_log", "www", This(runtime::log), This(runtime::log)),
    row("proxy_get_log_level", "w", This(runtime::log_level), NotLinked),
    row("proxy_get_current_time_nanoseconds", "w", This(runtime::time), Answers(NONE)),
    row("proxy_set_tick_period_milliseconds", "w", This(runtime::tick_period), Answers(NONE)),
    row("proxy_set_effective_context", "w", This(runtime::effective_context), Answers(OK)),
    row("proxy_done", "", Answers(Status::NotFound), Answers(NONE)),
    row("proxy_call_foreign_function", "wwwwww", This(foreign::call), Answers(NONE)),
    row("proxy_get_status", "www", This(runtime::status), Answers(NONE)),
    row("proxy_get_configuration", "ww", NotLinked, This(buffers::configuration)),
    row("proxy_get_buffer_bytes", "wwwww", This(buffers::envoy_get), This(buffers::apisix_get)),
    row("proxy_get_buffer_status", "www", This(buffers::envoy_status), NotLinked),
    row("proxy_set_buffer_bytes", "wwwww", This(buffers::envoy_set), Answers(NONE)),
    row("proxy_get_header_map_size", "ww", This(envoy_headers::size), NotLinked),
    row(
        "proxy_get_header_map_pairs",
        "www",
        This(envoy_headers::pairs),
        This(apisix_headers::pairs),
    ),
    row("proxy_set_header_map_pairs", "www", This(envoy_headers::set_pairs), Answers(NONE)),
    row(
        "proxy_get_header_map_value",
        "wwwww",
        This(envoy_headers::value),
        This(apisix_headers::value),
    ),
    row(
        "proxy_replace_header_map_value",
        "wwwww",
        This(envoy_headers::replace),
        This(apisix_headers::replace),
    ),
    row("proxy_add_header_map_value", "wwwww", This(envoy_headers::add), This(apisix_headers::add)),
    row(
        "proxy_remove_header_map_value",
        "www",
        This(envoy_headers::remove),
        This(apisix_headers::remove),
    ),
    row("proxy_get_property", "wwww", This(properties::envoy_get), This(properties::apisix_get)),
    row("proxy_set_property", "wwww", This(properties::envoy_set), This(properties::apisix_set)),
    row("proxy_get_shared_data", "wwwww", This(stores::shared_data), Answers(NONE)),
    row("proxy_set_shared_data", "wwwww", This(stores::set_shared_data), Answers(NONE)),
    row("proxy_register_shared_queue", "www", This(stores::register_queue), Answers(NONE)),
    row("proxy_resolve_shared_queue", "wwwww", This(stores::resolve_queue), Answers(NONE)),
    row("proxy_dequeue_shared_queue", "www", This(stores::dequeue), Answers(NONE)),
    row("proxy_enqueue_shared_queue", "www", This(stores::enqueue), Answers(NONE)),
    row("proxy_define_metric", "wwww", This(stores::define_metric), Answers(OK)),
    row("proxy_increment_metric", "wl", This(stores::increment_metric), Answers(OK)),
    row("proxy_record_metric", "wl", This(stores::record_metric), Answers(OK)),
    row("proxy_get_metric", "ww", This(stores::metric), OtherParameters("wl")),
    row("proxy_continue_stream", "w", This(http::continue_stream), Answers(OK)),
    row("proxy_continue_request", "", NotLinked, Answers(OK)),
    row("proxy_continue_response", "", NotLinked, Answers(OK)),
    row("proxy_close_stream", "w", This(http::close_stream), Answers(OK)),
    row("proxy_clear_route_cache", "", NotLinked, Answers(NONE)),
    row("proxy_send_local_response", "wwwwwwww", This(http::reply), This(http::reply)),
    row("proxy_send_http_response", "wwwwwwww", NotLinked, This(http::reply)),
    row("proxy_http_call", "wwwwwwwwww", This(http::envoy_call), This(http::apisix_call)),
    row("proxy_grpc_call", "wwwwwwwwwwww", NotImitated, Answers(NONE)),
    row("proxy_grpc_stream", "wwwwwwwww", NotImitated, Answers(NONE)),
    row("proxy_grpc_send", "wwww", NotImitated, Answers(NONE)),
    row("proxy_grpc_cancel", "w", NotImitated, Answers(NONE)),
    row("proxy_grpc_close", "w", NotImitated, Answers(NONE)),
];

impl Row {
    pub(crate) fn on(&self, profile: Profile) -> Does {
        match profile {
            Profile::Envoy => self.envoy,
            Profile::Apisix => self.apisix,
        }
    }
}

/// Defines every host call of a profile, and the WASI calls both hosts have.
pub(crate) fn link(linker: &mut Linker<State>, profile: Profile) -> wasmtime::Result<()> {
    for row in TABLE {
        let does = row.on(profile);
        let parameters = match does {
            NotLinked => continue,
            OtherParameters(parameters) => parameters,
            _ => row.parameters,
        };
        let kind = FuncType::new(linker.engine(), value_types(parameters), [ValType::I32]);
        linker.func_new("env", row.name, kind, move |mut caller, arguments, results| {
            results[0] = Val::I32(carry_out(&mut caller, row.name, does, arguments)? as i32);
            Ok(())
        })?;
    }
    wasi::link(linker)
}

fn carry_out(
    caller: &mut Caller<'_, State>,
    name: &'static str,
    does: Does,
    arguments: &[Val],
) -> wasmtime::Result<u32> {
    let arguments: Vec<i64> = arguments
        .iter()
        .map(|value| value.i64().or(value.i32().map(i64::from)).unwrap_or_default())
        .collect();
    let (worker, callback) = (caller.data().worker, caller.data().callback);
    let mut guest = Guest::new(caller);
    let answer = match does {
        This(call) => call(&mut guest, &arguments),
        Answers(OK) => Ok(()),
        Answers(status) => Err(Fault::Status(status)),
        NotImitated | NotLinked | OtherParameters(_) => {
            Err(Fault::Trap(wasmtime::Error::msg(format!("the harness does not imitate {name}"))))
        }
    };
    let (detail, copied) = (std::mem::take(&mut guest.detail), guest.copied);
    let (status, result) = match answer {
        Ok(()) => (Some(Status::Ok), Ok(0)),
        Err(Fault::Status(status)) => (Some(status), Ok(status as u32)),
        Err(Fault::Trap(error)) => (None, Err(error)),
        Err(Fault::Crash(why)) => (None, Err(wasmtime::Error::new(CrashMark(why)))),
    };
    let call = HostCall { worker, callback, name, detail, status, copied };
    caller.data().world().journal.calls.push(call);
    result
}

fn value_types(parameters: &str) -> Vec<ValType> {
    parameters.chars().map(|kind| if kind == 'l' { ValType::I64 } else { ValType::I32 }).collect()
}
