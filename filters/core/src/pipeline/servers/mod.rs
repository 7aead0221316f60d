//! Several servers behind one gateway: a pipeline for each, and which of them a request is for.
//!
//! ```text
//! request head ── the first entry whose hosts and paths match ── its pipeline
//!              ├─ an entry has this path, but not on this host ── refused
//!              └─ no entry has this path ── passes, stripped
//! ```
//!
//! The gateway chooses a route by the same host and path, so nothing may pass here as another
//! server's, or as nobody's, that a route could then lead to a server. What is read in two ways is
//! refused unless both lead to the same server.

mod list;
#[cfg(test)]
mod tests;

pub use list::{Listed, Plan, plan};

use super::{
    Ending, Environment, Exchange, Fetch, Filter, HttpAnswer, Next, Pipeline, Report, Response,
    Step, Topic, unread,
};
use crate::admission::{self, Admission, Target};
use crate::edit::{Edit, HeaderValue};
use crate::head::Head;
use crate::limits::MAX_HEADERS;
use crate::owned;
use crate::refusal::{Addressee, Reason, Refusal, Reply};
use crate::telemetry::Telemetry;
use crate::version::Era;

/// One pipeline for everything, or one for each entry of `servers`.
#[derive(Debug)]
pub struct Servers<F> {
    first: Server<F>,
    others: Vec<Server<F>>,
}

#[derive(Debug)]
struct Server<F> {
    /// As `x-mcp-server` shows it; `None` if there is no list.
    name: Option<HeaderValue>,
    pipeline: Pipeline<F>,
}

/// What tells the filter of one server which of its calls was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTicket<T> {
    server: usize,
    ticket: T,
}

/// The same, of the servers of a chain.
pub type TicketOf<F> = ServerTicket<<F as Filter>::Ticket>;

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The entry's at this index.
    Server(usize),
    /// Nobody's, though its path is somebody's: on another host, or read in another way.
    Misdirected,
    /// Nobody's at all.
    Foreign,
}

/// Bits of a topic that tell servers apart: as many as count [`crate::limits::MAX_SERVERS`].
const SERVER_BITS: u32 = 6;

impl<F> From<Pipeline<F>> for Servers<F> {
    /// One server, whose every request is.
    fn from(pipeline: Pipeline<F>) -> Self {
        Self { first: Server { name: None, pipeline }, others: Vec::new() }
    }
}

impl<F: Filter> Servers<F> {
    /// What is let in where the exchange belongs.
    pub fn admission(&self, exchange: &Exchange<F>) -> &Admission {
        self.of(exchange).admission()
    }

    /// What is told of the exchange.
    pub fn telemetry(&self, exchange: &Exchange<F>) -> Telemetry {
        self.of(exchange).telemetry
    }

    /// The request's head arrived: [`Pipeline::request_head`] of the server that it is for.
    pub fn request_head(
        &self,
        head: &Head<'_>,
        has_body: bool,
        environment: &mut dyn Environment,
    ) -> (Exchange<F>, Step<TicketOf<F>>) {
        let index = match self.route(head, environment) {
            Ok(index) => index,
            Err(step) => return (Exchange::new(None), *step),
        };
        let server = self.at(index);
        let (mut exchange, step) = server.pipeline.request_head(head, has_body, environment);
        exchange.server = index;
        let mut step = self.told(&mut exchange, step);
        if let (Some(name), false) = (&server.name, matches!(step.next, Next::Reply(_))) {
            // What the filters of other servers write, this server may read as well.
            let filter = &server.pipeline.filter;
            step.edits.extend(admission::remove(head, |name| {
                !owned::is_forged(name) && !filter.owns(name) && self.owns(name)
            }));
            let told = Edit::Set(owned::SERVER.into(), name.clone());
            step.edits
                .extend(Some(told).filter(|edit| server.pipeline.admission.exports.allow(edit)));
        }
        (exchange, step)
    }

    /// The whole body arrived: see [`Pipeline::request_body`].
    pub fn request_body(
        &self,
        exchange: &mut Exchange<F>,
        body: &[u8],
        environment: &mut dyn Environment,
    ) -> Step<TicketOf<F>> {
        let step = self.of(exchange).request_body(exchange, body, environment);
        self.told(exchange, step)
    }

    /// Ends an exchange the host gave up on: see [`Pipeline::abandon`].
    pub fn abandon(&self, exchange: &mut Exchange<F>, reason: Reason) -> Step<TicketOf<F>> {
        let step = self.of(exchange).abandon(exchange, reason);
        self.told(exchange, step)
    }

