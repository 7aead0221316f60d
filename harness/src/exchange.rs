//! An exchange to run through a filter, and the transcript of how it went.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::headers::Headers;
use crate::services::ServiceCall;
use crate::world::{Crossing, HostCall, LogLine};

/// The HTTP version a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0; the only version in which `Host` may be missing.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// As written in a request line.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP version.
    pub version: Version,
    /// The method.
    pub method: Vec<u8>,
    /// Path and query.
    pub target: Vec<u8>,
    /// Fields in order, `host` among them.
    pub headers: Headers,
    /// The body as it arrives, chunk by chunk; empty for none (or for trailers alone).
    pub chunks: Vec<Vec<u8>>,
    /// Fields after the body; empty for none.
    pub trailers: Headers,
}

impl Request {
    /// A request without body, with a `host`.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            version: Version::Http11,
            method: method.into(),
            target: target.into(),
            headers: [("host", "gateway.test")].into_iter().collect(),
            chunks: Vec::new(),
            trailers: Headers::new(),
        }
    }

    /// The same with one more field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// The same with a body in one chunk.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.chunks = vec![body.as_ref().to_vec()];
        self
    }
}

/// What an upstream answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Fields in order.
    pub headers: Headers,
    /// The body as it arrives, chunk by chunk; empty for none (or for trailers alone).
    pub chunks: Vec<Vec<u8>>,
    /// Fields after the body; empty for none.
    pub trailers: Headers,
}

impl Response {
    /// A response without body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Headers::new(), chunks: Vec::new(), trailers: Headers::new() }
    }

    /// The same with one more field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// The same with a body in one chunk.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.chunks = vec![body.as_ref().to_vec()];
        self
    }

    /// The whole body.
    pub fn whole_body(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// A request, what the upstream will answer, and what the host knows about both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the client sends.
    pub request: Request,
    /// What the upstream answers, once it has the whole request.
    pub response: Response,
    /// Property values by path, segments joined by NUL.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// A filter before ours has answered already: the response is its, and nothing goes upstream.
    pub answered_before: bool,
}

impl Exchange {
    /// An exchange whose upstream answers 200 with an empty body.
    pub fn new(request: Request) -> Self {
        Self::with(request, Response::new(200))
    }

    /// An exchange whose upstream answers so.
    pub fn with(request: Request, response: Response) -> Self {
        Self { request, response, properties: BTreeMap::new(), answered_before: false }
    }
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The upstream's response reached the client.
    Proxied,
    /// The filter answered.
    Replied,
    /// The host answered in the filter's place: the virtual machine is dead, or the
    /// configuration was refused.
    HostReplied {
        /// What kept the filter from working.
        why: String,
    },
    /// The stream was cut: nobody knows the rest.
    Reset {
        /// What cut it.
        why: String,
    },
    /// The client went away first.
    Aborted,
    /// Nothing will ever move this exchange on.
    Hang {
        /// What it waits for.
        why: String,
    },
    /// The module trapped. What the client saw all the same is in the transcript.
    Trap {
        /// The callback that trapped.
        callback: String,
        /// The engine's message and backtrace.
        message: String,
    },
    /// The real host's worker process would have died.
    Crash {
        /// What kills it.
        why: String,
    },
}

impl Outcome {
    /// One word for it, as exchange files expect it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Proxied => "proxied",
            Self::Replied => "replied",
            Self::HostReplied { .. } => "host-replied",
            Self::Reset { .. } => "reset",
            Self::Aborted => "aborted",
            Self::Hang { .. } => "hang",
            Self::Trap { .. } => "trap",
            Self::Crash { .. } => "crash",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Proxied | Self::Replied | Self::Aborted => Ok(()),
            Self::HostReplied { why }
            | Self::Reset { why }
            | Self::Hang { why }
            | Self::Crash { why } => write!(f, ": {why}"),
            Self::Trap { callback, message } => write!(f, " in {callback}: {message}"),
        }
    }
}

/// What the client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientResponse {
    /// The response, its body in the chunks in which it was passed on.
    pub response: Response,
    /// Whether the end of the body came.
    pub complete: bool,
}

/// What the upstream received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRequest {
    /// The method.
    pub method: Vec<u8>,
    /// Path and query.
    pub target: Vec<u8>,
    /// Fields in order, `host` among them; no pseudo-headers.
    pub headers: Headers,
    /// The body, in the chunks in which it was passed on.
    pub chunks: Vec<Vec<u8>>,
    /// Fields after the body.
    pub trailers: Headers,
    /// Whether the end of the body came.
    pub complete: bool,
}

impl UpstreamRequest {
    /// The whole body.
    pub fn whole_body(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// Everything that can be said about an exchange that is over.
///
/// Log, host calls and service calls are those made, by any worker, since the transcript before
/// (or since the host began): what happens between exchanges is told by the one that follows.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// How it ended.
    pub outcome: Outcome,
    /// What the client received; `None` for nothing at all.
    pub client: Option<ClientResponse>,
    /// What the upstream received; `None` when it was never asked.
    pub upstream: Option<UpstreamRequest>,
    /// What was logged.
    pub log: Vec<LogLine>,
    /// The host calls made.
    pub calls: Vec<HostCall>,
    /// The callbacks made, in order, and what each took; the first made the first of `calls`.
    pub crossings: Vec<Crossing>,
    /// The calls to HTTP services made.
    pub service_calls: Vec<ServiceCall>,
    /// All metrics afterwards.
    pub metrics: BTreeMap<String, u64>,
    /// How long it took, in virtual time.
    pub took: Duration,
}

impl Transcript {
    /// The status the client saw, or 0 when it saw none.
    pub fn status(&self) -> u16 {
        self.client.as_ref().map_or(0, |client| client.response.status)
    }

    /// A header the client saw.
    pub fn client_header(&self, name: &str) -> Option<&[u8]> {
        self.client.as_ref()?.response.headers.get(name)
    }

    /// A header the upstream saw.
    pub fn upstream_header(&self, name: &str) -> Option<&[u8]> {
        self.upstream.as_ref()?.headers.get(name)
    }
}
