//! What it costs to be told of exchanges, in host calls, and how many names that makes.

use mcp_harness::{Exchange, Host, Options, Outcome, Profile, Request, Response};
use mcp_tests::message;
use mcp_tests::place::Place;

fn host(place: Place, configuration: &str) -> Host {
    place.host(Options { configuration: configuration.into(), ..Options::default() })
}

/// The calls that one exchange makes to the host, once its metrics are defined.
fn calls(place: Place, telemetry: &str) -> Vec<&'static str> {
    let mut host = host(place, &format!(r#"{{"session":{{}},"telemetry":{telemetry}}}"#));
    let call = Exchange::new(message::modern_call("add"));
    assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
    let before = host.calls().len();
    assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
    host.calls().iter().skip(before).map(|call| call.name).collect()
}

#[test]
fn each_thing_that_is_told_costs_a_few_host_calls_and_nothing_else_does() {
    for place in Place::of("mcp_session", Profile::Envoy) {
        let count = |calls: &[&str], name: &str| calls.iter().filter(|call| **call == name).count();
        let plain = calls(place, "{}");
        assert_eq!(count(&plain, "proxy_get_current_time_nanoseconds"), 0);
        let measured = calls(place, r#"{"durations":true}"#);
        let logged = calls(place, r#"{"log":"exchanges"}"#);
        let both = calls(place, r#"{"durations":true,"log":"exchanges"}"#);
        println!("{} {} {} {}", plain.len(), measured.len(), logged.len(), both.len());
        // Twice the time, the status of the answer, and the value itself.
        assert_eq!(measured.len(), plain.len() + 4);
        assert_eq!(count(&measured, "proxy_record_metric"), 1);
        // The same with a line.
        assert_eq!(logged.len(), plain.len() + 4);
        assert_eq!(count(&logged, "proxy_log"), 1);
        assert_eq!(both.len(), plain.len() + 5);
    }
}

#[test]
fn invented_tools_make_no_histograms_without_end() {
    for place in Place::of("mcp_session", Profile::Envoy) {
        let mut host = host(place, r#"{"session":{},"telemetry":{"durations":true}}"#);
        for tool in 0..70 {
            let call = Exchange::new(message::modern_call(&format!("tool-{tool}")));
            assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied);
        }
        let metrics = host.metrics();
        let durations = |tool: &str| {
            let name = "mcp_server_operation_duration_milliseconds.mcp_method_name.tools/call";
            metrics.get(&format!("{name}.gen_ai_tool_name.{tool}")).copied()
        };
        assert_eq!(
            (durations("tool-63"), durations("tool-64"), durations("other")),
            (Some(1), None, Some(6))
        );
        assert_eq!(metrics.len(), 2 * 65, "a count and a histogram of each");
    }
}

#[test]
fn invented_models_make_no_histograms_without_end() {
    for place in Place::of("mcp_quota", Profile::Envoy) {
        let limits =
            r#"[{"name":"all","key":["tenant"],"unit":"tokens","limit":1000000,"window":"1h"}]"#;
        let configuration = format!(
            r#"{{"admission":{{"llm_paths":["/v1/*"]}},"quota":{{"limits":{limits}}},
            "telemetry":{{"durations":true}}}}"#
        );
        let mut host = host(place, &configuration);
        let answer = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        for model in 0..70 {
            let request = Request::new("POST", "/v1/chat/completions")
                .header("content-type", "application/json")
                .body(format!(r#"{{"model":"m.{model}","messages":[]}}"#));
            let response =
                Response::new(200).header("content-type", "application/json").body(answer);
            let exchange = Exchange::with(request, response);
            assert_eq!(host.exchange(0, &exchange).outcome, Outcome::Proxied);
        }
        let metrics = host.metrics();
        for name in [
            "gen_ai_client_operation_duration_milliseconds",
            "gen_ai_client_token_usage.gen_ai_token_type.input",
            "gen_ai_client_token_usage.gen_ai_token_type.output",
        ] {
            let of =
                |model: &str| metrics.get(&format!("{name}.gen_ai_request_model.{model}")).copied();
            assert_eq!((of("m_63"), of("m_64"), of("other")), (Some(1), None, Some(6)), "{name}");
        }
    }
}
