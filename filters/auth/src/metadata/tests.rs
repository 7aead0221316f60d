//! Documents as OAuth clients fetch them.

use mcp_core::config;
use serde_json::{Value, json};

use super::*;

fn read(section: &Value) -> Result<ProtectedResource, ConfigError> {
    config::parse::<MetadataConfig>(section.to_string().as_bytes())?.try_into()
}

fn resource(url: &str) -> ProtectedResource {
    read(&json!({ "resource": url, "authorization_servers": ["https://as.example/realms/a"] }))
        .expect(url)
}

fn answer(documents: &Documents, method: &str, target: &str) -> Option<Reply> {
    documents.answer(method.as_bytes(), target.as_bytes())
}

#[test]
fn the_document_says_what_is_configured() {
    let full = read(&json!({
        "resource": "https://gw.example/public/mcp",
        "authorization_servers": ["https://as.example", "https://as2.example/t/1"],
        "scopes_supported": ["mcp:tools", "files:read"],
        "resource_name": "Files \"and\" more",
        "resource_documentation": "https://gw.example/docs?x=1#mcp",
        "resource_policy_uri": "https://gw.example/policy",
        "resource_tos_uri": "https://gw.example/tos",
    }))
    .expect("valid");
    assert_eq!(
        full.metadata_url(),
        "https://gw.example/.well-known/oauth-protected-resource/public/mcp"
    );
    assert_eq!(full.resource().as_str(), "https://gw.example/public/mcp");
    assert_eq!(
        String::from_utf8_lossy(&full.document),
        concat!(
            r#"{"resource":"https://gw.example/public/mcp","#,
            r#""authorization_servers":["https://as.example","https://as2.example/t/1"],"#,
            r#""scopes_supported":["mcp:tools","files:read"],"#,
            r#""bearer_methods_supported":["header"],"#,
            r#""resource_name":"Files \"and\" more","#,
            r#""resource_documentation":"https://gw.example/docs?x=1#mcp","#,
            r#""resource_policy_uri":"https://gw.example/policy","#,
            r#""resource_tos_uri":"https://gw.example/tos"}"#,
        )
    );
    assert_eq!(
        String::from_utf8_lossy(&resource("https://gw.example/mcp").document),
        concat!(
            r#"{"resource":"https://gw.example/mcp","#,
            r#""authorization_servers":["https://as.example/realms/a"],"#,
            r#""bearer_methods_supported":["header"]}"#,
        )
    );
}

#[test]
fn a_single_resource_is_described_at_its_path_and_at_the_root() {
    const ROOT: &str = "/.well-known/oauth-protected-resource";
    let cases: [(&str, &[&str], &[&str]); 4] = [
        (
            "https://gw.example/public/mcp",
            &["/public/mcp", "/public/mcp/", "/public/mcp?x=1", "", "/"],
            &["/public", "/mcp", "/public/mcp/x", "/public/mcpx", "/PUBLIC/mcp", "x"],
        ),
        ("https://gw.example", &["", "/", "?a"], &["/mcp", "//"]),
        ("https://gw.example/", &["", "/"], &["/mcp"]),
        ("https://gw.example/mcp/", &["/mcp", "/mcp/", ""], &["/mcp//"]),
    ];
    for (url, found, not_found) in cases {
        let documents = Documents::new(&[resource(url)]).expect("one");
        for rest in found {
            let reply = answer(&documents, "GET", &format!("{ROOT}{rest}")).expect(rest);
            let document: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!(document["resource"], *url, "{rest}");
        }
        for rest in not_found {
            assert_eq!(answer(&documents, "GET", &format!("{ROOT}{rest}")), None, "{url} {rest}");
        }
        for target in ["/mcp", "/", "", "/.well-known/oauth-authorization-server", "\u{e9}"] {
            assert_eq!(answer(&documents, "GET", target), None, "{target}");
        }
        assert_eq!(documents.answer(b"GET", b"/\xff"), None);
    }
}

#[test]
fn the_well_known_part_stands_before_the_path() {
    let cases = [
        ("https://gw.example", ""),
        ("https://gw.example/", ""),
        ("https://gw.example/mcp", "/mcp"),
        ("https://gw.example/a/mcp/", "/a/mcp/"),
    ];
    for (url, path) in cases {
        assert_eq!(
            resource(url).metadata_url(),
            format!("https://gw.example/.well-known/oauth-protected-resource{path}")
        );
    }
}

