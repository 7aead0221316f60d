//! Exchange files: what they say, what they expect, and what is told when they are wrong.

use std::path::Path;

use mcp_harness::{Failure, Module, Profile, Report, run_text};

use crate::guest::{Guest, RESULT, ZERO};

/// Marks requests with `x-filter: on`, refuses those with `x-deny`, traps at `x-trap`, counts
/// requests, logs "seen" as information, and refuses a configuration that begins with `!`.
fn filter() -> Module {
    let mut guest = Guest::new();
    let has = |guest: &mut Guest, name: &str| {
        let arguments = format!("{ZERO} {} (i32.const 16) (i32.const 20)", guest.text(name));
        format!("(i32.eqz {})", guest.call("proxy_get_header_map_value", &arguments))
    };
    let (deny, trap) = (has(&mut guest, "x-deny"), has(&mut guest, "x-trap"));
    let (body, headers) =
        (guest.text("{\"error\": {\"code\": 7}}"), guest.pairs(&[("retry-after", "3")]));
    let reply = guest.call(
        "proxy_send_local_response",
        &format!("(i32.const 403) {ZERO} {ZERO} {body} {headers} (i32.const -1)"),
    );
    let mark = format!("{ZERO} {} {}", guest.text("x-filter"), guest.text("on"));
    let mark = guest.call("proxy_add_header_map_value", &mark);
    let seen = format!("(i32.const 2) {}", guest.text("seen"));
    let seen = guest.call("proxy_log", &seen);
    let define = format!("{ZERO} {} {RESULT}", guest.text("requests"));
    let define = guest.call("proxy_define_metric", &define);
    let count = guest.call("proxy_increment_metric", "(i32.load (i32.const 24)) (i64.const 1)");
    let wrong = format!("(i32.const 4) {}", guest.text("key.path: not allowed"));
    let wrong = guest.call("proxy_log", &wrong);
    let read = "(i32.const 7) (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 20)";
    let read = guest.call("proxy_get_buffer_bytes", read);
    guest
        .on(
            "proxy_on_configure",
            &format!(
                "(drop {read})
                 (if (result i32)
                   (i32.and (i32.ne (local.get $1) (i32.const 0))
                     (i32.eq (i32.load8_u (i32.load (i32.const 16))) (i32.const 33)))
                   (then (drop {wrong}) (i32.const 0)) (else (i32.const 1)))"
            ),
        )
        .on(
            "proxy_on_request_headers",
            &format!(
                "(drop {seen}) (drop {define}) (drop {count})
                 (if {trap} (then (unreachable)))
                 (if (result i32) {deny} (then (drop {reply}) (i32.const 1))
                   (else (drop {mark}) (i32.const 0)))"
            ),
        )
        .module()
}

fn run(text: &str, profile: Profile) -> Result<Report, Failure> {
    run_text(Path::new("test.exchange"), text, &filter(), None, profile)
}

/// An exchange that passes and one that is refused, to expect things of.
const PASSED: &str = "> POST /mcp?a=b\n> x-two: 1\n> x-two: 2\n>\n> {\"a\": [1, 2]}\n\
    < 201\n< content-type: text/plain\n<\n< line one\n<\n<<\n< line two\n";
const REFUSED: &str = "> GET /\n> x-deny: 1\n";

