//! What a warm exchange asks of its host, call by call, each with its reason: a crossing costs about
//! as much as a thousand instructions.
//!
//! A change that makes or saves calls fails here and prints the list as it is now.

use std::sync::LazyLock;

use mcp_harness::{Host, HostCall, Module, Options, Profile};
use mcp_tests::module;
use mcp_tests::warm::{self, Answer};

/// Callback and call, without `proxy_` and `on_`; what its first text begins with, as the name of a
/// field; why it is made.
type Row = (&'static str, &'static str, &'static str, &'static str);

const ENVOY: &[Row] = &[
    ("request_headers", "get_header_map_pairs", "", "the request's fields, all at once"),
    ("request_headers", "remove_header_map_value", "authorization", "it goes no further"),
    ("request_body", "get_buffer_bytes", "", "the message"),
    (
        "request_body",
        "get_current_time_nanoseconds",
        "",
        "which window it is, and since when it runs",
    ),
    ("request_body", "get_shared_data", "mcp_quota.", "what the caller has used"),
    ("request_body", "set_shared_data", "mcp_quota.", "the call is debited"),
    ("response_headers", "get_header_map_pairs", "", "status, type and coding, all at once"),
    ("response_body", "get_buffer_bytes", "", "the answer, whose tokens count"),
    ("response_body", "get_shared_data", "mcp_quota.", "what the caller has used since"),
    ("response_body", "set_shared_data", "mcp_quota.", "the answer is charged"),
    ("response_body", "get_current_time_nanoseconds", "", "how long the call took"),
    ("response_body", "record_metric", "", "how long the call took"),
];
const APISIX: &[Row] = &[
    ("request_headers", "get_header_map_value", "host", "without it a listing kills the worker"),
    ("request_headers", "get_header_map_pairs", "", "the request's fields, all at once"),
    ("request_headers", "clock_time_get", "", "whether the token holds still"),
    ("request_headers", "remove_header_map_value", "authorization", "it goes no further"),
    ("request_headers", "set_property", "wasm_process_req_body", "the body is asked for"),
    ("request_body", "get_buffer_bytes", "", "the message"),
    ("request_body", "clock_time_get", "", "which window it is"),
    ("response_headers", "get_header_map_value", ":status", "whether it failed: for limits"),
    ("response_headers", "get_header_map_value", "content-type", "whether it holds tokens"),
    ("response_headers", "get_header_map_value", "content-type", "whether it is a stream"),
    ("response_headers", "get_header_map_value", "content-encoding", "whether it can be read"),
    ("response_headers", "set_property", "wasm_process_resp_body", "the body is asked for"),
    ("response_body", "get_buffer_bytes", "", "the answer, whose tokens count"),
    ("response_body", "clock_time_get", "", "which window it is now"),
];

/// The aim for Envoy.
const AT_MOST: usize = 12;

static GATEWAY: LazyLock<Module> = LazyLock::new(|| module::load("mcp_gateway"));

#[test]
fn a_warm_exchange_asks_for_nothing_without_a_reason_on_envoy() {
    assert!(ENVOY.len() <= AT_MOST);
    check(Profile::Envoy, ENVOY);
}

#[test]
fn a_warm_exchange_asks_for_nothing_without_a_reason_on_apisix() {
    check(Profile::Apisix, APISIX);
}

fn check(profile: Profile, table: &[Row]) {
    let exchange = warm::exchange(Answer::Json);
    let mut host = warm::host(&GATEWAY, profile, &warm::everything(), &exchange);
    let calls = host.exchange(0, &exchange).calls;
    let listing: String = calls.iter().map(line).collect();
    println!("{} calls on {profile}:\n{listing}", calls.len());
    let fits = |(call, row): (&HostCall, &Row)| {
        (short(call.callback), short(call.name)) == (row.0, row.1)
            && subject(call).starts_with(row.2)
    };
    let all_fit = calls.iter().zip(table).all(fits);
    assert!(calls.len() == table.len() && all_fit, "{profile} is asked for:\n{listing}");
    assert!(table.iter().all(|row| !row.3.is_empty()), "{profile}: a call without a reason");
}

/// A row of the table, but for its reason.
fn line(call: &HostCall) -> String {
    let (callback, name) = (short(call.callback), short(call.name));
    format!("    ({callback:?}, {name:?}, {:?}, \"\"),\n", subject(call))
}

/// The first text that went in.
fn subject(call: &HostCall) -> &str {
    let text = call.detail.strip_prefix('"').unwrap_or_default();
    text.split('"').next().unwrap_or_default()
}

fn short(name: &str) -> &str {
    let name = name.strip_prefix("proxy_").unwrap_or(name);
    name.strip_prefix("on_").unwrap_or(name)
}

/// Nothing is asked for more often as time goes by, nor does it take longer.
#[test]
fn the_hundredth_exchange_costs_what_the_second_did() {
    for profile in Profile::ALL {
        let exchange = warm::exchange(Answer::Json);
        let configuration = warm::everything().to_string().into();
        let options = Options { configuration, ..Options::default() };
        let mut host = Host::new(&GATEWAY, profile, options).expect("it loads");
        let costs: Vec<_> = (1..=100)
            .map(|_| {
                let transcript = host.exchange(0, &exchange);
                let calls: Vec<_> =
                    transcript.calls.iter().map(|call| (call.callback, call.name)).collect();
                let instructions: u64 = transcript.crossings.iter().map(|of| of.instructions).sum();
                (calls, instructions)
            })
            .collect();
        let (calls, instructions) = &costs[1];
        for number in [10, 100] {
            let (later, took) = &costs[number - 1];
            assert_eq!(later, calls, "{profile}: exchange {number}");
            assert!(took * 100 <= instructions * 101, "{profile}: {took} after {instructions}");
        }
    }
}