    /// What the exchange waits for may have come: see [`Pipeline::resume`].
    pub fn resume(
        &self,
        exchange: &mut Exchange<F>,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Step<TicketOf<F>> {
        let step = self.of(exchange).resume(exchange, head, environment);
        self.told(exchange, step)
    }

    /// A call was answered: see [`Pipeline::answered`].
    pub fn answered(
        &self,
        ticket: TicketOf<F>,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        let ServerTicket { server, ticket } = ticket;
        self.at(server).pipeline.answered(ticket, answer, environment);
    }

    /// Time passed: the calls to make that no request waits for.
    pub fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<TicketOf<F>>> {
        let of = |(index, server): (usize, &Server<F>)| {
            let fetches = server.pipeline.tick(environment).into_iter();
            fetches.map(|fetch| by(index, fetch)).collect::<Vec<_>>()
        };
        self.iter().enumerate().flat_map(of).collect()
    }

    /// The head of the upstream's answer arrived: see [`Pipeline::response_head`].
    pub fn response_head(
        &self,
        exchange: &mut Exchange<F>,
        response: &dyn Response,
        environment: &mut dyn Environment,
    ) -> Vec<Edit> {
        self.of(exchange).response_head(exchange, response, environment)
    }

    /// Bytes of an observed answer's body arrived: see [`Pipeline::response_body`].
    pub fn response_body(
        &self,
        exchange: &mut Exchange<F>,
        chunk: &[u8],
        end: bool,
        environment: &mut dyn Environment,
    ) -> Option<Vec<u8>> {
        self.of(exchange).response_body(exchange, chunk, end, environment)
    }

    /// The exchange is over: see [`Pipeline::finish`].
    pub fn finish(
        &self,
        exchange: &mut Exchange<F>,
        ending: Ending,
        environment: &mut dyn Environment,
    ) {
        self.of(exchange).finish(exchange, ending, environment);
    }

    /// The server that the request is for, or what becomes of it otherwise.
    fn route(
        &self,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<usize, Box<Step<TicketOf<F>>>> {
        if self.first.name.is_none() {
            return Ok(0);
        }
        if let Some(reply) = self.document(head) {
            return Err(Box::new(only(Next::Reply(reply))));
        }
        if head.count() >= MAX_HEADERS {
            return Err(Box::new(refused(&Refusal::new(Reason::TooManyHeaders))));
        }
        match self.choose(head, environment) {
            Choice::Server(index) => Ok(index),
            Choice::Misdirected => {
                let refusal = Refusal::new(Reason::Host);
                Err(Box::new(refused(&refusal.because("no server has this host and path"))))
            }
            Choice::Foreign => {
                let edits = admission::strip(head, |name| self.owns(name));
                Err(Box::new(Step { edits, ..only(Next::Forward) }))
            }
        }
    }

    /// The document that somebody publishes on this host, for everyone. Its path need be nobody's.
    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        let authority = admission::authority(head);
        self.iter()
            .filter(|server| server.pipeline.admission.covers_host(authority))
            .find_map(|server| server.pipeline.filter.document(head))
    }

    fn choose(&self, head: &Head<'_>, environment: &mut dyn Environment) -> Choice {
        let authority = admission::authority(head);
        let by_host = self.iter().any(|server| server.pipeline.admission.has_hosts());
        let target = Target::of(head);
        let resolved = self.find(authority, target.resolved());
        let elsewhere = by_host
            && resolved != Choice::Foreign
            && environment
                .routed_host()
                .is_some_and(|host| !admission::names_host(authority, &host));
        if elsewhere {
            return Choice::Misdirected;
        }
        if target.sent() == target.resolved() {
            return resolved;
        }
        match self.find(authority, target.sent()) {
            Choice::Foreign => resolved,
            sent if sent == resolved => resolved,
            Choice::Server(_) | Choice::Misdirected => Choice::Misdirected,
        }
    }

    fn find(&self, authority: &[u8], path: &[u8]) -> Choice {
        let mut choice = Choice::Foreign;
        for (index, server) in self.iter().enumerate() {
            let admission = &server.pipeline.admission;
            if admission.covers_path(path) {
                if admission.covers_host(authority) {
                    return Choice::Server(index);
                }
                choice = Choice::Misdirected;
            }
        }
        choice
    }

    fn owns(&self, name: &[u8]) -> bool {
        self.iter().any(|server| server.pipeline.filter.owns(name))
    }

    /// The step of a server's pipeline, as one that says so.
    fn told(&self, exchange: &mut Exchange<F>, step: Step<F::Ticket>) -> Step<TicketOf<F>> {
        let index = exchange.server;
        let Step { edits, next, report } = step;
        let next = match next {
            Next::Forward => Next::Forward,
            Next::ForwardWith(body) => Next::ForwardWith(body),
            Next::ReadBody => Next::ReadBody,
            Next::Fetch(fetch) => Next::Fetch(by(index, fetch)),
            Next::Wait(topic) => Next::Wait(apart(index, topic)),
            Next::Reply(reply) => Next::Reply(reply),
        };
        let name = || self.at(index).name.as_ref().map(|name| name.as_str().to_owned());
        let report = report.map(|report| Report { server: name(), ..report });
        if let Some(account) = &mut exchange.account {
            account.report.server = name();
        }
        Step { edits, next, report }
    }
}

impl<F> Servers<F> {
    fn iter(&self) -> impl Iterator<Item = &Server<F>> {
        core::iter::once(&self.first).chain(&self.others)
    }

    fn at(&self, index: usize) -> &Server<F> {
        index.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }

    fn of(&self, exchange: &Exchange<F>) -> &Pipeline<F>
    where
        F: Filter,
    {
        &self.at(exchange.server).pipeline
    }
}

/// A call that this server's filter asked for.
fn by<T>(server: usize, fetch: Fetch<T>) -> Fetch<ServerTicket<T>> {
    let Fetch { call, ticket, topic } = fetch;
    Fetch { call, ticket: ServerTicket { server, ticket }, topic: apart(server, topic) }
}

/// Keeps the topics of servers apart.
fn apart(server: usize, Topic(topic): Topic) -> Topic {
    Topic(topic.rotate_left(SERVER_BITS) ^ u64::try_from(server).unwrap_or(u64::MAX))
}

const fn only<T>(next: Next<T>) -> Step<T> {
    Step { edits: Vec::new(), next, report: None }
}

/// The answer to a request that no server's pipeline judged.
fn refused<T>(refusal: &Refusal) -> Step<T> {
    let report = Report::refused(&unread(Era::Legacy), refusal);
    Step { report: Some(report), ..only(Next::Reply(refusal.reply(Addressee::Unknown))) }
}