/// Expectations that hold, and ones beside them that do not.
const EXPECTATIONS: &[(&str, &str, &str)] = &[
    (PASSED, "outcome proxied", "outcome replied"),
    (REFUSED, "outcome replied", "outcome proxied"),
    (PASSED, "client status = 201", "client status = 200"),
    (PASSED, "client header content-type = text/plain", "client header content-type = text/html"),
    (PASSED, "client header content-type present", "client header content-type absent"),
    (PASSED, "client header x-nope absent", "client header x-nope present"),
    (PASSED, "client header content-type identical", "client header content-type lacks text"),
    (PASSED, "client body = line one${lf}line two", "client body = line one"),
    (PASSED, "client body contains one", "client body contains three"),
    (PASSED, "client body lacks three", "client body lacks one"),
    (PASSED, "client body matches ^line.*\\n", "client body matches ^line$"),
    (PASSED, "client body identical", "client body json 1"),
    (PASSED, "client chunks = 2", "client chunks = 1"),
    (PASSED, "client complete = yes", "client complete = no"),
    (PASSED, "client present", "client none"),
    (PASSED, "upstream present", "upstream none"),
    (REFUSED, "upstream none", "upstream present"),
    (PASSED, "upstream method = POST", "upstream method = GET"),
    (PASSED, "upstream path = /mcp?a=b", "upstream path = /mcp"),
    (PASSED, "upstream path identical", "upstream header x-filter identical"),
    (PASSED, "upstream header x-filter = on", "upstream header x-filter = off"),
    (PASSED, "upstream header X-TWO = 1, 2", "upstream header x-two = 1"),
    (PASSED, "upstream body json {\"a\":[1,2]}", "upstream body json {\"a\":[2,1]}"),
    (PASSED, "upstream body json /a/1 = 2", "upstream body json /a/1 = \"2\""),
    (PASSED, "upstream body identical", "upstream body = {}"),
    (REFUSED, "client body json /error/code = 7", "client body json /error = 7"),
    (REFUSED, "client header retry-after = 3", "client header retry-after matches [^3]"),
    (PASSED, "log contains seen", "log contains unseen"),
    (PASSED, "log info contains seen", "log error contains seen"),
    (PASSED, "log warn none", "log none"),
    (PASSED, "log lacks secret", "log lacks seen"),
    (REFUSED, "client header content-type present", "client header content-encoding present"),
    ("> GET /\n", "upstream header content-length absent", "upstream header host absent"),
    ("> GET /\n", "client header content-length absent", "client status absent"),
    ("> POST / HTTP/2\n>\n> x\n", "upstream header content-length absent", "upstream body = y"),
    (PASSED, "call proxy_log = 1", "call proxy_log = 0"),
    (PASSED, "call proxy_http_call = 0", "call proxy_http_call = 1"),
    (PASSED, "service keys calls = 0", "service keys body present"),
    (PASSED, "took = 0s", "took = 1s"),
];

#[test]
fn every_expectation_can_hold_and_fail() {
    for (exchange, holds, fails) in EXPECTATIONS {
        for profile in Profile::ALL {
            let good = format!("{exchange}expect {holds}\n");
            run(&good, profile).unwrap_or_else(|failure| panic!("{profile}: {failure}"));
            let bad = format!("{exchange}expect {fails}\n");
            match run(&bad, profile) {
                Err(Failure::Unmet { unmet, report }) => {
                    let line = bad.lines().count();
                    assert_eq!((unmet.len(), unmet[0].line), (1, line), "{fails}");
                    assert_eq!(unmet[0].expectation, format!("expect {fails}"));
                    assert_eq!(report.exchanges.len(), 1);
                }
                other => panic!("{profile}: \"{fails}\" should fail, got {other:?}"),
            }
        }
    }
}

#[test]
fn metrics_are_seen_where_there_are_any() {
    let text = format!(
        "{PASSED}on envoy expect metric requests = 1\n\
        on apisix expect metric requests absent\n{PASSED}on envoy expect metric requests = 2\n"
    );
    for profile in Profile::ALL {
        run(&text, profile).unwrap_or_else(|failure| panic!("{failure}"));
    }
    let wrong = format!("{PASSED}expect metric requests = 2\n");
    for profile in Profile::ALL {
        assert!(run(&wrong, profile).is_err());
    }
}

#[test]
fn a_failure_says_where_what_and_how_it_differs() {
    let text = format!("## the first\n{PASSED}expect client status = 200\n");
    let failure = run(&text, Profile::Envoy).expect_err("201 is not 200").to_string();
    assert_eq!(
        failure,
        "test.exchange:14: on envoy, the first: expect client status = 200\n     \
         expected 200\n     got 201"
    );
}

