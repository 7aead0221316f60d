//! Names with `*` in them, and comparisons that know when they cannot be sure.

use serde::Deserialize;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The server may read the value in another way than it stands there.
    Unclear,
}

/// A text of at most [`MAX_PATTERN`] bytes in which `*` stands for any characters, or none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    /// All of it, or what stands before its first `*`.
    start: String,
    /// What stands behind that, if there is one.
    rest: Option<String>,
}

/// Bytes of a pattern; no resource's URI is longer.
const MAX_PATTERN: usize = crate::limits::MAX_URI;

impl Pattern {
    /// Whether the pattern covers `text`, case included. A `*` behind the first character never
    /// surely covers a path that has yet to be resolved.
    #[must_use]
    pub fn covers(&self, text: &str) -> Holds {
        let Self { start, rest } = self;
        match rest {
            None if start == text => Holds::Yes,
            None => Holds::No,
            Some(_) if !start.is_empty() && has_dot_segment(text) => Holds::Unclear,
            Some(rest)
                if text.strip_prefix(start.as_str()).is_some_and(|text| ends(rest, text)) =>
            {
                Holds::Yes
            }
            Some(_) => Holds::No,
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !(1..=MAX_PATTERN).contains(&text.len()) {
            return Err(format!("must be 1 to {MAX_PATTERN} bytes"));
        }
        Ok(match text.split_once('*') {
            Some((start, rest)) => Self { start: start.to_owned(), rest: Some(rest.to_owned()) },
            None => Self { start: text, rest: None },
        })
    }
}

/// Whether `text` can be cut into anything, then the parts between the stars of `rest` in order,
/// the last of them at the very end. Taking the first place for each part loses nothing, since a
/// star follows it.
fn ends(rest: &str, mut text: &str) -> bool {
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

/// Whether a `.` or `..` stands in `text` as a path's segment, also as `%2e`.
#[must_use]
pub fn has_dot_segment(text: &str) -> bool {
    text.split(['/', '\\', ';', '?', '#']).any(|segment| matches!(dots(segment), Some(1 | 2)))
}

/// How many dots a segment of nothing but dots consists of.
fn dots(mut segment: &str) -> Option<u32> {
    let mut count: u32 = 0;
    while !segment.is_empty() {
        let encoded = || segment.strip_prefix("%2e").or_else(|| segment.strip_prefix("%2E"));
        segment = segment.strip_prefix('.').or_else(encoded)?;
        count = count.saturating_add(1);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn covers(pattern: &str, text: &str) -> Holds {
        Pattern::try_from(pattern.to_owned()).expect("valid").covers(text)
    }

    #[test]
    fn a_star_stands_for_anything() {
        let yes = [
            ("*", ""),
            ("*", "anything/../at all"),
            ("get_weather", "get_weather"),
            ("get_*", "get_"),
            ("get_*", "get_weather"),
            ("*_delete", "user_delete"),
            ("*a*b*", "xxaxxbxx"),
            ("a*b*b", "abb"),
            ("a*ab", "aab"),
            ("files/*/read", "files/x/y/read"),
            ("**", "x"),
            ("file:///srv/*", "file:///srv/a..b/.hidden/..."),
        ];
        for (pattern, text) in yes {
            assert_eq!(covers(pattern, text), Holds::Yes, "{pattern} {text}");
        }
        let no = [
            ("get_weather", "get_weather2"),
            ("get_weather", "Get_weather"),
            ("get_weather", "get_weather\0"),
            ("get_*", "GET_x"),
            ("get_*", "xget_y"),
            ("*_delete", "x_delete_"),
            ("a*b*b", "ab"),
            ("a*a", "a"),
            ("a*b", "ba"),
            ("a*x*b", "ab"),
            ("?", "x"),
        ];
        for (pattern, text) in no {
            assert_eq!(covers(pattern, text), Holds::No, "{pattern} {text}");
        }
    }

    #[test]
    fn a_path_to_be_resolved_is_unclear() {
        for text in [
            "file:///public/../secret",
            "file:///public/..",
            "file:///public/%2e%2E/secret",
            "file:///public/.%2e/secret",
            "file:///public/./x",
            "file:///public/..;x/secret",
            "file:///public/..?x",
            "file:///public/..#x",
            "file:///public\\..\\secret",
            "file:///private/../public/x",
        ] {
            assert_eq!(covers("file:///public/*", text), Holds::Unclear, "{text}");
        }
        // Nothing is resolved out of an exact name.
        assert_eq!(covers("a/../b", "a/../b"), Holds::Yes);
    }

    #[test]
    fn stars_cost_no_more_than_the_text() {
        let pattern = "*a".repeat(1_000);
        let text = "a".repeat(999);
        assert_eq!(covers(&pattern, &text), Holds::No);
        assert_eq!(covers(&pattern, &(text + "a")), Holds::Yes);
    }

    #[test]
    fn a_pattern_is_neither_empty_nor_endless() {
        assert!(Pattern::try_from(String::new()).is_err());
        assert!(Pattern::try_from("x".repeat(MAX_PATTERN + 1)).is_err());
    }
}
