//! The scan against a reader of another make, on random messages.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers, and an overflow fails the test"
)]

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::{Body, Fault, Id, Kind, Message, ScanLimits, scan};
use super::read;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What is accepted is JSON to serde_json too, and says the same.
    #[test]
    fn accepted_means_understood_alike(message in message(), style in any::<u64>()) {
        let body = spell(&message, &mut Style(style));
        if let Ok(body) = judge(body.as_bytes())? {
            prop_assert!(matches!(body, Body::Single(_)));
        }
    }

    /// The same message in another spelling is the same message.
    #[test]
    fn spelling_does_not_matter(message in message(), one in any::<u64>(), two in any::<u64>()) {
        let (one, two) = (spell(&message, &mut Style(one)), spell(&message, &mut Style(two)));
        let (one, two) = (read(one.as_bytes()), read(two.as_bytes()));
        match (one, two) {
            (Ok(Body::Single(mut one)), Ok(Body::Single(mut two))) => {
                // Tokens are told as they stood; equal they are all the same.
                prop_assert_eq!(value(&mut one), value(&mut two));
                prop_assert_eq!(one, two);
            }
            (one, two) => prop_assert_eq!(one.err().map(|e| e.fault), two.err().map(|e| e.fault)),
        }
    }

    /// What is added to `_meta` is there, and all else is as it was.
    #[test]
    fn a_filled_slot_changes_nothing_else(
        message in message(),
        style in any::<u64>(),
        text in odd_text(),
    ) {
        let body = spell(&message, &mut Style(style));
        let Ok(Body::Single(message)) = read(body.as_bytes()) else { return Ok(()) };
        let Some(slot) = message.slot else { return Ok(()) };
        let texts = [("io.example/\"added\"", text.as_str()), ("added", "\\")];
        let filled = slot.fill(body.as_bytes(), &texts).unwrap_or_default();
        let seen = read(&filled);
        prop_assert!(matches!(seen, Ok(Body::Single(_))), "{:?}", seen);
        let Ok(Body::Single(mut seen)) = seen else { return Ok(()) };
        // The same bytes, but for one piece more.
        let same = body.bytes().zip(&filled).take_while(|(one, two)| one == *two).count();
        let added = filled.len() - body.len();
        prop_assert!((0..=same).any(|at| [&filled[..at], &filled[at + added..]].concat() == body.as_bytes()));
        // serde_json takes no half surrogates and no huge numbers, not even where nobody looks.
        if let (Ok(mut tree), Ok(filled)) =
            (serde_json::from_str::<Value>(&body), serde_json::from_slice::<Value>(&filled))
        {
            for (key, text) in texts {
                tree["params"]["_meta"][key] = text.into();
            }
            prop_assert_eq!(tree, filled);
        }
        let mut message = message;
        message.params.meta.get_or_insert_default();
        prop_assert_eq!(value(&mut message), value(&mut seen));
        prop_assert_eq!(message, seen);
    }

    /// Damage is noticed or harmless, and never worse than that.
    #[test]
    fn damaged_messages(
        message in message(),
        style in any::<u64>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, damage()), 1..4),
    ) {
        let mut body = spell(&message, &mut Style(style)).into_bytes();
        for (at, length, bytes) in cuts {
            let at = at.index(body.len() + 1);
            let end = (at + length).min(body.len());
            body.splice(at..end, bytes);
        }
        let _ = judge(&body)?;
    }

    /// Any bytes get an answer.
    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = judge(&body)?;
    }

    /// Any order of JSON's own tokens gets an answer, the one serde_json gives too.
    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..24)) {
        let body: String = tokens.concat();
        let _ = judge(body.as_bytes())?;
        let limits = ScanLimits::default();
        let json = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        let syntax = matches!(scan(body.as_bytes(), &limits), Err(e) if e.code() == -32700);
        prop_assert_eq!(json, !syntax, "{}", body);
    }
}

/// A text that JSON has to escape, more often than not.
fn odd_text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "\"", "\\", "\n", "\0", "é", "}"]), 0..6)
        .prop_map(|parts| parts.concat())
}

