//! Properties: attribute paths on Envoy, nginx variables on APISIX.

use mcp_harness::{Exchange, Options, Profile, Request};

use crate::guest::{Guest, said, saying};
use crate::run;

/// The status and the value of a property, read at the request headers.
fn read(profile: Profile, exchange: &Exchange, path: &str) -> (String, Option<String>) {
    let module = saying(|guest| {
        let arguments = format!("{} (i32.const 16) (i32.const 20)", guest.text(path));
        let get = guest.say("status", "proxy_get_property", &arguments);
        get + &guest.say_returned()
    });
    let transcript = run(&module, profile, exchange);
    let lines = said(&transcript);
    let value = lines.get(1).filter(|_| lines[0] == "status=00").map(|line| (*line).to_owned());
    (lines[0].to_owned(), value)
}

#[test]
fn each_host_knows_its_own_names() {
    let request = Request::new("POST", "/a/b?x=1&y=2")
        .header("x-who", "me")
        .header("cookie", "a=1; sid=2")
        .header("x-request-id", "id-1");
    let mut exchange = Exchange::new(request);
    exchange.properties.insert(b"source\0address".to_vec(), b"10.0.0.1:5".to_vec());
    exchange.properties.insert(b"remote_addr".to_vec(), b"10.0.0.2".to_vec());
    // path, on Envoy, on APISIX
    let cases = [
        ("source\0address", Some("10.0.0.1:5"), Some("10.0.0.1:5")),
        ("request\0path", Some("/a/b?x=1&y=2"), None),
        ("request\0method", Some("POST"), None),
        ("request\0url_path", Some("/a/b"), None),
        ("request\0protocol", Some("HTTP/1.1"), None),
        ("request\0host", Some("gateway.test"), None),
        ("request\0scheme", Some("http"), None),
        ("request\0id", Some("id-1"), None),
        ("request\0headers\0x-who", Some("me"), None),
        ("request\0headers\0x-nobody", None, None),
        ("plugin_root_id", Some("filter"), Some("filter")),
        ("plugin_name", Some("filter"), None),
        ("remote_addr", Some("10.0.0.2"), Some("10.0.0.2")),
        ("request_uri", None, Some("/a/b?x=1&y=2")),
        ("URI", None, Some("/a/b")),
        ("args", None, Some("x=1&y=2")),
        ("arg_y", None, Some("2")),
        ("http_x_who", None, Some("me")),
        ("cookie_sid", None, Some("2")),
        ("request_method", None, Some("POST")),
        ("server_protocol", None, Some("HTTP/1.1")),
        ("host", None, Some("gateway.test")),
        ("scheme", None, Some("http")),
        ("no_such_thing", None, None),
    ];
    for (path, envoy, apisix) in cases {
        for (profile, expected) in [(Profile::Envoy, envoy), (Profile::Apisix, apisix)] {
            // A property that a test gives is there in both, under the name it gave.
            let (status, value) = read(profile, &exchange, path);
            assert_eq!(value.as_deref(), expected, "{profile}: {path:?}");
            assert_eq!(status == "status=00", expected.is_some(), "{profile}: {path:?} {status}");
        }
    }
}

#[test]
fn writing_is_free_on_envoy_and_for_a_few_variables_on_apisix() {
    let cases = [
        ("wasm_process_req_body", 0, 0),
        ("upstream_uri", 0, 0),
        ("remote_addr", 0, 10),
        ("request_uri", 0, 10),
        ("a\0b", 0, 10),
        ("no_such_thing", 0, 1),
    ];
    let mut exchange = Exchange::new(Request::new("GET", "/"));
    exchange.properties.insert(b"remote_addr".to_vec(), b"10.0.0.2".to_vec());
    for (path, envoy, apisix) in cases {
        for (profile, expected) in [(Profile::Envoy, envoy), (Profile::Apisix, apisix)] {
            let module = saying(|guest| {
                let arguments = format!("{} {}", guest.text(path), guest.text("1"));
                guest.say("status", "proxy_set_property", &arguments)
            });
            let transcript = run(&module, profile, &exchange);
            assert_eq!(said(&transcript), [format!("status={expected:02}")], "{profile}: {path:?}");
        }
    }
}

#[test]
fn envoy_finds_what_a_filter_set_under_one_segment_only() {
    for (path, status) in [("own", "get=00"), ("own\0path", "get=01")] {
        let module = saying(|guest| {
            let set = format!("{} {}", guest.text(path), guest.text("value"));
            let set = guest.say("set", "proxy_set_property", &set);
            let get = format!("{} (i32.const 16) (i32.const 20)", guest.text(path));
            set + &guest.say("get", "proxy_get_property", &get)
        });
        let transcript = run(&module, Profile::Envoy, &Exchange::new(Request::new("GET", "/")));
        assert_eq!(said(&transcript), ["set=00", status], "{path:?}");
    }
}

#[test]
fn variables_steer_what_goes_upstream_on_apisix() {
    let cases = [
        ("upstream_uri", "/whole?new=1", "/whole?new=1", "gateway.test"),
        ("args", "new=1", "/old?new=1", "gateway.test"),
        ("upstream_host", "other.test", "/old?query=1", "other.test"),
    ];
    for (name, value, target, host) in cases {
        let module = saying(|guest| {
            let arguments = format!("{} {}", guest.text(name), guest.text(value));
            guest.say("status", "proxy_set_property", &arguments)
        });
        let exchange = Exchange::new(Request::new("GET", "/old?query=1"));
        let upstream = run(&module, Profile::Apisix, &exchange).upstream.expect("asked");
        assert_eq!(upstream.target, target.as_bytes(), "{name}");
        assert_eq!(upstream.headers.get("host"), Some(host.as_bytes()), "{name}");
    }
}

#[test]
fn without_a_request_apisix_knows_only_the_plugin_and_envoy_sets_nothing() {
    let mut guest = Guest::new();
    let arguments = format!("{} (i32.const 16) (i32.const 20)", guest.text("remote_addr"));
    let get = guest.say("get", "proxy_get_property", &arguments);
    let arguments = format!("{} (i32.const 16) (i32.const 20)", guest.text("plugin_root_id"));
    let root = guest.say("root", "proxy_get_property", &arguments);
    let arguments = format!("{0} {0}", guest.text("args"));
    let set = guest.say("set", "proxy_set_property", &arguments);
    let module =
        guest.on("proxy_on_configure", &format!("{get} {root} {set} (i32.const 1)")).module();
    for (profile, expected) in [
        (Profile::Envoy, ["get=01", "root=00", "set=01"]),
        (Profile::Apisix, ["get=02", "root=00", "set=02"]),
    ] {
        let options = Options::default();
        let mut host = mcp_harness::Host::new(&module, profile, options).expect("it loads");
        let transcript = host.exchange(0, &Exchange::new(Request::new("GET", "/")));
        assert_eq!(said(&transcript), expected, "{profile}");
    }
}
