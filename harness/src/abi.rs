//! The numbers of the proxy-wasm ABI (0.2.1) that a host and a guest exchange.

/// What a host call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such key, header, cluster or value.
    NotFound = 1,
    /// An argument is out of range, or the call is not possible in this phase.
    BadArgument = 2,
    /// An address or size lies outside the guest's memory.
    InvalidMemoryAccess = 6,
    /// The queue holds nothing.
    Empty = 7,
    /// The value changed since it was read.
    CasMismatch = 8,
    /// The host could not do it.
    InternalFailure = 10,
    /// The host does not have this call.
    Unimplemented = 12,
}

/// What a callback answers about the stream it was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Stop here until told to go on; body bytes are kept and shown again.
    Pause,
    /// Stop here; body bytes are kept by the host and not shown again (Envoy only).
    PauseAndWatermark,
    /// Stop here; body bytes are dropped (Envoy only).
    PauseNoBuffer,
}

impl Action {
    /// From the number a body callback answered.
    pub(crate) fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Continue,
            1 => Self::Pause,
            2 => Self::PauseAndWatermark,
            _ => Self::PauseNoBuffer,
        }
    }
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest detail.
    Trace,
    /// For developers.
    Debug,
    /// For operators.
    Info,
    /// Odd, but handled.
    Warn,
    /// Something failed.
    Error,
    /// The module cannot work.
    Critical,
}

impl LogLevel {
    /// Every level, the finest first.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }

    /// The word used in listings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Header maps a host call can name.
pub(crate) mod map {
    pub(crate) const REQUEST_HEADERS: i64 = 0;
    pub(crate) const REQUEST_TRAILERS: i64 = 1;
    pub(crate) const RESPONSE_HEADERS: i64 = 2;
    pub(crate) const RESPONSE_TRAILERS: i64 = 3;
    pub(crate) const CALL_RESPONSE_HEADERS: i64 = 6;
    pub(crate) const CALL_RESPONSE_TRAILERS: i64 = 7;
}

/// Buffers a host call can name.
pub(crate) mod buffer {
    pub(crate) const REQUEST_BODY: i64 = 0;
    pub(crate) const RESPONSE_BODY: i64 = 1;
    pub(crate) const CALL_RESPONSE_BODY: i64 = 4;
    pub(crate) const VM_CONFIGURATION: i64 = 6;
    pub(crate) const PLUGIN_CONFIGURATION: i64 = 7;
    pub(crate) const LAST: i64 = 8;
}
