//! From configuration text to checked values. Every error names the path of the key, what is wrong
//! with it and what is allowed.

mod tree;

use core::fmt;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};

use crate::limits::MIN_SECRET;
use tree::{Misfit, Tree};

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, as `section.list[1].key`.
    pub path: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl ConfigError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }

    /// The same error, one level further in.
    #[must_use]
    pub fn within(self, section: &str) -> Self {
        Self { path: format!("{section}.{}", self.path), problem: self.problem }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.problem)
    }
}

/// Reads one JSON object; nothing at all is an empty object, since a host may pass none.
///
/// # Errors
/// The path and problem of the first value that does not fit its type.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ConfigError> {
    T::deserialize(&tree(text)?).map_err(|Misfit { path, problem }| {
        let path = if path.is_empty() { "configuration".to_owned() } else { path };
        ConfigError { path, problem }
    })
}

fn tree(text: &[u8]) -> Result<Tree, ConfigError> {
    let text = if text.trim_ascii().is_empty() { b"{}" } else { text };
    match serde_json::from_slice(text) {
        Ok(object @ Tree::Object(_)) => Ok(object),
        Ok(_) => Err(ConfigError::new("configuration", "must be a JSON object")),
        Err(error) => Err(ConfigError::new("configuration", error.to_string())),
    }
}

/// A nested object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Section<T>(pub T);

/// A duration written with its unit: `"500ms"`, `"30s"`, `"1h 30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|_| {
            D::Error::custom(
                "not a duration: write a number and a unit, as \"30s\", \"10m\" or \"24h\"",
            )
        })
    }
}

/// A size in bytes, written with its unit: `"1MiB"`, `"64KiB"`, `"500B"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<bytesize::ByteSize>().map(|size| Self(size.as_u64())).map_err(|_| {
            D::Error::custom("not a size: write a number and a unit, as \"64KiB\" or \"1MiB\"")
        })
    }
}

/// A secret of at least [`MIN_SECRET`] bytes, written in base64. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.trim()).map_err(|_| D::Error::custom("not base64"))?;
        if bytes.len() < MIN_SECRET {
            return Err(D::Error::custom(format!(
                "{} bytes are too few: a secret has at least {MIN_SECRET}, as from 'openssl rand -base64 {MIN_SECRET}'",
                bytes.len()
            )));
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        period: Option<Period>,
        size: Option<Size>,
        secret: Option<Secret>,
    }

    #[test]
    fn an_error_names_the_path_and_what_is_allowed() {
        let cases: [(&str, &str, &str); 9] = [
            (r#"{"list":[{},{"period":"ten"}]}"#, "list[1].period", "\"30s\""),
            (r#"{"list":[{"period":30}]}"#, "list[0].period", "expected a string"),
            (r#"{"list":[{"size":"1 parsec"}]}"#, "list[0].size", "\"1MiB\""),
            (r#"{"list":[{"secret":"AAAA"}]}"#, "list[0].secret", "3 bytes are too few"),
            (r#"{"list":[{"secret":"%"}]}"#, "list[0].secret", "not base64"),
            (r#"{"list":[{"colour":1}]}"#, "list[0].colour", "expected one of `period`"),
            (r#"{"list":{}}"#, "list", "expected a sequence"),
            (r#"[]"#, "configuration", "must be a JSON object"),
            (r#"{} {}"#, "configuration", "trailing"),
        ];
        for (text, path, problem) in cases {
            let error = parse::<Example>(text.as_bytes()).expect_err(text);
            assert_eq!(error.path, path, "{text}: {error}");
            assert!(error.problem.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn nothing_is_an_empty_object() {
        assert!(parse::<Example>(b" \n").is_ok_and(|example| example.list.is_empty()));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let text = format!(r#"{{"list":[{{"secret":"{}"}}]}}"#, STANDARD.encode([b'k'; 32]));
        let misplaced =
            parse::<Example>(br#"{"list":"kkkk\", expected kkkk"}"#).expect_err("no list");
        assert!(misplaced.problem.starts_with("invalid type: string, expected a sequence"));
        let example = parse::<Example>(text.as_bytes()).expect("valid");
        assert!(!format!("{example:?}").contains("kkkk"));
        assert!(!format!("{example:?}").contains("107"));
    }
}
