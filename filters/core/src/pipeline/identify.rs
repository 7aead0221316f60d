//! The stage that may have to wait: who calls, by what the filters know or are told by others.

use super::fetch::{Fetch, HttpAnswer};
use super::filter::{Environment, Filter, Identified};
use super::{Asked, Caller, Exchange, Next, Phase, Pipeline, Step, llm};
use crate::admission::Verb;
use crate::head::Head;
use crate::mirror::Mirror;
use crate::refusal::{Reason, Refusal};

impl<F: Filter> Pipeline<F> {
    /// A call was answered: what was learned is stored. Resume the requests that wait for it.
    pub fn answered(
        &self,
        ticket: F::Ticket,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        self.filter.answered(ticket, answer, environment);
    }

    /// What the exchange waits for may have come; `head` is the request's, once more.
    pub fn resume(
        &self,
        exchange: &mut Exchange<F>,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Step<F::Ticket> {
        match core::mem::replace(&mut exchange.phase, Phase::Finished) {
            Phase::AwaitingAnswer { asked, has_body } => {
                self.identify(exchange, head, asked, has_body, environment)
            }
            settled => {
                exchange.phase = settled;
                Step { edits: Vec::new(), next: Next::Forward, report: None }
            }
        }
    }

    /// Time passed: the calls to make that no request waits for.
    pub fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<F::Ticket>> {
        self.filter.tick(environment)
    }

    pub(super) fn identify(
        &self,
        exchange: &mut Exchange<F>,
        head: &Head<'_>,
        asked: Asked,
        has_body: bool,
        environment: &mut dyn Environment,
    ) -> Step<F::Ticket> {
        let ask = |caller: &mut Caller, state: &mut F::State, environment: &mut dyn Environment| {
            self.filter.identify(head, caller, environment, state)
        };
        let mut identified = ask(&mut exchange.caller, &mut exchange.state, environment);
        let exhausted = match &identified {
            Ok(Identified::Fetch(_)) => exchange.fetches == 0,
            Ok(Identified::Wait(_)) => exchange.waits == 0,
            Ok(Identified::Settled(_)) | Err(_) => false,
        };
        if exhausted {
            self.call_off(identified, environment);
            self.filter.give_up(&mut exchange.state);
            identified = match ask(&mut exchange.caller, &mut exchange.state, environment) {
                Ok(Identified::Settled(edits)) => Ok(Identified::Settled(edits)),
                Err(refusal) => Err(refusal),
                undecided => {
                    self.call_off(undecided, environment);
                    Err(Refusal::new(Reason::Unavailable).because("too many calls"))
                }
            };
        }
        let (edits, mut refused) = match identified {
            Ok(Identified::Settled(mut edits)) => {
                edits.retain(|edit| self.admission.exports.allow(edit));
                (edits, None)
            }
            Ok(Identified::Fetch(fetch)) => {
                exchange.fetches = exchange.fetches.saturating_sub(1);
                exchange.phase = Phase::AwaitingAnswer { asked, has_body };
                return Step { edits: Vec::new(), next: Next::Fetch(fetch), report: None };
            }
            Ok(Identified::Wait(topic)) => {
                exchange.waits = exchange.waits.saturating_sub(1);
                exchange.phase = Phase::AwaitingAnswer { asked, has_body };
                return Step { edits: Vec::new(), next: Next::Wait(topic), report: None };
            }
            Err(refusal) if asked == Asked::Mcp(Verb::Post) && refusal.reason.waits_for_id() => {
                (Vec::new(), Some(refusal))
            }
            Err(refusal) => return self.refuse_unread(exchange, &refusal),
        };
        let Asked::Mcp(verb) = asked else {
            let model = llm::model_in_path(head);
            if has_body {
                exchange.phase = Phase::AwaitingPrompt { model };
                return Step { edits, next: Next::ReadBody, report: None };
            }
            return self.prompt(exchange, model, None, environment).after(edits);
        };
        let mirror = Mirror::of(head);
        if refused.is_none()
            && let Some(call) = self.call_from_head(verb, &mirror)
        {
            match self.authorize(exchange, &call, None, environment) {
                Ok(step) => return step.after(edits),
                Err(refusal) if verb == Verb::Post => refused = Some(refusal),
                Err(refusal) => return self.refuse_unread(exchange, &refusal).after(edits),
            }
        }
        exchange.phase = Phase::AwaitingBody { mirror, refused };
        if has_body {
            return Step { edits, next: Next::ReadBody, report: None };
        }
        self.request_body(exchange, b"", environment).after(edits)
    }

    /// Nobody makes a call that is asked for too late, and nobody must wait for it.
    fn call_off(
        &self,
        identified: Result<Identified<F::Ticket>, Refusal>,
        environment: &mut dyn Environment,
    ) {
        if let Ok(Identified::Fetch(Fetch { ticket, .. })) = identified {
            self.filter.answered(ticket, &HttpAnswer::NONE, environment);
        }
    }
}
