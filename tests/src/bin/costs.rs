//! Prints, as JSON, what a warm exchange costs in instructions, host calls and copied bytes; nothing is
//! timed, so every run with the same modules prints the same.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Parser;
use mcp_harness::{Module, Profile};
use mcp_tests::costs::{self, Costs};
use mcp_tests::growth::{self, Series};
use mcp_tests::module;
use mcp_tests::warm::{self, Answer};
use serde_json::{Value, json};

/// A module, with a configuration.
struct Row {
    name: &'static str,
    module: &'static str,
    configuration: Value,
}

/// Prints what a warm exchange costs, as JSON.
#[derive(Parser)]
enum Command {
    /// By module, configuration, host and callback.
    Profile,
    /// As limits, rules, callers, bytes and so on become more.
    Growth {
        /// So many callers at most, of 100, 1,000 and so on; each makes an exchange, so a million
        /// take a quarter of an hour.
        #[arg(long, default_value_t = 100_000)]
        callers: usize,
    },
}

fn main() {
    let told = match Command::parse() {
        Command::Profile => {
            let mut modules = BTreeMap::new();
            let measured: Vec<Value> =
                rows().iter().flat_map(|row| measure(row, &mut modules)).collect();
            json!({"format": 1, "profile": measured})
        }
        Command::Growth { callers } => {
            let series = growth::all(&module::load("mcp_gateway"), callers);
            json!({"format": 1, "growth": series.iter().map(Series::to_json).collect::<Vec<_>>()})
        }
    };
    println!("{told}");
}

fn rows() -> Vec<Row> {
    let gateway = |name, sections: &[&str]| Row {
        name,
        module: "mcp_gateway",
        configuration: warm::only(sections),
    };
    let alone = |section: &'static str, module| {
        let mut configuration = warm::only(&[section]);
        if section == "session" {
            configuration[section]["principal_header"] = json!("x-user");
            configuration[section]["principal_header_trusted"] = json!(true);
        }
        if section == "quota" {
            configuration[section]["principal_header"] = json!("x-user");
            configuration[section]["identity_headers_trusted"] = json!(true);
        }
        Row { name: module, module, configuration }
    };
    vec![
        gateway("everything", &["auth", "session", "quota", "sse"]),
        Row { name: "as shipped", module: "mcp_gateway", configuration: warm::as_shipped() },
        gateway("auth", &["auth"]),
        gateway("auth, session", &["auth", "session"]),
        gateway("auth, quota", &["auth", "quota"]),
        gateway("auth, sse", &["auth", "sse"]),
        alone("auth", "mcp_auth"),
        alone("session", "mcp_session"),
        alone("quota", "mcp_quota"),
        alone("sse", "mcp_sse"),
    ]
}

/// A row under both hosts, with either answer.
fn measure(row: &Row, modules: &mut BTreeMap<&'static str, Module>) -> Vec<Value> {
    let module = modules.entry(row.module).or_insert_with(|| module::load(row.module));
    let mut measured = Vec::new();
    for profile in Profile::ALL {
        for (answer, title) in [(Answer::Json, "json"), (Answer::Events(1_000), "1000 events")] {
            let mut exchange = warm::exchange(answer);
            exchange.request = exchange.request.header("x-user", "ann");
            let mut host = warm::host(module, profile, &row.configuration, &exchange);
            let transcript = host.exchange(0, &exchange);
            let costs = Costs::of(&transcript.crossings, &transcript.calls);
            host.forget_journal();
            host.advance(Duration::from_secs(1));
            let tick = Costs::of(&host.crossings(), &host.calls());
            measured.push(json!({
                "row": row.name,
                "module": row.module,
                "host": profile.to_string(),
                "answer": title,
                "total": costs::total(&costs),
                "callbacks": costs.iter().map(Costs::to_json).collect::<Vec<_>>(),
                "tick_after": tick.iter().map(Costs::to_json).collect::<Vec<_>>(),
            }));
        }
    }
    measured
}