const TOKENS: &[&str] = &[
    "{", "}", "[", "]", ",", ":", " ", "\n", "\"a\"", "\"id\"", "\"\"", "\"\\n\"", "0", "-1",
    "1.5e+3", "-", ".", "e", "true", "false", "null", "nul", "\"", "\\", "\u{e9}", "{\"a\":",
    "[1,", "}}", "]]",
];

/// Scans `body`; what is accepted must mean the same to serde_json.
fn judge(body: &[u8]) -> Result<Result<Body<'_>, Fault>, TestCaseError> {
    let scanned = match read(body) {
        Ok(scanned) => scanned,
        Err(error) => {
            prop_assert!(error.offset <= body.len());
            return Ok(Err(error.fault));
        }
    };
    let grammar = serde_json::from_slice::<serde::de::IgnoredAny>(body);
    prop_assert!(grammar.is_ok(), "{:?}", grammar);
    // serde_json takes no half surrogates and no huge numbers, not even where nobody looks.
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        return Ok(Ok(scanned));
    };
    match (&scanned, &tree) {
        (Body::Single(message), Value::Object(tree)) => agree(message, tree)?,
        (Body::Batch(messages), Value::Array(trees)) => {
            prop_assert_eq!(messages.len(), trees.len());
            for (message, tree) in messages.iter().zip(trees) {
                prop_assert!(tree.is_object());
                if let Value::Object(tree) = tree {
                    agree(message, tree)?;
                }
            }
        }
        _ => prop_assert!(false, "{:?} is not {:?}", scanned, tree),
    }
    Ok(Ok(scanned))
}

/// Compares a scanned message with a tree, by the rules of JSON-RPC and MCP told anew.
fn agree(message: &Message<'_>, tree: &Map<String, Value>) -> Result<(), TestCaseError> {
    prop_assert_eq!(tree.get("jsonrpc"), Some(&Value::from("2.0")));
    let text = |object: Option<&Value>, key: &str| {
        object.and_then(|object| object.get(key)).and_then(Value::as_str).map(str::to_owned)
    };
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let token = |token: &str| serde_json::from_str::<Value>(token).ok();

    let id = tree.get("id").filter(|id| !id.is_null());
    let seen = message.id.and_then(|id| token(id.token()));
    prop_assert_eq!(seen.as_ref(), id);
    prop_assert!(id.is_none_or(|id| id.is_string() || id.is_number()));
    prop_assert_eq!(message.method.as_deref(), tree.get("method").and_then(Value::as_str));
    let kind = match (tree.contains_key("method"), id) {
        (true, Some(_)) => Kind::Request,
        (true, None) => Kind::Notification,
        (false, _) => Kind::Response,
    };
    prop_assert_eq!(message.kind, kind);
    let answers = ["result", "error"].iter().filter(|key| tree.contains_key(**key)).count();
    prop_assert_eq!(answers, usize::from(kind == Kind::Response));

    let params = tree.get("params");
    prop_assert!(params.is_none_or(Value::is_object));
    let seen = &message.params;
    for (seen, key) in [(&seen.name, "name"), (&seen.uri, "uri"), (&seen.task_id, "taskId")] {
        prop_assert_eq!(owned(seen), text(params, key));
        prop_assert!(params.and_then(|params| params.get(key)).is_none_or(Value::is_string));
    }
    prop_assert_eq!(owned(&seen.protocol_version), text(params, "protocolVersion"));
    let client = params.and_then(|params| params.get("clientInfo"));
    prop_assert_eq!(owned(&seen.client_name), text(client, "name"));
    let arguments = params.and_then(|params| params.get("arguments"));
    prop_assert_eq!(&seen.arguments.and_then(token), &arguments.cloned());

    let meta = params.and_then(|params| params.get("_meta")).filter(|meta| meta.is_object());
    prop_assert_eq!(seen.meta.is_some(), meta.is_some());
    let (Some(seen), Some(meta)) = (&seen.meta, meta) else {
        return Ok(());
    };
    let member = |key: &str| meta.get(format!("io.modelcontextprotocol/{key}"));
    prop_assert_eq!(
        owned(&seen.protocol_version),
        member("protocolVersion").and_then(Value::as_str).map(str::to_owned)
    );
    prop_assert_eq!(
        seen.client_capabilities,
        member("clientCapabilities").is_some_and(Value::is_object)
    );
    prop_assert_eq!(owned(&seen.client_name), text(member("clientInfo"), "name"));
    prop_assert_eq!(owned(&seen.trace_parent), text(Some(meta), "traceparent"));
    prop_assert_eq!(owned(&seen.trace_state), text(Some(meta), "tracestate"));
    let progress = meta.get("progressToken").filter(|token| token.is_string() || token.is_number());
    match seen.progress_token.and_then(token) {
        Some(seen) => prop_assert_eq!(Some(&seen), progress),
        None => prop_assert!(progress.is_none_or(|token| !token.is_string() && !token.is_i64())),
    }
    Ok(())
}

