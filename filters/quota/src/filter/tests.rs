//! Exchanges through the filter, in a world whose clock the test turns.

mod answers;
mod calls;
mod limits;

use std::collections::BTreeMap;

use mcp_core::edit::Edit;
use mcp_core::head::Head;
use mcp_core::pipeline::{Capabilities, Ending, Environment, Exchange, Next, Response, Servers};
use mcp_core::refusal::Reply;
use serde_json::{Value, json};

use crate::QuotaFilter;

/// Shared data as Envoy has it, a clock in milliseconds, and what was counted.
#[derive(Debug)]
struct World {
    now: u64,
    /// Whether there is any.
    sharing: bool,
    shared: BTreeMap<String, (Vec<u8>, u32)>,
    counted: BTreeMap<String, u64>,
    gauges: BTreeMap<String, u64>,
    /// What was noted in histograms, and of which model.
    noted: Vec<(String, Option<String>, u64)>,
    warned: Vec<String>,
}

impl Default for World {
    fn default() -> Self {
        let (shared, counted, gauges) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (noted, warned) = (Vec::new(), Vec::new());
        Self { now: 1_800_000_000_000, sharing: true, shared, counted, gauges, noted, warned }
    }
}

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        Some(self.now / 1_000)
    }

    fn milliseconds(&mut self) -> Option<u64> {
        Some(self.now)
    }

    fn add(&mut self, counter: &str, amount: u64) {
        let counted = self.counted.entry(counter.to_owned()).or_default();
        *counted = counted.saturating_add(amount);
    }

    fn gauge(&mut self, gauge: &str, value: u64) {
        self.gauges.insert(gauge.to_owned(), value);
    }

    fn observe(&mut self, histogram: &str, model: Option<&str>, value: u64) {
        self.noted.push((histogram.to_owned(), model.map(str::to_owned), value));
    }

    fn warn(&mut self, problem: &str) {
        self.warned.push(problem.to_owned());
    }

    fn randomize(&mut self, bytes: &mut [u8]) -> bool {
        bytes.fill(7);
        true
    }

    fn shared(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.shared.get(key).filter(|_| self.sharing).cloned()
    }

    fn share(&mut self, key: &str, value: &[u8], version: u32) -> bool {
        let current = self.shared.get(key).map_or(0, |(_, version)| *version);
        if !self.sharing || (current != 0 && version != 0 && version != current) {
            return false;
        }
        self.shared.insert(key.to_owned(), (value.to_vec(), current.saturating_add(1)));
        true
    }

    fn client_address(&mut self) -> Option<core::net::IpAddr> {
        Some([192, 0, 2, 1].into())
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

struct Answer<'a>(u16, &'a str);

impl Response for Answer<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            ":status" => Some(self.0.to_string().into_bytes()),
            "content-type" => Some(self.1.as_bytes().to_vec()),
            _ => None,
        }
    }
}

/// The filter in a world of its own.
struct Gateway {
    pipeline: Servers<QuotaFilter>,
    world: World,
    /// Whether clients take compressed answers.
    compressed: bool,
}

/// What a caller is.
#[derive(Debug, Clone, Copy)]
struct Caller<'a> {
    name: &'a str,
    tenant: &'a str,
    session: Option<&'a str>,
}

const ANA: Caller<'_> = Caller { name: "ana", tenant: "acme", session: None };
const BEN: Caller<'_> = Caller { name: "ben", tenant: "acme", session: None };

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

impl Gateway {
    fn new(quota: Value) -> Self {
        Self::with(quota, Capabilities::ALL)
    }

    fn with(mut quota: Value, capabilities: Capabilities) -> Self {
        for key in ["principal", "tenant"] {
            quota[format!("{key}_header")] = format!("user-{key}").into();
        }
        quota["identity_headers_trusted"] = true.into();
        let admission = json!({"batches": "allow", "llm_paths": ["/v1/*"]});
        let configuration = json!({"admission": admission, "quota": quota}).to_string();
        let plan = crate::plan(configuration.as_bytes(), &capabilities).expect("it is valid");
        let world = World { sharing: capabilities.shared_data, ..World::default() };
        Self { pipeline: plan.servers, world, compressed: true }
    }

