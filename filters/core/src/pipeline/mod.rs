//! Drives the filters of a chain through the stages of an exchange.
//!
//! ```text
//! request head ── admit ── identify ─┬─ (headers suffice) ─ authorize ─ forward
//!                           ▲   │    └─ read the body ── scan ── agree ─ authorize ─ forward
//!                  resume ──┘   └─ (keys are missing) ─ fetch, or wait for another's fetch
//! response head ── respond
//! response body ── observe, if a filter is interested
//! ```
//!
//! It is a value that takes heads and bodies and returns what the host is to do. Edits of a stage
//! are returned only if the whole stage passed.

mod account;
mod chain;
mod fetch;
mod filter;
mod identify;
mod line;
mod llm;
mod observe;
mod optional;
mod report;
mod servers;
#[cfg(test)]
mod tests;

pub use account::{Account, Spent};
pub use chain::{Chain, ChainState, ChainTicket};
pub use fetch::{Fetch, Form, HttpAnswer, HttpCall, Topic};
pub use filter::{
    ABSENT, Call, Caller, Capabilities, Ending, Environment, Filter, Identified, LLM_METHOD,
    Predecessor, Response, Traffic,
};
pub use observe::{Attention, Interest, Observation};
pub use report::{Outcome, Report};
pub use servers::{Listed, Plan, ServerTicket, Servers, TicketOf, plan};

use crate::admission::{self, Admission, Admitted, Batches, Reader, Validation, Verb};
use crate::agreement;
use crate::edit::Edit;
use crate::head::Head;
use crate::limits::{MAX_FETCHES_PER_EXCHANGE, MAX_WAITS_PER_EXCHANGE};
use crate::message::{self, Body, Kind, Message, ScanLimits};
use crate::mirror::{Field, Mirror};
use crate::refusal::{Addressee, Reason, Refusal, Reply};
use crate::telemetry::{Log, Telemetry};
use crate::version::{Claim, Era, Version};
use observe::Observer;

/// A chain of filters behind one admission.
#[derive(Debug)]
pub struct Pipeline<F> {
    admission: Admission,
    filter: F,
    telemetry: Telemetry,
}

/// What the pipeline remembers of one exchange.
pub struct Exchange<F: Filter> {
    /// Whose it is, of several servers.
    server: usize,
    phase: Phase,
    caller: Caller,
    reader: Option<Reader>,
    state: F::State,
    /// The ids of the requests that went upstream, as exact JSON tokens.
    requests: Vec<String>,
    /// Of the answer's body, if anybody is interested.
    observer: Option<Observer>,
    /// What is noted for when it is over, if anybody wants to know.
    account: Option<Box<Account>>,
    /// The trace it is part of, where it is logged.
    trace_id: Option<String>,
    /// How many calls may still be made for it.
    fetches: u8,
    /// How often it may still be told to wait.
    waits: u8,
}

#[derive(Debug)]
enum Phase {
    /// The answer to a call decides who calls.
    AwaitingAnswer { asked: Asked, has_body: bool },
    /// The body decides; what the head was refused for is said once the body named the request.
    AwaitingBody { mirror: Mirror, refused: Option<Refusal> },
    /// The body of a request to a model decides; `model` is that of its path, if that names one.
    AwaitingPrompt { model: Option<String> },
    /// An MCP request went upstream.
    Forwarded,
    /// Not MCP, or answered here: nothing more to do.
    Finished,
}

/// What was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A request to a model.
    Llm,
    /// An MCP request.
    Mcp(Verb),
}

/// What the host is to do with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<T> {
    /// Changes to the request's head, to be made first.
    pub edits: Vec<Edit>,
    /// Then this.
    pub next: Next<T>,
    /// What to log and count, once the exchange is decided.
    pub report: Option<Report>,
}

/// Where the request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// Upstream.
    Forward,
    /// Upstream, with this in place of its body.
    ForwardWith(Vec<u8>),
    /// Nowhere yet: hold it and hand in the whole body.
    ReadBody,
    /// Nowhere yet: hold it, make this call, hand in its answer and resume.
    Fetch(Fetch<T>),
    /// Nowhere yet: hold it and resume once a call about this topic was answered.
    Wait(Topic),
    /// Back, with this.
    Reply(Reply),
}

impl<T> Step<T> {
    /// The same, with `edits` made before its own.
    fn after(mut self, edits: Vec<Edit>) -> Self {
        self.edits.splice(0..0, edits);
        self
    }
}

impl<F: Filter> Exchange<F> {
    fn new(reader: Option<Reader>) -> Self {
        Self {
            server: 0,
            phase: Phase::Finished,
            caller: Caller::default(),
            reader,
            state: F::State::default(),
            requests: Vec::new(),
            observer: None,
            account: None,
            trace_id: None,
            fetches: MAX_FETCHES_PER_EXCHANGE,
            waits: MAX_WAITS_PER_EXCHANGE,
        }
    }
}

