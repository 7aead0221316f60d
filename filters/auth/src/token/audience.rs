//! Whether two audiences name the same resource.

/// An audience in the form in which equal ones are equal.
///
/// Of a URL, scheme and host are compared without regard to case, and one slash at the end does not
/// count: clients derive the resource (RFC 8707) from the URL they were given, and normalize it or
/// not. Everything else is compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audience(String);

impl Audience {
    pub(super) fn new(text: &str) -> Self {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self(text.to_owned());
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        // A user before the host is case-sensitive.
        let origin = if authority.contains('@') {
            format!("{scheme}://{authority}")
        } else {
            format!("{scheme}://{authority}").to_ascii_lowercase()
        };
        let path = match path.strip_suffix('/') {
            Some(shorter) if !path.contains(['?', '#']) => shorter,
            _ => path,
        };
        Self(origin + path)
    }
}
