//! Which paths are MCP endpoints.
//!
//! An upstream resolves `%6dcp`, `//mcp` and `/x/../mcp` to `/mcp`; a filter that did not would
//! let them through as foreign traffic. So a path is compared in the form an upstream may give it.

/// One entry of `admission.paths`: an exact path, or everything under it with a final `/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathRule {
    path: Vec<u8>,
    subtree: bool,
}

impl PathRule {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with('/') || text.contains(['?', '#', '%']) {
            return Err(
                "must be an absolute path such as \"/mcp\" or \"/servers/*\", without query or escapes",
            );
        }
        let (path, subtree) = match text.strip_suffix("/*") {
            Some(parent) => (parent, true),
            None => (text, false),
        };
        if path.contains('*') {
            return Err("may have '*' only as its last segment");
        }
        Ok(Self { path: resolve(path.as_bytes()), subtree })
    }

    /// Whether the endpoint of `path`, already resolved, is this one.
    pub(super) fn covers(&self, path: &[u8]) -> bool {
        if path == self.path {
            return true;
        }
        let below =
            if self.path == b"/" { Some(path) } else { path.strip_prefix(self.path.as_slice()) };
        self.subtree && below.is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// Whether all endpoints of `other` are of this rule as well.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.covers(&other.path) && (self.subtree || !other.subtree)
    }
}

/// Whether any of `rules` covers the request target `target` (path and query as received).
pub(super) fn is_covered(rules: &[PathRule], target: &[u8]) -> bool {
    if rules.is_empty() {
        return true;
    }
    let path = resolve(without_query(target));
    rules.iter().any(|rule| rule.covers(&path))
}

/// The path of a request target.
pub(super) fn without_query(target: &[u8]) -> &[u8] {
    target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

/// The path with escapes, `\`, empty and dot segments, path parameters and a final `/` resolved.
pub(super) fn resolve(path: &[u8]) -> Vec<u8> {
    let decoded = unescape(path);
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut resolved = Vec::with_capacity(decoded.len());
    for segment in segments {
        resolved.push(b'/');
        resolved.extend_from_slice(segment);
    }
    if resolved.is_empty() {
        resolved.push(b'/');
    }
    resolved
}

fn unescape(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|pair| (pair, after)),
            _ => None,
        };
        match escaped {
            Some(((high, low), after)) => {
                decoded.push(high << 4 | low);
                rest = after;
            }
            None => decoded.push(byte),
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn rules(texts: &[&str]) -> Vec<PathRule> {
        texts.iter().map(|text| PathRule::parse(text).expect("valid rule")).collect()
    }

    #[test]
    fn an_endpoint_is_found_however_its_path_is_spelled() {
        let rules = rules(&["/mcp", "/servers/*"]);
        let cases: [(&str, bool); 19] = [
            ("/mcp", true),
            ("/mcp?session_id=1", true),
            ("/mcp/", true),
            ("//mcp", true),
            ("/%6dcp", true),
            ("/%6Dcp", true),
            ("/x/../mcp", true),
            ("/x/%2e%2e/mcp", true),
            ("/./mcp", true),
            ("\\mcp", true),
            ("/mcp;v=1", true),
            ("/mcp%3Fx", false),
            ("/mcp2", false),
            ("/mcp/x", false),
            ("/MCP", false),
            ("/servers", true),
            ("/servers/a/mcp", true),
            ("/serversx", false),
            ("/%", false),
        ];
        for (target, covered) in cases {
            assert_eq!(is_covered(&rules, target.as_bytes()), covered, "{target}");
        }
    }

    #[test]
    fn without_rules_every_path_is_an_endpoint() {
        assert!(is_covered(&[], b"/anything"));
        assert!(is_covered(&rules(&["/*"]), b"/anything"));
    }

    #[test]
    fn a_rule_that_cannot_match_is_refused() {
        for text in ["mcp", "", "/a?b", "/a%20b", "/*/mcp", "https://x/mcp"] {
            assert!(PathRule::parse(text).is_err(), "{text}");
        }
    }
}
