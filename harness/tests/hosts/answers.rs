//! What each host call answers from a request-headers callback, and which are not linked.

use mcp_harness::{LoadError, Options, Profile};

use crate::guest::{Guest, RESULT, SIZE, ZERO, said, saying};
use crate::{get, host};

const POINTERS: &str = "(i32.const 16) (i32.const 20)";

/// The arguments of a call, built by a guest.
type Arguments = fn(&mut Guest) -> String;

fn none(_: &mut Guest) -> String {
    String::new()
}

/// Call, arguments, what Envoy answers, what APISIX answers.
const ANSWERS: &[(&str, Arguments, u32, u32)] = &[
    ("proxy_log", |g| format!("(i32.const 2) {}", g.text("hello")), 0, 0),
    ("proxy_log", |g| format!("(i32.const 6) {}", g.text("no level")), 2, 2),
    ("proxy_log", |_| "(i32.const 2) (i32.const -9) (i32.const 9)".into(), 6, 6),
    ("proxy_get_current_time_nanoseconds", |_| RESULT.into(), 0, 12),
    ("proxy_set_tick_period_milliseconds", |_| "(i32.const 100)".into(), 0, 12),
    ("proxy_set_effective_context", |_| "(local.get $0)".into(), 0, 0),
    ("proxy_set_effective_context", |_| "(i32.const 999)".into(), 2, 0),
    ("proxy_done", none, 1, 12),
    ("proxy_call_foreign_function", |g| format!("{} {ZERO} {ZERO} {POINTERS}", g.text("f")), 1, 12),
    ("proxy_get_status", |_| format!("{RESULT} {POINTERS}"), 0, 12),
    ("proxy_get_buffer_bytes", |_| format!("{ZERO} {ZERO} (i32.const 9) {POINTERS}"), 0, 1),
    ("proxy_get_buffer_bytes", |_| format!("(i32.const 6) {ZERO} (i32.const 9) {POINTERS}"), 0, 12),
    ("proxy_get_buffer_bytes", |_| format!("(i32.const 7) {ZERO} (i32.const 9) {POINTERS}"), 1, 0),
    ("proxy_get_buffer_bytes", |_| format!("(i32.const 9) {ZERO} (i32.const 9) {POINTERS}"), 2, 12),
    ("proxy_set_buffer_bytes", |g| format!("{ZERO} {ZERO} {ZERO} {}", g.text("x")), 2, 12),
    ("proxy_get_header_map_pairs", |_| format!("{ZERO} {POINTERS}"), 0, 0),
    ("proxy_get_header_map_pairs", |_| format!("(i32.const 1) {POINTERS}"), 0, 12),
    ("proxy_get_header_map_pairs", |_| format!("(i32.const 6) {POINTERS}"), 0, 1),
    ("proxy_set_header_map_pairs", |g| format!("(i32.const 2) {}", g.pairs(&[])), 2, 12),
    ("proxy_get_header_map_value", |g| format!("{ZERO} {} {POINTERS}", g.text("x-nope")), 1, 1),
    (
        "proxy_get_header_map_value",
        |g| format!("(i32.const 1) {} {POINTERS}", g.text("x-nope")),
        2,
        12,
    ),
    ("proxy_add_header_map_value", |g| format!("{ZERO} {0} {0}", g.text("x-a")), 0, 0),
    ("proxy_add_header_map_value", |g| format!("(i32.const 1) {0} {0}", g.text("x-a")), 2, 12),
    ("proxy_replace_header_map_value", |g| format!("{ZERO} {0} {0}", g.text("x-a")), 0, 0),
    ("proxy_remove_header_map_value", |g| format!("{ZERO} {}", g.text("x-a")), 0, 0),
    ("proxy_remove_header_map_value", |g| format!("{ZERO} {}", g.text(":path")), 0, 2),
    ("proxy_get_shared_data", |g| format!("{} {POINTERS} {RESULT}", g.text("key")), 1, 12),
    ("proxy_set_shared_data", |g| format!("{0} {0} {ZERO}", g.text("key")), 0, 12),
    ("proxy_register_shared_queue", |g| format!("{} {RESULT}", g.text("queue")), 0, 12),
    (
        "proxy_resolve_shared_queue",
        |g| format!("{ZERO} {ZERO} {} {RESULT}", g.text("no queue")),
        1,
        12,
    ),
    ("proxy_dequeue_shared_queue", |_| format!("(i32.const 9) {POINTERS}"), 1, 12),
    ("proxy_enqueue_shared_queue", |g| format!("(i32.const 9) {}", g.text("x")), 1, 12),
    ("proxy_define_metric", |g| format!("{ZERO} {} {RESULT}", g.text("m")), 0, 0),
    ("proxy_define_metric", |g| format!("(i32.const 3) {} {RESULT}", g.text("m")), 2, 0),
    ("proxy_increment_metric", |_| format!("{ZERO} (i64.const 1)"), 1, 0),
    ("proxy_record_metric", |_| format!("{ZERO} (i64.const 1)"), 1, 0),
    ("proxy_continue_stream", |_| ZERO.into(), 0, 0),
    ("proxy_continue_stream", |_| "(i32.const 9)".into(), 2, 0),
    ("proxy_close_stream", |_| "(i32.const 9)".into(), 2, 0),
];

