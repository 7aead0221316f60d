//! Saying no so that the client survives it: status, JSON-RPC code, words and id.
//!
//! Real clients hang on a 200 without the request's id, re-initialize on 404, and start OAuth on
//! 401; so each reason has one fixed shape, listed in [`Reason`]. Gateway codes stay outside
//! −32768…−32000, which JSON-RPC and MCP reserve (MCP 2026-07-28, basic/index#error-codes).

use std::borrow::Cow;

use crate::edit::HeaderValue;
use crate::message::{Fault, ScanError};
use crate::version::Era;

/// A refusal: the reason, with what a client needs beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which rule refused.
    pub reason: Reason,
    message: Cow<'static, str>,
    data: Option<serde_json::Value>,
    headers: Vec<(&'static str, HeaderValue)>,
    detail: Option<Cow<'static, str>>,
    shape: Shape,
}

/// What a refusal looks like to the request it answers; where there is none, it is [`Self::Http`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// The reason's HTTP status. Some clients end the whole session over it.
    #[default]
    Http,
    /// Status 200 and a JSON-RPC error.
    JsonRpc,
    /// Status 200 and the result of a tool that failed, for a model to read.
    ToolError(Era),
}

/// A complete HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// Body; may be empty.
    pub body: Vec<u8>,
}

/// Whose error a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee<'a> {
    /// The request with this exact JSON token as its id.
    Request(&'a str),
    /// A notification or a response: nobody waits, so the body stays empty.
    Nobody,
    /// The body was not read, or holds no usable id.
    Unknown,
}

/// Every rule that can refuse a request. The name is what logs and metrics say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The body is a batch where none is legal.
    Batch,
    /// The body is longer than `admission.max_body`.
    BodyTooLarge,
    /// The body did not arrive within `admission.body_timeout`.
    BodyTimeout,
    /// The body is compressed.
    ContentEncoding,
    /// A header that decides something was sent twice.
    DuplicateHeader,
    /// The caller's token expired while the answer was passing.
    Expired,
    /// A rule denies this caller this call.
    Forbidden,
    /// A mirrored header was sent twice or disagrees with the body.
    HeaderMismatch,
    /// `Host` is not in `admission.hosts`.
    Host,
    /// There is no `Host`.
    HostMissing,
    /// A rule allows this call only with scopes the caller's token lacks.
    InsufficientScope,
    /// The body is JSON, but no MCP message.
    InvalidRequest,
    /// The same call was made again and again.
    Loop,
    /// The media type is not `application/json`.
    MediaType,
    /// `_meta` lacks a field every modern request must have.
    MetaMissing,
    /// The HTTP method is not one of this endpoint's.
    MethodNotAllowed,
    /// `Origin` is not in `admission.origins`.
    Origin,
    /// The body is not JSON.
    Parse,
    /// The gateway's authentication names a principal longer than any real one.
    PrincipalTooLong,
    /// A limit of the caller's is used up.
    Quota,
    /// A modern client posted a response.
    ResponsePosted,
    /// The answer is larger than the gateway lets it be.
    ResultTooLarge,
    /// The session id is not one this gateway sealed for this caller, or it expired.
    SessionUnknown,
    /// More headers than any host shows.
    TooManyHeaders,
    /// There are no credentials, or none that hold.
    Unauthorized,
    /// The gateway itself failed.
    Unavailable,
    /// The upstream's answer has to be filtered and cannot be read.
    Unreadable,
    /// The request names a version that is not in `admission.versions`.
    UnsupportedVersion,
}

