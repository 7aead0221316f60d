//! Traps and crashes: what the client sees, and what becomes of the worker.

use mcp_harness::{
    Exchange, FailurePolicy, Host, LoadError, Module, Options, Outcome, Profile, Request, Response,
};

use crate::guest::{Guest, ZERO, said};
use crate::{get, host, post, run};

/// Traps at the headers of requests that have the header `x-bad`.
fn traps_at_request_headers() -> Module {
    let mut guest = Guest::new();
    let read = format!("{ZERO} {} (i32.const 16) (i32.const 20)", guest.text("x-bad"));
    let read = guest.call("proxy_get_header_map_value", &read);
    let about = guest.text("about to trap");
    let log = guest.call("proxy_log", &format!("(i32.const 4) {about}"));
    let code = format!("(if (i32.eqz {read}) (then (drop {log}) (unreachable))) (i32.const 0)");
    guest.on("proxy_on_request_headers", &code).module()
}

fn bad() -> Exchange {
    let request = Request::new("POST", "/").header("x-bad", "1").body("q");
    Exchange::with(request, Response::new(200).body("answer"))
}

#[test]
fn a_trap_is_told_with_its_callback_and_the_log_and_the_client_gets_503() {
    for profile in Profile::ALL {
        let transcript = run(&traps_at_request_headers(), profile, &bad());
        let Outcome::Trap { callback, message } = &transcript.outcome else {
            panic!("{profile}: {}", transcript.outcome)
        };
        assert_eq!(callback, "proxy_on_request_headers");
        assert!(message.contains("unreachable"), "{message}");
        assert_eq!(said(&transcript), ["about to trap"]);
        assert_eq!((transcript.status(), transcript.upstream.is_none()), (503, true), "{profile}");
    }
}

#[test]
fn a_dead_virtual_machine_answers_503_reloads_or_is_left_out() {
    // policy, status at the trap, status afterwards, outcome afterwards
    let cases = [
        (FailurePolicy::FailClosed, 503, 503, "host-replied"),
        (FailurePolicy::FailReload, 503, 200, "proxied"),
        (FailurePolicy::FailOpen, 200, 200, "proxied"),
    ];
    for (policy, at_trap, after, outcome) in cases {
        let mut options = Options::default();
        options.envoy.failure_policy = policy;
        let mut host =
            Host::new(&traps_at_request_headers(), Profile::Envoy, options).expect("it loads");
        assert_eq!(host.exchange(0, &post("q")).outcome, Outcome::Proxied);
        let transcript = host.exchange(0, &bad());
        assert_eq!(
            (transcript.status(), transcript.outcome.word()),
            (at_trap, "trap"),
            "{policy:?}"
        );
        let transcript = host.exchange(0, &post("q"));
        assert_eq!(
            (transcript.status(), transcript.outcome.word()),
            (after, outcome),
            "{policy:?}"
        );
    }
}

#[test]
fn apisix_keeps_the_instance_after_a_trap() {
    // The guest marks itself busy as it enters and ready as it leaves, as a RefCell would.
    let busy = "(if (global.get $state) (then (unreachable))) (global.set $state (i32.const 1))";
    let mut guest = Guest::new();
    let read = format!("{ZERO} {} (i32.const 16) (i32.const 20)", guest.text("x-bad"));
    let read = guest.call("proxy_get_header_map_value", &read);
    let code = format!(
        "{busy} (if (i32.eqz {read}) (then (unreachable)))
         (global.set $state (i32.const 0)) (i32.const 0)"
    );
    let module = guest.on("proxy_on_request_headers", &code).module();
    let mut host = host(&module, Profile::Apisix);
    assert_eq!(host.exchange(0, &post("q")).status(), 200);
    assert_eq!(host.exchange(0, &bad()).status(), 503);
    for _ in 0..3 {
        let transcript = host.exchange(0, &post("q"));
        assert_eq!((transcript.status(), transcript.outcome.word()), (503, "trap"), "for good");
    }
}

#[test]
fn envoy_makes_no_callback_after_a_trap_and_apisix_goes_on() {
    let mut guest = Guest::new();
    let start = guest.call("proxy_set_tick_period_milliseconds", "(i32.const 100)");
    let tick = guest.say_number("tick", ZERO);
    let read = format!("{ZERO} {} (i32.const 16) (i32.const 20)", guest.text("x-bad"));
    let read = guest.call("proxy_get_header_map_value", &read);
    let headers = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "keys")];
    let (service, headers) = (guest.text("keys"), guest.pairs(&headers));
    let call = guest.call(
        "proxy_http_call",
        &format!("{service} {headers} {ZERO} {ZERO} {ZERO} {ZERO} (i32.const 50) (i32.const 24)"),
    );
    let answered = guest.say_number("answered", ZERO);
    let module = guest
        .on("proxy_on_configure", &format!("(drop {start}) (i32.const 1)"))
        .on("proxy_on_tick", &tick)
        .on(
            "proxy_on_request_headers",
            &format!("(if (i32.eqz {read}) (then (unreachable))) (drop {call}) (i32.const 1)"),
        )
        .on("proxy_on_http_call_response", &answered)
        .module();
    let mut envoy = host(&module, Profile::Envoy);
    envoy.exchange(0, &bad());
    envoy.advance(std::time::Duration::from_secs(1));
    assert_eq!(envoy.log(), []);
    let mut apisix = host(&module, Profile::Apisix);
    assert_eq!(apisix.exchange(0, &bad()).status(), 503);
    let transcript = apisix.exchange(0, &get());
    assert_eq!(said(&transcript), ["answered=00"]);
    assert_eq!(transcript.outcome, Outcome::Proxied);
}

