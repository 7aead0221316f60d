//! Several workers, the clock, ticks, shared data, queues, randomness and memory.

use std::time::Duration;

use mcp_harness::{Host, Module, Options, Outcome, Profile};

use crate::guest::{Guest, RESULT, ZERO, said, saying};
use crate::{get, host, run};

const POINTERS: &str = "(i32.const 16) (i32.const 20)";

fn envoy(module: &Module, workers: usize) -> Host {
    let options = Options { workers, ..Options::default() };
    Host::new(module, Profile::Envoy, options).expect("it loads")
}

#[test]
fn the_clock_stands_still_until_turned() {
    // Seconds since the epoch, modulo 60, by the host call (Envoy) and by WASI (both).
    let mut guest = Guest::new();
    let read = guest.call("proxy_get_current_time_nanoseconds", RESULT);
    let seconds = "(i32.wrap_i64 (i64.rem_u
        (i64.div_u (i64.load (i32.const 24)) (i64.const 1000000000)) (i64.const 60)))";
    let by_call = guest.say_number("call", seconds);
    guest.import_wasi("clock_time_get", "i32 i64 i32");
    let by_wasi = guest.say_number("wasi", seconds);
    let module = guest
        .on(
            "proxy_on_request_headers",
            &format!(
                "(if (i32.eqz {read}) (then {by_call})) (i64.store {RESULT} (i64.const 0))
                 (drop (call $clock_time_get {ZERO} (i64.const 1) {RESULT})) {by_wasi}
                 (i32.const 0)"
            ),
        )
        .module();
    for profile in Profile::ALL {
        let mut host = host(&module, profile);
        let last = |host: &mut Host| said(&host.exchange(0, &get())).last().unwrap().to_string();
        assert_eq!(last(&mut host), "wasi=00", "{profile}: a whole minute to start with");
        assert_eq!(last(&mut host), "wasi=00");
        host.advance(Duration::from_secs(7));
        assert_eq!(last(&mut host), "wasi=07");
        host.set_now(host.now() - Duration::from_secs(9));
        assert_eq!(last(&mut host), "wasi=58", "it can be turned back");
    }
    let mut host = host(&module, Profile::Envoy);
    host.advance(Duration::from_secs(5));
    assert_eq!(said(&host.exchange(0, &get())), ["call=05", "wasi=05"]);
}

/// Ticks every 100 ms; logs each tick.
fn ticker() -> Module {
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let tick = guest.say_number("tick", "(local.get $0)");
    guest
        .on("proxy_on_configure", &format!("(drop {start}) (i32.const 1)"))
        .on("proxy_on_tick", &tick)
        .module()
}

#[test]
fn ticks_come_to_every_worker_on_envoy_and_never_on_apisix() {
    let ticks = |host: &Host, worker| host.log().iter().filter(|l| l.worker == worker).count();
    let mut host = envoy(&ticker(), 2);
    host.advance(Duration::from_millis(99));
    assert_eq!((ticks(&host, 0), ticks(&host, 1)), (0, 0));
    host.advance(Duration::from_millis(1));
    assert_eq!((ticks(&host, 0), ticks(&host, 1)), (1, 1));
    host.advance(Duration::from_secs(1));
    assert_eq!((ticks(&host, 0), ticks(&host, 1)), (11, 11));
    assert!(host.log().iter().all(|line| line.text == "tick=01"), "for the plugin's own context");
    let mut host = self::host(&ticker(), Profile::Apisix);
    host.exchange(0, &get());
    host.advance(Duration::from_secs(1));
    assert_eq!(host.log(), []);
}

#[test]
fn ticks_that_change_nothing_do_not_wait_for_ever() {
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let module = guest
        .on("proxy_on_configure", &format!("(drop {start}) (i32.const 1)"))
        .on("proxy_on_request_headers", "(i32.const 1)")
        .on("proxy_on_tick", "")
        .module();
    let options = Options { patience: Duration::from_secs(3), ..Options::default() };
    let mut host = Host::new(&module, Profile::Envoy, options).expect("it loads");
    let transcript = host.exchange(0, &get());
    assert_eq!((transcript.outcome.word(), transcript.took), ("hang", Duration::from_secs(3)));
}