#[test]
fn every_call_answers_as_its_host_does() {
    for (profile, column) in [(Profile::Envoy, 0), (Profile::Apisix, 1)] {
        for (name, arguments, envoy, apisix) in ANSWERS {
            let module = saying(|guest| {
                let arguments = arguments(guest);
                guest.say("status", name, &arguments)
            });
            let options = Options { configuration: b"conf".to_vec(), ..Options::default() };
            let mut host = mcp_harness::Host::new(&module, profile, options).expect("it loads");
            let transcript = host.exchange(0, &get());
            let expected = format!("status={:02}", [envoy, apisix][column]);
            assert_eq!(
                said(&transcript).last(),
                Some(&expected.as_str()),
                "{profile}: {name}, {:?}",
                transcript.calls
            );
        }
    }
}

#[test]
fn grpc_is_a_stub_on_apisix_and_not_imitated_on_envoy() {
    let calls = [
        ("proxy_grpc_call", 12),
        ("proxy_grpc_stream", 9),
        ("proxy_grpc_send", 4),
        ("proxy_grpc_cancel", 1),
        ("proxy_grpc_close", 1),
    ];
    for (name, arguments) in calls {
        let module = saying(|guest| guest.say("status", name, &ZERO.repeat(arguments)));
        let transcript = host(&module, Profile::Apisix).exchange(0, &get());
        assert_eq!(said(&transcript), ["status=12"], "{name}");
        let transcript = host(&module, Profile::Envoy).exchange(0, &get());
        let outcome = transcript.outcome.to_string();
        assert!(outcome.contains(&format!("does not imitate {name}")), "{outcome}");
    }
}

#[test]
fn imports_a_host_does_not_link_keep_the_module_from_loading() {
    let calls: &[(&str, &str, &[Profile])] = &[
        ("proxy_get_log_level", RESULT, &[Profile::Apisix]),
        ("proxy_get_metric", "(i32.const 0) (i32.const 24)", &[Profile::Apisix]),
        (
            "proxy_get_buffer_status",
            "(i32.const 0) (i32.const 20) (i32.const 24)",
            &[Profile::Apisix],
        ),
        ("proxy_get_header_map_size", "(i32.const 0) (i32.const 24)", &[Profile::Apisix]),
        ("proxy_get_configuration", "(i32.const 16) (i32.const 20)", &[Profile::Envoy]),
        ("proxy_continue_request", "", &[Profile::Envoy]),
        ("proxy_continue_response", "", &[Profile::Envoy]),
        ("proxy_clear_route_cache", "", &[Profile::Envoy]),
        ("proxy_get_shared_data", &format!("{ZERO} {ZERO} {POINTERS} {SIZE}"), &[]),
    ];
    for (name, arguments, refusing) in calls {
        let module = saying(|guest| guest.say("status", name, arguments));
        for profile in Profile::ALL {
            let loaded = mcp_harness::Host::new(&module, profile, Options::default());
            match loaded {
                Ok(_) => assert!(!refusing.contains(&profile), "{name} loads on {profile}"),
                Err(LoadError::Link { reason, .. }) => {
                    assert!(refusing.contains(&profile), "{name} on {profile}: {reason}");
                    assert!(reason.contains(name), "{reason}");
                }
                Err(other) => panic!("{name} on {profile}: {other}"),
            }
        }
    }
}

#[test]
fn what_envoy_alone_answers() {
    let module = saying(|guest| {
        let level = guest.say("level", "proxy_get_log_level", RESULT);
        let read_level = guest.say_number("level", "(i32.load (i32.const 24))");
        let size = guest.say("size", "proxy_get_header_map_size", &format!("{ZERO} {RESULT}"));
        let define = format!("{ZERO} {} {RESULT}", guest.text("requests"));
        let define = guest.say("define", "proxy_define_metric", &define);
        let id = "(i32.load (i32.const 24))";
        let add = guest.say("add", "proxy_increment_metric", &format!("{id} (i64.const 5)"));
        let read = guest.say("read", "proxy_get_metric", &format!("{id} (i32.const 32)"));
        let value = guest.say_number("value", "(i32.load (i32.const 32))");
        [level, read_level, size, define, add, read, value].concat()
    });
    let transcript = host(&module, Profile::Envoy).exchange(0, &get());
    let expected =
        ["level=00", "level=00", "size=00", "define=00", "add=00", "read=00", "value=05"];
    assert_eq!(said(&transcript), expected);
    assert_eq!(transcript.metrics.get("requests"), Some(&5));
}
