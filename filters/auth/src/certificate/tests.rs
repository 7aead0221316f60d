//! Certificates as hosts and proxies report them, and whom they name.

use mcp_core::hash::digest_from_hex;
use serde_json::{Value, json};

use super::*;

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const OTHER: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn mtls(section: &Value) -> Result<Mtls, ConfigError> {
    let config: MtlsConfig = mcp_core::config::parse(section.to_string().as_bytes())?;
    Mtls::try_from(config)
}

fn certificate() -> PeerCertificate {
    PeerCertificate {
        digest: digest_from_hex(HASH.as_bytes()),
        uri_san: Some("spiffe://acme/agent".to_owned()),
        dns_san: Some("agent.acme.example".to_owned()),
        subject: Some("CN=agent,O=Acme".to_owned()),
    }
}

#[test]
fn the_configured_part_is_the_principal() {
    let cases = [
        ("uri_san", "spiffe://acme/agent"),
        ("dns_san", "agent.acme.example"),
        ("subject", "CN=agent,O=Acme"),
    ];
    for (part, name) in cases {
        let section =
            json!({ "principal": part, "tenant": "acme", "agent": "robot", "scopes": ["a"] });
        let mtls = mtls(&section).expect("valid");
        let caller = mtls.caller(&certificate()).expect("named");
        let principal = format!("\0certificate\0{part}\0{name}").into_bytes();
        assert_eq!(caller.principal, Some(principal));
        assert_eq!(
            (caller.tenant.as_deref(), caller.agent.as_deref()),
            (Some("acme"), Some("robot"))
        );
        assert_eq!(caller.scopes, ["a"]);
        // Another name does not stand in for the one that is missing.
        let nameless = match part {
            "uri_san" => PeerCertificate { uri_san: None, ..certificate() },
            "dns_san" => PeerCertificate { dns_san: Some(String::new()), ..certificate() },
            _ => PeerCertificate { subject: None, ..certificate() },
        };
        assert_eq!(mtls.caller(&nameless), None, "{part}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let cases = [
        (json!({}), "configuration", "missing field `principal`"),
        (json!({ "principal": "cn" }), "principal", "expected one of `dns_san`"),
        (json!({ "principal": "subject", "tenant": "" }), "tenant", "1 to 256"),
        (json!({ "principal": "subject", "agent": "a\nb" }), "agent", "control"),
        (json!({ "principal": "subject", "scopes": ["a b"] }), "scopes[0]", "not a scope"),
        (json!({ "principal": "subject", "xfcc": true }), "xfcc", "unknown field"),
    ];
    for (section, path, problem) in cases {
        let error = mtls(&section).expect_err(path);
        assert!(error.path == path && error.problem.contains(problem), "{error}");
    }
}

/// A connection with a certificate.
struct Connection;

impl Environment for Connection {
    fn now(&mut self) -> Option<u64> {
        None
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn peer_certificate(&mut self) -> Option<PeerCertificate> {
        Some(certificate())
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

#[test]
fn a_certificate_is_looked_for_in_one_place() {
    let header = format!("Hash={OTHER};URI=spiffe://acme/other");
    let field: (&[u8], &[u8]) = (FORWARDED.as_bytes(), header.as_bytes());
    let find = |source: Source, fields: Vec<_>| {
        let found = source.certificate(&Head::new(fields), &mut Connection)?;
        Ok(found.and_then(|certificate| certificate.uri_san))
    };
    let uri = |uri: &str| Ok::<_, Refusal>(Some(uri.to_owned()));
    assert_eq!(find(Source::Connection, vec![field]), uri("spiffe://acme/agent"));
    assert_eq!(find(Source::Forwarded, vec![field]), uri("spiffe://acme/other"));
    // The certificate of the proxy in front is not the client's.
    assert_eq!(find(Source::Forwarded, vec![]), Ok(None));
    let twice = find(Source::Forwarded, vec![field, field]);
    assert_eq!(twice.map_err(|refusal| refusal.reason), Err(Reason::DuplicateHeader));
    let source = |section: Value| mtls(&section).expect("valid").source();
    assert_eq!(source(json!({ "principal": "subject" })), Source::Connection);
    assert_eq!(source(json!({ "principal": "subject", "xfcc_trusted": true })), Source::Forwarded);
}

#[test]
fn the_nearest_proxys_element_counts() {
    let uri = |uri: &str| (Some(uri.to_owned()), None, None);
    let subject = |subject: &str| (None, None, Some(subject.to_owned()));
    let cases = [
        (format!("Hash={HASH};URI=spiffe://a/x"), uri("spiffe://a/x")),
        (format!("By=spiffe://a/me;hash={HASH};uri=spiffe://a/x"), uri("spiffe://a/x")),
        (
            format!("Hash={OTHER};URI=spiffe://a/far,Hash={HASH};URI=spiffe://a/near"),
            uri("spiffe://a/near"),
        ),
        (format!("Hash={OTHER};URI=spiffe://a/far , Hash={HASH}"), (None, None, None)),
        (format!("Hash={HASH};URI=spiffe://a/x;URI=spiffe://a/y"), uri("spiffe://a/x")),
        (format!("Hash={HASH};URI=;DNS=a;DNS=b"), (None, Some("a".to_owned()), None)),
        (format!(r#"Hash={HASH};Subject="CN=a,O=\"b;c\"\\,d""#), subject(r#"CN=a,O="b;c"\,d"#)),
        (
            format!(r#"Subject="CN=a,Hash={OTHER};URI=x";Hash={HASH}"#),
            subject(&format!("CN=a,Hash={OTHER};URI=x")),
        ),
        (format!(r#"Hash="{HASH}";Subject="""#), (None, None, None)),
        (format!(r#"Hash={HASH};Cert="-----BEGIN%20";Subject=CN"#), subject("CN")),
    ];
    for (header, expect) in cases {
        let found = xfcc::nearest(header.as_bytes()).unwrap_or_else(|| panic!("{header}"));
        assert_eq!(found.digest, digest_from_hex(HASH.as_bytes()), "{header}");
        assert_eq!((found.uri_san, found.dns_san, found.subject), expect, "{header}");
    }
}

#[test]
fn an_unclear_report_is_none() {
    let cases = [
        String::new(),
        "Hash".to_owned(),
        "Hash=".to_owned(),
        "URI=spiffe://a/x".to_owned(),
        format!("Hash={HASH},"),
        format!("Hash={HASH},URI=spiffe://a/admin"),
        format!("Hash={HASH};"),
        format!("Hash={HASH};Hash={HASH}"),
        format!("Hash={HASH};Hash={OTHER}"),
        format!("Hash={HASH}00"),
        format!("Hash={HASH};Subject=a;Subject=b"),
        format!(r#"Hash={HASH};Subject="a"#),
        format!(r#"Hash={HASH};Subject="a"b"#),
        format!(r#"Hash={HASH};Subject=a"b""#),
        format!(r#"Hash={HASH};Subject="a\"#),
    ];
    for header in cases {
        assert_eq!(xfcc::nearest(header.as_bytes()), None, "{header}");
    }
    assert_eq!(xfcc::nearest(b"Hash=\xff"), None);
}