#[test]
fn contexts_of_exchanges_that_are_over_cannot_be_chosen() {
    let module =
        saying(|guest| guest.say("select", "proxy_set_effective_context", "(i32.const 2)"));
    let mut host = envoy(&module, 1);
    assert_eq!(said(&host.exchange(0, &get())), ["select=00"], "its own");
    assert_eq!(said(&host.exchange(0, &get())), ["select=02"], "the one before");
}

#[test]
fn a_guest_without_memory_to_give_gets_an_error() {
    let mut guest = Guest::new();
    let read = format!("{ZERO} {} {POINTERS}", guest.text("host"));
    let read = guest.say("read", "proxy_get_header_map_value", &read);
    let wat = guest.on("proxy_on_request_headers", &format!("{read} (i32.const 0)")).wat();
    let wat = wat.replacen("(global.get $heap)", "(i32.const 0)", 1);
    let module = Module::load(&wat::parse_str(wat).expect("valid")).expect("valid");
    for profile in Profile::ALL {
        assert_eq!(said(&run(&module, profile, &get())), ["read=10"], "{profile}");
    }
}

#[test]
fn a_tick_can_end_a_wait_that_nothing_else_ends() {
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let select = guest.call("proxy_set_effective_context", "(i32.const 2)");
    let (body, headers) = (guest.text("late"), guest.pairs(&[]));
    let reply = guest.call(
        "proxy_send_local_response",
        &format!("(i32.const 504) {ZERO} {ZERO} {body} {headers} (i32.const -1)"),
    );
    let module = guest
        .on("proxy_on_configure", &format!("(drop {start}) (i32.const 1)"))
        .on("proxy_on_request_headers", "(i32.const 1)")
        .on("proxy_on_tick", &format!("(if (i32.eqz {select}) (then (drop {reply})))"))
        .module();
    let transcript = run(&module, Profile::Envoy, &get());
    assert_eq!((transcript.status(), &transcript.outcome), (504, &Outcome::Replied));
    assert_eq!(transcript.took, Duration::from_millis(100));
}

/// Sets a key with the CAS in its argument position, and says the status.
fn set(guest: &mut Guest, key: &str, value: &str, cas: &str) -> String {
    let arguments = format!("{} {} {cas}", guest.text(key), guest.text(value));
    guest.say("set", "proxy_set_shared_data", &arguments)
}

/// Reads a key and says the status; leaves the CAS at the result's place.
fn read(guest: &mut Guest, key: &str) -> String {
    let arguments = format!("{} {POINTERS} {RESULT}", guest.text(key));
    guest.say("get", "proxy_get_shared_data", &arguments)
}

#[test]
fn shared_data_compares_only_what_exists() {
    let module = saying(|guest| {
        let cas = "(i32.load (i32.const 24))";
        let steps = [
            read(guest, "key"),
            // An absent key is stored whatever the value to compare.
            set(guest, "key", "a", "(i32.const 77)"),
            read(guest, "key"),
            guest.say_returned(),
            set(guest, "key", "b", "(i32.const 77)"),
            set(guest, "key", "c", cas),
            // The value read is outdated now, and 0 always overwrites.
            set(guest, "key", "d", cas),
            set(guest, "key", "e", ZERO),
            read(guest, "key"),
            guest.say_returned(),
        ];
        steps.concat()
    });
    let mut host = envoy(&module, 1);
    let transcript = host.exchange(0, &get());
    let expected =
        ["get=01", "set=00", "get=00", "a", "set=08", "set=00", "set=08", "set=00", "get=00", "e"];
    assert_eq!(said(&transcript), expected);
    assert_eq!(host.shared_data_size(), (1, 4));
}

