//! Configurations that cannot be used, what is said of them, and what is said of those that can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_core::config::{self, ConfigError};
use mcp_core::pipeline::Capabilities;

use super::{Affinity, ModuleConfig, plan};
use crate::filter::SessionFilter;

const ALL: Capabilities = Capabilities::ALL;
const NO_CLOCK: Capabilities = Capabilities { clock: false, ..ALL };

/// The text with `$A`, `$B`, `$C`, `$E` as secrets of 32 bytes and `$S` as one of 31.
fn with_secrets(text: &str) -> String {
    let secret = |byte: u8, length| STANDARD.encode(vec![byte; length]);
    ["A", "B", "C", "E"]
        .iter()
        .zip(0..)
        .fold(text.to_owned(), |text, (name, byte)| {
            text.replace(&format!("${name}"), &secret(byte, 32))
        })
        .replace("$S", &secret(9, 31))
}

fn problem(text: &str, capabilities: &Capabilities) -> ConfigError {
    plan(with_secrets(text).as_bytes(), capabilities).expect_err(text)
}

fn notices(text: &str) -> Vec<String> {
    let plan = plan(with_secrets(text).as_bytes(), &ALL);
    plan.unwrap_or_else(|error| panic!("{text}: {error}")).notices
}

fn filter(text: &str) -> SessionFilter {
    let config: ModuleConfig = config::parse(with_secrets(text).as_bytes()).expect(text);
    super::filter(config.session.0, &ALL).expect(text)
}

