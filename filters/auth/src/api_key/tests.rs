//! Entries as operators write them, and keys as clients present them.

use mcp_core::config::{self, ConfigError};
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize)]
struct Section {
    api_keys: Vec<ApiKeyConfig>,
}

fn read(entries: &Value) -> Result<ApiKeys, ConfigError> {
    let section: Section = config::parse(json!({ "api_keys": entries }).to_string().as_bytes())?;
    section.api_keys.try_into()
}

fn hash_of(key: &str) -> String {
    let digits: Vec<String> =
        Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", digits.concat())
}

/// The SHA-256 of `abc` (FIPS 180-2, appendix B.1).
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn each_key_is_its_own_caller() {
    let long = "k".repeat(MAX_API_KEY);
    let keys = read(&json!([
        { "hash": hash_of("first test key"), "principal": "ci" },
        { "hash": ABC.to_uppercase().replace("SHA256", "sha256"), "principal": "abc",
          "tenant": "acme", "agent": "robot", "scopes": ["mcp:tools", "files:read"] },
        { "hash": hash_of(&long), "principal": "long" },
        { "hash": hash_of(&format!("{long}k")), "principal": "too long" },
        { "hash": hash_of(""), "principal": "nobody" },
    ]))
    .expect("valid");
    let cases: [(&[u8], Option<&str>); 9] = [
        (b"first test key", Some("ci")),
        (b"abc", Some("abc")),
        (long.as_bytes(), Some("long")),
        (&[long.as_bytes(), b"k"].concat(), None),
        (b"", None),
        (b"abc ", None),
        (b"ABC", None),
        (b"\xff\0", None),
        (ABC.as_bytes(), None),
    ];
    for (presented, expect) in cases {
        let found = keys.lookup(presented).map(|identity| identity.principal.as_str());
        assert_eq!(found, expect, "{:.20}", presented.escape_ascii().to_string());
    }
    assert_eq!(
        keys.lookup(b"abc"),
        Some(&Identity {
            principal: "abc".to_owned(),
            tenant: Some("acme".to_owned()),
            agent: Some("robot".to_owned()),
            scopes: vec!["mcp:tools".to_owned(), "files:read".to_owned()],
        })
    );
}

#[test]
fn without_keys_nobody_has_one() {
    let keys = read(&json!([])).expect("valid");
    assert!(keys.is_empty());
    assert_eq!(keys.lookup(b"abc"), None);
}

#[test]
fn errors_name_the_entry() {
    let good = json!({ "hash": ABC, "principal": "a" });
    let with = |key: &str, value: Value| {
        let mut entry = good.clone();
        entry[key] = value;
        json!([{ "hash": hash_of("other"), "principal": "b" }, entry])
    };
    let cases = [
        (with("hash", json!(ABC.replace("sha256:", ""))), "api_keys[1].hash", "sha256:"),
        (with("hash", json!(ABC.replace("sha256:", "sha512:"))), "api_keys[1].hash", "sha256:"),
        (with("hash", json!(format!("{ABC}0"))), "api_keys[1].hash", "64"),
        (with("hash", json!(format!("{ABC}00"))), "api_keys[1].hash", "64"),
        (with("hash", json!(ABC.replace("ad", ""))), "api_keys[1].hash", "64"),
        (with("hash", json!(ABC.replace("ba78", "ga78"))), "api_keys[1].hash", "64"),
        (with("hash", json!(ABC.replace("ba78", "+a78"))), "api_keys[1].hash", "64"),
        (with("hash", json!(ABC.replace("ba78", "éa8"))), "api_keys[1].hash", "64"),
        (with("hash", json!(hash_of("other"))), "api_keys[1].hash", "api_keys[0].hash"),
        (
            with("hash", json!(hash_of("other").to_uppercase().replace("SHA", "sha"))),
            "api_keys[1].hash",
            "api_keys[0].hash",
        ),
        (with("principal", json!("")), "api_keys[1].principal", "512"),
        (with("principal", json!("x".repeat(513))), "api_keys[1].principal", "512"),
        (with("principal", json!("a\nb")), "api_keys[1].principal", "control"),
        (with("tenant", json!("")), "api_keys[1].tenant", "256"),
        (with("agent", json!("x".repeat(257))), "api_keys[1].agent", "256"),
        (with("scopes", json!(["a", "b c"])), "api_keys[1].scopes[1]", "not a scope"),
        (with("key", json!("x")), "api_keys[1].key", "unknown field"),
        (json!([{ "principal": "a" }]), "api_keys[0]", "hash"),
        (json!([{ "hash": ABC }]), "api_keys[0]", "principal"),
    ];
    for (entries, path, problem) in cases {
        let error = read(&entries).expect_err(problem);
        assert_eq!(error.path, path, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    }
}

#[test]
fn keys_are_bounded_in_number() {
    let entries = |count: usize| -> Value {
        let entry = |n: usize| json!({ "hash": hash_of(&n.to_string()), "principal": "a" });
        (0..count).map(entry).collect()
    };
    let last = (MAX_API_KEYS - 1).to_string();
    let keys = read(&entries(MAX_API_KEYS)).expect("as many as there may be");
    assert!(keys.lookup(last.as_bytes()).is_some());
    assert_eq!(read(&entries(MAX_API_KEYS + 1)).expect_err("one more").path, "api_keys");
}

#[test]
fn a_key_in_the_place_of_its_hash_is_not_repeated() {
    let planted = "planted-test-key";
    let error = read(&json!([{ "hash": planted, "principal": "a" }])).expect_err("no hash");
    assert!(!error.to_string().contains(planted), "{error}");
    let keys = read(&json!([{ "hash": ABC, "principal": "a" }])).expect("valid");
    assert!(format!("{keys:?}").contains("Hash(…)"), "{keys:?}");
}