#[test]
fn several_resources_are_described_at_their_paths_alone() {
    let documents =
        Documents::new(&[resource("https://gw.example/a"), resource("https://gw.example/b/mcp")])
            .expect("two paths");
    let described = |target: &str| {
        let reply = answer(&documents, "GET", target)?;
        let document: Value = serde_json::from_slice(&reply.body).expect("JSON");
        document["resource"].as_str().map(str::to_owned)
    };
    assert_eq!(
        described("/.well-known/oauth-protected-resource/a").as_deref(),
        Some("https://gw.example/a")
    );
    assert_eq!(
        described("/.well-known/oauth-protected-resource/b/mcp").as_deref(),
        Some("https://gw.example/b/mcp")
    );
    assert_eq!(described("/.well-known/oauth-protected-resource"), None);

    let same = [resource("https://gw.example/a"), resource("https://other.example/a/")];
    let error = Documents::new(&same).expect_err("one path");
    assert_eq!(error.path, "[1].metadata.resource");
    assert_eq!(answer(&Documents::default(), "GET", WELL_KNOWN), None);
}

/// HTTP method, status, whether there is a body, headers.
type Answer<'a> = (&'a str, u16, bool, &'a [(&'a str, &'a str)]);

#[test]
fn anybody_may_read_from_any_page() {
    let documents = Documents::new(&[resource("https://gw.example/mcp")]).expect("one");
    let any = ("access-control-allow-origin", "*");
    let json = ("content-type", "application/json");
    let cache = ("cache-control", "public, max-age=300");
    let cases: [Answer<'_>; 5] = [
        ("GET", 200, true, &[any, json, cache]),
        ("HEAD", 200, false, &[any, json, cache]),
        (
            "OPTIONS",
            204,
            false,
            &[
                any,
                ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
                ("access-control-allow-headers", "*, authorization"),
                ("access-control-max-age", "600"),
            ],
        ),
        ("POST", 405, false, &[any, ("allow", "GET, HEAD, OPTIONS")]),
        ("get", 405, false, &[any, ("allow", "GET, HEAD, OPTIONS")]),
    ];
    for (method, status, has_body, headers) in cases {
        let reply = answer(&documents, method, &format!("{WELL_KNOWN}/mcp")).expect(method);
        assert_eq!((reply.status, !reply.body.is_empty()), (status, has_body), "{method}");
        let seen: Vec<_> =
            reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(seen, headers, "{method}");
    }
}

#[test]
fn errors_name_the_key() {
    let with = |key: &str, value: Value| {
        let mut section = json!({
            "resource": "https://gw.example/mcp",
            "authorization_servers": ["https://as.example"],
        });
        section[key] = value;
        section
    };
    let many: Vec<String> = (0..=MAX_LIST).map(|n| format!("s{n}")).collect();
    let servers = vec!["https://as.example"; MAX_LIST + 1];
    let cases = [
        (with("resource", json!("http://gw.example/mcp")), "resource", "https"),
        (with("resource", json!("https://gw.example/mcp?x")), "resource", "query"),
        (with("resource", json!("https://gw.example/mcp#x")), "resource", "fragment"),
        (with("authorization_servers", json!([])), "authorization_servers", "1 to 64"),
        (with("authorization_servers", json!(servers)), "authorization_servers", "1 to 64"),
        (with("authorization_servers", json!(["as"])), "authorization_servers[0]", "absolute"),
        (with("scopes_supported", json!(["a\""])), "scopes_supported[0]", "not a scope"),
        (with("scopes_supported", json!(many)), "scopes_supported", "more than 64"),
        (with("scopes_supported", json!(["offline_access"])), "scopes_supported", "offline"),
        (with("resource_name", json!("")), "resource_name", "256"),
        (with("resource_documentation", json!("http://x")), "resource_documentation", "https"),
        (with("resources", json!("x")), "resources", "unknown field"),
        (json!({ "resource": "https://a.example" }), "authorization_servers", "1 to 64"),
        (json!({ "authorization_servers": [] }), "configuration", "resource"),
    ];
    for (section, path, problem) in cases {
        let error = read(&section).expect_err(problem);
        assert_eq!(error.path, path, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    }
}