#[test]
fn workers_share_data_and_metrics_but_not_memory() {
    let count = "(global.set $state (i32.add (global.get $state) (i32.const 1)))";
    let module = saying(|guest| {
        let own = guest.say_number("own", "(global.get $state)");
        let get = read(guest, "key");
        let set = set(guest, "key", "a", ZERO);
        let define = format!("{ZERO} {} {RESULT}", guest.text("requests"));
        let define = guest.call("proxy_define_metric", &define);
        let add = guest.call("proxy_increment_metric", "(i32.load (i32.const 24)) (i64.const 1)");
        format!("{count} {own} {get} {set} (drop {define}) (drop {add})")
    });
    let mut host = envoy(&module, 2);
    assert_eq!(said(&host.exchange(0, &get())), ["own=01", "get=01", "set=00"]);
    assert_eq!(said(&host.exchange(0, &get())), ["own=02", "get=00", "set=00"]);
    assert_eq!(said(&host.exchange(1, &get())), ["own=01", "get=00", "set=00"]);
    assert_eq!(host.metrics().get("requests"), Some(&3));
    // A reload is a new memory each, in the same host.
    host.reload(b"another").expect("it loads");
    assert_eq!(said(&host.exchange(0, &get())), ["own=01", "get=00", "set=00"]);
    assert_eq!(host.metrics().get("requests"), Some(&4));
}

#[test]
fn exchanges_interleave_on_one_worker() {
    let mut guest = Guest::new();
    let who = guest.say_number("context", "(local.get $0)");
    let module = guest
        .on("proxy_on_request_headers", "(i32.const 1)")
        .on("proxy_on_request_body", &format!("{who} (i32.const 0)"))
        .module();
    let mut host = envoy(&module, 1);
    let (first, second) = (host.open(0, &crate::post("")), host.open(0, &crate::post("")));
    host.request_body(second, b"2", false);
    host.request_body(first, b"1", false);
    assert_eq!(said_all(&host), ["context=03", "context=02"]);
    assert_eq!(host.so_far(first).1.expect("released").chunks, [b"1"]);
    assert_eq!(host.outcome(first), None);
}

fn said_all(host: &Host) -> Vec<String> {
    host.log().into_iter().map(|line| line.text).collect()
}

#[test]
fn context_ids_are_used_again_on_apisix_alone() {
    let module = saying(|guest| guest.say_number("context", "(local.get $0)"));
    for (profile, second) in [(Profile::Envoy, "context=03"), (Profile::Apisix, "context=02")] {
        let mut host = host(&module, profile);
        assert_eq!(said(&host.exchange(0, &get())), ["context=02"], "{profile}");
        assert_eq!(said(&host.exchange(0, &get())), [second], "{profile}");
    }
}

#[test]
fn a_queue_tells_the_worker_that_registered_it() {
    let mut guest = Guest::new();
    let register = format!("{} (i32.const 64)", guest.text("queue"));
    let register = guest.call("proxy_register_shared_queue", &register);
    let send = format!("(i32.load (i32.const 64)) {}", guest.text("item"));
    let send = guest.say("send", "proxy_enqueue_shared_queue", &send);
    let take = format!("(local.get $1) {POINTERS}");
    let take = guest.say("take", "proxy_dequeue_shared_queue", &take);
    let empty = format!("(local.get $1) {POINTERS}");
    let empty = guest.say("empty", "proxy_dequeue_shared_queue", &empty);
    let show = guest.say_returned();
    let module = guest
        .on("proxy_on_configure", &format!("(drop {register}) (i32.const 1)"))
        .on("proxy_on_request_headers", &format!("{send} (i32.const 0)"))
        .on("proxy_on_queue_ready", &format!("{take} {show} {empty}"))
        .module();
    let mut host = envoy(&module, 2);
    let transcript = host.exchange(0, &get());
    let lines: Vec<_> = transcript.log.iter().map(|l| (l.worker, l.text.as_str())).collect();
    let expected = [(0, "send=00"), (1, "take=00"), (1, "item"), (1, "empty=07")];
    assert_eq!(lines, expected, "the last to register");
}

