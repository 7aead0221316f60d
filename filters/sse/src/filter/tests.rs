//! Exchanges through the filter, in a world whose clock the test turns.

mod heads;
mod streams;

use std::collections::BTreeMap;

use mcp_core::admission::{Admission, AdmissionConfig};
use mcp_core::config;
use mcp_core::edit::Edit;
use mcp_core::head::Head;
use mcp_core::pipeline::{
    Call, Caller, Capabilities, Ending, Environment, Exchange, Filter, Identified, Next, Pipeline,
    Predecessor, Response,
};
use mcp_core::refusal::Refusal;

use super::SseFilter;
use crate::config::SseConfig;

/// What the filters before this one found out.
#[derive(Debug)]
struct Told(Caller);

impl Filter for Told {
    type State = ();
    type Ticket = core::convert::Infallible;

    fn identify(
        &self,
        _: &Head<'_>,
        caller: &mut Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Identified<Self::Ticket>, Refusal> {
        *caller = self.0.clone();
        Ok(Identified::Settled(Vec::new()))
    }

    fn authorize(
        &self,
        _: &Call<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Vec<Edit>, Refusal> {
        Ok(Vec::new())
    }

    fn respond(
        &self,
        _: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Vec<Edit> {
        Vec::new()
    }
}

#[derive(Debug, Default)]
struct World {
    milliseconds: u64,
    counted: BTreeMap<String, u64>,
    /// What was noted in histograms, and of which model.
    noted: Vec<(String, Option<String>, u64)>,
    warned: Vec<String>,
}

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        Some(self.milliseconds / 1_000)
    }

    fn milliseconds(&mut self) -> Option<u64> {
        Some(self.milliseconds)
    }

    fn warn(&mut self, problem: &str) {
        self.warned.push(problem.to_owned());
    }

    fn add(&mut self, counter: &str, amount: u64) {
        let counted = self.counted.entry(counter.to_owned()).or_default();
        *counted = counted.saturating_add(amount);
    }

    fn observe(&mut self, histogram: &str, model: Option<&str>, value: u64) {
        self.noted.push((histogram.to_owned(), model.map(str::to_owned), value));
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

type Field<'a> = (&'a str, &'a str);

/// An upstream's answer; a head that nobody may ask has no fields at all.
struct Answer<'a>(&'a [Field<'a>]);

impl Response for Answer<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let field = self.0.iter().find(|(field, _)| *field == name)?;
        Some(field.1.as_bytes().to_vec())
    }
}

type Chain = mcp_core::pipeline::Chain<Told, SseFilter>;

struct Gateway {
    pipeline: Pipeline<Chain>,
    world: World,
}

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_weather"}}"#;
const EVENTS: Field<'_> = ("content-type", "text/event-stream");
const JSON: Field<'_> = ("content-type", "application/json");

fn ana() -> Caller {
    let text = |text: &str| Some(text.to_owned());
    Caller {
        principal: Some(b"ana".to_vec()),
        tenant: text("acme"),
        agent: text("bot"),
        principal_hash: text("hash-of-ana"),
        session_hash: text("hash-of-session"),
        ..Caller::default()
    }
}

impl Gateway {
    fn new(sse: &str) -> Self {
        Self::of(sse, ana())
    }

    fn of(sse: &str, caller: Caller) -> Self {
        let config: SseConfig = config::parse(sse.as_bytes()).expect(sse);
        let (filter, _) = config.build(&Capabilities::ALL, Predecessor::Auth).expect(sse);
        let admission = Admission::try_from(AdmissionConfig::default()).expect("valid");
        let chain = mcp_core::pipeline::Chain(Told(caller), filter);
        let world = World { milliseconds: 1_800_000_000_000, ..World::default() };
        Self { pipeline: Pipeline::new(admission, chain), world }
    }

    /// Sends a request; returns it on its way, and the head that the upstream gets with its body.
    fn send(
        &mut self,
        method: &str,
        fields: &[Field<'_>],
        body: &str,
    ) -> (Exchange<Chain>, Vec<(String, String)>) {
        let (exchange, head, changed) = self.forward(method, fields, body);
        assert_eq!(changed, None);
        (exchange, head)
    }

    /// Sends a request; returns it on its way, the head that the upstream gets, and the body if it
    /// is another.
    fn forward(
        &mut self,
        method: &str,
        fields: &[Field<'_>],
        body: &str,
    ) -> (Exchange<Chain>, Vec<(String, String)>, Option<String>) {
        let mut head = vec![(":method", method), (":path", "/mcp"), ("host", "gateway")];
        head.extend((method == "POST").then_some(JSON));
        head.extend_from_slice(fields);
        let bytes = head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let (mut exchange, mut step) =
            self.pipeline.request_head(&Head::new(bytes), !body.is_empty(), &mut self.world);
        let mut edits = step.edits;
        if step.next == Next::ReadBody {
            step = self.pipeline.request_body(&mut exchange, body.as_bytes(), &mut self.world);
            edits.extend(step.edits);
        }
        let changed = match step.next {
            Next::Forward => None,
            Next::ForwardWith(body) => Some(String::from_utf8(body).expect("text")),
            other => panic!("{other:?}"),
        };
        (exchange, apply(&head, edits), changed)
    }

    fn post(&mut self, fields: &[Field<'_>], body: &str) -> Vec<(String, String)> {
        self.send("POST", fields, body).1
    }

    /// What a client gets of this answer's head to a call.
    fn answer(&mut self, fields: &[Field<'_>]) -> Vec<(String, String)> {
        let (mut exchange, _) = self.send("POST", &[], CALL);
        apply(fields, self.head(&mut exchange, &Answer(fields)))
    }

    fn head(&mut self, exchange: &mut Exchange<Chain>, response: &dyn Response) -> Vec<Edit> {
        self.pipeline.response_head(exchange, response, &mut self.world)
    }

    /// Passes a body in these chunks; what the client gets.
    fn pass<'c>(
        &mut self,
        exchange: &mut Exchange<Chain>,
        chunks: impl IntoIterator<Item = &'c [u8]>,
    ) -> Vec<u8> {
        let mut chunks = chunks.into_iter().peekable();
        let mut out = Vec::new();
        while let Some(chunk) = chunks.next() {
            let end = chunks.peek().is_none();
            let changed = self.pipeline.response_body(exchange, chunk, end, &mut self.world);
            out.extend(changed.unwrap_or_else(|| chunk.to_vec()));
        }
        out
    }

    fn leave(&mut self, exchange: &mut Exchange<Chain>) {
        self.pipeline.finish(exchange, Ending::Cut, &mut self.world);
    }

    /// What was counted, once it was handed over.
    fn counted(&mut self) -> Vec<(String, u64)> {
        self.pipeline.tick(&mut self.world);
        core::mem::take(&mut self.world.counted).into_iter().collect()
    }
}

/// Does as a host does.
fn apply(head: &[Field<'_>], edits: Vec<Edit>) -> Vec<(String, String)> {
    let owned = |(name, value): &Field<'_>| ((*name).to_owned(), (*value).to_owned());
    let mut head: Vec<_> = head.iter().map(owned).collect();
    for edit in edits {
        let remove = |head: &mut Vec<(String, String)>, name: &[u8]| {
            head.retain(|(field, _)| !field.as_bytes().eq_ignore_ascii_case(name));
        };
        match edit {
            Edit::Add(name, value) => {
                head.push((name.as_str().to_owned(), value.as_str().to_owned()));
            }
            Edit::Remove(name) => remove(&mut head, &name),
            Edit::Rename(from, to) => {
                let value = values(&head, from.as_str()).first().map(|value| (*value).to_owned());
                let Some(value) = value else { continue };
                remove(&mut head, from.as_str().as_bytes());
                remove(&mut head, to.as_str().as_bytes());
                head.push((to.as_str().to_owned(), value));
            }
            Edit::Set(name, value) => {
                remove(&mut head, name.as_str().as_bytes());
                head.push((name.as_str().to_owned(), value.as_str().to_owned()));
            }
        }
    }
    head
}

fn values<'h>(head: &'h [(String, String)], name: &str) -> Vec<&'h str> {
    let field = head.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    field.map(|(_, value)| value.as_str()).collect()
}
