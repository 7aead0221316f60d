//! Lists as servers write them, and what a caller gets of them.

use serde_json::Value;

use super::*;

/// Whatever has `ok` in its name may be used.
fn may_use(_: &'static str, name: &str) -> bool {
    name.contains("ok")
}

fn message(text: &str) -> Result<Option<String>, Unreadable> {
    let filtered = filter(Piece::Message(text.as_bytes()), Era::Legacy, may_use)?;
    Ok(filtered.map(|bytes| String::from_utf8(bytes).expect("UTF-8")))
}

fn filtered(text: &str) -> String {
    message(text).expect("readable").expect("something changes")
}

#[test]
fn what_stays_is_byte_for_byte_the_servers() {
    let ok =
        r#"{ "name" : "ok\u00e9",  "n":1.0e0, "description":"{\"name\":\"x\"}" , "a":[1, 2 ] }"#;
    let no = r#"{"name":"no"}"#;
    let cases = [
        (format!("[{ok}]"), None),
        (format!("[ {ok} , {ok} ]"), None),
        ("[]".to_owned(), None),
        ("[ ]".to_owned(), None),
        (format!("[{no}]"), Some("[]".to_owned())),
        (format!("[ {no}, {ok} ]"), Some(format!("[ {ok} ]"))),
        (format!("[{ok}, {no}]"), Some(format!("[{ok}]"))),
        (format!("[{ok}, {no},\n {ok},{no}]"), Some(format!("[{ok},{ok}]"))),
    ];
    for (tools, expect) in cases {
        let around = |tools: &str| {
            format!(
                "{{ \"id\" : 7,\"result\": {{\"nextCursor\":\"c\" ,\"tools\":{tools}, \
                 \"x\":[{no}] }},\t\"jsonrpc\":\"2.0\"}}\n"
            )
        };
        assert_eq!(message(&around(&tools)), Ok(expect.map(|tools| around(&tools))), "{tools}");
    }
}