#[test]
fn a_queue_filled_by_a_tick_is_told_of_at_once() {
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let register = format!("{} (i32.const 64)", guest.text("queue"));
    let register = guest.call("proxy_register_shared_queue", &register);
    let send = format!("(i32.load (i32.const 64)) {}", guest.text("item"));
    let send = guest.call("proxy_enqueue_shared_queue", &send);
    let ready = guest.say_number("ready", "(local.get $1)");
    let module = guest
        .on("proxy_on_configure", &format!("(drop {start}) (drop {register}) (i32.const 1)"))
        .on("proxy_on_tick", &format!("(drop {send})"))
        .on("proxy_on_queue_ready", &ready)
        .module();
    let mut host = envoy(&module, 1);
    host.advance(Duration::from_millis(100));
    assert_eq!(said_all(&host), ["ready=01"]);
}

#[test]
fn randomness_follows_the_seed() {
    let mut guest = Guest::new();
    guest.import_wasi("random_get", "i32 i32");
    let say = guest.say_number("random", "(i32.rem_u (i32.load (i32.const 24)) (i32.const 100))");
    let code = format!("(drop (call $random_get {RESULT} (i32.const 4))) {say} (i32.const 0)");
    let module = guest.on("proxy_on_request_headers", &code).module();
    let drawn = |seed| {
        let options = Options { seed, ..Options::default() };
        let mut host = Host::new(&module, Profile::Apisix, options).expect("it loads");
        (0..4).map(|_| said(&host.exchange(0, &get()))[0].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    assert_ne!(drawn(1)[0], drawn(1)[1]);
}

#[test]
fn memory_and_the_journal_can_be_watched_over_many_exchanges() {
    let grow = "(drop (memory.grow (i32.const 1)))";
    let module = saying(|guest| grow.to_owned() + &guest.say_number("n", ZERO));
    let mut host = host(&module, Profile::Apisix);
    let before = host.memory_pages(0);
    for _ in 0..100 {
        host.exchange(0, &get());
    }
    assert_eq!(host.memory_pages(0) - before, 100);
    assert_eq!(host.log().len(), 100);
    host.forget_journal();
    assert_eq!(host.log().len(), 0);
    assert_eq!(said(&host.exchange(0, &get())), ["n=00"]);
}

#[test]
fn what_a_module_prints_is_logged() {
    let mut guest = Guest::new();
    guest.import_wasi("fd_write", "i32 i32 i32 i32");
    let text = guest.text("to standard error\n");
    let (at, size) = text.split_once(") (").unwrap();
    let code = format!(
        "(i32.store (i32.const 64) {at})) (i32.store (i32.const 68) ({size})
         (drop (call $fd_write (i32.const 2) (i32.const 64) (i32.const 1) {RESULT}))
         (i32.const 0)"
    );
    let module = guest.on("proxy_on_request_headers", &code).module();
    for profile in Profile::ALL {
        let transcript = run(&module, profile, &get());
        assert_eq!(said(&transcript), ["to standard error"], "{profile}");
        assert_eq!(transcript.log[0].level, mcp_harness::LogLevel::Error);
    }
}

#[test]
fn foreign_functions_answer_what_the_test_says_on_envoy() {
    let module = saying(|guest| {
        let arguments = format!("{} {} {POINTERS}", guest.text("sign"), guest.text("input"));
        guest.say("call", "proxy_call_foreign_function", &arguments) + &guest.say_returned()
    });
    let options = Options {
        foreign_functions: [(b"sign".to_vec(), b"signature".to_vec())].into_iter().collect(),
        ..Options::default()
    };
    let mut host = Host::new(&module, Profile::Envoy, options).expect("it loads");
    assert_eq!(said(&host.exchange(0, &get())), ["call=00", "signature"]);
}

#[test]
fn a_module_tells_what_it_imports_and_exports() {
    let module = saying(|guest| guest.say_number("n", ZERO));
    let imports: Vec<String> = module.imports().iter().map(ToString::to_string).collect();
    assert_eq!(imports, ["env::proxy_log (i32, i32, i32) -> i32"]);
    assert!(module.has_export("proxy_on_request_headers"));
    let exports: Vec<String> = module.exports().iter().map(ToString::to_string).collect();
    assert!(exports.contains(&"memory memory".to_owned()), "{exports:?}");
    let host = host(&module, Profile::Envoy);
    assert!(host.load_time() > Duration::ZERO && module.compile_time() > Duration::ZERO);
}
