//! The raw proxy-wasm host calls.
//!
//! The SDK's wrappers panic on any status they do not foresee and on header values that are not
//! UTF-8, and a panic kills the VM (on APISIX until the worker restarts). So every call is declared
//! here as returning a plain number, and every answer becomes a `Result`.
#![allow(unsafe_code)] // the calls themselves, and taking over memory that the host filled

use core::ptr::{null, null_mut};

/// A status other than 0, as the host gave it: 1 not found, 2 bad argument, 12 unimplemented, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) u32);

/// Which head a header call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    Request,
    Response,
    /// Of the answer to an HTTP call, within its callback.
    CallResponse,
}

/// Levels of `proxy_log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
    Critical,
}

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;
const REQUEST_STREAM: u32 = 0;
const RESPONSE_STREAM: u32 = 1;
const NOT_FOUND: u32 = 1;
const UNIMPLEMENTED: u32 = 12;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// Writes a line to the gateway's log.
pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
        Level::Critical => 5,
    };
    // A line that cannot be written is lost: there is nowhere left to say so.
    let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> Result<u64, Failed> {
    let mut time = 0;
    check(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) }).map(|()| time)
}

/// Asks for a tick every `period` milliseconds.
pub(crate) fn set_tick_period(period: u32) -> Result<(), Failed> {
    check(unsafe { proxy_set_tick_period_milliseconds(period) })
}

/// The plugin's configuration; empty if there is none.
pub(crate) fn configuration(size: usize) -> Result<Vec<u8>, Failed> {
    buffer(PLUGIN_CONFIGURATION, size)
}

/// The request's body, of which the host said it has `size` bytes.
pub(crate) fn request_body(size: usize) -> Result<Vec<u8>, Failed> {
    buffer(REQUEST_BODY, size)
}

/// The part of the response's body that its callback is about, which has `size` bytes.
pub(crate) fn response_body(size: usize) -> Result<Vec<u8>, Failed> {
    buffer(RESPONSE_BODY, size)
}

/// Puts `data` in the place of that part.
pub(crate) fn set_response_body(size: usize, data: &[u8]) -> Result<(), Failed> {
    check(unsafe { proxy_set_buffer_bytes(RESPONSE_BODY, 0, size, data.as_ptr(), data.len()) })
}

/// Puts `data` in the place of the request's body, of which the host said it has `size` bytes.
pub(crate) fn set_request_body(size: usize, data: &[u8]) -> Result<(), Failed> {
    check(unsafe { proxy_set_buffer_bytes(REQUEST_BODY, 0, size, data.as_ptr(), data.len()) })
}

/// Whether the host lets bodies be changed at all; to be asked where there is none.
pub(crate) fn can_set_body() -> bool {
    !matches!(set_response_body(0, b""), Err(Failed(UNIMPLEMENTED)))
}

/// The body of the answer to an HTTP call, of which the host said it has `size` bytes.
pub(crate) fn call_body(size: usize) -> Result<Vec<u8>, Failed> {
    buffer(CALL_BODY, size)
}

/// Exactly `size` bytes are asked for: APISIX refuses any other length, and zero.
fn buffer(kind: u32, size: usize) -> Result<Vec<u8>, Failed> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let answer =
        receive(|data, length| unsafe { proxy_get_buffer_bytes(kind, 0, size, data, length) });
    absent_as_none(answer).map(Option::unwrap_or_default)
}

/// All fields of a head, as the host serializes them.
pub(crate) fn header_pairs(map: Map) -> Result<Vec<u8>, Failed> {
    receive(|data, size| unsafe { proxy_get_header_map_pairs(map.number(), data, size) })
}

/// The first value of a field.
pub(crate) fn header(map: Map, name: &str) -> Result<Option<Vec<u8>>, Failed> {
    absent_as_none(receive(|data, size| unsafe {
        proxy_get_header_map_value(map.number(), name.as_ptr(), name.len(), data, size)
    }))
}