#[test]
fn a_trap_in_a_response_is_503_or_a_reset_on_envoy_and_passes_on_apisix() {
    for (callback, status, complete) in
        [("proxy_on_response_headers", 503, true), ("proxy_on_response_body", 200, false)]
    {
        let mut guest = Guest::new();
        let arguments = format!("{} {}", guest.text("wasm_process_resp_body"), guest.text("1"));
        let ask = guest.call("proxy_set_property", &arguments);
        let guest = guest
            .on("proxy_on_request_headers", &format!("(drop {ask}) (i32.const 0)"))
            .on(callback, "(unreachable)");
        let module = guest.module();
        let transcript = run(&module, Profile::Envoy, &post("q"));
        let client = transcript.client.as_ref().expect("a head");
        assert_eq!((client.response.status, client.complete), (status, complete), "{callback}");
        assert_eq!(transcript.outcome.word(), "trap");
        let transcript = run(&module, Profile::Apisix, &post("q"));
        let client = transcript.client.as_ref().expect("a response");
        assert_eq!((client.response.status, client.complete), (200, true), "{callback}");
        assert_eq!(client.response.whole_body(), b"answer");
        assert_eq!(transcript.outcome.word(), "trap");
    }
}

#[test]
fn traps_while_loading_and_refusals_name_the_callback_and_show_the_log() {
    let mut guest = Guest::new();
    let why = guest.text("config.key: wrong");
    let log = guest.call("proxy_log", &format!("(i32.const 4) {why}"));
    let refusing = guest.on("proxy_on_configure", &format!("(drop {log}) (i32.const 0)")).module();
    let Err(error) = Host::new(&refusing, Profile::Envoy, Options::default()) else {
        panic!("a refused configuration loads")
    };
    let text = error.to_string();
    assert!(text.contains("proxy_on_configure") && text.contains("config.key: wrong"), "{text}");

    let transcript = run(&refusing, Profile::Apisix, &get());
    assert_eq!((transcript.status(), transcript.outcome.word()), (503, "host-replied"));
    assert_eq!(said(&transcript).len(), 2, "tried for the request and for the response");

    let trapping = Guest::new().on("_initialize", "(unreachable)").module();
    for profile in Profile::ALL {
        let loaded = Host::new(&trapping, profile, Options::default());
        assert!(matches!(loaded, Err(LoadError::Start { callback: "_initialize", .. })));
    }
    let refusing = Guest::new().on("proxy_on_vm_start", "(i32.const 0)").module();
    assert!(Host::new(&refusing, Profile::Envoy, Options::default()).is_err());
    assert_eq!(run(&refusing, Profile::Apisix, &get()).status(), 200, "never called there");
}

#[test]
fn a_refused_configuration_is_tried_again_by_every_request_on_apisix() {
    // Refuses twice, then accepts.
    let code = "(global.set $state (i32.add (global.get $state) (i32.const 1)))
                (i32.gt_u (global.get $state) (i32.const 2))";
    let module = Guest::new().on("proxy_on_configure", code).module();
    let mut host = host(&module, Profile::Apisix);
    assert_eq!(host.exchange(0, &get()).status(), 503);
    assert_eq!(host.exchange(0, &get()).status(), 200);
}

#[test]
fn a_crash_takes_every_request_of_the_worker_and_the_next_gets_a_new_one() {
    // A request with a body waits for it; one without pauses bare.
    let mut guest = Guest::new();
    let read = format!("{ZERO} {} (i32.const 16) (i32.const 20)", guest.text("x-bad"));
    let read = guest.call("proxy_get_header_map_value", &read);
    let module = guest.on("proxy_on_request_headers", &format!("(i32.eqz {read})")).module();
    let mut host =
        Host::new(&module, Profile::Apisix, Options { workers: 2, ..Options::default() })
            .expect("it loads");
    let bystander = host.open(0, &post("q"));
    let elsewhere = host.open(1, &post("q"));
    let transcript = host.exchange(0, &bad());
    assert_eq!((transcript.outcome.word(), transcript.client), ("crash", None));
    assert_eq!(host.finish(bystander).outcome.word(), "crash");
    assert_eq!(host.outcome(elsewhere), None, "the other worker lives");
    assert_eq!(host.exchange(0, &post("q")).outcome, Outcome::Proxied);
}

#[test]
fn reading_a_body_while_configuring_kills_an_apisix_worker() {
    let mut guest = Guest::new();
    let read = format!("{ZERO} {ZERO} (i32.const 9) (i32.const 16) (i32.const 20)");
    let read = guest.say("read", "proxy_get_buffer_bytes", &read);
    let module = guest.on("proxy_on_configure", &format!("{read} (i32.const 1)")).module();
    let transcript = run(&module, Profile::Apisix, &get());
    assert_eq!(transcript.outcome.word(), "crash", "{}", transcript.outcome);
    let transcript = run(&module, Profile::Envoy, &get());
    assert_eq!(said(&transcript), ["read=00"], "an empty one");
}

#[test]
fn a_loop_without_end_is_a_trap() {
    let module =
        Guest::new().on("proxy_on_request_headers", "(loop (br 0)) (i32.const 0)").module();
    let transcript = run(&module, Profile::Envoy, &get());
    let Outcome::Trap { message, .. } = &transcript.outcome else { panic!("it ended") };
    assert!(message.contains("does not end"), "{message}");
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    assert!(matches!(Module::load(b"\0asm nonsense"), Err(LoadError::Invalid(_))));
}