    /// Sends a body to `path`, or opens a stream with none.
    fn send(
        &mut self,
        path: &str,
        caller: Caller<'_>,
        body: &str,
    ) -> Result<(Exchange<QuotaFilter>, Vec<Edit>), Reply> {
        let method: &[u8] = if body.is_empty() { b"GET" } else { b"POST" };
        let mut fields: Vec<(&[u8], &[u8])> = vec![
            (b":method", method),
            (b":path", path.as_bytes()),
            (b"content-type", b"application/json"),
            (b"user-principal", caller.name.as_bytes()),
            (b"user-tenant", caller.tenant.as_bytes()),
        ];
        if self.compressed {
            fields.push((b"accept-encoding", b"gzip"));
        }
        if let Some(session) = caller.session {
            fields.push((b"mcp-session-id", session.as_bytes()));
        }
        if body.contains("io.modelcontextprotocol/protocolVersion") {
            fields.push((b"mcp-protocol-version", b"2026-07-28"));
            fields.push((b"mcp-method", b"tools/call"));
            fields.push((b"mcp-name", b"search"));
        }
        let head = Head::new(fields);
        let world = &mut self.world;
        let (mut exchange, mut step) = self.pipeline.request_head(&head, !body.is_empty(), world);
        if step.next == Next::ReadBody {
            step = self.pipeline.request_body(&mut exchange, body.as_bytes(), world);
        }
        match step.next {
            Next::Forward => Ok((exchange, step.edits)),
            Next::Reply(reply) => Err(reply),
            next => panic!("{next:?}"),
        }
    }

    fn call(&mut self, caller: Caller<'_>, body: &str) -> Result<Exchange<QuotaFilter>, Reply> {
        self.send("/mcp", caller, body).map(|(exchange, _)| exchange)
    }

    fn refused(&mut self, caller: Caller<'_>, body: &str) -> Reply {
        self.call(caller, body).map(drop).expect_err("it is refused")
    }

    /// Answers a call; returns what reached the client.
    fn answer(
        &mut self,
        exchange: &mut Exchange<QuotaFilter>,
        answer: &Answer<'_>,
        body: &[&str],
    ) -> (Vec<Edit>, String) {
        let edits = self.pipeline.response_head(exchange, answer, &mut self.world);
        let mut out = Vec::new();
        for (index, chunk) in body.iter().enumerate() {
            let end = index.saturating_add(1) == body.len();
            let chunk = chunk.as_bytes();
            let changed = self.pipeline.response_body(exchange, chunk, end, &mut self.world);
            out.extend(changed.unwrap_or_else(|| chunk.to_vec()));
        }
        (edits, String::from_utf8(out).expect("UTF-8"))
    }

    /// A call and its answer; `false` if it was refused.
    fn exchange(&mut self, caller: Caller<'_>, body: &str, answer: &str) -> bool {
        let Ok(mut exchange) = self.call(caller, body) else { return false };
        self.answer(&mut exchange, &Answer(200, JSON), &[answer]);
        self.pipeline.finish(&mut exchange, Ending::Cut, &mut self.world);
        true
    }

    /// How many of `count` calls pass.
    fn passing(&mut self, count: usize, caller: Caller<'_>, body: &str) -> usize {
        (0..count).filter(|_| self.exchange(caller, body, "{}")).count()
    }

    /// How much is left of the limit `limit`, by the headers of a further answer.
    fn remaining(&mut self, caller: Caller<'_>, limit: &str) -> u64 {
        let mut exchange = self.call(caller, LIST).expect("it passes");
        let (edits, _) = self.answer(&mut exchange, &Answer(503, JSON), &["{}"]);
        let field = edits.iter().find_map(|edit| match edit {
            Edit::Add(name, value) if name.as_str() == "ratelimit" => {
                Some(value.as_str().to_owned())
            }
            _ => None,
        });
        let field = field.expect("the field");
        let own = field.split(", ").find_map(|item| item.strip_prefix(&format!("\"{limit}\";r=")));
        let own = own.unwrap_or_else(|| panic!("{limit} in {field}"));
        own.split(';').next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// What is counted under `name`, once it was handed over.
    fn counted(&mut self, name: &str) -> u64 {
        self.pipeline.tick(&mut self.world);
        self.world.counted.get(name).copied().unwrap_or_default()
    }
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn tool(name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"a\u0062","method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    )
}

/// The same in the modern era, of the tool `search`; `more` members in its params.
fn modern(more: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"search",{more}
        "_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

/// The result of a tool.
fn result(text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": "ab", "result": {"content": [{"type": "text", "text": text}]}})
        .to_string()
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn requests(limit: u64) -> Value {
    json!({"name": "calls", "key": ["principal"], "unit": "requests", "limit": limit, "window": "1m",
        "algorithm": "fixed_window"})
}