/// What each reason looks like to a client: log name, HTTP status, JSON-RPC code, words.
const fn shape(reason: Reason) -> (&'static str, u16, i32, &'static str) {
    match reason {
        Reason::Batch => ("batch", 400, -32600, "Batches are not accepted"),
        Reason::BodyTimeout => {
            ("body_timeout", 408, -32600, "The request body did not arrive in time")
        }
        Reason::BodyTooLarge => ("body_too_large", 413, -32600, "The request body is too large"),
        Reason::ContentEncoding => {
            ("content_encoding", 415, -32600, "Content-Encoding is not accepted")
        }
        Reason::DuplicateHeader => {
            ("duplicate_header", 400, -32600, "A header was sent more than once")
        }
        Reason::Expired => ("expired", 401, 40100, "The token expired"),
        Reason::Forbidden => ("forbidden", 403, 40300, "Forbidden"),
        Reason::HeaderMismatch => ("header_mismatch", 400, -32020, "Header mismatch"),
        Reason::Host => ("host", 421, -32600, "Host not allowed"),
        Reason::HostMissing => ("host_missing", 400, -32600, "A Host header is required"),
        Reason::InsufficientScope => ("insufficient_scope", 403, 40300, "insufficient_scope"),
        Reason::InvalidRequest => ("invalid_request", 400, -32600, "Invalid request"),
        Reason::Loop => ("loop", 429, 42901, "The same call was made again and again"),
        Reason::MediaType => ("media_type", 415, -32600, "Content-Type must be application/json"),
        Reason::MetaMissing => ("meta_missing", 400, -32602, "Invalid params: _meta is incomplete"),
        Reason::MethodNotAllowed => ("method_not_allowed", 405, -32600, "Method not allowed"),
        Reason::Origin => ("origin", 403, -32600, "Origin not allowed"),
        Reason::Parse => ("parse", 400, -32700, "Parse error"),
        Reason::PrincipalTooLong => {
            ("principal_too_long", 400, -32600, "The caller's name is too long")
        }
        Reason::Quota => ("quota", 429, 42900, "Quota exceeded"),
        Reason::ResponsePosted => {
            ("response_posted", 400, -32600, "Responses are not posted in this protocol version")
        }
        Reason::ResultTooLarge => ("result_too_large", 502, 50201, "The result is too large"),
        Reason::SessionUnknown => ("session_unknown", 404, -32600, "Session not found"),
        Reason::TooManyHeaders => ("too_many_headers", 431, -32600, "Too many headers"),
        Reason::Unauthorized => ("unauthorized", 401, 40100, "Unauthorized"),
        Reason::Unavailable => ("unavailable", 503, 50300, "The gateway cannot serve this request"),
        Reason::Unreadable => {
            ("unreadable", 502, 50200, "The gateway cannot read the server's answer")
        }
        Reason::UnsupportedVersion => {
            ("unsupported_version", 400, -32022, "Unsupported protocol version")
        }
    }
}

/// Seconds after which a request may be made again (RFC 9110 §10.2.3).
pub const RETRY_AFTER: &str = "retry-after";

// === impl Refusal ===

