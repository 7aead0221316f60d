//! The exchange whose cost is told: a `tools/call` of the 2026-07-28 revision with a token that was
//! verified before, and the configurations it is measured in.

use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use mcp_harness::{Exchange, Host, Module, Options, Outcome, Profile, Request, Response};
use mcp_rfc_keys::RfcKey;
use serde_json::{Value, json};

use crate::planted;

/// Bytes of the request's body.
pub const BODY: usize = 200;
/// Exchanges after which everything is in its place: keys, caches, metrics, memory.
pub const WARM_UP: usize = 10;

const TOOL: &str = "fetch";
/// 2026-01-01, when the harness begins, and ten hours later.
const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"https://mcp.example/mcp","sub":"ann",
    "client_id":"agent","org":{"id":"acme"},"scope":"mcp:read","iat":1767225600,"exp":1767261600}"#;

/// Whether the upstream answers with one document or a stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A tool's result as JSON.
    Json,
    /// So many events, each in a chunk of its own; the last is the result.
    Events(usize),
}

/// The sections of a gateway that has everything: a caller known by an RS256 token, sealed sessions,
/// three limits (tokens among them), event streams, metrics; and no `x-mcp-*`, which nobody reads.
pub fn everything() -> Value {
    json!({
        "admission": {"exports": []},
        "auth": {
            "issuers": [{
                "issuer": "https://issuer.example",
                "audiences": ["https://mcp.example/mcp"],
                "algorithms": ["RS256"],
                "jwks": {"keys": [key()]},
                "tenant_claim": "org.id",
            }],
            "export_key": planted::EXPORT,
        },
        "session": {"secrets": [planted::RING], "export_key": planted::EXPORT},
        "quota": {"limits": limits("principal")},
        "sse": {},
        "telemetry": {"durations": true},
    })
}

/// The same as `envoy/gateway.yaml` has it: with all `x-mcp-*`, rules, remaining units in headers, a header rule and
/// a look at the health of streams.
pub fn as_shipped() -> Value {
    let mut sections = everything();
    sections["admission"] =
        json!({"origins": ["https://app.example.com"], "cors": {"max_age": "10m"}});
    sections["auth"]["rules"] = json!([
        {"name": "nobody_deletes", "action": "deny", "methods": ["tools/call"], "names": ["delete_*"]},
        {"name": "bookings", "action": "allow", "methods": ["tools/call"], "names": ["book_*"],
            "scopes": {"all_of": ["mcp:write"]}},
        {"name": "no_bookings_without", "action": "deny", "methods": ["tools/call"], "names": ["book_*"]},
        {"name": "the_rest", "action": "allow", "scopes": {"all_of": ["mcp:read"]}},
    ]);
    sections["auth"]["list_filtering"] = json!("best_effort");
    sections["quota"]["remaining_headers"] = json!(true);
    sections["sse"] = json!({
        "request_headers": [{"set": "X-Tool", "value": "{tool}"}],
        "measure": true,
    });
    sections
}

/// `everything` with these sections alone, and telemetry.
pub fn only(sections: &[&str]) -> Value {
    let mut everything = everything();
    let all = everything.as_object_mut().expect("an object");
    let always = ["admission", "telemetry"];
    all.retain(|name, _| always.contains(&name.as_str()) || sections.contains(&name.as_str()));
    everything
}

/// Requests a minute, tokens a minute and tokens a day, each by the same part of the key.
pub fn limits(key: &str) -> Value {
    let limit = |name: &str, unit: &str, window: &str| json!({"name": name, "key": [key], "unit": unit, "limit": 1_000_000_000, "window": window});
    json!([
        limit("requests-minute", "requests", "1m"),
        limit("tokens-minute", "tokens", "1m"),
        limit("tokens-day", "tokens", "24h"),
    ])
}

fn key() -> Value {
    serde_json::from_str(&RfcKey::rsa().jwk_with(r#""kid":"k""#)).expect("a key is JSON")
}

/// The caller's token; signing takes longer than anything else here.
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let header = br#"{"alg":"RS256","kid":"k","typ":"at+jwt"}"#;
    RfcKey::rsa().sign(Algorithm::RS256, header, CLAIMS.as_bytes())
});

/// The call, with a body of `size` bytes.
pub fn request(size: usize) -> Request {
    Request::new("POST", "/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("user-agent", "mcp-client/1.0")
        .header("authorization", format!("Bearer {}", *TOKEN))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", TOOL)
        .body(body(size))
}

/// A call of exactly `size` bytes: without arguments if that is all, or with a text that fills it.
fn body(size: usize) -> String {
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{TOOL}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        )
    };
    let (bare, smallest) = (call("{}"), call(r#"{"q":""}"#));
    if size <= smallest.len() {
        return bare;
    }
    let words = "the quick brown fox ".chars().cycle();
    let text: String = words.take(size - smallest.len()).collect();
    call(&format!(r#"{{"q":"{text}"}}"#))
}

/// The upstream's answer.
pub fn response(answer: Answer) -> Response {
    let text = "a result of some length, as tools give them";
    let result = json!({"jsonrpc": "2.0", "id": 1, "result":
        {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": false}});
    let response = Response::new(200).header("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    match answer {
        Answer::Json => {
            response.header("content-type", "application/json").body(result.to_string())
        }
        Answer::Events(count) => {
            let progress = |number: usize| {
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params":
                {"progressToken": 1, "progress": number, "message": text}})
            };
            let messages = (1..count).map(progress).chain([result]);
            let chunks =
                messages.map(|message| format!("event: message\ndata: {message}\n\n").into());
            let response = response.header("content-type", "text/event-stream");
            Response { chunks: chunks.collect(), ..response }
        }
    }
}

/// A tool's result of so many bytes of text, as JSON.
pub fn response_of(size: usize) -> Response {
    let text: String = "the quick brown fox ".chars().cycle().take(size).collect();
    let result = json!({"jsonrpc": "2.0", "id": 1, "result":
        {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": false}});
    Response::new(200).header("content-type", "application/json").body(result.to_string())
}

/// The exchange that is measured.
pub fn exchange(answer: Answer) -> Exchange {
    Exchange::with(request(BODY), response(answer))
}

/// A host that has seen `exchange` so often that it is warm, and has told its metrics.
///
/// # Panics
/// If the exchange does not reach the upstream.
pub fn host(module: &Module, profile: Profile, configuration: &Value, exchange: &Exchange) -> Host {
    let options = Options { configuration: configuration.to_string().into(), ..Options::default() };
    let mut host = Host::new(module, profile, options).expect("it loads");
    for _ in 0..WARM_UP {
        let transcript = host.exchange(0, exchange);
        assert_eq!(transcript.outcome, Outcome::Proxied, "{profile}: {transcript:?}");
        assert_eq!(transcript.status(), 200, "{profile}: {transcript:?}");
    }
    host.advance(Duration::from_secs(1));
    host.forget_journal();
    host
}