/// Leaves exactly one field `name`.
pub(crate) fn set_header(map: Map, name: &str, value: &str) -> Result<(), Failed> {
    check(unsafe {
        proxy_replace_header_map_value(
            map.number(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Appends a field.
pub(crate) fn add_header(map: Map, name: &str, value: &str) -> Result<(), Failed> {
    check(unsafe {
        proxy_add_header_map_value(
            map.number(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes all fields `name`.
pub(crate) fn remove_header(map: Map, name: &[u8]) -> Result<(), Failed> {
    check(unsafe { proxy_remove_header_map_value(map.number(), name.as_ptr(), name.len()) })
}

/// A property by its path, segments joined by NUL.
pub(crate) fn property(path: &str) -> Result<Option<Vec<u8>>, Failed> {
    absent_as_none(receive(|data, size| unsafe {
        proxy_get_property(path.as_ptr(), path.len(), data, size)
    }))
}

/// Writes a property.
pub(crate) fn set_property(path: &str, value: &str) -> Result<(), Failed> {
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// What workers share under `key`, and its version.
pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, Failed> {
    let mut version = 0;
    let answer = receive(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
    });
    absent_as_none(answer).map(|value| value.map(|value| (value, version)))
}

/// Shares `value` under `key`. A `version` other than 0 must be the current one, if there is one.
pub(crate) fn set_shared_data(key: &str, value: &[u8], version: u32) -> Result<(), Failed> {
    check(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version)
    })
}

/// Answers the request instead of the upstream. `headers` are serialized pairs; `details` go to the
/// gateway's access log.
pub(crate) fn send_local_response(
    status: u16,
    headers: &[u8],
    body: &[u8],
    details: &str,
) -> Result<(), Failed> {
    let body_start = if body.is_empty() { null() } else { body.as_ptr() };
    check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body_start,
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Lets a paused request go on. APISIX does so by itself, and says yes.
pub(crate) fn resume_request() -> Result<(), Failed> {
    check(unsafe { proxy_continue_stream(REQUEST_STREAM) })
}

/// Cuts off the response, which the client sees as broken. APISIX says yes, and does nothing.
pub(crate) fn close_response() -> Result<(), Failed> {
    check(unsafe { proxy_close_stream(RESPONSE_STREAM) })
}

/// Makes the next calls act on another context of this VM.
pub(crate) fn set_effective_context(context: u32) -> Result<(), Failed> {
    check(unsafe { proxy_set_effective_context(context) })
}

/// Calls what this host offers beyond the ABI under `name`.
pub(crate) fn call_foreign_function(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Failed> {
    receive(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}

/// Defines a counter, or finds the one of this name.
pub(crate) fn define_counter(name: &str) -> Result<u32, Failed> {
    define_metric(COUNTER, name)
}

/// Defines a gauge, or finds the one of this name.
pub(crate) fn define_gauge(name: &str) -> Result<u32, Failed> {
    define_metric(GAUGE, name)
}

/// Defines a histogram, or finds the one of this name.
pub(crate) fn define_histogram(name: &str) -> Result<u32, Failed> {
    define_metric(HISTOGRAM, name)
}

/// Adds to a counter.
pub(crate) fn increment(counter: u32, amount: u64) -> Result<(), Failed> {
    let amount = i64::try_from(amount).unwrap_or(i64::MAX);
    check(unsafe { proxy_increment_metric(counter, amount) })
}

/// Shows a value in a gauge, or notes one in a histogram.
pub(crate) fn record(metric: u32, value: u64) -> Result<(), Failed> {
    check(unsafe { proxy_record_metric(metric, value) })
}

// === private ===

fn define_metric(kind: u32, name: &str) -> Result<u32, Failed> {
    let mut id = 0;
    check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) }).map(|()| id)
}

impl Map {
    const fn number(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Response => 2,
            Self::CallResponse => 6,
        }
    }
}

const fn check(status: u32) -> Result<(), Failed> {
    match status {
        0 => Ok(()),
        status => Err(Failed(status)),
    }
}

fn absent_as_none(answer: Result<Vec<u8>, Failed>) -> Result<Option<Vec<u8>>, Failed> {
    match answer {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Failed(NOT_FOUND)) => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// Runs a call that returns bytes in memory which the host allocated through our own
/// `proxy_on_memory_allocate`, and takes that memory over.
fn receive(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Failed> {
    let mut data = null_mut();
    let mut size = 0;
    check(call(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the SDK's allocator returned `data` as a boxed slice of exactly `size` bytes, the
    // host filled it, and nobody else knows of it.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}
