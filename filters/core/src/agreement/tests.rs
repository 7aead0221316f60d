//! What headers and body say together, and which disagreement is named first.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use super::{Named, check, named_by, subject, unsupported};
use crate::head::Head;
use crate::limits::MAX_MIRRORED_HEADER;
use crate::message::{Body, Message, ScanLimits, scan};
use crate::mirror::Mirror;
use crate::refusal::{Addressee, Refusal};
use crate::version::{Era, Version};

type Field<'a> = (&'a str, &'a str);

const VERSION: Field<'_> = ("MCP-Protocol-Version", "2026-07-28");
const CALL: Field<'_> = ("Mcp-Method", "tools/call");
const LIST: Field<'_> = ("Mcp-Method", "tools/list");
const NAME: Field<'_> = ("Mcp-Name", "get_weather");

const CAPABILITIES: &str = r#""io.modelcontextprotocol/clientCapabilities":{}"#;

const REPEATED: &str = "Header mismatch: a mirrored header was sent more than once";
const NO_VERSION: &str = "Invalid params: _meta lacks io.modelcontextprotocol/protocolVersion";
const NO_CAPABILITIES: &str =
    "Invalid params: _meta lacks io.modelcontextprotocol/clientCapabilities";
const OTHER_VERSION: &str = "Header mismatch: MCP-Protocol-Version does not match the body";
const OTHER_METHOD: &str = "Header mismatch: Mcp-Method does not match the body";
const NO_METHOD: &str = "Header mismatch: Mcp-Method is missing";
const OTHER_NAME: &str = "Header mismatch: Mcp-Name does not match the body";
const NO_NAME: &str = "Header mismatch: Mcp-Name is missing";
const BAD_NAME: &str = "Header mismatch: Mcp-Name is malformed";
const ERA: &str = "Header mismatch: MCP-Protocol-Version does not match the version in _meta";
const UNSUPPORTED: &str = "Unsupported protocol version";

/// A request with these members of `params`.
fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
}

/// A complete `_meta` of this version.
fn meta(version: &str) -> String {
    format!(r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}",{CAPABILITIES}}}"#)
}

/// A request of the modern era with these further members of `params`, each followed by a comma.
fn modern(method: &str, params: &str) -> String {
    request(method, &format!("{params}{}", meta("2026-07-28")))
}

