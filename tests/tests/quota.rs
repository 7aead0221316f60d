//! Limits over workers, reloads and very many callers: what an exchange file cannot tell.

use std::time::Duration;

use mcp_harness::{
    Exchange, ExchangeId, Host, Options, Outcome, Profile, Request, Response, Transcript,
};
use mcp_tests::place::Place;
use mcp_tests::{message, planted};
use serde_json::{Value, json};

const MODULE: &str = "mcp_quota";

fn host(place: Place, workers: usize, configuration: &Value) -> Host {
    let configuration = configuration.to_string().into();
    place.host(Options { configuration, workers, ..Options::default() })
}

/// A configuration with these limits, for which a header says who calls.
fn configuration(limits: Value) -> Value {
    let quota = json!({"principal_header": "x-user", "identity_headers_trusted": true,
        "remaining_headers": true, "limits": limits});
    json!({"admission": {"llm_paths": ["/v1/*"]}, "quota": quota})
}

/// A limit for all callers together, which forgets nothing on its own while a test runs.
fn limit(unit: &str, limit: u64) -> Value {
    json!({"name": "budget", "key": ["tenant"], "unit": unit, "limit": limit, "window": "24h",
        "algorithm": "fixed_window"})
}

fn ping() -> Request {
    message::legacy(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
}

fn is_allowed(transcript: &Transcript) -> bool {
    assert!(
        matches!(transcript.outcome, Outcome::Proxied | Outcome::Replied),
        "{}",
        transcript.outcome
    );
    assert_eq!(planted::leak(transcript), None);
    transcript.outcome == Outcome::Proxied
}

/// What is left of the budget, by the answer to a call that the upstream fails and that so costs
/// nothing; what is reserved for it while it is told, `reserved`, aside.
fn remaining(host: &mut Host, worker: usize, reserved: u64) -> u64 {
    let list = message::legacy(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let look = Exchange::with(list, Response::new(503));
    let transcript = host.exchange(worker, &look);
    let field = transcript.client_header("ratelimit").expect("the field");
    let field = String::from_utf8_lossy(field).into_owned();
    let left = field.strip_prefix(r#""budget";r="#).and_then(|rest| rest.split(';').next());
    left.and_then(|left| left.parse::<u64>().ok()).expect(&field) + reserved
}

/// Numbers that look random, the same in each run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[test]
fn four_workers_with_ten_thousand_requests_each_allow_exactly_what_there_is() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, 4, &configuration(json!([limit("requests", 25_000)])));
        let mut dice = Dice(4);
        let mut left = [10_000; 4];
        let (mut allowed, mut refused) = ([0; 4], 0);
        while left.iter().sum::<usize>() > 0 {
            let worker = dice.below(4);
            if left[worker] == 0 {
                continue;
            }
            left[worker] -= 1;
            match is_allowed(&host.exchange(worker, &Exchange::new(ping()))) {
                true => allowed[worker] += 1,
                false => refused += 1,
            }
            if left[worker] % 500 == 0 {
                host.forget_journal();
            }
        }
        assert_eq!((allowed.iter().sum::<usize>(), refused), (25_000, 15_000));
        assert!(allowed.iter().all(|allowed| *allowed > 5_000), "{allowed:?}");
        host.advance(Duration::from_secs(10));
        let calls = |outcome: &str| {
            host.metrics().get(&format!("mcp_quota_calls.limit.budget.outcome.{outcome}")).copied()
        };
        assert_eq!((calls("allowed"), calls("refused")), (Some(25_000), Some(15_000)));
    }
}

/// A call to a model under way, and what is still to come of its answer.
struct Streaming {
    id: ExchangeId,
    chunks: Vec<Vec<u8>>,
    /// What its provider says it cost.
    tokens: u64,
}

impl Streaming {
    fn open(host: &mut Host, worker: usize, tokens: u64) -> Self {
        let prompt = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Go"}]}"#;
        let request = Request::new("POST", "/v1/chat/completions")
            .header("content-type", "application/json")
            .body(prompt);
        let response = Response::new(200).header("content-type", "text/event-stream").body("later");
        let exchange = Exchange::with(request, response);
        let id = host.open(worker, &exchange);
        host.request_body(id, prompt, true);
        assert!(host.wait_for_upstream(id));
        host.response_head(id, &exchange.response);
        let (input, output) = (tokens / 3, tokens - tokens / 3);
        let stream = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"Some words. \"}}}}]}}\n\n\
             data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\
             \"completion_tokens\":{output}}}}}\n\ndata: [DONE]\n\n"
        );
        let mut chunks: Vec<Vec<u8>> = stream.as_bytes().chunks(50).map(<[u8]>::to_vec).collect();
        chunks.reverse();
        Self { id, chunks, tokens }
    }

    /// Lets the next chunk pass; `true` if it was the last.
    fn step(&mut self, host: &mut Host) -> bool {
        let chunk = self.chunks.pop().expect("it is not over");
        let end = self.chunks.is_empty();
        host.response_body(self.id, &chunk, end);
        end
    }
}

