//! An OAuth scope, in characters that can be quoted in a challenge and listed in a claim.

use serde::Deserialize;

/// One scope: a `scope-token` of RFC 6749 §3.3 of at most [`MAX_SCOPE`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Scope(String);

/// Bytes of a scope.
pub const MAX_SCOPE: usize = 128;

/// Clients look for parameters in a challenge by pattern, so one inside a value would be found.
const LOOKED_FOR: [&str; 4] = ["error=", "error_description=", "scope=", "resource_metadata="];

impl Scope {
    /// The scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Scope {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=MAX_SCOPE).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
            && !LOOKED_FOR.iter().any(|word| text.contains(word));
        if fits {
            Ok(Self(text))
        } else {
            Err(format!(
                "not a scope: 1 to {MAX_SCOPE} visible ASCII characters other than '\"' and '\\', and no challenge parameter such as 'scope=' in it"
            ))
        }
    }
}

/// The scopes in one string, as a challenge and a `scope` claim list them.
#[must_use]
pub fn join(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_a_challenge_is_no_scope() {
        for text in
            ["", "a b", "a\"", "a\\", "a\r\nb", "é", "a\u{7f}", "xerror=1", "scope=", "a\tb", "a\0"]
        {
            assert!(Scope::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(Scope::try_from("x".repeat(MAX_SCOPE + 1)).is_err());
        assert!(Scope::try_from("x".repeat(MAX_SCOPE)).is_ok());
        for text in ["mcp:tools", "https://a.example/auth/x", "api://f00/.default", "a?b=c", "!"] {
            assert_eq!(Scope::try_from(text.to_owned()).as_ref().map(Scope::as_str), Ok(text));
        }
    }
}
