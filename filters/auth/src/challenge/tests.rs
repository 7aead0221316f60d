//! Challenges as clients read them, and upstreams' challenges as they are changed.

mod random;

use mcp_core::refusal::Addressee;
use serde_json::json;

use super::*;
use crate::metadata::MetadataConfig;

const METADATA: &str = "https://gw.example/.well-known/oauth-protected-resource/public/mcp";

fn resource(url: &str) -> ProtectedResource {
    let section = json!({ "resource": url, "authorization_servers": ["https://as.example"] });
    let section: MetadataConfig = serde_json::from_value(section).expect(url);
    section.try_into().expect(url)
}

fn scopes(names: &[&str]) -> Vec<Scope> {
    names.iter().map(|name| Scope::try_from((*name).to_owned()).expect(name)).collect()
}

fn challenger(basic: &[&str]) -> Challenger {
    Challenger::new(Some(&resource("https://gw.example/public/mcp")), scopes(basic))
}

/// Status, challenge and body of a refusal.
fn answer(refusal: &Refusal) -> (u16, String, String) {
    let reply = refusal.reply(Addressee::Request("7"));
    let values: Vec<&str> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "www-authenticate")
        .map(|(_, value)| value.as_str())
        .collect();
    (reply.status, values.concat(), String::from_utf8(reply.body).expect("JSON"))
}

