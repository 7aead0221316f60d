//! A filter that may be absent: nothing is asked of it then, and it asks for nothing.

use super::observe::{Interest, Observation};
use super::{
    Call, Caller, Ending, Environment, Fetch, Filter, HttpAnswer, Identified, Response, Spent,
};
use crate::edit::{Edit, HeaderValue};
use crate::head::Head;
use crate::refusal::{Refusal, Reply};
use crate::rewrite::Piece;

impl<F: Filter> Filter for Option<F> {
    type State = F::State;
    type Ticket = F::Ticket;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        self.as_ref()?.document(head)
    }

    fn owns(&self, name: &[u8]) -> bool {
        self.as_ref().is_some_and(|filter| filter.owns(name))
    }

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Result<Identified<Self::Ticket>, Refusal> {
        match self {
            Some(filter) => filter.identify(head, caller, environment, state),
            None => Ok(Identified::Settled(Vec::new())),
        }
    }

    fn give_up(&self, state: &mut Self::State) {
        if let Some(filter) = self {
            filter.give_up(state);
        }
    }

    fn answered(
        &self,
        ticket: Self::Ticket,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        if let Some(filter) = self {
            filter.answered(ticket, answer, environment);
        }
    }

    fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<Self::Ticket>> {
        self.as_ref().map(|filter| filter.tick(environment)).unwrap_or_default()
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Result<Vec<Edit>, Refusal> {
        match self {
            Some(filter) => filter.authorize(call, caller, environment, state),
            None => Ok(Vec::new()),
        }
    }

    fn annotations(
        &self,
        call: &Call<'_>,
        state: &mut Self::State,
    ) -> Vec<(&'static str, HeaderValue)> {
        self.as_ref().map(|filter| filter.annotations(call, state)).unwrap_or_default()
    }

    fn shadowed<'s>(&self, state: &'s Self::State) -> Option<&'s Refusal> {
        self.as_ref()?.shadowed(state)
    }

    fn needs_body(&self) -> bool {
        self.as_ref().is_some_and(Filter::needs_body)
    }

    fn respond(
        &self,
        response: &dyn Response,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Vec<Edit> {
        let respond = |filter: &F| filter.respond(response, caller, environment, state);
        self.as_ref().map(respond).unwrap_or_default()
    }

    fn interest(
        &self,
        response: &dyn Response,
        caller: &Caller,
        state: &mut Self::State,
    ) -> Interest {
        self.as_ref().map(|filter| filter.interest(response, caller, state)).unwrap_or_default()
    }

    fn observe(
        &self,
        message: Piece<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Observation {
        match self {
            Some(filter) => filter.observe(message, caller, environment, state),
            None => Observation::Pass,
        }
    }

    fn passed(&self, chunk: &[u8], environment: &mut dyn Environment, state: &mut Self::State) {
        if let Some(filter) = self {
            filter.passed(chunk, environment, state);
        }
    }

    fn finish(
        &self,
        ending: Ending,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) {
        if let Some(filter) = self {
            filter.finish(ending, caller, environment, state);
        }
    }

    fn spent(&self, state: &Self::State) -> Spent {
        self.as_ref().map(|filter| filter.spent(state)).unwrap_or_default()
    }
}
