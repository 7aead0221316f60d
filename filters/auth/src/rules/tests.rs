//! Lists of rules, and calls they decide.

use mcp_core::config::{self, ConfigError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize)]
struct Section {
    rules: Vec<RuleConfig>,
}

fn read(rules: &Value) -> Result<Rules, ConfigError> {
    let section: Section = config::parse(json!({ "rules": rules }).to_string().as_bytes())?;
    section.rules.try_into()
}

fn rules(rules: Value) -> Rules {
    read(&rules).expect("valid")
}

const NOBODY: Subject<'_> = Subject {
    method: Some("tools/call"),
    name: None,
    arguments: Arguments::Given(None),
    scopes: &[],
    tenant: None,
    agent: None,
};

fn tool(name: &str) -> Subject<'_> {
    Subject { name: Some(name), ..NOBODY }
}

fn call<'a>(arguments: &'a str) -> Subject<'a> {
    Subject { arguments: Arguments::Given(Some(arguments)), ..tool("deploy") }
}

/// A verdict in short: the rule that allows, `!` and the rule that denies, or `?`, the rule and
/// what is missing.
fn judge(rules: &Rules, subject: Subject<'_>) -> String {
    match rules.judge(&subject) {
        Verdict::Allow { rule } => rule.to_owned(),
        Verdict::Deny { rule } => format!("!{rule}"),
        Verdict::InsufficientScope { rule, missing } => {
            format!("?{rule} {}", crate::scope::join(&missing))
        }
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = rules(json!([
        { "name": "no_drop", "action": "deny", "methods": ["tools/call"], "names": ["drop_*"] },
        { "name": "tools", "action": "allow", "methods": ["tools/call"], "names": ["*_table", "ping"] },
        { "action": "allow", "methods": ["tools/list", "resources/*"], "names": ["file:///pub/*"] },
        { "name": "lists", "action": "allow", "methods": ["*/list"] },
        { "name": "never", "action": "deny", "names": ["make_table"] },
    ]));
    let cases: [(&str, Option<&str>, &str); 14] = [
        ("tools/call", Some("drop_table"), "!no_drop"),
        ("tools/call", Some("make_table"), "tools"),
        ("tools/call", Some("ping"), "tools"),
        ("tools/call", Some("Ping"), "!default"),
        ("tools/call", None, "!default"),
        ("tools/list", None, "lists"),
        ("prompts/get", Some("drop_table"), "!default"),
        ("prompts/get", Some("make_table"), "!never"),
        ("resources/read", Some("file:///pub/a"), "rule_2"),
        ("resources/read", Some("file:///etc/a"), "!default"),
        ("resources/read", Some("file:///pub/../etc/a"), "!default"),
        ("tools/call", Some("drop_/../make_table"), "!no_drop"),
        ("logging/setLevel", None, "!default"),
        ("", None, "!default"),
    ];
    for (method, name, expect) in cases {
        let subject = Subject { method: Some(method), name, ..NOBODY };
        assert_eq!(judge(&rules, subject), expect, "{method} {name:?}");
    }
    assert_eq!(rules.names().collect::<Vec<_>>(), ["no_drop", "tools", "rule_2", "lists", "never"]);
    assert!(!rules.read_arguments());
}

#[test]
fn without_rules_everything_is_allowed() {
    assert_eq!(judge(&Rules::default(), tool("anything")), DEFAULT);
    assert_eq!(judge(&rules(json!([])), tool("anything")), DEFAULT);
}

#[test]
fn what_keeps_a_conversation_going_is_never_denied() {
    let rules = rules(json!([{ "action": "deny" }]));
    let methods = [
        (None, EXEMPT),
        (Some("initialize"), EXEMPT),
        (Some("ping"), EXEMPT),
        (Some("server/discover"), EXEMPT),
        (Some("notifications/initialized"), EXEMPT),
        (Some("notifications/cancelled"), EXEMPT),
        (Some("notifications"), "!rule_0"),
        (Some("Initialize"), "!rule_0"),
        (Some("initialize2"), "!rule_0"),
        (Some("server/discovery"), "!rule_0"),
        (Some("tools/list"), "!rule_0"),
        (Some(""), "!rule_0"),
    ];
    for (method, expect) in methods {
        assert_eq!(judge(&rules, Subject { method, ..NOBODY }), expect, "{method:?}");
    }
}

#[test]
fn tenants_and_agents() {
    let rules = rules(json!([
        { "name": "banned", "action": "deny", "agents": ["bad-*"] },
        { "name": "acme", "action": "allow", "tenants": ["acme", "acme-*"] },
        { "name": "known", "action": "allow", "tenants": ["*"], "agents": ["https://a.example/client.json"] },
    ]));
    let cases = [
        (Some("acme"), None, "acme"),
        (Some("acme-eu"), None, "acme"),
        (Some("acme"), Some("bad-bot"), "!banned"),
        (Some("Acme"), None, "!default"),
        (None, None, "!default"),
        (None, Some("https://a.example/client.json"), "!default"),
        (Some("x"), Some("https://a.example/client.json"), "known"),
    ];
    for (tenant, agent, expect) in cases {
        let subject = Subject { tenant, agent, ..tool("x") };
        assert_eq!(judge(&rules, subject), expect, "{tenant:?} {agent:?}");
    }
}

#[test]
fn scopes_that_would_help_are_named() {
    let rules = rules(json!([
        { "name": "frozen", "action": "deny", "names": ["frozen_*"] },
        { "name": "quarantine", "action": "deny", "scopes": { "all_of": ["quarantined"] } },
        { "name": "admin", "action": "allow", "scopes": { "all_of": ["admin", "audit"] } },
        { "name": "write", "action": "allow", "names": ["write_*"],
          "scopes": { "all_of": ["files"], "any_of": ["files:write", "files:all"] } },
        { "name": "read", "action": "allow", "names": ["read_*", "write_log"], "scopes": { "any_of": ["files:read", "files:all"] } },
        { "name": "rest", "action": "deny", "names": ["write_*"] },
        { "name": "open", "action": "allow", "names": ["open"] },
        { "name": "overlap", "action": "allow", "names": ["overlap"], "scopes": { "all_of": ["b"], "any_of": ["a", "b"] } },
    ]));
    let cases: [(&str, &[&str], &str); 19] = [
        ("frozen_x", &[], "!frozen"),
        ("frozen_x", &["admin", "audit"], "!frozen"),
        ("open", &[], "open"),
        ("open", &["quarantined"], "!quarantine"),
        ("read_x", &["files:read"], "read"),
        ("read_x", &["files:all"], "read"),
        ("read_x", &[], "?read files:read"),
        // Of equals, the first; fewer win.
        ("read_x", &["admin"], "?admin audit"),
        ("write_x", &[], "?admin admin audit"),
        ("write_x", &["files"], "?write files:write"),
        ("write_x", &["files", "files:all"], "write"),
        ("write_x", &["files:write"], "?write files"),
        ("write_x", &["audit"], "?admin admin"),
        ("write_log", &[], "?read files:read"),
        ("other", &["admin"], "?admin audit"),
        ("other", &["admin", "audit"], "admin"),
        ("other", &["ADMIN", "audit "], "?admin admin audit"),
        ("overlap", &["admin"], "?admin audit"),
        ("overlap", &[], "?overlap b"),
    ];
    for (name, scopes, expect) in cases {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let subject = Subject { scopes: &scopes, ..tool(name) };
        assert_eq!(judge(&rules, subject), expect, "{name} {scopes:?}");
    }
}

/// Arguments, and whether `equals`, `in` and `prefix` allow and deny them: `y`es, `n`o, and `-` for
/// what is unclear: not allowed where only those that match are, and denied where those are.
#[test]
fn arguments_are_compared_strictly() {
    let conditions = [
        ("env", json!({ "equals": "dev" })),
        ("count", json!({ "equals": 10 })),
        ("force", json!({ "equals": false })),
        ("env", json!({ "in": ["dev", "test"] })),
        ("path", json!({ "prefix": "/srv/pub/" })),
    ];
    let cases: [(&str, &str); 42] = [
        ("{}", "nnnnn"),
        (r#"{"env":"dev"}"#, "ynnyn"),
        (r#"{"env":"test"}"#, "nnnyn"),
        (r#"{"env":"prod"}"#, "nnnnn"),
        (r#"{"env":"Dev"}"#, "nnnnn"),
        (r#"{"\u0065nv":"d\u0065v"}"#, "ynnyn"),
        (r#" { "env" : "dev" , "x" : {"env":"prod"} } "#, "ynnyn"),
        (r#"{"x":{"env":"dev"}}"#, "nnnnn"),
        (r#"{"env":"dev","env":"prod"}"#, "-nn-n"),
        (r#"{"env":"prod","env":"dev"}"#, "-nn-n"),
        (r#"{"env":"dev","env":"dev"}"#, "-nn-n"),
        (r#"{"env":"dev","Env":"prod"}"#, "-nn-n"),
        (r#"{"ENV":"prod","env":"dev"}"#, "-nn-n"),
        (r#"{"ENV":"dev"}"#, "-nn-n"),
        (r#"{"env\u0000x":"prod","env":"dev"}"#, "-nn-n"),
        (r#"{"env":"dev","\u0065nv":"prod"}"#, "-nn-n"),
        (r#"{"env":["dev"]}"#, "-nn-n"),
        (r#"{"env":null}"#, "-nn-n"),
        (r#"{"env":1}"#, "-nn-n"),
        (r#"{"count":10}"#, "nynnn"),
        (r#"{"count":11}"#, "nnnnn"),
        (r#"{"count":-10}"#, "nnnnn"),
        (r#"{"count":10.0}"#, "n-nnn"),
        (r#"{"count":1e1}"#, "n-nnn"),
        (r#"{"count":-0}"#, "n-nnn"),
        (r#"{"count":"10"}"#, "n-nnn"),
        (r#"{"count":true}"#, "n-nnn"),
        (r#"{"count":10000000000000000000000}"#, "nnnnn"),
        (r#"{"force":false}"#, "nnynn"),
        (r#"{"force":true}"#, "nnnnn"),
        (r#"{"force":"false"}"#, "nn-nn"),
        (r#"{"force":0}"#, "nn-nn"),
        (r#"{"path":"/srv/pub/a/b"}"#, "nnnny"),
        (r#"{"path":"/srv/pub"}"#, "nnnnn"),
        (r#"{"path":"/x/srv/pub/a"}"#, "nnnnn"),
        (r#"{"path":"/srv/pub/../key"}"#, "nnnn-"),
        (r#"{"path":"/x/../srv/pub/a"}"#, "nnnn-"),
        (r#"{"path":["/srv/pub/a"]}"#, "nnnn-"),
        ("[]", "-----"),
        ("null", "-----"),
        (r#"{"env":"dev""#, "-----"),
        (r#"{"env":"dev"}{}"#, "-----"),
    ];
    for (index, (argument, condition)) in conditions.iter().enumerate() {
        let rule =
            |action: &str| json!({ "action": action, "arguments": { *argument: condition } });
        let allowing = rules(json!([rule("allow")]));
        let denying = rules(json!([rule("deny"), { "action": "allow" }]));
        assert!(allowing.read_arguments());
        for (arguments, expect) in cases {
            let (allow, deny) = match expect.as_bytes()[index] {
                b'y' => ("rule_0", "!rule_0"),
                b'n' => ("!default", "rule_1"),
                _ => ("!default", "!rule_0"),
            };
            assert_eq!(judge(&allowing, call(arguments)), allow, "{condition} {arguments}");
            assert_eq!(judge(&denying, call(arguments)), deny, "{condition} {arguments}");
        }
    }
}

#[test]
fn all_named_arguments_must_be_as_wanted() {
    let rules = rules(json!([
        { "action": "allow", "names": ["deploy"],
          "arguments": { "env": { "equals": "dev" }, "region": { "prefix": "eu-" } } },
        // Another tool spells it so; that makes no call of the first ambiguous.
        { "action": "allow", "names": ["other"], "arguments": { "ENV": { "equals": "dev" } } },
    ]));
    let both = r#"{"env":"dev","region":"eu-1","dry_run":true}"#;
    assert_eq!(judge(&rules, call(both)), "rule_0");
    assert_eq!(judge(&rules, call(r#"{"env":"dev","region":"us-1"}"#)), "!default");
    assert_eq!(judge(&rules, call(r#"{"env":"dev"}"#)), "!default");
    assert_eq!(judge(&rules, call(r#"{"region":"eu-1"}"#)), "!default");
    let other = |arguments| Subject { name: Some("other"), ..call(arguments) };
    assert_eq!(judge(&rules, other(r#"{"ENV":"dev"}"#)), "rule_1");
    assert_eq!(judge(&rules, other(r#"{"env":"dev"}"#)), "!default");
}

#[test]
fn arguments_that_cannot_be_known() {
    let allowing = rules(json!([
        { "action": "allow", "names": ["deploy"], "arguments": { "env": { "equals": "dev" } } },
    ]));
    let denying = rules(json!([
        { "action": "deny", "arguments": { "env": { "equals": "prod" } } },
        { "action": "allow", "names": ["deploy"] },
    ]));
    let with = |arguments| Subject { arguments, ..tool("deploy") };
    // Not read: never for the caller. Any: whether some call would pass.
    assert_eq!(judge(&allowing, with(Arguments::Unread)), "!default");
    assert_eq!(judge(&denying, with(Arguments::Unread)), "!rule_0");
    assert_eq!(judge(&allowing, with(Arguments::Any)), "rule_0");
    assert_eq!(judge(&denying, with(Arguments::Any)), "rule_1");
    let other = Subject { name: Some("other"), ..with(Arguments::Any) };
    assert_eq!(judge(&allowing, other), "!default");
    assert_eq!(judge(&denying, other), "!default");
    // None at all is known for certain.
    assert_eq!(judge(&allowing, with(Arguments::Given(None))), "!default");
    assert_eq!(judge(&denying, with(Arguments::Given(None))), "rule_1");
    // Other methods have no such arguments.
    let prompt = Subject { method: Some("prompts/get"), ..call(r#"{"env":"prod"}"#) };
    assert_eq!(judge(&denying, prompt), "rule_1");
    assert_eq!(judge(&allowing, prompt), "!default");
    let any = Subject { method: Some("prompts/get"), ..with(Arguments::Any) };
    assert_eq!(judge(&allowing, any), "!default");
}

#[test]
fn a_member_twice_counts_however_many_there_are() {
    let rules = rules(json!([
        { "action": "allow", "arguments": { "env": { "equals": "dev" } } },
    ]));
    let filler: String = (0..20_000).map(|n| format!(r#""k{n}":[{n}],"#)).collect();
    let once = format!(r#"{{{filler}"env":"dev"}}"#);
    let twice = format!(r#"{{"env":"dev",{filler}"env":"dev"}}"#);
    assert_eq!(judge(&rules, call(&once)), "rule_0");
    assert_eq!(judge(&rules, call(&twice)), "!default");
}

#[test]
fn errors_name_the_rule() {
    let deny = |key: &str, value: Value| {
        let mut rule = json!({ "action": "deny" });
        rule[key] = value;
        json!([{ "action": "allow" }, rule])
    };
    let argument = |condition: Value| deny("arguments", json!({ "x": condition }));
    let many = |count: usize| -> Value { (0..count).map(|n| format!("s{n}")).collect() };
    let conditions: serde_json::Map<String, Value> =
        (0..33).map(|n| (format!("a{n}"), json!({ "equals": n }))).collect();
    let cases = [
        (deny("action", json!("permit")), "rules[1].action", "unknown variant"),
        (json!([{}]), "rules[0]", "action"),
        (deny("tools", json!(["x"])), "rules[1].tools", "unknown field"),
        (deny("name", json!("Rule 1")), "rules[1].name", "a-z"),
        (deny("name", json!("")), "rules[1].name", "1 to 64"),
        (deny("name", json!("rule_0")), "rules[1].name", "taken"),
        (deny("name", json!("default")), "rules[1].name", "taken"),
        (deny("name", json!("exempt")), "rules[1].name", "taken"),
        (deny("methods", json!([])), "rules[1].methods", "leave it out"),
        (deny("names", many(257)), "rules[1].names", "256"),
        (deny("names", json!(["a", ""])), "rules[1].names[1]", "1 to 2048"),
        (deny("scopes", json!({ "all_of": ["a b"] })), "rules[1].scopes.all_of[0]", "scope"),
        (deny("scopes", json!({ "any_of": many(17) })), "rules[1].scopes.any_of", "16"),
        (deny("scopes", json!({ "one_of": [] })), "rules[1].scopes.one_of", "unknown field"),
        (argument(json!({})), "rules[1].arguments.x", "exactly one"),
        (argument(json!({ "equals": 1, "prefix": "a" })), "rules[1].arguments.x", "exactly one"),
        (argument(json!({ "equals": null })), "rules[1].arguments.x", "exactly one"),
        (argument(json!({ "equals": 1.5 })), "rules[1].arguments.x.equals", "integer"),
        (argument(json!({ "equals": ["a"] })), "rules[1].arguments.x.equals", "string"),
        (argument(json!({ "in": [] })), "rules[1].arguments.x", "1 to 256"),
        (argument(json!({ "in": ["a", 1] })), "rules[1].arguments.x", "one type"),
        (argument(json!({ "prefix": "" })), "rules[1].arguments.x", "empty"),
        (argument(json!({ "suffix": "a" })), "rules[1].arguments.x.suffix", "unknown field"),
        (deny("arguments", json!({ "é": { "equals": 1 } })), "rules[1].arguments", "ASCII"),
        (deny("arguments", Value::Object(conditions)), "rules", "more than 32"),
        (
            json!([{ "action": "deny", "methods": ["tools/list"], "arguments": { "x": { "equals": 1 } } }]),
            "rules[0].arguments",
            "tools/call",
        ),
        ((0..513).map(|_| json!({ "action": "deny" })).collect(), "rules", "more than 512"),
    ];
    for (list, path, problem) in cases {
        let error = read(&list).expect_err(problem);
        assert_eq!(error.path, path, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    }
    assert!(read(&argument(json!({ "in": [1, -2] }))).is_ok());
    let calls = json!([{ "action": "deny", "methods": ["tools/*"], "arguments": { "x": { "in": [true] } } }]);
    assert!(read(&calls).is_ok());
}