impl Refusal {
    /// A refusal in the reason's own words.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        let (_, _, _, message) = shape(reason);
        Self {
            reason,
            message: Cow::Borrowed(message),
            data: None,
            headers: Vec::new(),
            detail: None,
            shape: Shape::Http,
        }
    }

    /// The refusal with more specific words, which must repeat nothing a client sent.
    #[must_use]
    pub fn saying(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// The refusal with the error's `data` member.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The refusal with a further header field.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The refusal with what only the operator learns, in the log: which rule or which check it was.
    /// Words of the program or the configuration, never a client's or a secret.
    #[must_use]
    pub fn because(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The refusal in this shape.
    #[must_use]
    pub const fn shaped(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// What only the operator learns.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The answer that `addressee` gets.
    #[must_use]
    pub fn reply(&self, addressee: Addressee<'_>) -> Reply {
        let (_, status, code, _) = shape(self.reason);
        let mut headers = self.headers.clone();
        let id = match addressee {
            Addressee::Nobody => return Reply { status, headers, body: Vec::new() },
            Addressee::Request(token) => token,
            Addressee::Unknown => "null",
        };
        headers.push(("content-type", HeaderValue::from_static("application/json")));
        let status = match (self.shape, addressee) {
            (Shape::ToolError(era), Addressee::Request(_)) => {
                return Reply { status: 200, headers, body: self.tool_result(id, era) };
            }
            (Shape::JsonRpc, Addressee::Request(_)) => 200,
            _ => status,
        };
        let mut error = serde_json::Map::new();
        error.insert("code".to_owned(), code.into());
        error.insert("message".to_owned(), self.message.as_ref().into());
        if let Some(data) = &self.data {
            error.insert("data".to_owned(), data.clone());
        }
        let error = serde_json::Value::Object(error);
        // The specification allows a refused Origin an error without an id at all.
        let body = match self.reason {
            Reason::Origin => format!(r#"{{"jsonrpc":"2.0","error":{error}}}"#),
            _ => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
        };
        // A client that is turned away for a while learns for how long, be it by guess.
        if status == 503 && !headers.iter().any(|(name, _)| *name == RETRY_AFTER) {
            headers.push((RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Reply { status, headers, body: body.into_bytes() }
    }

    /// The refusal as what a tool says (`CallToolResult`, MCP 2025-11-25 and 2026-07-28,
    /// server/tools), in the words of its message.
    fn tool_result(&self, id: &str, era: Era) -> Vec<u8> {
        let mut result = serde_json::json!({
            "content": [{"type": "text", "text": self.message.as_ref()}],
            "isError": true,
        });
        if era == Era::Modern
            && let Some(members) = result.as_object_mut()
        {
            members.insert("resultType".to_owned(), "complete".into());
        }
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into_bytes()
    }

    /// The refusal as a log message (MCP 2025-11-25, server/utilities/logging), for a stream on
    /// which no request waits.
    #[must_use]
    pub fn notification(&self) -> Vec<u8> {
        let params = serde_json::json!({
            "level": "error",
            "logger": "gateway",
            "data": self.message.as_ref(),
        });
        let method = "notifications/message";
        format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#).into_bytes()
    }
}

impl From<&ScanError<'_>> for Refusal {
    fn from(error: &ScanError<'_>) -> Self {
        let (reason, words) = match error.fault {
            Fault::Syntax(_) => (Reason::Parse, "Parse error"),
            _ => (Reason::InvalidRequest, "Invalid request"),
        };
        Self::new(reason).saying(format!("{words}: {error}"))
    }
}

// === impl Reason ===

impl Reason {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        shape(self).0
    }

    /// The HTTP status a refusal for this reason has.
    #[must_use]
    pub const fn status(self) -> u16 {
        shape(self).1
    }

    /// Whether the answer is worth reading the body for, to name the request. A client without
    /// credentials is answered at once: it goes by the status, and has no claim on a buffer.
    #[must_use]
    pub const fn waits_for_id(self) -> bool {
        self.status() != 401
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_id_is_echoed_as_the_exact_token() {
        for token in ["0", "7", "\"a\\u0062\"", "12345678901234567890"] {
            let reply = Refusal::new(Reason::SessionUnknown).reply(Addressee::Request(token));
            let expect = format!(
                r#"{{"jsonrpc":"2.0","id":{token},"error":{{"code":-32600,"message":"Session not found"}}}}"#
            );
            assert_eq!(String::from_utf8_lossy(&reply.body), expect);
            assert_eq!(reply.status, 404);
        }
    }

    #[test]
    fn an_unknown_id_is_null_and_nobody_gets_an_empty_body() {
        let refusal = Refusal::new(Reason::HeaderMismatch);
        let body = refusal.reply(Addressee::Unknown).body;
        assert!(String::from_utf8_lossy(&body).contains(r#""id":null"#));
        assert_eq!(refusal.reply(Addressee::Nobody).body, b"");
    }

    #[test]
    fn a_client_does_not_learn_the_detail() {
        let refusal = Refusal::new(Reason::Unauthorized);
        let detailed = refusal.clone().because("token signature");
        assert_eq!(detailed.detail(), Some("token signature"));
        assert_eq!(detailed.reply(Addressee::Unknown), refusal.reply(Addressee::Unknown));
    }

    #[test]
    fn a_request_is_refused_in_three_shapes_and_anything_else_by_status() {
        let refusal = Refusal::new(Reason::Quota).with_header("retry-after", 7.into());
        let cases = [
            (
                Shape::Http,
                429,
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":42900,"message":"Quota exceeded"}}"#,
            ),
            (
                Shape::JsonRpc,
                200,
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":42900,"message":"Quota exceeded"}}"#,
            ),
            (
                Shape::ToolError(Era::Legacy),
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"text":"Quota exceeded","type":"text"}],"isError":true}}"#,
            ),
            (
                Shape::ToolError(Era::Modern),
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"text":"Quota exceeded","type":"text"}],"isError":true,"resultType":"complete"}}"#,
            ),
        ];
        for (shape, status, body) in cases {
            let refusal = refusal.clone().shaped(shape);
            let reply = refusal.reply(Addressee::Request("7"));
            assert_eq!((reply.status, &*String::from_utf8_lossy(&reply.body)), (status, body));
            let fields = ["retry-after", "content-type"];
            assert_eq!(reply.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>(), fields);
            assert_eq!(refusal.reply(Addressee::Unknown).status, 429);
            let reply = refusal.reply(Addressee::Nobody);
            assert_eq!((reply.status, reply.body), (429, Vec::new()));
        }
    }

    #[test]
    fn a_refused_origin_has_no_id() {
        let body = Refusal::new(Reason::Origin).reply(Addressee::Unknown).body;
        assert!(!String::from_utf8_lossy(&body).contains("\"id\""));
    }
}