#[test]
fn refusals_look_as_clients_need_them() {
    let gateway = challenger(&["mcp:tools", "files:read"]);
    let bare = challenger(&[]);
    let undescribed = Challenger::new(None, Vec::new());
    let long = "x".repeat(MAX_DESCRIPTION + 1);
    let unauthorized =
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":40100,"message":"Unauthorized"}}"#;
    let metadata = format!(r#"resource_metadata="{METADATA}""#);
    let cases = [
        (
            gateway.no_credentials(),
            401,
            format!(r#"Bearer {metadata}, scope="mcp:tools files:read""#),
            unauthorized,
        ),
        (bare.no_credentials(), 401, format!("Bearer {metadata}"), unauthorized),
        (undescribed.no_credentials(), 401, "Bearer".to_owned(), unauthorized),
        (
            gateway.invalid_token("The token is expired"),
            401,
            format!(
                r#"Bearer {metadata}, scope="mcp:tools files:read", error="invalid_token", error_description="The token is expired""#
            ),
            unauthorized,
        ),
        (
            undescribed.invalid_token("a\"b\\c\r\nd\0e é scope=x error=y"),
            401,
            r#"Bearer error="invalid_token", error_description="abcde  scopex errory""#.to_owned(),
            unauthorized,
        ),
        (
            undescribed.invalid_token(&long),
            401,
            format!(
                r#"Bearer error="invalid_token", error_description="{}""#,
                "x".repeat(MAX_DESCRIPTION)
            ),
            unauthorized,
        ),
        (
            gateway.insufficient_scope(&scopes(&["files:write", "admin"])),
            403,
            format!(
                r#"Bearer error="insufficient_scope", scope="files:write admin", {metadata}, error_description="More scopes are needed for this call""#
            ),
            concat!(
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":40300,"#,
                r#""data":{"requiredScopes":["files:write","admin"]},"#,
                r#""message":"insufficient_scope: files:write admin"}}"#,
            ),
        ),
    ];
    for (refusal, status, challenge, body) in cases {
        assert_eq!(answer(&refusal), (status, challenge, body.to_owned()));
    }
    let forbidden = Refusal::new(Reason::Forbidden);
    let body = r#"{"jsonrpc":"2.0","id":7,"error":{"code":40300,"message":"Forbidden"}}"#;
    assert_eq!(answer(&forbidden), (403, String::new(), body.to_owned()));
    let names = [Reason::Unauthorized, Reason::Forbidden, Reason::InsufficientScope];
    assert_eq!(names.map(Reason::as_str), ["unauthorized", "forbidden", "insufficient_scope"]);
}

#[test]
fn a_challenge_too_long_for_a_head_is_only_its_scheme() {
    let many: Vec<String> = (0..64).map(|n| format!("{n:0>100}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (status, challenge, _) = answer(&challenger(&many).no_credentials());
    assert_eq!((status, challenge.as_str()), (401, "Bearer"));
}

#[test]
fn the_most_scopes_a_rule_can_miss_fit_beside_the_longest_url() {
    let url = format!("https://gw.example/{}", "x".repeat(1_000));
    let many: Vec<String> = (0..17).map(|n| format!("{n:0>128}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let challenger = Challenger::new(Some(&resource(&url)), Vec::new());
    let (_, challenge, _) = answer(&challenger.insufficient_scope(&scopes(&many)));
    assert!(challenge.len() > 3_000, "{challenge}");
}

/// `U` stands for our metadata URL in quotes.
#[test]
fn only_the_metadata_url_of_an_upstream_is_replaced() {
    let cases = [
        (r#"Bearer resource_metadata="http://up:8000/x""#, "Bearer resource_metadata=U"),
        (
            r#"Bearer error="invalid_token", resource_metadata="http://up/", scope="a b""#,
            r#"Bearer error="invalid_token", resource_metadata=U, scope="a b""#,
        ),
        ("Bearer resource_metadata=http", "Bearer resource_metadata=U"),
        ("Bearer resource_metadata=http://up/x?y=z,a=b", "Bearer resource_metadata=U,a=b"),
        ("bearer Resource_Metadata=\"x\"", "bearer Resource_Metadata=U"),
        ("Bearer  resource_metadata \t=  \"x\"  ,,a=b", "Bearer  resource_metadata \t=  U  ,,a=b"),
        (r#"Bearer resource_metadata="""#, "Bearer resource_metadata=U"),
        // The name inside another value is no parameter.
        (
            r#"Bearer realm="a, resource_metadata=\"x\", b\\", resource_metadata="y\"z""#,
            r#"Bearer realm="a, resource_metadata=\"x\", b\\", resource_metadata=U"#,
        ),
        (
            r#"Bearer x-resource_metadata="x", resource_metadata2=y, resource_metadata="z""#,
            r#"Bearer x-resource_metadata="x", resource_metadata2=y, resource_metadata=U"#,
        ),
        // Several challenges, one of them with a token68.
        (
            r#"Basic realm="x", Bearer resource_metadata="a", DPoP algs="ES256", resource_metadata="b""#,
            r#"Basic realm="x", Bearer resource_metadata=U, DPoP algs="ES256", resource_metadata=U"#,
        ),
        (
            r#"Negotiate a+b/c-d_e~f==, Bearer resource_metadata="a",Other"#,
            r#"Negotiate a+b/c-d_e~f==, Bearer resource_metadata=U,Other"#,
        ),
        (
            r#"Negotiate resource_metadata=, Bearer resource_metadata="a""#,
            r#"Negotiate resource_metadata=, Bearer resource_metadata=U"#,
        ),
        (r#", ,Bearer resource_metadata="a" , "#, ", ,Bearer resource_metadata=U , "),
    ];
    for (field, expect) in cases {
        let expect = expect.replace('U', &format!("\"{METADATA}\""));
        assert_eq!(upstream::redirect(field, METADATA), Some(expect), "{field}");
    }
    let value = challenger(&[]).redirect(b"DPoP a=b, resource_metadata=c");
    let expect = format!("DPoP a=b, resource_metadata=\"{METADATA}\"");
    assert_eq!(value.as_ref().map(HeaderValue::as_str), Some(expect.as_str()));
}

#[test]
fn a_field_that_cannot_be_read_is_left_alone() {
    let fields: [&[u8]; 19] = [
        b"",
        b"Bearer",
        b"Bearer realm=\"x\"",
        b"Bearer realm=\"resource_metadata=x\"",
        b"Negotiate resource_metadata",
        b"Negotiate resource_metadata=",
        b"Negotiate resource_metadata==",
        b"Negotiate a==b, Bearer resource_metadata=\"x\"",
        b"Bearer resource_metadata=\"x",
        b"Bearer resource_metadata=\"x\\",
        b"Bearer resource_metadata=\"x\"y",
        b"Bearer resource_metadata=\"x\" scope=\"y\"",
        b"Bearer resource_metadata=x\"y\"",
        b"Bearer resource_metadata=x scope=y",
        b"Bearer resource_metadata=\"x\", \"y\"",
        b"Bearer resource_metadata=\"x\", =y",
        b"Bearer resource_metadata=\"x\"; scope=y",
        b"Bearer resource_metadata=\"x\", realm=\"\xc3\xa9\"",
        b"Bearer resource_metadata=\"x\", realm=\"\xff\"",
    ];
    let challenger = challenger(&[]);
    for field in fields {
        assert_eq!(challenger.redirect(field), None, "{}", field.escape_ascii());
    }
    let undescribed = Challenger::new(None, Vec::new());
    assert_eq!(undescribed.redirect(b"Bearer resource_metadata=\"x\""), None);
}