#[test]
fn each_list_asks_by_its_own_name_and_method() {
    let lists = [
        ("tools", r#"{"name":"a","uri":"ok","title":"ok"}"#, "tools/call a"),
        ("prompts", r#"{"name":"b"}"#, "prompts/get b"),
        ("resources", r#"{"name":"ok","uri":"c://"}"#, "resources/read c://"),
        ("resourceTemplates", r#"{"uriTemplate":"d://{x}"}"#, "resources/read d://{x}"),
    ];
    for (key, entry, expect) in lists {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{key}":[{entry}]}}}}"#);
        let asked = std::cell::RefCell::new(String::new());
        let may_use = |method, name: &str| {
            *asked.borrow_mut() = format!("{method} {name}");
            false
        };
        let out = filter(Piece::Message(text.as_bytes()), Era::Legacy, may_use);
        let out = out.expect("readable").expect("cut");
        assert_eq!(String::from_utf8_lossy(&out), text.replace(entry, ""));
        assert_eq!(asked.into_inner(), expect);
    }
}

#[test]
fn an_entry_of_uncertain_name_goes() {
    for entry in [
        r#"{"name":"ok","name":"no"}"#,
        r#"{"name":"ok","name":"ok"}"#,
        r#"{"name":"ok","Name":"no"}"#,
        r#"{"name":"ok","n\u0061me":"no"}"#,
        r#"{"name":"ok","name\u0000x":"no"}"#,
        r#"{"Name":"ok"}"#,
        r#"{"name":1}"#,
        r#"{"name":null}"#,
        r#"{"name":["ok"]}"#,
        r#"{"title":"ok"}"#,
        "{}",
        r#""ok""#,
        r#"["ok"]"#,
        "null",
        "1",
    ] {
        let text = format!(r#"{{"id":1,"result":{{"tools":[{entry}]}}}}"#);
        assert_eq!(filtered(&text), r#"{"id":1,"result":{"tools":[]}}"#, "{entry}");
    }
}

#[test]
fn what_cannot_be_read_for_certain_is_an_error() {
    for text in [
        "x",
        "{",
        r#"{"id":1,"result":{"tools":[{"name":"ok"}]}"#,
        r#"{"id":1,"result":{"tools":[{"name":"ok"}]}} {}"#,
        "{\"id\":1,\"result\":{\"tools\":[{\"name\":\"ok\"}]}}\u{0}",
        "\u{feff}{}",
        "1",
        "\"text\"",
        "null",
        "[1]",
        "[[]]",
        r#"{"id":1,"result":{},"result":{"tools":[]}}"#,
        r#"{"id":1,"result":{},"Result":{"tools":[]}}"#,
        r#"{"id":1,"re\u0073ult":{},"result":{}}"#,
        r#"{"id":1,"result":{"tools":[],"tools":[]}}"#,
        r#"{"id":1,"result":{"tools":[],"Tools":[]}}"#,
        r#"{"id":1,"result":{"tool\u017f":[]}}"#,
        r#"{"id":1,"result":{"tools":{"ok":{"name":"ok"}}}}"#,
        r#"{"id":1,"result":{"tools":null}}"#,
        r#"{"id":1,"result":[{"name":"no"}]}"#,
        r#"{"id":1,"result":"tools"}"#,
        r#"{"id":1,"result":{"tools":[{"name":"\ud800"}]}}"#,
        r#"[{"id":1,"result":{"tools":[]}},2]"#,
    ] {
        assert_eq!(message(text), Err(Unreadable), "{text}");
    }
    let not_text = Piece::Message(b"{\"id\":1,\"result\":{\"tools\":[\"\xff\"]}}");
    assert_eq!(filter(not_text, Era::Legacy, may_use), Err(Unreadable));
    assert_eq!(filter(Piece::Unreadable, Era::Legacy, may_use), Err(Unreadable));
    let deep = format!("{{\"result\":{{\"x\":{}{}}}}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(message(&deep), Err(Unreadable));
}

#[test]
fn what_is_no_list_passes() {
    for text in [
        "",
        " \n",
        "{}",
        "[]",
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x","data":"y"}}"#,
        r#"{"id":1,"method":"sampling/createMessage","params":{"tools":[{"name":"no"}]}}"#,
        r#"{"id":1,"error":{"code":-32601,"message":"no","data":{"tools":[{"name":"no"}]}}}"#,
        r#"{"id":1,"result":{"content":[],"structuredContent":{"tools":[{"name":"no"}]}}}"#,
        r#"{"id":1,"result":{"capabilities":{"tools":{},"prompts":{}}}}"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"id":1,"result":{"cacheScope":"public","contents":[]}}"#,
    ] {
        assert_eq!(message(text), Ok(None), "{text}");
    }
}

#[test]
fn text_of_another_type_passes_unless_it_looks_like_a_message() {
    let other = |text: &str| {
        filter(Piece::Other { kind: b"", data: text.as_bytes() }, Era::Legacy, may_use)
    };
    assert_eq!(other("/messages?session_id=1"), Ok(None));
    assert_eq!(other("Accepted"), Ok(None));
    let list = r#" {"id":1,"result":{"tools":[{"name":"no"}]}}"#;
    assert!(matches!(other(list), Ok(Some(_))));
    assert_eq!(other("[not json"), Err(Unreadable));
    assert_eq!(message("/messages?session_id=1"), Err(Unreadable));
}

#[test]
fn every_answer_of_a_batch_is_filtered() {
    let text = r#"[{"method":"notifications/x"}, {"id":1,"result":{"tools":[{"name":"no"}]}},
        {"id":2,"result":{"prompts":[{"name":"no"},{"name":"ok"}]}}]"#;
    let expect = r#"[{"method":"notifications/x"}, {"id":1,"result":{"tools":[]}},
        {"id":2,"result":{"prompts":[{"name":"ok"}]}}]"#;
    assert_eq!(filtered(text), expect);
}

#[test]
fn a_filtered_list_is_nobody_elses() {
    let result = |members: &str| format!(r#"{{"id":1,"result":{{{members}}}}}"#);
    let modern = |members: &str| {
        let text = result(members);
        let out = filter(Piece::Message(text.as_bytes()), Era::Modern, may_use).expect("readable");
        let out = out.map_or(text, |out| String::from_utf8(out).expect("UTF-8"));
        serde_json::from_str::<Value>(&out).expect("JSON");
        out
    };
    let tools = r#""tools":[{"name":"ok"}]"#;
    let cases = [
        (format!(r#"{tools},"cacheScope":"public""#), format!(r#"{tools},"cacheScope":"private""#)),
        (format!(r#""cacheScope" : 7 ,{tools}"#), format!(r#""cacheScope" : "private" ,{tools}"#)),
        (
            format!(r#""cacheScope":"private",{tools}"#),
            format!(r#""cacheScope":"private",{tools}"#),
        ),
        // The default of a result that does not say is not ours to guess.
        (tools.to_owned(), format!(r#""cacheScope":"private",{tools}"#)),
        (
            r#""resultType":"input_required","x":1"#.to_owned(),
            r#""resultType":"input_required","x":1"#.to_owned(),
        ),
        (
            r#""tools":[{"name":"no"},{"name":"ok"}],"ttlMs":1,"cacheScope":"public""#.to_owned(),
            r#""tools":[{"name":"ok"}],"ttlMs":1,"cacheScope":"private""#.to_owned(),
        ),
    ];
    for (members, expect) in cases {
        assert_eq!(modern(&members), result(&expect), "{members}");
    }
    // Legacy results have no such member, but one that is there is set all the same.
    assert_eq!(message(&result(tools)), Ok(None));
    assert_eq!(
        filtered(&result(&format!(r#"{tools},"cacheScope":"public""#))),
        result(&format!(r#"{tools},"cacheScope":"private""#))
    );
}