#[test]
fn what_four_workers_settle_while_others_reserve_adds_up() {
    const RESERVE: u64 = 700;
    const LIMIT: u64 = 100_000_000;
    for place in Place::all(MODULE) {
        let mut limit = limit("tokens", LIMIT);
        limit["reserve"] = RESERVE.into();
        let mut host = host(place, 4, &configuration(json!([limit])));
        let mut dice = Dice(11);
        let mut open: Vec<(usize, Streaming)> = Vec::new();
        let mut settled = [0_u64; 4];
        for _ in 0..10_000 {
            if open.len() < 40 && (open.is_empty() || dice.below(3) == 0) {
                let worker = dice.below(4);
                let tokens = dice.below(3_000) as u64;
                open.push((worker, Streaming::open(&mut host, worker, tokens)));
            }
            let index = dice.below(open.len());
            let (worker, streaming) = &mut open[index];
            if streaming.step(&mut host) {
                settled[*worker] += streaming.tokens;
                let (_, streaming) = open.swap_remove(index);
                assert!(is_allowed(&host.finish(streaming.id)));
            }
        }
        while let Some((worker, mut streaming)) = open.pop() {
            while !streaming.step(&mut host) {}
            settled[worker] += streaming.tokens;
            assert!(is_allowed(&host.finish(streaming.id)));
        }
        assert!(settled.iter().all(|tokens| *tokens > 100_000), "{settled:?}");
        for worker in 0..4 {
            let counted = match place.profile {
                Profile::Envoy => settled.iter().sum(),
                Profile::Apisix => settled[worker],
            };
            assert_eq!(remaining(&mut host, worker, RESERVE), LIMIT - counted, "{place} {worker}");
        }
    }
}

#[test]
fn three_workers_that_cannot_share_allow_their_part_each() {
    for place in Place::of(MODULE, Profile::Apisix) {
        let mut configuration = configuration(json!([limit("requests", 30)]));
        configuration["quota"]["workers"] = 3.into();
        let mut host = host(place, 3, &configuration);
        for worker in 0..3 {
            let call = Exchange::new(ping());
            let passing = (0..20).filter(|_| is_allowed(&host.exchange(worker, &call))).count();
            assert_eq!(passing, 10, "worker {worker}");
        }
        let told = "each counts for itself, and allows 1/3 of every limit (quota.workers)";
        let notices = host.log().iter().filter(|line| line.text.contains(told)).count();
        assert_eq!(notices, 3, "each worker says so once");
    }
}

#[test]
fn open_calls_and_streams_of_all_workers_count_together_until_they_end() {
    let open = json!({"name": "open", "key": ["principal"], "unit": "concurrent", "limit": 3});
    for place in Place::all(MODULE) {
        let workers = if place.profile == Profile::Envoy { 2 } else { 1 };
        let mut host = host(place, workers, &configuration(json!([open])));
        let listen = Exchange::with(
            Request::new("GET", "/mcp").header("accept", "text/event-stream"),
            Response::new(200).header("content-type", "text/event-stream").body(": ping\n\n"),
        );
        let call = Exchange::new(ping());
        let mut ids = Vec::new();
        for (index, exchange) in [&listen, &listen, &call].into_iter().enumerate() {
            let id = host.open(index % workers, exchange);
            if let [body] = &exchange.request.chunks[..] {
                host.request_body(id, body, true);
            }
            assert!(host.wait_for_upstream(id), "{place}");
            ids.push(id);
        }
        for worker in 0..workers {
            let refused = host.exchange(worker, &call);
            assert!(!is_allowed(&refused), "{place}");
            let body = refused.client.expect("an answer").response.whole_body();
            let words = "Quota exceeded: open allows 3 concurrent at the same time.";
            assert!(String::from_utf8_lossy(&body).contains(words), "{place}");
            assert_eq!(host.exchange(worker, &listen).status(), 429, "{place}");
        }
        // A stream is open while bytes come, and free once its client is gone.
        host.response_head(ids[0], &listen.response);
        host.response_body(ids[0], b": ping\n\n", false);
        assert!(!is_allowed(&host.exchange(0, &call)), "{place}");
        host.abort(ids[0]);
        assert_eq!(host.finish(ids[0]).outcome, Outcome::Aborted, "{place}");
        assert!(is_allowed(&host.exchange(workers - 1, &call)), "{place}");
        for id in &ids[1..] {
            host.abort(*id);
            host.finish(*id);
        }
        for _ in 0..5 {
            assert!(is_allowed(&host.exchange(0, &call)), "{place}: what ended is free");
        }
    }
}

