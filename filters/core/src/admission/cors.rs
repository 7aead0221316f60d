//! Answers to browsers: preflights, and the headers that let a page read what it got, on refusals
//! too (Fetch standard, CORS protocol). Without the exposed names a browser client can neither keep
//! its session nor start OAuth.

use super::Admission;
use crate::edit::{Edit, HeaderValue};
use crate::head::{Head, Single};
use crate::refusal::Reply;

const ALLOW_METHODS: &str = "GET, POST, DELETE, OPTIONS";

/// What MCP clients send. `Mcp-Param-*` names are the tools' own and are allowed as asked for.
const ALLOW_HEADERS: &str = "authorization, content-type, accept, mcp-protocol-version, \
mcp-session-id, mcp-method, mcp-name, last-event-id, traceparent, tracestate, dpop";

const EXPOSE_HEADERS: &str =
    "Mcp-Session-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, DPoP-Nonce";

/// Names asked for beyond the fixed list, at most; a tool has a handful of parameters.
const MAX_PARAMS: usize = 32;

/// The origin that answers to this request name, if it is one that may read them.
#[derive(Debug, Clone)]
pub(crate) struct Reader(HeaderValue);

impl Admission {
    /// Who may read the answer. `None`: nobody asked, or CORS is not configured.
    pub(crate) fn reader(&self, head: &Head<'_>) -> Option<Reader> {
        self.cors.as_ref()?;
        let Single::One(value) = head.single("origin") else { return None };
        let origin = self.origins.iter().find(|origin| origin.matches(value))?;
        // The page compares the answer with its own spelling: the serialized, lower-case one.
        HeaderValue::plain(origin.as_str()).map(Reader)
    }

    /// The answer to a preflight.
    pub(super) fn preflight(&self, head: &Head<'_>) -> Reply {
        let max_age = self.cors.as_ref().map_or(0, |cors| cors.max_age.as_secs());
        let mut headers = vec![("allow", HeaderValue::from_static(ALLOW_METHODS))];
        if let Some(Reader(origin)) = self.reader(head) {
            headers.extend([
                ("access-control-allow-origin", origin),
                ("access-control-allow-methods", HeaderValue::from_static(ALLOW_METHODS)),
                ("access-control-allow-headers", allowed_headers(head)),
                ("access-control-max-age", max_age.into()),
                ("vary", HeaderValue::from_static("Origin, Access-Control-Request-Headers")),
            ]);
        }
        Reply { status: 204, headers, body: Vec::new() }
    }
}

impl Reader {
    /// The fields every answer to this reader carries.
    pub(crate) fn headers(&self) -> [(&'static str, HeaderValue); 3] {
        [
            ("access-control-allow-origin", self.0.clone()),
            ("access-control-expose-headers", HeaderValue::from_static(EXPOSE_HEADERS)),
            ("vary", HeaderValue::from_static("Origin")),
        ]
    }

    /// The same as edits of an upstream's answer, whose own `Vary` stays.
    pub(crate) fn edits(&self) -> [Edit; 3] {
        self.headers().map(|(name, value)| match name {
            "vary" => Edit::Add(name.into(), value),
            _ => Edit::Set(name.into(), value),
        })
    }
}

fn allowed_headers(head: &Head<'_>) -> HeaderValue {
    let asked = head.first("access-control-request-headers").unwrap_or_default();
    let params = asked
        .split(|byte| *byte == b',')
        .filter_map(|name| core::str::from_utf8(name.trim_ascii()).ok())
        .map(str::to_ascii_lowercase)
        .filter(|name| name.starts_with("mcp-param-") && name.bytes().all(is_token))
        .take(MAX_PARAMS);
    let mut allowed = ALLOW_HEADERS.to_owned();
    for name in params {
        allowed.push_str(", ");
        allowed.push_str(&name);
    }
    HeaderValue::plain(allowed).unwrap_or(HeaderValue::from_static(ALLOW_HEADERS))
}

/// A character of a field name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
