//! The URLs that metadata holds, checked as text: none is ever fetched or resolved here.

use serde::Deserialize;

/// An absolute URL of at most [`MAX_URL`] bytes without query and fragment, as OAuth identifies
/// servers by (RFC 8414 §2, RFC 8707 §2): `https`, or `http` on the loopback interface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Identifier {
    text: String,
    /// Where the path begins.
    path: usize,
}

/// The `https` URL of a page for people, which may have query and fragment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(try_from = "String")]
pub struct Page(String);

/// Bytes of a URL.
pub const MAX_URL: usize = 1024;

impl Identifier {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme and authority, without a final `/`.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.text.get(..self.path).unwrap_or_default()
    }

    /// The path as it stands: empty, or from its `/` on.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path..).unwrap_or_default()
    }
}

impl serde::Serialize for Identifier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl TryFrom<String> for Identifier {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (scheme, after) = split(&text)?;
        // `=` would let a client find a challenge parameter inside the URL.
        if !after.bytes().all(|byte| is_unquoted(byte) && !b"?#=,;&".contains(&byte)) {
            return Err("must be a plain URL: without query, fragment or spaces".to_owned());
        }
        let authority = after.split('/').next().unwrap_or_default();
        let host = host(authority)?;
        match scheme {
            "https" => {}
            "http" if is_loopback(host) => {}
            _ => return Err("must be https (http is for localhost and 127.0.0.1)".to_owned()),
        }
        let path = text.len().saturating_sub(after.len()).saturating_add(authority.len());
        Ok(Self { path, text })
    }
}

impl TryFrom<String> for Page {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (scheme, after) = split(&text)?;
        let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
        host(authority)?;
        if scheme == "https" && after.bytes().all(is_unquoted) {
            Ok(Self(text))
        } else {
            Err("must be an https URL, without spaces".to_owned())
        }
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    if text.len() > MAX_URL {
        return Err(format!("must be at most {MAX_URL} bytes"));
    }
    text.split_once("://")
        .ok_or_else(|| "must be an absolute URL, as \"https://mcp.example.com/mcp\"".to_owned())
}

/// The host of an authority, which must be in lower case, for clients compare it as text.
fn host(authority: &str) -> Result<&str, String> {
    const PROBLEM: &str =
        "must have a host in lower case and may have a port, but no user: \"mcp.example.com:8443\"";
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok() && !port.starts_with('+'));
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match inner {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_'))
        }
    };
    if port_fits && host_fits { Ok(host) } else { Err(PROBLEM.to_owned()) }
}

fn is_loopback(host: &str) -> bool {
    let v4 = || host.parse::<core::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    matches!(host, "localhost" | "[::1]") || v4()
}

/// Whether a character of a URL may stand in a quoted string, and in a URL (RFC 3986 §2).
const fn is_unquoted(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_what_oauth_identifies_servers_by() {
        let cases = [
            ("https://a.example", "https://a.example", ""),
            ("https://a.example/", "https://a.example", "/"),
            ("https://a.example:8443/public/mcp", "https://a.example:8443", "/public/mcp"),
            ("https://[2001:db8::1]/mcp", "https://[2001:db8::1]", "/mcp"),
            ("http://localhost:8000/mcp/", "http://localhost:8000", "/mcp/"),
            ("http://127.0.0.9/mcp", "http://127.0.0.9", "/mcp"),
            ("http://[::1]:8000", "http://[::1]:8000", ""),
        ];
        for (text, origin, path) in cases {
            let url = Identifier::try_from(text.to_owned()).expect(text);
            assert_eq!((url.as_str(), url.origin(), url.path()), (text, origin, path));
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        let cases = [
            ("a.example/mcp", "absolute"),
            ("http://a.example/mcp", "https"),
            ("http://127.0.0.1.a.example/mcp", "https"),
            ("http://localhost.a.example", "https"),
            ("ftp://a.example", "https"),
            ("HTTPS://a.example", "https"),
            ("https://a.example/mcp?x=1", "query"),
            ("https://a.example/mcp#top", "fragment"),
            ("https://a.example/m\"cp", "plain"),
            ("https://a.example/m\\cp", "plain"),
            ("https://a.example/m cp", "plain"),
            ("https://a.example/m\r\ncp", "plain"),
            ("https://a.example/é", "plain"),
            ("https://a.example/scope=x", "plain"),
            ("https://user@a.example/", "no user"),
            ("https://A.example/", "lower case"),
            ("https:///mcp", "host"),
            ("https://", "host"),
            ("https://:8443/", "host"),
            ("https://a.example:port/", "host"),
            ("https://a.example:/", "host"),
            ("https://a.example:+80/", "host"),
            ("https://a.example:99999/", "host"),
            ("https://[::1/", "host"),
            ("https://[nonsense]/", "host"),
        ];
        for (text, problem) in cases {
            let error = Identifier::try_from(text.to_owned()).expect_err(text);
            assert!(error.contains(problem), "{text}: {error}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL));
        assert!(Identifier::try_from(long).is_err_and(|error| error.contains("1024")));
    }

    #[test]
    fn pages_are_for_people() {
        assert!(Page::try_from("https://a.example/docs?lang=en#mcp".to_owned()).is_ok());
        for text in ["http://a.example/", "https://a.example/<x>", "https://?x", "docs"] {
            assert!(Page::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