/// Takes the exact tokens out of a message, as values.
fn value(message: &mut Message<'_>) -> Vec<Option<Value>> {
    let progress = message.params.meta.as_mut().and_then(|meta| meta.progress_token.take());
    let arguments = message.params.arguments.take();
    let tokens = [message.id.take().map(|id| Id::token(&id)), progress, arguments];
    // Where something can be added depends on the spelling.
    message.slot = None;
    tokens.map(|token| token.and_then(|token| serde_json::from_str(token).ok())).to_vec()
}

// === messages ===

/// A JSON tree whose objects keep order and repetition, so that it can be wrong on purpose.
#[derive(Debug, Clone)]
enum Tree {
    Token(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Mostly valid messages, with any of the usual members missing, odd, or repeated.
fn message() -> impl Strategy<Value = Tree> {
    let version = odd(text("2.0"), 30);
    let id = odd(prop_oneof![integer(), words()], 10);
    let method = odd(words(), 10);
    let members = (
        often("jsonrpc", version, 30),
        often("id", id, 4),
        often("method", method, 5),
        often("params", odd(params(), 10), 4),
        seldom("result"),
        seldom("error"),
        extra(),
    );
    members
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].concat())
        .prop_shuffle()
        .prop_map(Tree::Object)
}

fn params() -> impl Strategy<Value = Tree> {
    let members = (
        often("name", odd(words(), 20), 2),
        often("uri", odd(words(), 20), 2),
        often("taskId", odd(words(), 20), 2),
        often("protocolVersion", odd(words(), 4), 2),
        often("clientInfo", odd(client(), 4), 2),
        often("_meta", odd(meta(), 4), 3),
        often("arguments", any_tree(), 2),
        extra(),
    );
    members
        .prop_map(|(a, b, c, d, e, f, g, h)| [a, b, c, d, e, f, g, h].concat())
        .prop_shuffle()
        .prop_map(Tree::Object)
}

fn meta() -> impl Strategy<Value = Tree> {
    let members = (
        often("io.modelcontextprotocol/protocolVersion", odd(words(), 4), 3),
        often("io.modelcontextprotocol/clientCapabilities", any_tree(), 3),
        often("io.modelcontextprotocol/clientInfo", odd(client(), 4), 3),
        often("progressToken", odd(prop_oneof![integer(), words()], 4), 3),
        often("traceparent", odd(words(), 4), 3),
        often("tracestate", odd(words(), 4), 3),
        extra(),
    );
    members
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].concat())
        .prop_shuffle()
        .prop_map(Tree::Object)
}

fn client() -> impl Strategy<Value = Tree> {
    (often("name", odd(words(), 4), 3), extra())
        .prop_map(|(name, extra)| Tree::Object([name, extra].concat()))
}

type Members = Vec<(String, Tree)>;

/// A member that is there but once in `one_in`.
fn often(
    key: &'static str,
    value: impl Strategy<Value = Tree>,
    one_in: u32,
) -> impl Strategy<Value = Members> {
    (value, 0..one_in).prop_map(move |(value, chance)| match chance {
        0 => vec![],
        _ => vec![(key.to_owned(), value)],
    })
}

