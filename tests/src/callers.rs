//! Callers of any number, each with a token of its own.

use jsonwebtoken::Algorithm;
use mcp_rfc_keys::RfcKey;
use serde_json::{Value, json};

use crate::warm;

/// The gateway of [`warm::everything`], for tokens that are signed with a shared key: nothing else can
/// be signed so fast.
pub fn everything() -> Value {
    let mut sections = warm::everything();
    let key = RfcKey::hmac().jwk_with(r#""kid":"k""#);
    let key: Value = serde_json::from_str(&key).expect("a key is JSON");
    let issuer = &mut sections["auth"]["issuers"][0];
    issuer["algorithms"] = json!(["HS256"]);
    issuer["jwks"] = json!({"keys": [key]});
    sections
}

/// What the caller of this number says in `Authorization`.
pub fn bearer(number: usize) -> String {
    let claims = json!({"iss": "https://issuer.example", "aud": "https://mcp.example/mcp",
        "sub": format!("caller-{number}"), "client_id": "agent", "org": {"id": "acme"}, "scope": "mcp:read",
        "iat": 1_767_225_600, "exp": 1_767_261_600});
    let header = br#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#;
    let token = RfcKey::hmac().sign(Algorithm::HS256, header, claims.to_string().as_bytes());
    format!("Bearer {token}")
}