fn weather() -> String {
    modern("tools/call", r#""name":"get_weather","#)
}

fn mirror(headers: &[Field<'_>]) -> Mirror {
    let fields = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    Mirror::of(&Head::new(fields.collect()))
}

fn single(body: &str) -> Message<'_> {
    match scan(body.as_bytes(), &ScanLimits::default()) {
        Ok(Body::Single(message)) => message,
        other => panic!("{body}: {other:?}"),
    }
}

/// The error a client is told, as JSON.
fn error(refusal: &Refusal) -> Value {
    let reply = refusal.reply(Addressee::Request("1"));
    assert_eq!(reply.status, 400);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    body.get("error").cloned().expect("an error")
}

/// Judges by all versions; a refusal becomes its code and words.
fn judge(headers: &[Field<'_>], body: &str) -> Result<Era, (i64, String)> {
    check(&mirror(headers), &single(body), &Version::ALL).map_err(|refusal| {
        let error = error(&refusal);
        let code = error.get("code").and_then(Value::as_i64).expect("a code");
        (code, error.get("message").and_then(Value::as_str).expect("words").to_owned())
    })
}

type Expect = Result<Era, (i64, &'static str)>;

/// (name, headers, body, expect)
type Case<'a> = (&'a str, &'a [Field<'a>], String, Expect);

fn run(cases: &[Case<'_>]) {
    for (name, headers, body, expect) in cases {
        let expect = expect.map_err(|(code, words)| (code, words.to_owned()));
        assert_eq!(judge(headers, body), expect, "{name}");
    }
}

/// One request that breaks every rule; each row mends what the row before was refused for.
#[test]
fn the_first_broken_rule_in_the_order_of_the_sdks_is_the_one_named() {
    let bare = request("tools/call", r#""name":"get_weather""#);
    let no_capabilities = request(
        "tools/call",
        r#""name":"get_weather","_meta":{"io.modelcontextprotocol/protocolVersion":"v998"}"#,
    );
    let other = request("tools/call", &format!(r#""name":"get_weather",{}"#, meta("v998")));
    let same = request("tools/call", &format!(r#""name":"get_weather",{}"#, meta("v999")));
    let v999 = ("MCP-Protocol-Version", "v999");
    let ping = ("Mcp-Method", "ping");
    let wrong = ("Mcp-Name", "get_time");
    run(&[
        ("repeated", &[v999, ping, ping, wrong], bare.clone(), Err((-32020, REPEATED))),
        ("no version in _meta", &[v999, ping, wrong], bare, Err((-32602, NO_VERSION))),
        (
            "no capabilities in _meta",
            &[v999, ping, wrong],
            no_capabilities,
            Err((-32602, NO_CAPABILITIES)),
        ),
        ("other version", &[v999, ping, wrong], other, Err((-32020, OTHER_VERSION))),
        ("other method", &[v999, ping, wrong], same.clone(), Err((-32020, OTHER_METHOD))),
        ("other name", &[v999, CALL, wrong], same.clone(), Err((-32020, OTHER_NAME))),
        ("version nobody has", &[v999, CALL, NAME], same, Err((-32022, UNSUPPORTED))),
        ("all mended", &[VERSION, CALL, NAME], weather(), Ok(Era::Modern)),
    ]);
}

#[test]
fn any_repeated_mirrored_header_is_refused_even_with_equal_values_and_in_either_era() {
    let legacy = ("mcp-protocol-version", "2025-06-18");
    let list = request("tools/list", "");
    run(&[
        ("version", &[VERSION, VERSION, CALL, NAME], weather(), Err((-32020, REPEATED))),
        ("method", &[VERSION, CALL, CALL, NAME], weather(), Err((-32020, REPEATED))),
        ("name", &[VERSION, CALL, NAME, NAME], weather(), Err((-32020, REPEATED))),
        (
            "name, of a method that has none",
            &[VERSION, LIST, NAME, NAME],
            modern("tools/list", ""),
            Err((-32020, REPEATED)),
        ),
        ("legacy version", &[legacy, legacy], list.clone(), Err((-32020, REPEATED))),
        ("legacy with a method", &[legacy, LIST, LIST], list, Err((-32020, REPEATED))),
    ]);
}

#[test]
fn an_incomplete_meta_is_invalid_params_whatever_the_headers_say() {
    let of = |meta: &str| request("tools/list", &format!(r#""_meta":{meta}"#));
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    run(&[
        ("no params", &[VERSION, LIST], request("tools/list", ""), Err((-32602, NO_VERSION))),
        ("_meta empty", &[VERSION, LIST], of("{}"), Err((-32602, NO_VERSION))),
        ("_meta no object", &[VERSION, LIST], of("7"), Err((-32602, NO_VERSION))),
        (
            "version no string",
            &[VERSION, LIST],
            of(&format!(r#"{{"io.modelcontextprotocol/protocolVersion":1,{CAPABILITIES}}}"#)),
            Err((-32602, NO_VERSION)),
        ),
        (
            "capabilities missing",
            &[VERSION, LIST],
            of(&format!("{{{version}}}")),
            Err((-32602, NO_CAPABILITIES)),
        ),
        (
            "capabilities no object",
            &[VERSION, LIST],
            of(&format!(r#"{{{version},"io.modelcontextprotocol/clientCapabilities":true}}"#)),
            Err((-32602, NO_CAPABILITIES)),
        ),
        ("nothing mirrored either", &[VERSION], of("{}"), Err((-32602, NO_VERSION))),
    ]);
}

#[test]
fn header_and_body_agree_on_the_era_and_the_version() {
    let of = |version: &str| request("tools/list", &meta(version));
    let header = |version| [("mcp-protocol-version", version), LIST];
    let legacy = request("tools/list", "");
    run(&[
        ("both modern", &[VERSION, LIST], of("2026-07-28"), Ok(Era::Modern)),
        ("both legacy", &header("2025-06-18"), legacy.clone(), Ok(Era::Legacy)),
        ("no header, no key", &[], legacy.clone(), Ok(Era::Legacy)),
        ("modern header, no key", &[VERSION, LIST], legacy, Err((-32602, NO_VERSION))),
        ("no header, key", &[LIST], of("2026-07-28"), Err((-32020, ERA))),
        ("no header, legacy key", &[], of("2025-06-18"), Err((-32020, ERA))),
        ("legacy header, key", &header("2025-11-25"), of("2026-07-28"), Err((-32020, ERA))),
        ("legacy header, same key", &header("2025-11-25"), of("2025-11-25"), Err((-32020, ERA))),
        ("modern header, v999", &[VERSION, LIST], of("v999"), Err((-32020, OTHER_VERSION))),
        ("v999, modern body", &header("v999"), of("2026-07-28"), Err((-32020, OTHER_VERSION))),
        ("both v999", &header("v999"), of("v999"), Err((-32022, UNSUPPORTED))),
        (
            "legacy in the body alone",
            &[VERSION, LIST],
            of("2025-11-25"),
            Err((-32020, OTHER_VERSION)),
        ),
        ("space around the header", &header(" 2026-07-28\t"), of("2026-07-28"), Ok(Era::Modern)),
        (
            "another _meta key in legacy",
            &header("2025-11-25"),
            request("tools/list", r#""_meta":{"progressToken":1}"#),
            Ok(Era::Legacy),
        ),
    ]);
}

#[test]
fn methods_are_compared_byte_by_byte() {
    let of = |value| [VERSION, ("mcp-method", value)];
    let list = modern("tools/list", "");
    run(&[
        ("same", &of("tools/list"), list.clone(), Ok(Era::Modern)),
        ("escaped in the body", &of("tools/list"), modern(r"tools\/list", ""), Ok(Era::Modern)),
        ("missing", &[VERSION], list.clone(), Err((-32020, NO_METHOD))),
        ("empty", &of(""), list.clone(), Err((-32020, OTHER_METHOD))),
        ("other case", &of("Tools/List"), list.clone(), Err((-32020, OTHER_METHOD))),
        (
            "encoded, which a method has no form for",
            &of("=?base64?dG9vbHMvbGlzdA==?="),
            list.clone(),
            Err((-32020, OTHER_METHOD)),
        ),
        ("another", &of("tools/call"), list, Err((-32020, OTHER_METHOD))),
    ]);
}

#[test]
fn names_are_compared_after_decoding_where_the_method_has_one() {
    let of = |method, name| [VERSION, ("mcp-method", method), ("mcp-name", name)];
    let named = |name: &str| modern("tools/call", &format!(r#""name":"{name}","#));
    let read = modern("resources/read", r#""uri":"file:///a","#);
    let prompt = modern("prompts/get", r#""name":"greet","#);
    let nameless = modern("tools/call", "");
    let call = "tools/call";
    let base64 = "=?base64?d2V0dGVyIGbDvHI=?=";
    run(&[
        ("tool", &of(call, "get_weather"), weather(), Ok(Era::Modern)),
        ("prompt", &of("prompts/get", "greet"), prompt.clone(), Ok(Era::Modern)),
        ("other prompt", &of("prompts/get", "x"), prompt, Err((-32020, OTHER_NAME))),
        ("resource", &of("resources/read", "file:///a"), read.clone(), Ok(Era::Modern)),
        ("other resource", &of("resources/read", "a"), read, Err((-32020, OTHER_NAME))),
        ("encoded", &of(call, base64), named("wetter für"), Ok(Era::Modern)),
        ("escaped in the body", &of(call, base64), named(r"wetter f\u00fcr"), Ok(Era::Modern)),
        ("encoded without need", &of(call, "=?base64?YQ==?="), named("a"), Ok(Era::Modern)),
        ("other marker", &of(call, "=?BASE64?YQ==?="), named("a"), Err((-32020, OTHER_NAME))),
        ("other marker is text", &of(call, "=?B?YQ==?="), named("=?B?YQ==?="), Ok(Era::Modern)),
        ("bad base64", &of(call, "=?base64?YQ=?="), named("a"), Err((-32020, BAD_NAME))),
        ("other case", &of(call, "Get_weather"), weather(), Err((-32020, OTHER_NAME))),
        ("missing", &[VERSION, CALL], weather(), Err((-32020, NO_NAME))),
        ("the server's -32602 to give", &[VERSION, CALL], nameless.clone(), Ok(Era::Modern)),
        ("header alone", &of(call, "a"), nameless.clone(), Err((-32020, OTHER_NAME))),
        ("bad header alone", &of(call, "=?base64?!?="), nameless, Err((-32020, BAD_NAME))),
    ]);
    let long = "x".repeat(MAX_MIRRORED_HEADER + 1);
    run(&[("too long", &of(call, &long), weather(), Err((-32020, BAD_NAME)))]);
}

#[test]
fn a_name_is_ignored_where_it_means_nothing_and_optional_on_tasks() {
    let name = ("mcp-name", "t-1");
    let method = |method| ("mcp-method", method);
    let task = |method| modern(method, r#""taskId":"t-1","#);
    let other = ("mcp-name", "t-2");
    let bad = ("mcp-name", "=?base64?!?=");
    run(&[
        ("list", &[VERSION, LIST, name], modern("tools/list", ""), Ok(Era::Modern)),
        ("list, malformed", &[VERSION, LIST, bad], modern("tools/list", ""), Ok(Era::Modern)),
        (
            "subscribe",
            &[VERSION, method("resources/subscribe"), name],
            modern("resources/subscribe", r#""uri":"file:///a","#),
            Ok(Era::Modern),
        ),
        (
            "result",
            &[VERSION, method("tasks/result"), other],
            task("tasks/result"),
            Ok(Era::Modern),
        ),
        ("task", &[VERSION, method("tasks/get"), name], task("tasks/get"), Ok(Era::Modern)),
        ("task unsent", &[VERSION, method("tasks/get")], task("tasks/get"), Ok(Era::Modern)),
        (
            "other task",
            &[VERSION, method("tasks/get"), other],
            task("tasks/get"),
            Err((-32020, OTHER_NAME)),
        ),
        (
            "other task updated",
            &[VERSION, method("tasks/update"), other],
            task("tasks/update"),
            Err((-32020, OTHER_NAME)),
        ),
        (
            "malformed task",
            &[VERSION, method("tasks/cancel"), bad],
            task("tasks/cancel"),
            Err((-32020, BAD_NAME)),
        ),
    ]);
}

#[test]
fn notifications_and_responses() {
    const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    const POSTED: &str = "Responses are not posted in this protocol version";
    let noted = |version: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"_meta":{{
                "io.modelcontextprotocol/protocolVersion":"{version}"}}}}}}"#
        )
    };
    let progress = ("mcp-method", "notifications/progress");
    let legacy = ("mcp-protocol-version", "2025-06-18");
    let v999 = ("mcp-protocol-version", "v999");
    run(&[
        ("bare", &[VERSION], NOTE.into(), Ok(Era::Modern)),
        ("with its method", &[VERSION, progress], NOTE.into(), Ok(Era::Modern)),
        ("with another method", &[VERSION, LIST], NOTE.into(), Err((-32020, OTHER_METHOD))),
        ("with a name", &[VERSION, progress, NAME], NOTE.into(), Ok(Era::Modern)),
        ("with a version", &[VERSION], noted("2026-07-28"), Ok(Era::Modern)),
        ("with another version", &[VERSION], noted("v999"), Err((-32020, OTHER_VERSION))),
        ("with v999 twice", &[v999], noted("v999"), Err((-32022, UNSUPPORTED))),
        ("with v999 as header", &[v999], NOTE.into(), Err((-32022, UNSUPPORTED))),
        ("legacy", &[legacy], NOTE.into(), Ok(Era::Legacy)),
        ("legacy, modern body", &[legacy], noted("2026-07-28"), Err((-32020, ERA))),
        ("response", &[VERSION], ANSWER.into(), Err((-32600, POSTED))),
        (
            "repeated outranks posted",
            &[VERSION, LIST, LIST],
            ANSWER.into(),
            Err((-32020, REPEATED)),
        ),
        ("legacy response", &[legacy], ANSWER.into(), Ok(Era::Legacy)),
        ("response without header", &[], ANSWER.into(), Ok(Era::Legacy)),
    ]);
}

#[test]
fn a_version_is_refused_with_what_to_retry_with_and_what_was_asked_for() {
    /// (spoken here, headers, body, offered, echoed)
    type Row<'a> = (&'a [Version], &'a [Field<'a>], &'a str, Value, &'a str);
    let (march, november, modern) =
        (Version::V2025_03_26, Version::V2025_11_25, Version::V2026_07_28);
    let call = weather();
    let list = request("tools/list", "");
    let opening = request("initialize", r#""protocolVersion":"2025-11-25""#);
    let unknown = request("tools/list", &meta("v999"));
    let legacy = [("mcp-protocol-version", "2025-06-18")];
    let v999 = [("mcp-protocol-version", "v999"), LIST];
    let latest = [VERSION, CALL, NAME];
    // Versions that open with a handshake are offered only where there is no other.
    let cases: &[Row<'_>] = &[
        (&[november, modern], &v999, &unknown, json!(["2026-07-28"]), "v999"),
        (&[november, modern], &legacy, &list, json!(["2026-07-28"]), "2025-06-18"),
        (&[modern], &legacy, &list, json!(["2026-07-28"]), "2025-06-18"),
        // Without the header: what `initialize` asks for, or what its absence means.
        (&[modern], &[], &opening, json!(["2026-07-28"]), "2025-11-25"),
        (&[modern], &[], &list, json!(["2026-07-28"]), "2025-03-26"),
        (&[march, november], &legacy, &list, json!(["2025-03-26", "2025-11-25"]), "2025-06-18"),
        (&[march, november], &v999, &unknown, json!(["2025-03-26", "2025-11-25"]), "v999"),
        (&[november], &latest, &call, json!(["2025-11-25"]), "2026-07-28"),
    ];
    for (spoken, headers, body, supported, requested) in cases {
        let refusal = check(&mirror(headers), &single(body), spoken).expect_err(body);
        let expect = json!({
            "code": -32022,
            "message": UNSUPPORTED,
            "data": { "supported": supported, "requested": requested },
        });
        assert_eq!(error(&refusal), expect, "{spoken:?}");
    }
    // Where any version with a handshake is spoken, the server negotiates.
    for body in [&opening, &list] {
        let passed = check(&mirror(&[]), &single(body), &[november, modern]);
        assert_eq!(passed.ok(), Some(Era::Legacy), "{body}");
    }
}

#[test]
fn an_echoed_version_is_cut_between_characters_and_escaped() {
    let (long, long_cut) = ("x".repeat(1000), "x".repeat(64));
    // The 64th byte is the middle of a character.
    let (wide, wide_cut) = (format!("a{}", "é".repeat(40)), format!("a{}", "é".repeat(31)));
    let cases = [
        ("", ""),
        ("v999", "v999"),
        ("\"}\n", "\"}\n"),
        (long.as_str(), long_cut.as_str()),
        (&wide, &wide_cut),
    ];
    for (requested, echoed) in cases {
        let error = error(&unsupported(requested, &[]));
        assert_eq!(error.pointer("/data/requested"), Some(&json!(echoed)), "{requested}");
    }
}

#[test]
fn each_method_has_its_subject_and_its_rule() {
    let params = r#""name":"n","uri":"u","taskId":"t""#;
    let cases = [
        ("tools/call", Some("n"), Named::Always),
        ("prompts/get", Some("n"), Named::Always),
        ("resources/read", Some("u"), Named::Always),
        ("resources/subscribe", Some("u"), Named::Never),
        ("resources/unsubscribe", Some("u"), Named::Never),
        ("tasks/get", Some("t"), Named::IfSent),
        ("tasks/update", Some("t"), Named::IfSent),
        ("tasks/cancel", Some("t"), Named::IfSent),
        ("tasks/result", Some("t"), Named::Never),
        ("tasks/list", None, Named::Never),
        ("tools/list", None, Named::Never),
        ("initialize", None, Named::Never),
        ("Tools/Call", None, Named::Never),
    ];
    for (method, expect, named) in cases {
        let body = request(method, params);
        assert_eq!(subject(&single(&body)), expect, "{method}");
        assert_eq!(named_by(method), named, "{method}");
    }
}
