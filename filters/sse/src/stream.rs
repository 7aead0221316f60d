//! The head of an answer that is an event stream: nobody on its way may buffer, store or compress it.

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::pipeline::Response;

const ACCEL_BUFFERING: &str = "x-accel-buffering";
const CACHE_CONTROL: &str = "cache-control";

/// What no longer describes a body that has no end yet.
const ENTITY_FIELDS: [&str; 2] = ["content-length", "etag"];

const DIRECTIVES: [&str; 2] = ["no-cache", "no-transform"];

/// What changes in the head of an event stream. All else stays as the server wrote it.
pub(crate) fn edits(response: &dyn Response) -> Vec<Edit> {
    let unbuffered = Edit::Set(ACCEL_BUFFERING.into(), HeaderValue::from_static("no"));
    let cache_control = cache_control(&response.header(CACHE_CONTROL).unwrap_or_default());
    let cache_control = cache_control.map(|value| Edit::Set(CACHE_CONTROL.into(), value));
    let removed = ENTITY_FIELDS.map(|name| Edit::Remove(name.into()));
    [unbuffered].into_iter().chain(cache_control).chain(removed).collect()
}

/// Whether a change is about a field that an event stream's head needs as [`edits`] leaves it.
pub(crate) fn concerns(edit: &Edit) -> bool {
    let is_fixed = |name: &str| {
        name == ACCEL_BUFFERING || name == CACHE_CONTROL || ENTITY_FIELDS.contains(&name)
    };
    match edit {
        Edit::Add(name, _) | Edit::Set(name, _) => is_fixed(name.as_str()),
        Edit::Remove(name) => core::str::from_utf8(name).is_ok_and(is_fixed),
        Edit::Rename(from, to) => is_fixed(from.as_str()) || is_fixed(to.as_str()),
    }
}

/// `current` with the directives it lacks (RFC 9111 §5.2.2); `None` if it lacks none.
fn cache_control(current: &[u8]) -> Option<HeaderValue> {
    let has = |directive: &str| {
        let mut present = current.split(|byte| *byte == b',');
        present.any(|other| other.trim_ascii().eq_ignore_ascii_case(directive.as_bytes()))
    };
    let missing: Vec<&str> = DIRECTIVES.into_iter().filter(|directive| !has(directive)).collect();
    if missing.is_empty() {
        return None;
    }
    let current = core::str::from_utf8(current).ok().map(str::trim).filter(|text| !text.is_empty());
    let completed = current.into_iter().chain(missing).collect::<Vec<_>>().join(", ");
    let bare = || HeaderValue::from_static("no-cache, no-transform");
    Some(HeaderValue::plain(completed).unwrap_or_else(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_keeps_what_it_says_and_gets_what_it_lacks() {
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"", Some("no-cache, no-transform")),
            (b"no-cache, no-transform", None),
            (b"No-Transform,private , NO-CACHE", None),
            (b"no-cache", Some("no-cache, no-transform")),
            (b"no-store", Some("no-store, no-cache, no-transform")),
            (b"no-cache=\"set-cookie\"", Some("no-cache=\"set-cookie\", no-cache, no-transform")),
            (
                b"x-no-transform, no-cachet",
                Some("x-no-transform, no-cachet, no-cache, no-transform"),
            ),
            (b"\xff", Some("no-cache, no-transform")),
        ];
        for (current, expected) in cases {
            let value = cache_control(current);
            let shown = String::from_utf8_lossy(current);
            assert_eq!(value.as_ref().map(HeaderValue::as_str), expected, "{shown}");
        }
    }
}
