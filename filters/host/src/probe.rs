//! What this host can do, asked once at configuration. Nothing else tells hosts apart.

use mcp_core::pipeline::Capabilities;

use crate::abi;
use crate::clock::Source;
use crate::signature;

/// The interval of ticks, in milliseconds.
pub(crate) const TICK_PERIOD: u32 = 1_000;

/// How a request is held until its body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// By pausing the header callback: Envoy, with `allow_on_headers_stop_iteration`.
    Pause,
    /// By asking for it in a property, after which the host buffers the body by itself and a pause
    /// would crash the worker: APISIX.
    Property,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) clock: Source,
    pub(crate) hold: Hold,
    pub(crate) capabilities: Capabilities,
}

/// Asks the host.
pub(crate) fn probe() -> Probe {
    let clock = if abi::now().is_ok() { Source::Host } else { Source::Wasi };
    let ticks = abi::set_tick_period(TICK_PERIOD).is_ok();
    // A host that never wakes the module could never resume what it paused.
    let hold = if ticks { Hold::Pause } else { Hold::Property };
    let bodies = abi::can_set_body();
    let capabilities = Capabilities {
        clock: clock.read().is_some(),
        ticks,
        shared_data: abi::shared_data("mcp").is_ok(),
        signatures: signature::host_verifies(),
        bodies,
        // It says something in the stream, and cuts off one in which nothing comes.
        ends_streams: bodies && ticks,
    };
    Probe { clock, hold, capabilities }
}
