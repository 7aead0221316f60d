//! What time it is: asked of the host where it matters to the second, remembered where it does not.

use core::cell::Cell;
use core::time::Duration;
use std::time::SystemTime;

use crate::abi;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The proxy-wasm call.
    Host,
    /// WASI: APISIX does not implement the proxy-wasm call.
    Wasi,
}

impl Source {
    /// Asks the host.
    pub(crate) fn read(self) -> Option<Duration> {
        let since_1970 = match self {
            Self::Host => abi::now().ok().map(Duration::from_nanos),
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            Self::Wasi => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok(),
        };
        since_1970.filter(|since| !since.is_zero())
    }
}

/// The clock of one VM.
#[derive(Debug)]
pub(crate) struct Clock {
    source: Source,
    /// Whether the host ticks, and so the last reading is never old.
    ticks: bool,
    last: Cell<Option<Duration>>,
}

impl Clock {
    pub(crate) const fn new(source: Source, ticks: bool) -> Self {
        Self { source, ticks, last: Cell::new(None) }
    }

    /// Time since 1970.
    pub(crate) fn now(&self) -> Option<Duration> {
        let now = self.source.read();
        self.last.set(now);
        now
    }

    /// Time since 1970, not older than the last tick, as long as somebody looks at the clock at each.
    pub(crate) fn recently(&self) -> Option<Duration> {
        self.last.get().filter(|_| self.ticks).or_else(|| self.now())
    }
}