#[test]
fn an_exchange_that_ends_badly_fails_unless_that_is_expected() {
    let trap = "> GET /\n> x-trap: 1\n";
    for profile in Profile::ALL {
        let Err(Failure::Unmet { unmet, .. }) = run(trap, profile) else {
            panic!("a trap goes unnoticed")
        };
        assert!(unmet[0].difference.contains("trap"), "{}", unmet[0]);
        let expected = format!("{trap}expect outcome trap\nexpect client status = 503\n");
        run(&expected, profile).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn captured_values_go_into_later_exchanges_and_fresh_hosts() {
    let text = "> GET /\n> x-deny: 1\ncapture wait = client header retry-after\n\
        capture code = client body matches \"code\": (\\d+)\n\
        config {\"fresh\": \"${wait}\"}\n\
        > GET /${wait}\n> x-code: ${code}\n>\n> again ${wait}\n\
        expect upstream path = /${wait}\nexpect upstream path = /3\n\
        expect upstream header x-code = 7\nexpect upstream body matches ^again ${wait}$\n";
    for profile in Profile::ALL {
        run(text, profile).unwrap_or_else(|failure| panic!("{failure}"));
    }
    let missing = "> GET /\ncapture id = client header x-nope\n";
    assert!(matches!(run(missing, Profile::Envoy), Err(Failure::Unmet { .. })));
    let unknown = "> GET /${id}\n";
    assert!(matches!(run(unknown, Profile::Envoy), Err(Failure::Malformed(_))));
}

#[test]
fn hostile_requests_can_be_written() {
    let text = "## raw bytes, many headers, a long header, one byte at a time\n\
        > POST / HTTP/1.1\n> x-raw: a${bytes ff fe}b\n> x-${1..100}: v${1..100}\n\
        > x-long: ${repeat 61440 x}\n> Mcp-Session-Id: a\n> mcp-session-id: b\n>\n\
        >> every 1\n> abc\n>\n\
        expect upstream header x-raw = a${bytes ff fe}b\nexpect upstream header x-100 = v100\n\
        expect upstream header x-long = ${repeat 61440 x}\n\
        expect upstream header mcp-session-id = a, b\n\
        expect upstream body = abc${lf}\nexpect upstream chunks = 4\n\
        expect upstream header transfer-encoding = chunked\n\
        ## no body\n> GET / HTTP/1.0\n\
        on envoy expect client status = 426\non apisix expect upstream header host absent\n\
        ## trailers\n> POST /\n>\n> x\n>> trailers\n> x-sum: 1\n\
        on envoy expect upstream complete = yes\n";
    // A range fills the first place in a line only.
    let text = text.replace(": v${1..100}", ": v100");
    for profile in Profile::ALL {
        run(&text, profile).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn bodies_take_their_time() {
    let text = "> POST /\n>\n> a\n>> after 2s\n> b\n\
        < 200\n<\n< c\n<< after 3s\n< d\n\
        expect took = 5s\nexpect client body = cd\nexpect client chunks = 2\n\
        ## the client leaves in the middle\n> GET /\n< 200\n<\n< a\n<<\n< b\n<<\n< c\n\
        client aborts after chunk 2\nexpect outcome aborted\nexpect client body = ab\n\
        expect client complete = no\n\
        ## or at once\n> GET /\nclient aborts\nexpect outcome aborted\nexpect client none\n";
    for profile in Profile::ALL {
        run(text, profile).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn configurations_are_a_table_of_refusals() {
    let text = "config !wrong.json\n";
    assert!(matches!(run(text, Profile::Envoy), Err(Failure::Read { .. })), "no such file");
    // `!` cannot begin inline JSON, so the configuration comes as a block.
    let text = "config:\n  !bad\nexpect refused key.path\nconfig:\n  {}\n> GET /\n\
        expect outcome proxied\nconfig:\n  !bad again\nexpect refused key.path: not allowed\n";
    for profile in Profile::ALL {
        run(text, profile).unwrap_or_else(|failure| panic!("{failure}"));
        let accepted = run("config {}\nexpect refused key\n", profile);
        assert!(accepted.expect_err("{} is fine").to_string().contains("not refused"));
        let other = run("config:\n  !bad\nexpect refused other\n", profile);
        assert!(other.expect_err("it says key.path").to_string().contains("key.path"));
    }
    let unexpected = run("config:\n  !bad\n> GET /\n", Profile::Envoy);
    assert!(matches!(unexpected, Err(Failure::Load { line: 3, .. })), "{unexpected:?}");
}

#[test]
fn setup_reaches_the_host() {
    let text = "workers 2\nfailure-policy reload\nclock 60\nseed 4\n\
        allow-on-headers-stop-iteration no\nforeign f = 1\nproperty a.b = c\n\
        > GET /\n> x-trap: 1\nexpect outcome trap\n> GET /\nproperty d = e\n\
        worker 2\n> GET /\nadvance 1m\nworker 1\n\
        on envoy > GET /\n";
    let failure = run(text, Profile::Envoy).expect_err("messages are for all hosts");
    assert!(matches!(failure, Failure::Malformed(_)), "{failure}");
    let text = text.replace("on envoy > GET /\n", "> GET /\n");
    let report = run(&text, Profile::Envoy).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.exchanges.len(), 4);
    let trap = "failure-policy closed\n> GET /\n> x-trap: 1\nexpect outcome trap\n\
        > GET /\nexpect client status = 503\n";
    run(trap, Profile::Envoy).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn exchanges_run_on_the_worker_that_is_named_until_a_fresh_host() {
    let text = "workers 2\n> GET /\nworker 2\n> GET /\n\n> GET /\nworkers 1\n> GET /\n";
    for profile in Profile::ALL {
        let report = run(text, profile).unwrap_or_else(|failure| panic!("{failure}"));
        let workers: Vec<_> = report
            .exchanges
            .iter()
            .map(|e| e.transcript.log.last().expect("seen").worker)
            .collect();
        assert_eq!(workers, [0, 1, 1, 0], "{profile}");
    }
}

#[test]
fn a_file_can_be_for_one_host() {
    let text = "only apisix\n> GET /\nexpect client status = 999\n";
    assert!(run(text, Profile::Envoy).expect("skipped").skipped);
    assert!(run(text, Profile::Apisix).is_err());
}

/// Text, the line that is wrong, and part of what is said about it.
const MALFORMED: &[(&str, usize, &str)] = &[
    ("expct client status = 1\n", 1, "begins no statement"),
    ("# fine\n\nexpect client status = 1\n", 3, "belongs after a request"),
    ("capture x = client body\n", 1, "belongs after a request"),
    ("< 200\n", 1, "without a request"),
    ("> GET /\n< 200\n# again\n< 200\n", 4, "second response"),
    ("> GET\n", 1, "METHOD TARGET"),
    ("> GET / HTTP/3\n", 1, "METHOD TARGET"),
    ("> GET /\n< fine\n", 2, "STATUS"),
    ("> GET /\n> no colon\n", 2, "NAME: VALUE"),
    ("> GET /\n> GET /\n", 2, "an empty line parts messages"),
    ("> GET /\n> x-${5..1}: a\n", 2, "counts up"),
    ("> GET /\n> x: ${bytes zz}\n", 2, "hexadecimal"),
    ("> GET /\n> x: ${unclosed\n", 2, "without \"}\""),
    ("> GET /\n>>\n", 2, "before the body"),
    ("> GET /\n>\n> a\n>> sometimes\n", 4, "chunk mark"),
    ("> GET /\n>\n> a\n>> every 0\n", 4, "number of bytes"),
    ("> GET /\n>\n> a\n>> trailers\n> x: y\n>> after 1s\n", 6, "after the trailers"),
    ("> GET /\nexpect client status 200\n", 2, "is none of"),
    ("> GET /\nexpect cleint status = 200\n", 2, "is none of"),
    ("> GET /\nexpect client body contains\n", 2, "wants a value"),
    ("> GET /\nexpect client header\n", 2, "wants a name"),
    ("> GET /\nexpect service keys = 1\n", 2, "service NAME"),
    ("> GET /\ncapture repeat = client body\n", 2, "no name"),
    ("> GET /\ncapture x client body\n", 2, "NAME = VALUE"),
    ("> GET /\ncapture x = client body matches (\n", 2, "regex"),
    ("> GET /\nclient leaves\n", 2, "client aborts"),
    ("on nginx advance 1s\n", 1, "unknown host"),
    ("advance soon\n", 1, "soon"),
    ("workers 0\n", 1, "from 1 up"),
    ("worker 2\n> GET /\n", 1, "1 workers"),
    ("clock noon\n", 1, "seconds"),
    ("seed x\n", 1, "number"),
    ("failure-policy maybe\n", 1, "closed, reload or open"),
    ("allow-on-headers-stop-iteration perhaps\n", 1, "yes or no"),
    ("service keys soon\n", 1, "service NAME"),
    ("service keys\n< ok\n", 2, "STATUS"),
    ("  > GET /\n", 1, "continues nothing"),
];

#[test]
fn a_malformed_file_is_named_with_the_line() {
    for (text, line, problem) in MALFORMED {
        match run(text, Profile::Envoy) {
            Err(Failure::Malformed(error)) => {
                assert_eq!(error.line, *line, "{text:?}: {error}");
                assert!(error.problem.contains(problem), "{text:?}: {error}");
                assert!(error.to_string().starts_with(&format!("test.exchange:{line}: ")));
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn the_example_of_the_readme_follows_the_format() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("## An exchange file\n\n```\n").expect("an example");
    let (example, _) = rest.split_once("```\n").expect("its end");
    for profile in Profile::ALL {
        // Our guest seals nothing, so what the example expects of its filter does not hold.
        match run(example, profile) {
            Err(Failure::Unmet { report, .. }) => assert_eq!(report.exchanges.len(), 2),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn properties_are_paths_on_envoy_and_names_on_apisix() {
    let text = "property source.address = 10.0.0.1\nproperty own.name = all\n> GET /\n\
        expect log contains 10.0.0.1\n> GET /2\nproperty source.address = 10.0.0.2\n\
        expect log contains 10.0.0.2\n";
    for (profile, name) in
        [(Profile::Envoy, "source\0address"), (Profile::Apisix, "source.address")]
    {
        let mut guest = Guest::new();
        let arguments = format!("{} (i32.const 16) (i32.const 20)", guest.text(name));
        let get = guest.say("get", "proxy_get_property", &arguments);
        let show = guest.say_returned();
        let code = format!("{get} {show} (i32.const 0)");
        let module = guest.on("proxy_on_request_headers", &code).module();
        run_text(Path::new("t"), text, &module, None, profile)
            .unwrap_or_else(|failure| panic!("{profile}: {failure}"));
    }
}

#[test]
fn services_are_scripted_in_files() {
    let mut guest = Guest::new();
    let (service, headers) = (
        guest.text("keys:80"),
        guest.pairs(&[
            (":method", "GET"),
            (":path", "/k"),
            (":scheme", "http"),
            (":authority", "k"),
        ]),
    );
    let call = guest.call(
        "proxy_http_call",
        &format!("{service} {headers} {ZERO} {ZERO} {ZERO} {ZERO} (i32.const 1000) {RESULT}"),
    );
    let size = guest.say_number("size", "(local.get $3)");
    let select = guest.call("proxy_set_effective_context", "(i32.const 2)");
    let resume = guest.call("proxy_continue_stream", ZERO);
    let module = guest
        .on("proxy_on_request_headers", &format!("(drop {call}) (i32.const 1)"))
        .on("proxy_on_http_call_response", &format!("{size} (drop {select}) (drop {resume})"))
        .module();
    // A fresh host for each exchange, so that its context has the number the guest resumes.
    let text = "service keys:80 after 5ms\n< 200\n<\n< four\n\
        > GET /\nexpect log contains size=04\nexpect took = 5ms\nexpect service keys:80 calls = 1\n\
        expect service keys:80 path = /k\n\
        seed 2\nservice keys:80 fails after 7ms\n\
        > GET /\nexpect log contains size=00\nexpect took = 7ms\n\
        seed 3\nservice keys:80 silent\n\
        > GET /\nexpect log contains size=00\nexpect took = 1s\n";
    for profile in Profile::ALL {
        run_text(Path::new("t"), text, &module, None, profile)
            .unwrap_or_else(|failure| panic!("{profile}: {failure}"));
    }
}

mod command {
    use std::path::PathBuf;
    use std::process::{Command, Output};

    /// Writes files into a folder of the test's own and runs the command there.
    fn mcp_harness(name: &str, files: &[(&str, &str)], arguments: &[&str]) -> Output {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let wasm = wat::parse_str("(module (memory (export \"memory\") 1))").expect("valid");
        std::fs::write(folder.join("nothing.wasm"), wasm).expect("written");
        for (file, text) in files {
            std::fs::write(folder.join(file), text).expect("written");
        }
        Command::new(env!("CARGO_BIN_EXE_mcp-harness"))
            .args(arguments)
            .current_dir(&folder)
            .output()
            .expect("the command starts")
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn passes_with_the_story_on_both_hosts() {
        let files = [("good.exchange", "## hello\n> GET /a\n< 204\nexpect client status = 204\n")];
        let output = mcp_harness("good", &files, &["run", "nothing.wasm", "good.exchange"]);
        let story = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{story}");
        for part in [
            "good.exchange on envoy",
            "good.exchange on apisix",
            "## hello",
            "GET /a",
            "client    204",
            "2 of 2 runs passed",
        ] {
            assert!(story.contains(part), "{part} in {story}");
        }
    }

    #[test]
    fn exits_with_1_and_the_difference_when_an_expectation_fails() {
        let files = [("bad.exchange", "> GET /\nexpect client status = 204\n")];
        let arguments = ["run", "nothing.wasm", "bad.exchange", "--host", "apisix"];
        let output = mcp_harness("bad", &files, &arguments);
        let story = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{story}");
        assert!(story.contains("bad.exchange:2: on apisix"), "{story}");
        assert!(story.contains("expected 204\n     got 200"), "{story}");
        assert!(story.contains("0 of 1 runs passed"), "{story}");
    }

    #[test]
    fn exits_with_2_and_one_line_when_something_cannot_be_used() {
        let files = [
            ("odd.exchange", "> GET /\nexpect nothing\n"),
            ("no.wasm", "text"),
            ("ok", "> GET /\n"),
        ];
        let cases: [(&[&str], &str); 5] = [
            (&["run", "nothing.wasm", "odd.exchange"], "odd.exchange:2: "),
            (&["run", "nothing.wasm", "missing.exchange"], "cannot read missing.exchange"),
            (&["run", "missing.wasm", "ok"], "cannot read missing.wasm"),
            (&["run", "no.wasm", "ok"], "no.wasm: not a valid module"),
            (&["run", "nothing.wasm", "ok", "--host", "nginx"], "unknown host"),
        ];
        for (arguments, problem) in cases {
            let output = mcp_harness("odd", &files, arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(text(&output.stderr).contains(problem), "{}", text(&output.stderr));
        }
    }

    #[test]
    fn inspects_a_module() {
        let output = mcp_harness("inspect", &[], &["inspect", "nothing.wasm"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("export memory"));
    }
}
