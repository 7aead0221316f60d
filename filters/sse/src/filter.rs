//! The filter's part in each stage: the rules in `authorize` and `respond`, the streams in `respond`
//! and what comes after it.

use core::convert::Infallible;

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::head::{Head, essence};
use mcp_core::pipeline::{
    Attention, Call, Caller, Ending, Environment, Fetch, Filter, Identified, Interest, Observation,
    Response, Traffic,
};
use mcp_core::refusal::Refusal;
use mcp_core::rewrite::Piece;

use crate::endpoint::{self, Endpoint};
use crate::health::{Claim, Health};
use crate::rule::Rule;
use crate::stream;
use crate::tally::Tally;
use crate::trace::{Headers, TraceContext};

/// The configured filter.
#[derive(Debug)]
pub struct SseFilter {
    pub(crate) request: Vec<Rule>,
    pub(crate) response: Vec<Rule>,
    /// Where the health of streams is noted, if it is measured.
    pub(crate) tally: Option<Tally>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) trace_context: TraceContext,
}

/// What the filter remembers of one exchange.
#[derive(Debug, Default)]
pub struct State {
    /// What its head says of a trace, where that is of interest.
    trace: Option<Headers>,
    opening: Opening,
    /// What changes in the answer's head by rule.
    edits: Vec<Edit>,
    answer: Media,
    /// When the request went upstream, in milliseconds since 1970, where that is measured.
    asked: Option<u64>,
    /// The model that was asked, of a request to one, where that is measured.
    model: Option<String>,
    health: Option<Box<Health>>,
    naming: Naming,
}

/// What kind of stream a request opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Opening {
    /// One that answers it, if any.
    #[default]
    Answer,
    /// One of server messages, in a session.
    Listen,
    /// The same, maybe that of HTTP+SSE, which begins with an endpoint.
    Endpoint,
}

/// Type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Media {
    Events,
    Json,
    #[default]
    Other,
}

/// Whether a stream has named its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Naming {
    /// It has, or nobody wants to know.
    #[default]
    Over,
    /// It may, in its first event.
    Awaited,
}

const EVENT_STREAM: &[u8] = b"text/event-stream";
const ACCEPT_ENCODING: &str = "accept-encoding";

impl Filter for SseFilter {
    type State = State;
    type Ticket = Infallible;

    fn owns(&self, name: &[u8]) -> bool {
        self.request.iter().any(|rule| rule.vouches_in(name))
    }

    fn identify(
        &self,
        head: &Head<'_>,
        _: &mut Caller,
        _: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Identified<Infallible>, Refusal> {
        let has = |name| head.values(name).next().is_some();
        state.trace = match self.trace_context {
            TraceContext::Off => None,
            direction => Some(Headers::of(head, direction)),
        };
        state.opening = match head.first(":method") {
            Some(b"GET") if has("mcp-session-id") => Opening::Listen,
            Some(b"GET") => Opening::Endpoint,
            _ => Opening::Answer,
        };
        let ranges = || head.values("accept").flat_map(|value| value.split(|byte| *byte == b','));
        // What is compressed, compressors hold back until there is enough of it.
        let plain = has(ACCEPT_ENCODING)
            && ranges().any(|range| essence(range).eq_ignore_ascii_case(EVENT_STREAM));
        let plain = plain.then(|| Edit::Remove(ACCEPT_ENCODING.into()));
        Ok(Identified::Settled(plain.into_iter().collect()))
    }

    fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<Infallible>> {
        if let Some(tally) = &self.tally {
            tally.flush(environment);
        }
        Vec::new()
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Vec<Edit>, Refusal> {
        let meta = call.message.and_then(|message| message.params.meta.as_ref());
        let trace = state.trace.as_ref().zip(meta);
        let mut edits = trace.map(|(trace, meta)| trace.edits(meta)).unwrap_or_default();
        edits.extend(self.request.iter().filter_map(|rule| rule.edit(call, caller)));
        state.edits = self.response.iter().filter_map(|rule| rule.edit(call, caller)).collect();
        state.asked = self.tally.as_ref().and_then(|_| environment.milliseconds());
        if self.tally.is_some() && call.traffic == Traffic::Llm {
            state.model = Some(call.name.unwrap_or("none").to_owned());
        }
        Ok(edits)
    }

    fn annotations(&self, call: &Call<'_>, state: &mut State) -> Vec<(&'static str, HeaderValue)> {
        let trace = state.trace.take().zip(call.message);
        trace.map(|(trace, message)| trace.annotations(message)).unwrap_or_default()
    }

    fn respond(
        &self,
        response: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        state: &mut State,
    ) -> Vec<Edit> {
        let media_type = response.header("content-type").unwrap_or_default();
        let is = |other: &[u8]| essence(&media_type).eq_ignore_ascii_case(other);
        let mut edits = core::mem::take(&mut state.edits);
        if is(EVENT_STREAM) {
            state.answer = Media::Events;
            edits.retain(|edit| !stream::concerns(edit));
            edits.extend(stream::edits(response));
        } else if is(b"application/json") {
            state.answer = Media::Json;
        }
        edits
    }

    fn interest(&self, response: &dyn Response, _: &Caller, state: &mut State) -> Interest {
        let measured = self.tally.is_some();
        let named = self.endpoint.is_some()
            && (state.opening, state.answer) == (Opening::Endpoint, Media::Events);
        let claim = match state.answer {
            _ if !measured && !named => return Interest::default(),
            Media::Events if is_coded(response) => Claim::CodedEvents,
            Media::Events => Claim::Events { listens: state.opening != Opening::Answer },
            Media::Json => Claim::Json,
            Media::Other => return Interest::default(),
        };
        state.health =
            measured.then(|| Box::new(Health::new(claim, state.asked, state.model.take())));
        let messages = if named && claim != Claim::CodedEvents {
            state.naming = Naming::Awaited;
            Attention::Judge
        } else if measured {
            Attention::Listen
        } else {
            Attention::None
        };
        Interest { messages, until: None }
    }

    fn observe(
        &self,
        message: Piece<'_>,
        _: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Observation {
        if let Some((health, tally)) = state.health.as_mut().zip(self.tally.as_ref()) {
            match message {
                Piece::Unreadable => health.too_long(tally, environment),
                Piece::Message(_) | Piece::Other { .. } => health.event(tally, environment),
            }
        }
        match (core::mem::take(&mut state.naming), message) {
            (Naming::Awaited, Piece::Other { kind: endpoint::EVENT, data }) => {
                let rewritten =
                    self.endpoint.as_ref().and_then(|endpoint| endpoint.rewritten(data));
                rewritten.map_or(Observation::Pass, Observation::Replace)
            }
            // Held to be judged, it would not go on.
            (_, Piece::Unreadable) => Observation::Release,
            _ if state.health.is_none() => Observation::Release,
            _ => Observation::Pass,
        }
    }

    fn passed(&self, chunk: &[u8], environment: &mut dyn Environment, state: &mut State) {
        if let Some((health, tally)) = state.health.as_mut().zip(self.tally.as_ref()) {
            health.passed(chunk, tally, environment);
        }
    }

    fn finish(
        &self,
        ending: Ending,
        _: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) {
        if let Some((health, tally)) = state.health.take().zip(self.tally.as_ref()) {
            health.finish(ending, tally, environment);
        }
    }
}

fn is_coded(response: &dyn Response) -> bool {
    let coding = response.header("content-encoding").unwrap_or_default();
    !coding.is_empty() && !coding.trim_ascii().eq_ignore_ascii_case(b"identity")
}

#[cfg(test)]
mod tests;
