//! The calls that a filter asks for, and their answers.

use core::fmt;

use crate::edit::HeaderValue;

/// What a call is about: its answer helps every request that waits for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic(pub u64);

/// A call to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch<T> {
    /// The call.
    pub call: HttpCall,
    /// Goes back to the filter with the answer.
    pub ticket: T,
    /// What it is about.
    pub topic: Topic,
}

/// A request for a JSON document of a service of the gateway's configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// Name of an Envoy cluster, or `host:port` on APISIX.
    pub service: String,
    /// `https` or `http`: what APISIX connects with; Envoy's cluster has its own TLS.
    pub scheme: &'static str,
    /// `Host` of the request.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// What is sent: nothing in a GET, a form in a POST.
    pub form: Option<Form>,
    /// How long to wait, in milliseconds.
    pub timeout: u32,
}

/// The body of a POST, and who sends it. It holds secrets, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    /// `Authorization`.
    pub authorization: HeaderValue,
    /// In `application/x-www-form-urlencoded`.
    pub body: String,
}

/// The answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpAnswer<'a> {
    /// The status; `None` if there was no answer at all.
    pub status: Option<u16>,
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

impl fmt::Debug for HttpCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut call = formatter.debug_struct("HttpCall");
        call.field("service", &self.service).field("path", &self.path).finish_non_exhaustive()
    }
}

impl HttpAnswer<'_> {
    /// No answer at all.
    pub const NONE: Self = Self { status: None, content_type: None, body: b"" };
}
