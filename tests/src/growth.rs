//! What a warm exchange costs as one thing grows and all else stays: limits, rules, callers, bytes.

use std::time::Duration;

use mcp_harness::{Exchange, Host, Module, Options, Outcome, Profile};
use serde_json::{Value, json};

use crate::callers::{self, bearer};
use crate::costs::{self, Costs};
use crate::warm::{self, Answer};

/// How a cost may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Not at all.
    Flat,
    /// By the same for each one more, at most.
    Linear,
    /// By the same for each ten times as many, at most.
    Logarithmic,
}

/// One thing that grows.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// What is counted.
    pub x: &'static str,
    /// Under which host.
    pub host: Profile,
    /// How the cost may grow with it.
    pub expected: Growth,
    /// What an exchange costs at each size.
    pub points: Vec<Point>,
}

/// The cost at one size.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The size.
    pub x: usize,
    /// WebAssembly instructions.
    pub instructions: u64,
    /// Host calls.
    pub host_calls: usize,
    /// Bytes that host calls copied, in both directions.
    pub bytes: usize,
}

/// A gateway that is to be measured: its configuration and the exchange.
struct Setting {
    configuration: Value,
    exchange: Exchange,
    /// How many others, whom the gateway remembers, make the exchange before.
    others: usize,
}

/// Every series, on Envoy; with so many callers at most.
pub fn all(gateway: &Module, most_callers: usize) -> Vec<Series> {
    use Growth::{Linear, Logarithmic};
    let series = |name, x, expected, sizes: &[usize], setting: fn(usize) -> Setting| {
        let points =
            sizes.iter().map(|size| point(gateway, Profile::Envoy, *size, &setting(*size)));
        Series { name, x, host: Profile::Envoy, expected, points: points.collect() }
    };
    let tens = core::iter::successors(Some(100), |count| Some(count * 10));
    let numbers: Vec<usize> = tens.take_while(|count| *count <= most_callers).collect();
    vec![
        series("limits", "limits that match", Linear, &[1, 2, 5, 10, 20], limits),
        series("rules", "rules before the one that matches", Linear, &[1, 10, 100, 500], rules),
        series(
            "weights",
            "weights before the one that counts",
            Linear,
            &[1, 10, 100, 250],
            weights,
        ),
        series("servers", "servers before the one that is called", Linear, &[1, 10, 60], servers),
        series("api_keys", "API keys", Logarithmic, &[10, 100, 1_000, 4_000], api_keys),
        series("tokens", "tokens that are remembered", Logarithmic, &[1, 10, 100, 450], tokens),
        series("callers", "callers that are counted", Logarithmic, &numbers, many_callers),
        series("headers", "header fields", Linear, &[5, 10, 20, 50, 90], headers),
        series("request_body", "bytes of the request", Linear, &BYTES, request_body),
        series("answer_body", "bytes of the JSON answer", Linear, &BYTES, answer_body),
        series("events", "events of the stream", Linear, &[1, 10, 100, 1_000, 10_000], events),
    ]
}

const BYTES: [usize; 5] = [300, 1_000, 10_000, 100_000, 1_000_000];
/// Of the measured exchange, after all others.
const WARM_UP: usize = 3;

fn point(module: &Module, profile: Profile, x: usize, setting: &Setting) -> Point {
    let configuration = setting.configuration.to_string().into();
    let options = Options { configuration, ..Options::default() };
    let mut host = Host::new(module, profile, options).expect("it loads");
    for number in 1..=setting.others {
        pass(&mut host, &by(&setting.exchange, number));
        if number.is_multiple_of(1_000) {
            host.forget_journal();
        }
    }
    (0..WARM_UP).for_each(|_| drop(pass(&mut host, &setting.exchange)));
    host.advance(Duration::from_secs(1));
    host.forget_journal();
    let costs = pass(&mut host, &setting.exchange);
    let calls = || costs.iter().flat_map(|costs| &costs.calls);
    Point {
        x,
        instructions: costs::instructions(&costs),
        host_calls: calls().map(|calls| calls.times).sum(),
        bytes: calls().map(|calls| calls.from_guest + calls.to_guest).sum(),
    }
}