fn seldom(key: &'static str) -> impl Strategy<Value = Members> {
    (any_tree(), 0..8_u32).prop_map(move |(value, chance)| match chance {
        0 => vec![(key.to_owned(), value)],
        _ => vec![],
    })
}

/// Unknown keys, and now and then a known one a second time or misspelt.
fn extra() -> impl Strategy<Value = Members> {
    let key = prop_oneof![
        20 => "[a-z]{0,3}",
        1 => prop::sample::select(vec!["id", "method", "name", "_meta", "Name", "ID", "id\0"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec((key, any_tree()), 0..2)
}

/// The value, or once in `one_in` any other.
fn odd(value: impl Strategy<Value = Tree>, one_in: u32) -> impl Strategy<Value = Tree> {
    (value, any_tree(), 0..one_in).prop_map(|(value, other, chance)| match chance {
        0 => other,
        _ => value,
    })
}

fn text(text: &'static str) -> impl Strategy<Value = Tree> {
    Just(Tree::Text(text.to_owned()))
}

fn words() -> impl Strategy<Value = Tree> {
    prop_oneof!["[a-z/]{0,12}", "\\PC{0,20}", any::<String>()].prop_map(Tree::Text)
}

fn integer() -> impl Strategy<Value = Tree> {
    any::<i64>().prop_map(|number| Tree::Token(number.to_string()))
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let token = prop::sample::select(vec!["null", "true", "false", "0", "-0.5", "12e-3", "1E+2"]);
    let leaf =
        prop_oneof![token.prop_map(|token| Tree::Token(token.to_owned())), integer(), words()];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::Array),
            prop::collection::vec(("[a-z]{0,4}", inner), 0..4).prop_map(Tree::Object),
        ]
    })
}

fn damage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3),
        prop::collection::vec(prop::sample::select(&b"{}[]\",:\\u0e.- \n\0\xef\xbb\xbf"[..]), 0..4),
    ]
}

// === spelling ===

/// Choices of how to write a tree down, drawn from a seed (SplitMix64).
struct Style(u64);

impl Style {
    fn one_in(&mut self, chance: u64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).is_multiple_of(chance)
    }
}

fn spell(tree: &Tree, style: &mut Style) -> String {
    let mut out = String::new();
    write(tree, style, &mut out);
    out
}

fn write(tree: &Tree, style: &mut Style, out: &mut String) {
    space(style, out);
    match tree {
        Tree::Token(token) => out.push_str(token),
        Tree::Text(text) => write_text(text, style, out),
        Tree::Array(elements) => {
            out.push('[');
            for (number, element) in elements.iter().enumerate() {
                out.push_str(if number == 0 { "" } else { "," });
                write(element, style, out);
            }
            space(style, out);
            out.push(']');
        }
        Tree::Object(members) => {
            out.push('{');
            for (number, (key, value)) in members.iter().enumerate() {
                out.push_str(if number == 0 { "" } else { "," });
                space(style, out);
                write_text(key, style, out);
                space(style, out);
                out.push(':');
                write(value, style, out);
            }
            space(style, out);
            out.push('}');
        }
    }
    space(style, out);
}

fn space(style: &mut Style, out: &mut String) {
    for blank in [" ", "\n", "\t", "\r\n"] {
        if style.one_in(8) {
            out.push_str(blank);
        }
    }
}

fn write_text(text: &str, style: &mut Style, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        let must = matches!(letter, '"' | '\\' | '\0'..='\u{1f}');
        if !must && !style.one_in(6) {
            out.push(letter);
            continue;
        }
        let short = match letter {
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '"' | '\\' | '/' => Some(letter),
            _ => None,
        };
        match short.filter(|_| style.one_in(2)) {
            Some(short) => out.extend(['\\', short]),
            None => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let escape = format!("\\u{unit:04x}");
                    out.push_str(&if style.one_in(2) { escape } else { escape.replace('d', "D") });
                }
            }
        }
    }
    out.push('"');
}
