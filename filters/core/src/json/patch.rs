//! JSON Merge Patch (RFC 7396) on texts: what is not merged stays to the letter.
//!
//! It is for configurations, which are read once: `cold` keeps it small.

use std::borrow::Cow;

use super::{Error, Kind, Reader};
use crate::limits::MAX_JSON_DEPTH;

/// The members of an object, in order: keys with their escapes undone, values to the letter.
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The members of `text`; `None` if it is no object.
///
/// # Errors
/// If it is not JSON.
#[cold]
pub(crate) fn members(text: &str) -> Result<Option<Members<'_>>, Error> {
    let mut reader = Reader::new(text.as_bytes(), MAX_JSON_DEPTH)?;
    if reader.kind()? != Kind::Object {
        return Ok(None);
    }
    let mut members = Members::new();
    reader.object(|reader, key| {
        members.push((key, reader.skip()?));
        Ok(())
    })?;
    reader.finish().map(|()| Some(members))
}

/// The elements of `text`, to the letter; `None` if it is no array.
///
/// # Errors
/// If it is not JSON.
#[cold]
pub(crate) fn elements(text: &str) -> Result<Option<Vec<&str>>, Error> {
    let mut reader = Reader::new(text.as_bytes(), MAX_JSON_DEPTH)?;
    if reader.kind()? != Kind::Array {
        return Ok(None);
    }
    let mut elements = Vec::new();
    reader.array(|reader| {
        elements.push(reader.skip()?);
        Ok(())
    })?;
    reader.finish().map(|()| Some(elements))
}

/// The object of these members.
#[cold]
pub(crate) fn object<K: AsRef<str>, V: AsRef<str>>(members: &[(K, V)]) -> String {
    let member = |(key, value): &(K, V)| {
        // Writing a string cannot fail.
        let key = serde_json::to_string(key.as_ref()).unwrap_or_default();
        format!("{key}:{}", value.as_ref())
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

/// `target` with `patch` laid over it.
///
/// # Errors
/// If one of them is not JSON.
#[cold]
pub(crate) fn merge(target: &str, patch: &str) -> Result<String, Error> {
    let Some(changes) = members(patch)? else { return Ok(patch.to_owned()) };
    let members = members(target)?.unwrap_or_default().into_iter();
    let mut merged: Vec<_> = members.map(|(key, value)| (key, value.to_owned())).collect();
    for (key, change) in changes {
        let known = merged.iter().position(|(known, _)| *known == key);
        match known.and_then(|index| merged.get_mut(index)) {
            _ if change == "null" => merged.retain(|(known, _)| *known != key),
            Some((_, value)) => *value = merge(value, change)?,
            None => merged.push((key, merge("null", change)?)),
        }
    }
    Ok(object(&merged))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use serde_json::Value;

    use super::*;

    /// RFC 7396, appendix A; that a patch of no object replaces whatever there is.
    const EXAMPLES: [(&str, &str, &str); 16] = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (r"[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        (
            r#"{"a\u0062":1}"#,
            r#"{ "ab" : {"c\"d": 12345678901234567890.50} }"#,
            r#"{"ab":{"c\"d":12345678901234567890.50}}"#,
        ),
    ];

    #[test]
    fn patches_are_merged_as_the_standard_has_it() {
        for (target, patch, expected) in EXAMPLES {
            let merged = merge(target, patch).expect("JSON");
            let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            assert_eq!(read(&merged), read(expected), "{target} {patch}");
        }
        let (target, patch, expected) = EXAMPLES[15];
        assert_eq!(merge(target, patch).as_deref(), Ok(expected), "to the letter");
    }

    #[test]
    fn what_is_not_json_is_not_merged() {
        for (target, patch) in
            [("{", "{}"), ("{}", "{"), ("{} {}", "{}"), (r#"{"a":{}}"#, r#"{"a":{"b":tru}}"#)]
        {
            assert!(merge(target, patch).is_err(), "{target} {patch}");
        }
        assert!(elements("[1,]").is_err());
        assert_eq!(elements("[1, {\"a\":[]}]").expect("JSON"), Some(vec!["1", "{\"a\":[]}"]));
        assert_eq!(elements("{}").expect("JSON"), None);
    }
}
