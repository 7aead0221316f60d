//! Where an HTTP+SSE server (MCP 2024-11-05) tells its clients to send their messages: its own path,
//! which is not the gateway's if that serves it under another.

use mcp_core::config::ConfigError;
use mcp_core::pattern::has_dot_segment;
use serde::Deserialize;

/// `endpoint` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(crate) struct EndpointConfig {
    prefix: Option<String>,
    base: Option<String>,
}

/// Where clients reach the server.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Scheme and authority, or nothing if clients are to take those of the stream.
    origin: String,
    /// What the gateway puts before the server's paths; nothing, or a path without `/` at its end.
    prefix: String,
}

/// The type of the event that names it.
pub(crate) const EVENT: &[u8] = b"endpoint";

/// Bytes of what a server says in it.
const MAX_ENDPOINT: usize = 4096;

impl TryFrom<EndpointConfig> for Endpoint {
    type Error = ConfigError;

    fn try_from(config: EndpointConfig) -> Result<Self, ConfigError> {
        let error = |key: &str, problem: &str| Err(ConfigError::new(key, problem));
        match (config.prefix, config.base) {
            (Some(prefix), None) if is_prefix(&prefix) => {
                Ok(Self { origin: String::new(), prefix })
            }
            (Some(_), None) => error(
                "endpoint.prefix",
                "must be a path as \"/servers/a\", without \"/\" at its end",
            ),
            (None, Some(base)) => match split(&base) {
                Some((origin, path)) if path.is_empty() || is_prefix(path) => {
                    Ok(Self { origin: origin.to_owned(), prefix: path.to_owned() })
                }
                _ => error(
                    "endpoint.base",
                    "must be a URL as \"https://gateway.example/servers/a\", without \"/\" at its end",
                ),
            },
            _ => error("endpoint", "must have either a prefix or a base"),
        }
    }
}

impl Endpoint {
    /// What clients are told in place of `said`; `None` if that leads them here already, or is none
    /// of the forms that servers use.
    pub(crate) fn rewritten(&self, said: &[u8]) -> Option<Vec<u8>> {
        let said = core::str::from_utf8(said).ok()?;
        if said.len() > MAX_ENDPOINT || !said.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let path = match said.strip_prefix("//") {
            Some(rest) => rest.get(rest.find('/')?..)?,
            None if said.starts_with('/') => said,
            // A path that is relative to the stream's leads back through the gateway.
            None => split(said)?.1,
        };
        let prefixed = path.strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with('/'));
        let prefix = if prefixed { "" } else { &self.prefix };
        let rewritten = format!("{}{prefix}{path}", self.origin);
        (path.starts_with('/') && rewritten != said).then(|| rewritten.into_bytes())
    }
}

/// The origin of a URL and what follows it.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let known = ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let legal = !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    let origin = url.len().checked_sub(path.len()).and_then(|length| url.get(..length))?;
    (known && legal).then_some((origin, path))
}

fn is_prefix(path: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,=:@".contains(&byte);
    path.starts_with('/')
        && !path.ends_with('/')
        && !path.contains("//")
        && path.bytes().all(legal)
        && !has_dot_segment(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(prefix: Option<&str>, base: Option<&str>) -> Result<Endpoint, ConfigError> {
        let [prefix, base] = [prefix, base].map(|text| text.map(str::to_owned));
        Endpoint::try_from(EndpointConfig { prefix, base })
    }

    #[test]
    fn clients_are_led_through_the_gateway() {
        let prefix = endpoint(Some("/servers/a"), None).expect("valid");
        let base = endpoint(None, Some("https://gw.example.com/x")).expect("valid");
        let bare = endpoint(None, Some("https://gw.example.com")).expect("valid");
        let python = "/messages/?session_id=038b1fc9";
        let cases = [
            (&prefix, python, Some("/servers/a/messages/?session_id=038b1fc9")),
            (&prefix, "http://10.0.0.2:8000/message?a=b#c", Some("/servers/a/message?a=b#c")),
            (&prefix, "HTTPS://[::1]/m", Some("/servers/a/m")),
            (&prefix, "//internal/m?x", Some("/servers/a/m?x")),
            (&prefix, "/servers/ab?x", Some("/servers/a/servers/ab?x")),
            (&prefix, "/servers/a/messages", None),
            (&base, python, Some("https://gw.example.com/x/messages/?session_id=038b1fc9")),
            (&base, "/x/m", Some("https://gw.example.com/x/m")),
            (&base, "http://internal/m", Some("https://gw.example.com/x/m")),
            (&base, "https://gw.example.com/x/m", None),
            (&bare, python, Some("https://gw.example.com/messages/?session_id=038b1fc9")),
            // What is no such path stays.
            (&prefix, "messages?x", None),
            (&prefix, "", None),
            (&prefix, "?x", None),
            (&prefix, "http://internal", None),
            (&prefix, "http://user@internal/m", None),
            (&prefix, "javascript://x/m", None),
            (&prefix, "/m x", None),
            (&prefix, "/m\n/n", None),
            (&prefix, "/é", None),
            (&prefix, "//internal", None),
        ];
        for (endpoint, said, expected) in cases {
            let told = endpoint.rewritten(said.as_bytes());
            let told = told.as_deref().map(|told| core::str::from_utf8(told).expect("ASCII"));
            assert_eq!(told, expected, "{endpoint:?} {said}");
        }
        assert_eq!(prefix.rewritten(format!("/{}", "x".repeat(MAX_ENDPOINT)).as_bytes()), None);
        assert_eq!(prefix.rewritten(b"/\xff"), None);
    }

    #[test]
    fn neither_prefix_nor_base_may_lead_elsewhere() {
        for prefix in
            ["", "/", "servers", "/a/", "//a", "/a//b", "/a?b", "/a#b", "/a/../b", "/a b", "/é"]
        {
            let error = endpoint(Some(prefix), None).expect_err(prefix);
            assert_eq!(error.path, "endpoint.prefix", "{prefix}");
        }
        for base in [
            "",
            "/a",
            "ftp://a",
            "https://",
            "https://a/",
            "https://a?b",
            "https://u@a",
            "https://a/b?c",
        ] {
            let error = endpoint(None, Some(base)).expect_err(base);
            assert_eq!(error.path, "endpoint.base", "{base}");
        }
        for (prefix, base) in [(None, None), (Some("/a"), Some("https://a"))] {
            assert_eq!(endpoint(prefix, base).expect_err("neither").path, "endpoint");
        }
    }
}