#[test]
fn a_new_configuration_goes_on_counting_where_the_old_one_was() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let before = configuration(json!([limit("requests", 10)]));
        let mut host = host(place, 2, &before);
        let passing = |host: &mut Host, count: usize| {
            (0..count).filter(|n| is_allowed(&host.exchange(n % 2, &Exchange::new(ping())))).count()
        };
        assert_eq!(passing(&mut host, 6), 6);
        // Another amount, another name beside it, other settings: the limit of that name is the same.
        let other = json!({"name": "other", "key": ["principal"], "unit": "requests", "limit": 5,
        "window": "1h"});
        let mut after = configuration(json!([other, limit("requests", 8)]));
        after["quota"]["denial"] = "http".into();
        host.reload(after.to_string().as_bytes()).expect("it loads");
        assert_eq!(passing(&mut host, 6), 2);
        // With another window it is another one.
        let mut another = limit("requests", 8);
        another["window"] = "12h".into();
        host.reload(configuration(json!([another])).to_string().as_bytes()).expect("it loads");
        assert_eq!(passing(&mut host, 9), 8);
        // And the old one is where it was.
        host.reload(before.to_string().as_bytes()).expect("it loads");
        assert_eq!(passing(&mut host, 6), 2);
    }
}

#[test]
fn a_flood_of_callers_fills_the_table_and_no_more() {
    for place in Place::all(MODULE) {
        let each = json!({"name": "each", "key": ["principal"], "unit": "requests", "limit": 5,
            "window": "24h"});
        let mut configuration = configuration(json!([each]));
        configuration["quota"]["max_subjects"] = 64.into();
        let mut host = host(place, 1, &configuration);
        let call = |host: &mut Host, number: usize| {
            let request = ping().header("x-user", format!("planted-{number}"));
            is_allowed(&host.exchange(0, &Exchange::new(request)))
        };
        let passed: Vec<usize> = (0..2_000).filter(|number| call(&mut host, *number)).collect();
        assert!((64..=64 * 12).contains(&passed.len()), "{place}: {}", passed.len());
        let size = host.shared_data_size();
        let again = (2_000..4_000).filter(|number| call(&mut host, *number)).count();
        assert_eq!(again, 64 * 12 - passed.len(), "{place}: a cell holds twelve");
        assert!(host.shared_data_size().1 <= size.1 + again * 62, "{place}");
        // Those that are in it are served as ever, up to their limit.
        for number in passed.iter().take(20) {
            let calls = (0..6).filter(|_| call(&mut host, *number)).count();
            assert_eq!(calls, 4, "{place}");
        }
    }
}

#[test]
fn metrics_name_limits_and_ranks_and_no_caller() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let limits = json!([
            {"name": "each", "key": ["principal", "header:x-team"], "unit": "requests", "limit": 20,
                "window": "1m"},
            {"name": "all", "key": ["ip"], "unit": "requests", "limit": 1_000, "window": "1m"},
            {"name": "session", "key": ["session"], "unit": "requests", "limit": 10, "window": "1m"},
        ]);
        let mut host = host(place, 1, &configuration(limits));
        for number in 0..200 {
            let who = if number % 2 == 0 { 0 } else { number };
            let request = ping()
                .header("x-user", format!("planted-{who}"))
                .header("x-team", "planted.outcome.x")
                .header("mcp-session-id", format!("planted-{number}"));
            is_allowed(&host.exchange(0, &Exchange::new(request)));
        }
        host.advance(Duration::from_secs(10));
        let metrics = host.metrics();
        assert!(metrics.keys().all(|name| !name.contains(planted::MARK)), "{metrics:?}");
        let value = |name: &str| metrics.get(name).copied();
        assert_eq!(value("mcp_quota_calls.limit.each.outcome.refused"), Some(80));
        assert_eq!(value("mcp_quota_calls.limit.each.outcome.allowed"), Some(120));
        assert_eq!(value("mcp_quota_calls.limit.all.outcome.allowed"), Some(120));
        assert_eq!(value("mcp_quota_calls.limit.all.outcome.refused"), None);
        assert_eq!(value("mcp_quota_units.limit.each.stage.settled"), Some(120));
        // The busiest of all has used up its share; the others' is nearly whole.
        assert_eq!(value("mcp_quota_remaining.limit.each.rank.1"), Some(0));
        assert_eq!(value("mcp_quota_remaining.limit.all.rank.1"), Some(880));
        let gauges = metrics.keys().filter(|name| name.starts_with("mcp_quota_remaining."));
        assert!(gauges.count() <= 3 * 3);
        assert_eq!(planted::leak_in_log(&host.log()), None);
    }
}