#[test]
fn a_wrong_key_is_named_with_its_path_and_what_is_allowed() {
    let cases = [
        // Keys and types.
        ("[]", "configuration", "object"),
        (r#"{"session":[]}"#, "session", "expected an object"),
        (r#"{"admission":[["/mcp"]]}"#, "admission", "expected an object"),
        (
            r#"{"admission":{"origins":["https://a"],"cors":["10m"]}}"#,
            "admission.cors",
            "expected an object",
        ),
        (
            r#"{"session":{"principal_header":"X-Mcp-Principal","principal_header_trusted":true}}"#,
            "session.principal_header",
            "removed from every request",
        ),
        (r#"{"sesion":{}}"#, "sesion", "expected one of `admission`, `telemetry`, `session`"),
        (r#"{"session":{"secret":[]}}"#, "session.secret", "expected one of `secrets`"),
        (r#"{"session":{"ttl":60}}"#, "session.ttl", "expected a string"),
        (
            r#"{"session":{"principal_header_trusted":"yes"}}"#,
            "session.principal_header_trusted",
            "expected a boolean",
        ),
        // Admission comes with its own path.
        (r#"{"admission":{"paths":["/a","b"]}}"#, "admission.paths[1]", "absolute path"),
        (r#"{"admission":{"cors":{}}}"#, "admission.cors", "without admission.origins"),
        (r#"{"admission":{"colour":1}}"#, "admission.colour", "expected one of `paths`"),
        // Secrets.
        (
            r#"{"session":{"secrets":"$A","export_key":"$E"}}"#,
            "session.secrets",
            "expected a sequence",
        ),
        (
            r#"{"session":{"secrets":["AAAA"],"export_key":"$E"}}"#,
            "session.secrets[0]",
            "3 bytes are too few: a secret has at least 32",
        ),
        (
            r#"{"session":{"secrets":["$A","$S"],"export_key":"$E"}}"#,
            "session.secrets[1]",
            "31 bytes are too few",
        ),
        (
            r#"{"session":{"secrets":["$A","not base64"],"export_key":"$E"}}"#,
            "session.secrets[1]",
            "not base64",
        ),
        (
            r#"{"session":{"secrets":[""],"export_key":"$E"}}"#,
            "session.secrets[0]",
            "0 bytes are too few",
        ),
        (r#"{"session":{"export_key":"$S"}}"#, "session.export_key", "31 bytes are too few"),
        (r#"{"session":{"export_key":"?"}}"#, "session.export_key", "not base64"),
        (
            r#"{"session":{"secrets":["$A"]}}"#,
            "session.export_key",
            "is required with session.secrets",
        ),
        (
            r#"{"session":{"secrets":["$A","$B"]}}"#,
            "session.export_key",
            "is required with session.secrets",
        ),
        (
            r#"{"session":{"secrets":["$A","$B","$C"],"export_key":"$E"}}"#,
            "session.secrets",
            "the current secret and, while rotating, the previous one",
        ),
        (
            r#"{"session":{"secrets":["$A","$B","$C"]}}"#,
            "session.secrets",
            "the current secret and",
        ),
        // Lifetime.
        (r#"{"session":{"ttl":"0s"}}"#, "session.ttl", "between \"1s\" and \"30days\""),
        (r#"{"session":{"ttl":"999ms"}}"#, "session.ttl", "between \"1s\" and \"30days\""),
        (r#"{"session":{"ttl":"30days 1s"}}"#, "session.ttl", "between \"1s\" and \"30days\""),
        (r#"{"session":{"ttl":"soon"}}"#, "session.ttl", "\"24h\""),
        // Affinity.
        (
            r#"{"session":{"affinity":"sticky"}}"#,
            "session.affinity",
            "`off`, `token`, `upstream_address`",
        ),
        (r#"{"session":{"affinity":"token"}}"#, "session.affinity", "needs session.secrets"),
        (
            r#"{"session":{"affinity":"upstream_address","export_key":"$E"}}"#,
            "session.affinity",
            "needs session.secrets",
        ),
        // The principal.
        (
            r#"{"session":{"principal_header":"x-user"}}"#,
            "session.principal_header_trusted",
            "must be true: say that the gateway overwrites this header",
        ),
        (
            r#"{"session":{"principal_header":"x-user","principal_header_trusted":false}}"#,
            "session.principal_header_trusted",
            "must be true",
        ),
        (
            r#"{"session":{"principal_header_trusted":true}}"#,
            "session.principal_header",
            "is missing",
        ),
        (
            r#"{"session":{"principal_header":"","principal_header_trusted":true}}"#,
            "session.principal_header",
            "letters, digits and '-'",
        ),
        (
            r#"{"session":{"principal_header":"x_user","principal_header_trusted":true}}"#,
            "session.principal_header",
            "letters, digits and '-'",
        ),
        (
            r#"{"session":{"principal_header":":path","principal_header_trusted":true}}"#,
            "session.principal_header",
            "letters, digits and '-'",
        ),
        (
            r#"{"session":{"principal_header":"x user","principal_header_trusted":true}}"#,
            "session.principal_header",
            "letters, digits and '-'",
        ),
        (
            r#"{"session":{"principal_header":"x-usér","principal_header_trusted":true}}"#,
            "session.principal_header",
            "letters, digits and '-'",
        ),
    ];
    for (text, path, words) in cases {
        let error = problem(text, &ALL);
        assert_eq!(error.path, path, "{text}: {error}");
        assert!(error.problem.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_problem_never_repeats_a_secret() {
    let text = with_secrets(r#"{"session":{"secrets":["$S"]}}"#);
    let error = plan(text.as_bytes(), &ALL).expect_err("too short");
    assert!(!error.to_string().contains(&with_secrets("$S")));
    let filter = filter(r#"{"session":{"secrets":["$A"],"export_key":"$E"}}"#);
    let printed = format!("{filter:?}");
    assert!(printed.contains("Ring(1 keys)") && printed.contains("HashKey(…)"), "{printed}");
}

#[test]
fn sealing_needs_a_clock_and_nothing_else_does() {
    let error = problem(r#"{"session":{"secrets":["$A"],"export_key":"$E"}}"#, &NO_CLOCK);
    assert_eq!(error.path, "session.secrets");
    assert!(error.problem.contains("need a clock"), "{error}");
    let plain = with_secrets(r#"{"session":{"export_key":"$E"}}"#);
    for text in ["", "{}", plain.as_str()] {
        assert!(plan(text.as_bytes(), &NO_CLOCK).is_ok(), "{text}");
    }
    let sealed = with_secrets(r#"{"session":{"secrets":["$A"],"export_key":"$E"}}"#);
    let no_ticks = Capabilities { ticks: false, ..ALL };
    assert!(plan(sealed.as_bytes(), &no_ticks).is_ok());
}

#[test]
fn a_configuration_is_read_as_written() {
    let none = filter("{}");
    assert!(none.sealing.is_none() && none.export_key.is_none());
    assert_eq!((none.principal_header, none.affinity), (None, Affinity::Off));
    let some = filter(
        r#"{"session":{"secrets":["$A","$B"],"export_key":"$E","ttl":"90s","affinity":"token",
            "principal_header":"X-Consumer-Username","principal_header_trusted":true}}"#,
    );
    assert_eq!(some.sealing.map(|sealing| sealing.ttl), Some(90));
    assert_eq!(some.principal_header.as_deref(), Some("x-consumer-username"));
    assert_eq!(some.affinity, Affinity::Token);
    let ttl = |text: &str| {
        let text = format!(r#"{{"session":{{"secrets":["$A"],"export_key":"$E"{text}}}}}"#);
        filter(&text).sealing.map(|sealing| sealing.ttl)
    };
    assert_eq!(ttl(""), Some(86_400), "a day by default");
    assert_eq!(ttl(r#","ttl":"1s""#), Some(1));
    assert_eq!(ttl(r#","ttl":"30days""#), Some(2_592_000));
}

#[test]
fn an_operator_is_told_what_does_not_protect() {
    const UNSEALED: &str =
        "session.secrets is not set: session ids pass as the server minted them, bound to nobody";
    const UNBOUND: &str = "session.principal_header is not set: session ids are sealed and expire, but are bound to nobody";
    const UNNAMED: &str = "session.export_key is not set: x-mcp-session is not exported";
    let bound = r#""principal_header":"x-user","principal_header_trusted":true"#;
    let cases: [(String, &[&str]); 5] = [
        ("{}".to_owned(), &[UNSEALED, UNNAMED]),
        (r#"{"session":{"export_key":"$E"}}"#.to_owned(), &[UNSEALED]),
        (format!(r#"{{"session":{{{bound}}}}}"#), &[UNSEALED, UNNAMED]),
        (r#"{"session":{"secrets":["$A"],"export_key":"$E"}}"#.to_owned(), &[UNBOUND]),
        (format!(r#"{{"session":{{"secrets":["$A"],"export_key":"$E",{bound}}}}}"#), &[]),
    ];
    for (text, expect) in cases {
        assert_eq!(notices(&text), expect, "{text}");
    }
}
