//! Nothing gets into a challenge that is not meant to be there, and nothing of an upstream's is
//! lost but its metadata URL.

use proptest::prelude::*;

use super::*;
use crate::metadata::Identifier;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever a description holds, a client finds our parameters and no others.
    #[test]
    fn a_description_injects_nothing(text in hostile()) {
        let (_, challenge, _) = answer(&challenger(&["mcp:tools"]).invalid_token(&text));
        let found = parameters(&challenge)?;
        let expect = ["resource_metadata", "scope", "error", "error_description"];
        prop_assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expect);
        prop_assert_eq!(search(&challenge, "resource_metadata"), Some(METADATA));
        prop_assert_eq!(search(&challenge, "scope"), Some("mcp:tools"));
        prop_assert_eq!(search(&challenge, "error"), Some("invalid_token"));
    }

    /// Whatever a configuration holds, it is refused, or a client finds our parameters and no others.
    #[test]
    fn a_configuration_injects_nothing(scope in hostile(), url in url()) {
        let allowed = Scope::try_from(scope);
        let url = Identifier::try_from(url).map(|url| url.as_str().to_owned());
        let resource = url.as_ref().ok().map(|url| resource(url));
        let missing: Vec<Scope> = allowed.into_iter().collect();
        let challenger = Challenger::new(resource.as_ref(), missing.clone());
        let joined = scope::join(&missing);
        let metadata = resource.as_ref().map(ProtectedResource::metadata_url);

        let (_, challenge, _) = answer(&challenger.no_credentials());
        parameters(&challenge)?;
        prop_assert_eq!(search(&challenge, "error"), None);
        prop_assert_eq!(search(&challenge, "resource_metadata"), metadata);
        let expect = Some(joined.as_str()).filter(|joined| !joined.is_empty());
        prop_assert_eq!(search(&challenge, "scope"), expect);

        let (_, challenge, _) = answer(&challenger.insufficient_scope(&missing));
        parameters(&challenge)?;
        prop_assert_eq!(search(&challenge, "error"), Some("insufficient_scope"));
        prop_assert_eq!(search(&challenge, "resource_metadata"), metadata);
        prop_assert_eq!(search(&challenge, "scope"), Some(joined.as_str()));
    }

    /// A field built of known parts comes out as the same parts, ours in the place of theirs.
    #[test]
    fn an_upstream_keeps_all_else(parts in prop::collection::vec(challenge(), 1..4)) {
        let written: Vec<String> = parts.iter().map(|part| part.0.clone()).collect();
        let expect: Vec<String> = parts.iter().map(|part| part.1.clone()).collect();
        let redirected = upstream::redirect(&written.join(", "), METADATA);
        let expect = expect.join(", ");
        prop_assert_eq!(redirected, expect.contains(METADATA).then_some(expect));
    }

    /// Any field gets an answer, and one that was redirected has nothing more to say.
    #[test]
    fn any_field_gets_an_answer(field in hostile()) {
        if let Some(redirected) = upstream::redirect(&field, METADATA) {
            let again = upstream::redirect(&redirected, METADATA);
            prop_assert_eq!(again.as_ref(), Some(&redirected));
        }
    }
}

/// Text that means harm in a header.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "\"", "\\", "\r\n", "\n", "=", ",", ", ", " ", "\t", "\0", "error=", "scope=",
            "resource_metadata=", "error_description=", "Bearer ", "resource_metadata=\"x\"",
            "resource_metadata", "error", "x", "/", "é",
        ])
        .prop_map(str::to_owned),
        1 => "[ -~]{0,6}",
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn url() -> impl Strategy<Value = String> {
    ("https://gw\\.example", prop_oneof![hostile(), "[!-~]{0,12}", "[a-z/]{0,12}"])
        .prop_map(|(origin, path)| format!("{origin}/{path}"))
}

/// One challenge as an upstream writes it, and as it should come out.
fn challenge() -> impl Strategy<Value = (String, String)> {
    let value = prop_oneof!["[a-z0-9.:-]{1,9}", "\"([ !#-\\[\\]-~]|\\\\[ -~]){0,9}\""];
    let other = ("[a-z]{1,8}", value.clone()).prop_map(|(name, value)| {
        let text = format!("{name}={value}");
        (text.clone(), text)
    });
    let ours = ("resource_metadata ?= ?", value)
        .prop_map(|(name, value)| (format!("{name}{value}"), format!("{name}\"{METADATA}\"")));
    let parameters =
        prop::collection::vec(prop_oneof![3 => other, 1 => ours], 1..5).prop_map(|list| {
            let (written, expect): (Vec<String>, Vec<String>) = list.into_iter().unzip();
            (format!("Bearer {}", written.join(", ")), format!("Bearer {}", expect.join(", ")))
        });
    let token68 = "Basic [A-Za-z0-9._~+/-]{1,9}={0,2}".prop_map(|text| (text.clone(), text));
    prop_oneof![3 => parameters, 1 => token68]
}

/// The parameters of one of our challenges: names and values in quotes, without escapes.
fn parameters(challenge: &str) -> Result<Vec<(&str, &str)>, TestCaseError> {
    prop_assert!(challenge.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{:?}", challenge);
    let Some(mut rest) = challenge.strip_prefix("Bearer ") else {
        prop_assert_eq!(challenge, "Bearer");
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    loop {
        let parsed = rest.split_once("=\"").and_then(|(name, after)| {
            after.split_once('"').map(|(value, after)| (name, value, after))
        });
        let Some((name, value, after)) = parsed else {
            return Err(TestCaseError::fail(format!("no parameter at {rest:?} in {challenge:?}")));
        };
        prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        prop_assert!(!value.contains('\\'));
        prop_assert!(found.iter().all(|(seen, _)| *seen != name), "{} twice", name);
        found.push((name, value));
        match after.strip_prefix(", ") {
            Some(after) => rest = after,
            None => {
                prop_assert_eq!(after, "");
                return Ok(found);
            }
        }
    }
}

/// What a client finds that looks for the first `name=` by pattern, as the MCP SDK for Python does.
fn search<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = challenge.split_once(&format!("{name}="))?;
    match after.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(value, _)| value),
        None => after.split([' ', ',']).next(),
    }
}