impl<F: Filter> Pipeline<F> {
    /// A chain behind `admission`.
    pub const fn new(admission: Admission, filter: F) -> Self {
        let telemetry = Telemetry { durations: false, log: Log::Refusals };
        Self { admission, filter, telemetry }
    }

    /// The same, of whose exchanges this is told.
    #[must_use]
    pub const fn telling(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// What is let in here.
    pub const fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The request's head arrived. `has_body` is `false` only if the host is sure of it.
    pub fn request_head(
        &self,
        head: &Head<'_>,
        has_body: bool,
        environment: &mut dyn Environment,
    ) -> (Exchange<F>, Step<F::Ticket>) {
        let mut exchange = Exchange::new(self.admission.reader(head));
        exchange.trace_id = self.trace_id(head);
        let edits = admission::strip(head, |name| self.filter.owns(name));
        if let Some(reply) = self.filter.document(head) {
            return (exchange, Step { edits, next: Next::Reply(reply), report: None });
        }
        let step = match self.admission.admit(head) {
            Err(refusal) => self.refuse_unread(&mut exchange, &refusal),
            Ok(Admitted::Foreign) => Step { edits: Vec::new(), next: Next::Forward, report: None },
            Ok(Admitted::Answer(reply)) => {
                Step { edits: Vec::new(), next: Next::Reply(reply), report: None }
            }
            Ok(Admitted::Mcp(verb)) => {
                self.identify(&mut exchange, head, Asked::Mcp(verb), has_body, environment)
            }
            Ok(Admitted::Llm { json }) => {
                self.identify(&mut exchange, head, Asked::Llm, has_body && json, environment)
            }
        };
        (exchange, step.after(edits))
    }

    /// The whole body arrived. An exchange that did not ask for it goes on as it was.
    pub fn request_body(
        &self,
        exchange: &mut Exchange<F>,
        body: &[u8],
        environment: &mut dyn Environment,
    ) -> Step<F::Ticket> {
        let (mirror, refused) = match core::mem::replace(&mut exchange.phase, Phase::Finished) {
            Phase::AwaitingBody { mirror, refused } => (mirror, refused),
            Phase::AwaitingPrompt { model } => {
                return self.prompt(exchange, model, Some(body), environment);
            }
            settled => {
                exchange.phase = settled;
                return Step { edits: Vec::new(), next: Next::Forward, report: None };
            }
        };
        let scanned = message::scan(body, &ScanLimits::default());
        let (call, messages) = match &scanned {
            Err(error) => {
                let addressee = error
                    .id
                    .as_ref()
                    .map_or(Addressee::Unknown, |id| Addressee::Request(id.token()));
                let call = unread(mirror.claim().era());
                let refusal = refused.unwrap_or_else(|| Refusal::from(error));
                return self.refuse(exchange, &refusal, addressee, &call);
            }
            Ok(Body::Batch(messages)) => match self.check_batch(&mirror, messages) {
                Err(refusal) => {
                    let call = unread(Era::Legacy);
                    let refusal = refused.unwrap_or(refusal);
                    return self.refuse(exchange, &refusal, Addressee::Unknown, &call);
                }
                Ok(()) => {
                    let batch = messages.as_slice();
                    (Call { batch, body: Some(body), ..unread(Era::Legacy) }, batch)
                }
            },
            Ok(Body::Single(message)) => {
                let call = Call {
                    era: mirror.claim().era(),
                    method: message.method.as_deref(),
                    name: agreement::subject(message),
                    message: Some(message),
                    body: Some(body),
                    ..unread(Era::Legacy)
                };
                (call, core::slice::from_ref(message))
            }
        };
        let addressee = call.message.map_or(Addressee::Unknown, addressee);
        if let Some(refusal) = refused {
            return self.refuse(exchange, &refusal, addressee, &call);
        }
        let disagreement = messages
            .iter()
            .find_map(|message| agreement::check(&mirror, message, &self.admission.versions).err());
        match disagreement {
            Some(refusal) if self.admission.validation != Validation::LogOnly => {
                self.refuse(exchange, &refusal, addressee, &call)
            }
            disagreement => self
                .authorize(exchange, &call, disagreement.as_ref(), environment)
                .unwrap_or_else(|refusal| self.refuse(exchange, &refusal, addressee, &call)),
        }
    }

    /// Ends an exchange the host gave up on, such as one whose body never came.
    pub fn abandon(&self, exchange: &mut Exchange<F>, reason: Reason) -> Step<F::Ticket> {
        self.refuse_unread(exchange, &Refusal::new(reason))
    }

    /// The call, where nothing of the body is needed to know it.
    fn call_from_head<'a>(&self, verb: Verb, mirror: &'a Mirror) -> Option<Call<'a>> {
        if verb != Verb::Post {
            return Some(unread(Era::Legacy));
        }
        if mirror.is_repeated() || self.filter.needs_body() {
            return None;
        }
        let Claim::Known(version) = mirror.claim() else { return None };
        let trusted = self.admission.validation == Validation::TrustHeaders
            && version.era() == Era::Modern
            && self.admission.versions.contains(&version);
        let method = mirror.method.value().filter(|_| trusted)?;
        let name = match agreement::named_by(method) {
            agreement::Named::Always => Some(mirror.name.value()?),
            agreement::Named::IfSent if mirror.name == Field::Absent => None,
            agreement::Named::IfSent => Some(mirror.name.value()?),
            agreement::Named::Never => None,
        };
        Some(Call { method: Some(method), name, ..unread(Era::Modern) })
    }

    fn check_batch(&self, mirror: &Mirror, messages: &[Message<'_>]) -> Result<(), Refusal> {
        let legal = match mirror.claim() {
            Claim::Absent => self.admission.versions.contains(&Version::V2025_03_26),
            Claim::Known(version) => {
                version.has_batches() && self.admission.versions.contains(&version)
            }
            Claim::Unknown => false,
        };
        let opens = |message: &Message<'_>| message.method.as_deref() == Some("initialize");
        if !legal || self.admission.batches == Batches::Refuse || messages.iter().any(opens) {
            return Err(Refusal::new(Reason::Batch));
        }
        Ok(())
    }

    fn authorize(
        &self,
        exchange: &mut Exchange<F>,
        call: &Call<'_>,
        disagreement: Option<&Refusal>,
        environment: &mut dyn Environment,
    ) -> Result<Step<F::Ticket>, Refusal> {
        let mut edits =
            self.filter.authorize(call, &exchange.caller, environment, &mut exchange.state)?;
        edits.retain(|edit| self.admission.exports.allow(edit));
        exchange.phase = Phase::Forwarded;
        exchange.requests = observe::requests(call);
        let shadowed = self.filter.shadowed(&exchange.state).or(disagreement);
        let report = Report::forwarded(call, shadowed);
        if self.telemetry.follows() {
            exchange.account = Some(Box::new(Account::begin(report.clone(), call, environment)));
        }
        let next = self.annotated(exchange, call).map_or(Next::Forward, Next::ForwardWith);
        Ok(Step { edits, next, report: Some(report) })
    }

    /// The trace that a request says it is part of.
    fn trace_id(&self, head: &Head<'_>) -> Option<String> {
        let parent = head.first("traceparent").filter(|_| self.telemetry.log == Log::Exchanges)?;
        line::trace_id(parent)
    }

    /// The body with what the filters add to its message; `None` if that is nothing, or would make
    /// it longer than a body may be.
    fn annotated(&self, exchange: &mut Exchange<F>, call: &Call<'_>) -> Option<Vec<u8>> {
        let (body, slot) = call.body.zip(call.message?.slot)?;
        let texts = self.filter.annotations(call, &mut exchange.state);
        let texts: Vec<_> = texts.iter().map(|(key, text)| (*key, text.as_str())).collect();
        let body = if texts.is_empty() { None } else { slot.fill(body, &texts) };
        body.filter(|body| {
            u64::try_from(body.len()).is_ok_and(|size| size <= self.admission.max_body)
        })
    }

    fn refuse_unread(&self, exchange: &mut Exchange<F>, refusal: &Refusal) -> Step<F::Ticket> {
        self.refuse(exchange, refusal, Addressee::Unknown, &unread(Era::Legacy))
    }

    fn refuse(
        &self,
        exchange: &mut Exchange<F>,
        refusal: &Refusal,
        addressee: Addressee<'_>,
        call: &Call<'_>,
    ) -> Step<F::Ticket> {
        exchange.phase = Phase::Finished;
        let mut reply = refusal.reply(addressee);
        if let Some(reader) = &exchange.reader {
            reply.headers.extend(reader.headers());
        }
        let report = Report::refused(call, refusal);
        Step { edits: Vec::new(), next: Next::Reply(reply), report: Some(report) }
    }
}

/// A call about which nothing is known but its era.
const fn unread(era: Era) -> Call<'static> {
    Call {
        traffic: Traffic::Mcp,
        era,
        method: None,
        name: None,
        message: None,
        batch: &[],
        body: None,
    }
}

fn addressee<'a>(message: &Message<'a>) -> Addressee<'a> {
    match (message.kind, &message.id) {
        (Kind::Request, Some(id)) => Addressee::Request(id.token()),
        (Kind::Request, None) => Addressee::Unknown,
        (Kind::Notification | Kind::Response, _) => Addressee::Nobody,
    }
}
