//! The few WASI calls a module needs, with the clock and the randomness in the test's hands.

use wasmtime::{Caller, Linker};

use super::guest::{Answer, Fault, Guest};
use crate::abi::{LogLevel, Status};
use crate::state::State;
use crate::world::{HostCall, LogLine};

const SUCCESS: i32 = 0;
const BAD_FILE: i32 = 8;
const FAULT: i32 = 21;
const NOT_SUPPORTED: i32 = 58;
const NO_SYSTEM_CALL: i32 = 52;

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        linker.func_wrap(module, "args_get", |_: i32, _: i32| SUCCESS)?;
        linker.func_wrap(module, "args_sizes_get", nothing_sized)?;
        linker.func_wrap(module, "environ_get", |_: i32, _: i32| SUCCESS)?;
        linker.func_wrap(module, "environ_sizes_get", nothing_sized)?;
        linker.func_wrap(module, "clock_time_get", clock_time_get)?;
        linker.func_wrap(module, "random_get", random_get)?;
        linker.func_wrap(module, "fd_write", fd_write)?;
        linker.func_wrap(module, "fd_read", |_: i32, _: i32, _: i32, _: i32| NO_SYSTEM_CALL)?;
        linker.func_wrap(module, "fd_seek", |_: i32, _: i64, _: i32, _: i32| NO_SYSTEM_CALL)?;
        linker.func_wrap(module, "fd_close", |_: i32| SUCCESS)?;
        linker.func_wrap(module, "fd_fdstat_get", fd_fdstat_get)?;
        linker.func_wrap(module, "sched_yield", || SUCCESS)?;
        linker.func_wrap(module, "proc_exit", |code: i32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::msg(format!("the module called proc_exit({code})")))
        })?;
    }
    link_absent_files(linker)
}

/// No directory is open.
fn link_absent_files(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        linker.func_wrap(module, "fd_prestat_get", |_: i32, _: i32| BAD_FILE)?;
        linker.func_wrap(module, "fd_prestat_dir_name", |_: i32, _: i32, _: i32| BAD_FILE)?;
    }
    Ok(())
}

fn nothing_sized(
    mut caller: Caller<'_, State>,
    count_at: i32,
    size_at: i32,
) -> wasmtime::Result<i32> {
    errno(&mut caller, "sizes_get", |guest| {
        guest.write_u32(count_at.into(), 0)?;
        guest.write_u32(size_at.into(), 0)
    })
}

/// The wall clock (0) and the monotonic one (1) are the same hand-turned clock.
fn clock_time_get(
    mut caller: Caller<'_, State>,
    clock: i32,
    _precision: i64,
    time_at: i32,
) -> wasmtime::Result<i32> {
    if !(0..=1).contains(&clock) {
        return Ok(NOT_SUPPORTED);
    }
    errno(&mut caller, "clock_time_get", |guest| {
        let now = guest.state().world().now;
        guest.write_u64(time_at.into(), now)
    })
}

fn random_get(mut caller: Caller<'_, State>, at: i32, size: i32) -> wasmtime::Result<i32> {
    errno(&mut caller, "random_get", |guest| {
        let mut bytes = vec![0; size as u32 as usize];
        guest.state().world().random.fill(&mut bytes);
        guest.fill(at.into(), &bytes)
    })
}

/// What a module prints is logged: standard output as information, standard error as errors.
fn fd_write(
    mut caller: Caller<'_, State>,
    file: i32,
    vectors_at: i32,
    vectors: i32,
    written_at: i32,
) -> wasmtime::Result<i32> {
    let level = match file {
        STDOUT => LogLevel::Info,
        STDERR => LogLevel::Error,
        _ => return Ok(BAD_FILE),
    };
    errno(&mut caller, "fd_write", |guest| {
        let list = guest.read(vectors_at.into(), i64::from(vectors) * 8)?;
        let words: Vec<u32> = list
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let mut text = Vec::new();
        for vector in words.chunks_exact(2) {
            text.extend(guest.read(vector[0].into(), vector[1].into())?);
        }
        guest.write_u32(written_at.into(), text.len() as u32)?;
        let text = String::from_utf8_lossy(text.strip_suffix(b"\n").unwrap_or(&text)).into_owned();
        let worker = guest.state().worker;
        guest.state().world().journal.log.push(LogLine { worker, level, text });
        Ok(())
    })
}

/// Standard output and error can be written; nothing else is known of them.
fn fd_fdstat_get(mut caller: Caller<'_, State>, file: i32, stat_at: i32) -> wasmtime::Result<i32> {
    const RIGHT_TO_WRITE: u64 = 64;
    if ![STDOUT, STDERR].contains(&file) {
        return Ok(BAD_FILE);
    }
    errno(&mut caller, "fd_fdstat_get", |guest| {
        guest.write_u64(stat_at.into(), 0)?;
        guest.write_u64(i64::from(stat_at) + 8, RIGHT_TO_WRITE)?;
        guest.write_u64(i64::from(stat_at) + 16, 0)
    })
}

/// Carries a call out, and writes it into the journal: it costs what any other does.
fn errno(
    caller: &mut Caller<'_, State>,
    name: &'static str,
    call: impl FnOnce(&mut Guest<'_, '_>) -> Answer,
) -> wasmtime::Result<i32> {
    let (worker, callback) = (caller.data().worker, caller.data().callback);
    let mut guest = Guest::new(caller);
    let answer = call(&mut guest);
    let (detail, copied) = (std::mem::take(&mut guest.detail), guest.copied);
    let (status, result) = match answer {
        Ok(()) => (Some(Status::Ok), Ok(SUCCESS)),
        Err(Fault::Status(status)) => (Some(status), Ok(FAULT)),
        Err(Fault::Trap(error)) => (None, Err(error)),
        Err(Fault::Crash(_)) => (None, Ok(FAULT)),
    };
    let call = HostCall { worker, callback, name, detail, status, copied };
    caller.data().world().journal.calls.push(call);
    result
}
