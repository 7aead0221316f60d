//! `Origin` and `Host` allow-lists: MCP's defence against DNS rebinding.
//!
//! An origin is compared whole, scheme, host and port (RFC 6454 §5); `null` is an origin like any
//! other and cannot be listed. A host without a port matches any port.

/// One entry of `admission.origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Origin {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str =
            "must be scheme, host and, if it is not the default, port: \"https://app.example.com\"";
        let (scheme, authority) = text.split_once("://").ok_or(PROBLEM)?;
        if !matches!(scheme, "http" | "https") || !is_authority(authority) {
            return Err(PROBLEM);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    pub(super) fn matches(&self, origin: &[u8]) -> bool {
        origin.eq_ignore_ascii_case(self.0.as_bytes())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// One entry of `admission.hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host(String);

impl Host {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if is_authority(text) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("must be a host, with a port or without: \"mcp.example.com\"")
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn matches(&self, authority: &[u8]) -> bool {
        if authority.eq_ignore_ascii_case(self.0.as_bytes()) {
            return true;
        }
        let split = authority
            .iter()
            .rposition(|byte| *byte == b':')
            .and_then(|at| authority.split_at_checked(at));
        split.is_some_and(|(host, port)| {
            port.iter().skip(1).all(u8::is_ascii_digit)
                && host.eq_ignore_ascii_case(self.0.as_bytes())
        })
    }
}

/// Whether `text` is a host and perhaps a port, in the characters of RFC 3986 §3.2.2.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn origins_match_whole() {
        let origin = Origin::parse("https://App.example.com").expect("valid");
        let cases: [(&[u8], bool); 7] = [
            (b"https://app.example.com", true),
            (b"HTTPS://APP.EXAMPLE.COM", true),
            (b"http://app.example.com", false),
            (b"https://app.example.com:8443", false),
            (b"https://app.example.com.evil.example", false),
            (b"null", false),
            (b"", false),
        ];
        for (value, matches) in cases {
            assert_eq!(origin.matches(value), matches, "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn hosts_match_any_port_unless_one_is_named() {
        let any = Host::parse("mcp.example.com").expect("valid");
        let one = Host::parse("[::1]:8080").expect("valid");
        assert!(any.matches(b"mcp.example.com") && any.matches(b"MCP.example.com:8443"));
        assert!(!any.matches(b"mcp.example.com.evil.example"));
        assert!(!any.matches(b"mcp.example.com:evil"));
        assert!(
            one.matches(b"[::1]:8080") && !one.matches(b"[::1]:8081") && !one.matches(b"[::1]")
        );
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for text in
            ["*", "null", "app.example.com", "https://", "https://a/path", "ftp://a", "https://a b"]
        {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        for text in ["", "https://a", "a/b", "*.example.com"] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }
}
