//! How Envoy keeps header fields: names in lower case, `host` as another name of `:authority`, and
//! one value of each field it has a slot for, to which further ones are appended after a comma.
//! The slots are those of a running Envoy 1.40.

use crate::headers::Headers;

/// What the fields belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    Request,
    Response,
    Trailers,
}

impl Fields {
    /// Adds a field, as from the wire or by a filter.
    pub(crate) fn add(self, headers: &mut Headers, name: &[u8], value: &[u8]) {
        let name = self.name(name);
        match headers.get(&name) {
            Some(known) if self.has_slot(&name) => {
                let joined = [known, b",", value].concat();
                headers.set(&name, &joined);
            }
            _ => headers.add(name, value),
        }
    }

    /// The name under which a field is kept.
    pub(crate) fn name(self, name: &[u8]) -> Vec<u8> {
        match name.to_ascii_lowercase() {
            name if self == Self::Request && name == b"host" => b":authority".to_vec(),
            name => name,
        }
    }

    fn has_slot(self, name: &[u8]) -> bool {
        let own = match self {
            Self::Request => REQUEST_SLOTS,
            Self::Response => RESPONSE_SLOTS,
            Self::Trailers => return false,
        };
        let name = std::str::from_utf8(name).unwrap_or_default();
        name.starts_with(':') || SLOTS.contains(&name) || own.contains(&name)
    }
}

const SLOTS: &[&str] = &[
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-request-id",
];

const REQUEST_SLOTS: &[&str] = &[
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "expect",
    "grpc-timeout",
    "if-match",
    "if-none-match",
    "origin",
    "pragma",
    "referer",
    "te",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

const RESPONSE_SLOTS: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "server",
    "vary",
];
