//! What apisix/ configures is what the modules take under APISIX, after what its JSON makes of it.
//!
//! The routes are read from `apisix/admin.sh`; that `apisix/apisix.yaml` says the same is a test in
//! Python (`tests/apisix`). The same host has other files too: `apisix/nginx.conf`, and
//! `envoy/kubernetes/apisix.yaml`.

use mcp_harness::{Exchange, Host, LogLevel, Options, Profile, Request};
use mcp_tests::module;
use serde_json::{Map, Value};

/// The objects that admin.sh puts, by their path: `routes/mcp`.
fn objects() -> Map<String, Value> {
    let script = module::repository().join("apisix/admin.sh");
    let script = std::fs::read_to_string(script).expect("a script");
    let mut lines = script.lines();
    let mut objects = Map::new();
    while let Some(line) = lines.next() {
        let Some(path) = line.strip_prefix("put ").and_then(|rest| rest.strip_suffix(" <<'JSON'"))
        else {
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "JSON").collect();
        let object = serde_json::from_str(&text.join("\n"));
        objects.insert(path.to_owned(), object.unwrap_or_else(|error| panic!("{path}: {error}")));
    }
    objects
}

/// The lines of a file between two lines, without them.
fn between(file: &str, first: &str, last: &str) -> String {
    let text = std::fs::read_to_string(module::repository().join(file)).expect("a file");
    let lines = text.lines().skip_while(|line| line.trim() != first).skip(1);
    lines.take_while(|line| line.trim() != last).collect::<Vec<_>>().join("\n")
}

/// Every use of a module: the route, the module's name, its configuration.
fn uses() -> Vec<(Value, String, Value)> {
    let mut uses = Vec::new();
    for (_, route) in objects().into_iter().filter(|(path, _)| path.starts_with("routes/")) {
        for (plugin, settings) in route["plugins"].as_object().expect("plugins") {
            if plugin.starts_with("mcp_") {
                uses.push((route.clone(), plugin.clone(), settings["conf"].clone()));
            }
        }
    }
    uses
}

/// What a module gets of a configuration that is an object: APISIX writes it anew with cjson. Keys
/// come in another order, numbers are doubles with 14 digits, and an empty array of apisix.yaml has
/// become an object.
fn rewritten(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                format!("{}:{}", rewritten(&key.as_str().into()), rewritten(value))
            };
            format!("{{{}}}", fields.iter().rev().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) if items.is_empty() => "{}".to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(rewritten).collect::<Vec<_>>().join(","))
        }
        Value::Number(number) => fourteen_digits(number.as_f64().expect("a double")),
        Value::String(_) => value.to_string().replace('/', r"\/"),
        _ => value.to_string(),
    }
}

/// A number as C's `%.14g` writes it.
fn fourteen_digits(number: f64) -> String {
    let scientific = format!("{number:.13e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if (-4..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).expect("at least none");
        return trimmed(&format!("{number:.decimals$}"));
    }
    format!("{}e{exponent:+03}", trimmed(mantissa))
}

/// A module under APISIX with that configuration.
fn gateway(name: &str, configuration: String) -> Host {
    let options = Options { configuration: configuration.into(), ..Options::default() };
    Host::new(&module::load(name), Profile::Apisix, options).expect("the module loads")
}

/// The status of a request, and what was logged as an error.
fn ask(host: &mut Host, path: &str) -> (u16, Vec<String>) {
    let answer = host.exchange(0, &Exchange::new(Request::new("GET", path)));
    let errors = host.log().into_iter().filter(|line| line.level > LogLevel::Warn);
    (answer.status(), errors.map(|line| line.text).collect())
}

#[test]
fn numbers_are_written_as_cjson_does() {
    for (number, text) in [
        (0.0, "0"),
        (20.0, "20"),
        (-1.0, "-1"),
        (2.5, "2.5"),
        (1_000_000.0, "1000000"),
        (99_999_999_999_999.0, "99999999999999"),
        (9_007_199_254_740_993.0, "9.007199254741e+15"),
        (0.000_01, "1e-05"),
    ] {
        assert_eq!(fourteen_digits(number), text);
    }
}

#[test]
fn no_configuration_says_something_else_once_apisix_has_rewritten_it() {
    for (_, module, configuration) in uses() {
        let rewritten: Value =
            serde_json::from_str(&rewritten(&configuration)).expect("it is JSON still");
        assert_eq!(rewritten, configuration, "{module}");
    }
}

#[test]
fn every_module_takes_its_configuration_lets_nobody_in_unknown_and_says_where_to_ask() {
    let uses = uses();
    let mut names: Vec<&str> = uses.iter().map(|(_, module, _)| module.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["mcp_auth", "mcp_gateway", "mcp_quota", "mcp_session"]);
    for (route, module, configuration) in &uses {
        let mut host = gateway(module, rewritten(configuration));
        let path = configuration["admission"]["paths"][0].as_str().expect("a path");
        let mut expected = vec![path.to_owned()];
        // Who calls is for `auth` to ask; in front of the others another plugin does.
        let asks = configuration.get("auth").is_some();
        assert_eq!(ask(&mut host, path), (if asks { 401 } else { 200 }, vec![]), "{module}");
        if asks {
            let metadata = format!("/.well-known/oauth-protected-resource{path}");
            assert_eq!(ask(&mut host, &metadata), (200, vec![]), "{module}");
            expected.push(metadata);
        }
        // The module answers only what a route leads to it.
        assert_eq!(route["uris"], Value::from(expected), "{module}");
    }
}

/// A configuration that is a text reaches the module as it is.
#[test]
fn mcp_gateway_takes_the_texts_of_nginx_conf_and_of_kubernetes() {
    for text in [
        between("apisix/nginx.conf", "local configuration = [=[", "]=]"),
        between("envoy/kubernetes/apisix.yaml", "conf: |", "---"),
    ] {
        let configuration: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(configuration["admission"]["paths"], Value::from(vec!["/mcp"]));
        let mut host = gateway("mcp_gateway", text);
        assert_eq!(ask(&mut host, "/mcp"), (401, vec![]));
        let metadata = "/.well-known/oauth-protected-resource/mcp";
        assert_eq!(ask(&mut host, metadata), (200, vec![]));
    }
}

/// The checks above would see it.
#[test]
fn a_configuration_that_this_host_cannot_carry_out_is_an_error_and_503() {
    let (_, module, mut configuration) =
        uses().into_iter().find(|(_, module, _)| module == "mcp_gateway").expect("it is used");
    configuration["auth"]["list_filtering"] = "enforce".into();
    let (status, errors) = ask(&mut gateway(&module, rewritten(&configuration)), "/mcp");
    assert_eq!(status, 503);
    assert!(errors.iter().any(|line| line.contains("auth.list_filtering")), "{errors:?}");
}
