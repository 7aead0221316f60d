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

#[cfg(test)]
mod tests {
    use super::Audience;

    #[test]
    fn the_same_resource_has_one_form() {
        let cases = [
            ("https://a.example/mcp", "https://a.example/mcp/"),
            ("https://a.example/mcp", "HTTPS://A.EXAMPLE/mcp"),
            ("https://a.example", "https://a.example/"),
            ("https://a.example:8443/x", "https://A.example:8443/x/"),
            ("https://a.example?q=A", "https://A.example?q=A"),
            ("https://a.example#A", "https://A.example#A"),
            ("urn:mcp", "urn:mcp"),
        ];
        for (one, other) in cases {
            assert_eq!(Audience::new(one), Audience::new(other));
        }
    }

    #[test]
    fn different_resources_stay_different() {
        let cases = [
            ("https://a.example/mcp", "https://a.example/MCP"),
            ("https://a.example/mcp", "https://a.example/mcp//"),
            ("https://a.example/mcp", "https://a.example/mcp/x"),
            ("https://a.example/mcp", "https://a.example/mcp?x"),
            ("https://a.example/mcp?x", "https://a.example/mcp?x/"),
            ("https://a.example/mcp#x", "https://a.example/mcp#x/"),
            ("https://a.example?q=A", "https://a.example?q=a"),
            ("https://a.example#A", "https://a.example#a"),
            ("https://a.example/%6dcp", "https://a.example/mcp"),
            ("https://a.example/mcp", "http://a.example/mcp"),
            ("https://a.example/mcp", "https://a.example:443/mcp"),
            ("https://a.example/mcp", "https://a.example.evil.example/mcp"),
            ("https://a.example/mcp", "https://a.example@evil.example/mcp"),
            ("https://User@a.example", "https://user@a.example"),
            ("mcp", "MCP"),
            ("mcp", "mcp/"),
            ("", "/"),
        ];
        for (one, other) in cases {
            assert_ne!(Audience::new(one), Audience::new(other));
        }
    }
}