fn pass(host: &mut Host, exchange: &Exchange) -> Vec<Costs> {
    let transcript = host.exchange(0, exchange);
    let seen = (&transcript.outcome, transcript.status());
    assert_eq!(seen, (&Outcome::Proxied, 200), "{:?}", transcript.log);
    Costs::of(&transcript.crossings, &transcript.calls)
}

/// Everything as it is in the profile.
fn usual() -> Setting {
    Setting { configuration: warm::everything(), exchange: warm::exchange(Answer::Json), others: 0 }
}

fn limits(count: usize) -> Setting {
    let limit = |number: usize| {
        json!({"name": format!("limit-{number}"), "key": ["principal"],
        "unit": if number.is_multiple_of(2) { "requests" } else { "tokens" }, "limit": 1_000_000_000, "window": "1m"})
    };
    let mut setting = usual();
    setting.configuration["quota"]["limits"] = (0..count).map(limit).collect();
    setting
}

fn rules(count: usize) -> Setting {
    let rule = |number: usize| json!({"action": "deny", "methods": ["tools/call"], "names": [format!("tool_{number}")]});
    let rules = (0..count).map(rule).chain([json!({"action": "allow"})]);
    let mut setting = usual();
    setting.configuration["auth"]["rules"] = rules.collect();
    setting
}

fn weights(count: usize) -> Setting {
    let weight =
        |number: usize| json!({"names": [format!("tool_{number}")], "input": 2, "output": 3});
    let mut setting = usual();
    setting.configuration["quota"]["weights"] = (0..count).map(weight).collect();
    setting.configuration["quota"]["limits"][2]["unit"] = json!("cost");
    setting
}

fn servers(count: usize) -> Setting {
    let server = |number: usize| json!({"name": format!("server-{number}"), "paths": [format!("/servers/{number}/mcp")]});
    let servers = (0..count).map(server).chain([json!({"name": "called", "paths": ["/mcp"]})]);
    let mut setting = usual();
    setting.configuration["servers"] = servers.collect();
    setting
}

fn api_keys(count: usize) -> Setting {
    let key = |number: usize| json!({"hash": format!("sha256:{number:064x}"), "principal": format!("program-{number}")});
    let mut setting = usual();
    setting.configuration["auth"]["api_keys"] =
        (1..count).map(key).chain([json!({"hash": HASH, "principal": "ann"})]).collect();
    let request = &mut setting.exchange.request;
    request.headers.remove(b"authorization");
    request.headers.add("x-api-key", "key");
    setting
}

/// SHA-256 of `key`.
const HASH: &str = "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";

fn tokens(count: usize) -> Setting {
    let exchange = by(&warm::exchange(Answer::Json), 0);
    Setting { configuration: callers::everything(), exchange, others: count - 1 }
}

/// The exchange, by the caller of this number.
fn by(exchange: &Exchange, number: usize) -> Exchange {
    let mut exchange = exchange.clone();
    exchange.request.headers.set(b"authorization", bearer(number).as_bytes());
    exchange
}

/// More of them than tokens are remembered.
fn many_callers(count: usize) -> Setting {
    let mut setting = tokens(count);
    setting.configuration["quota"]["max_subjects"] = json!(1 << 20);
    setting
}

fn headers(count: usize) -> Setting {
    let mut setting = usual();
    let headers = &mut setting.exchange.request.headers;
    (0..count).for_each(|number| headers.add(format!("x-field-{number}"), "sixteen bytes ..."));
    setting
}

fn request_body(size: usize) -> Setting {
    let mut setting = usual();
    setting.exchange.request = warm::request(size);
    setting
}

fn answer_body(size: usize) -> Setting {
    let mut setting = usual();
    setting.exchange.response = warm::response_of(size);
    setting
}

fn events(count: usize) -> Setting {
    let mut setting = usual();
    setting.exchange.response = warm::response(Answer::Events(count));
    setting
}

impl Series {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        let point = |point: &Point| json!({"x": point.x, "instructions": point.instructions, "host_calls": point.host_calls, "bytes": point.bytes});
        json!({
            "series": self.name,
            "x": self.x,
            "host": self.host.to_string(),
            "expected": format!("{:?}", self.expected).to_lowercase(),
            "points": self.points.iter().map(point).collect::<Vec<_>>(),
        })
    }
}
