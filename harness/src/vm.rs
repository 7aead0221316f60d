//! One instance of a module: calling its callbacks, and what can go wrong while one runs.

use std::fmt;

use wasmtime::{Instance, Linker, Store, Trap, Val};

use crate::calls;
use crate::module::{LoadError, Module};
use crate::state::State;
use crate::world::Crossing;

/// What a callback may use: about as many WebAssembly instructions, a second of work. The
/// real hosts set no limit; there a loop without end blocks the worker for good.
const FUEL: u64 = 2_000_000_000;

/// A virtual machine: an instance with its memory.
pub(crate) struct Vm {
    pub(crate) store: Store<State>,
    instance: Instance,
    /// The last trap, if any. What that means for later callbacks is the host's business.
    pub(crate) trapped: bool,
    /// The host process died in a callback.
    pub(crate) crashed: bool,
}

/// Why a callback did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The guest trapped.
    Trap { callback: &'static str, message: String },
    /// The real host process would have died.
    Crash { callback: &'static str, why: String },
}

/// Carried through wasmtime from the host call that would have killed the host.
#[derive(Debug)]
pub(crate) struct CrashMark(pub(crate) String);

impl fmt::Display for CrashMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host crashes: {}", self.0)
    }
}

impl std::error::Error for CrashMark {}

impl Vm {
    /// Links and instantiates a module, and runs its `_start` or `_initialize`.
    pub(crate) fn new(module: &Module, state: State) -> Result<Self, LoadError> {
        let profile = state.rules.profile;
        let host = profile.name();
        let mut linker = Linker::new(module.engine());
        calls::link(&mut linker, profile)
            .map_err(|error| LoadError::Link { host, reason: format!("{error:#}") })?;
        let mut store = Store::new(module.engine(), state);
        let instance = linker
            .instantiate(&mut store, module.code())
            .map_err(|error| LoadError::Link { host, reason: format!("{error:#}") })?;
        let allocate = ["proxy_on_memory_allocate", "malloc"]
            .into_iter()
            .find_map(|name| instance.get_typed_func::<u32, u32>(&mut store, name).ok());
        let memory = instance.get_memory(&mut store, "memory");
        store.data_mut().allocate = allocate;
        store.data_mut().memory = memory;
        let mut vm = Self { store, instance, trapped: false, crashed: false };
        let start = ["_start", "_initialize"].into_iter().find(|name| module.has_export(name));
        if let Some(callback) = start {
            vm.call(callback, 0, None, &[]).map_err(|failure| LoadError::Start {
                host,
                callback,
                problem: failure.to_string(),
            })?;
        }
        Ok(vm)
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// Calls a callback for a context; `Ok(None)` when the module does not export it, and
    /// `Ok(Some(0))` when it returns nothing. `arguments` beyond what the export takes are left
    /// off, as ABI 0.1.0 knew fewer.
    pub(crate) fn call(
        &mut self,
        callback: &'static str,
        context: u32,
        request: Option<u32>,
        arguments: &[u32],
    ) -> Result<Option<u32>, Failure> {
        let Some(function) = self.instance.get_func(&mut self.store, callback) else {
            return Ok(None);
        };
        let state = self.store.data_mut();
        state.callback = callback;
        state.context = context;
        state.effective_context = None;
        state.host_allocations = 0;
        state.request = request;
        let calls_before = state.world().journal.calls.len();
        // The engine meters fuel, so setting it cannot fail.
        let _ = self.store.set_fuel(FUEL);
        let kind = function.ty(&self.store);
        let arguments: Vec<Val> = arguments
            .iter()
            .take(kind.params().len())
            .map(|value| Val::I32(*value as i32))
            .collect();
        let mut results = vec![Val::I32(0); kind.results().len()];
        let returned = function.call(&mut self.store, &arguments, &mut results);
        self.note_crossing(callback, calls_before);
        match returned {
            Ok(()) => Ok(Some(results.first().and_then(Val::i32).unwrap_or(0) as u32)),
            Err(error) => {
                self.trapped = true;
                Err(match error.downcast_ref::<CrashMark>() {
                    Some(CrashMark(why)) => {
                        self.crashed = true;
                        Failure::Crash { callback, why: why.clone() }
                    }
                    None => Failure::Trap { callback, message: trap_message(&error) },
                })
            }
        }
    }

    /// Writes into the journal what the callback that just ran took.
    fn note_crossing(&self, callback: &'static str, calls_before: usize) {
        let left = self.store.get_fuel().unwrap_or_default();
        let state = self.store.data();
        let mut world = state.world();
        let crossing = Crossing {
            worker: state.worker,
            callback,
            instructions: FUEL - left,
            calls: world.journal.calls.len() - calls_before,
            host_allocations: state.host_allocations,
        };
        world.journal.crossings.push(crossing);
    }

    /// Whether callbacks are still made: Envoy makes none after a trap.
    pub(crate) fn is_running(&self) -> bool {
        let stops_at_trap = self.store.data().rules.trap_stops_callbacks;
        !(self.crashed || self.trapped && stops_at_trap)
    }

    /// Size of the guest's memory, in pages of 64 KiB.
    pub(crate) fn memory_pages(&self) -> u64 {
        self.store.data().memory.map_or(0, |memory| memory.size(&self.store))
    }
}

fn trap_message(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!("it does not end (used {FUEL} units of fuel)"),
        _ => format!("{error:?}"),
    }
}

impl Failure {
    pub(crate) fn callback(&self) -> &'static str {
        match self {
            Self::Trap { callback, .. } | Self::Crash { callback, .. } => callback,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { message, .. } => write!(f, "trapped: {message}"),
            Self::Crash { why, .. } => write!(f, "crashed the host: {why}"),
        }
    }
}
