//! Two filters as one: the first decides first, and the second sees who it found.
//!
//! Chains of more are chains of chains. They are static, so that the compiler sees through them.

use super::{Call, Caller, Environment, Filter, HttpAnswer, HttpCall, Identified, Response};
use crate::edit::Edit;
use crate::head::Head;
use crate::refusal::{Refusal, Reply};

/// `A`, then `B`.
#[derive(Debug)]
pub struct Chain<A, B>(pub A, pub B);

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first filter's.
    First(A),
    /// The second's.
    Second(B),
}

impl<A: Filter, B: Filter> Filter for Chain<A, B> {
    type State = (A::State, B::State);
    type Ticket = Either<A::Ticket, B::Ticket>;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        self.0.document(head).or_else(|| self.1.document(head))
    }

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        (first, second): &mut Self::State,
    ) -> Result<Identified<Self::Ticket>, Refusal> {
        let mut edits = match self.0.identify(head, caller, environment, first)? {
            Identified::Settled(edits) => edits,
            Identified::Await(call, ticket) => {
                return Ok(Identified::Await(call, Either::First(ticket)));
            }
        };
        Ok(match self.1.identify(head, caller, environment, second)? {
            Identified::Settled(more) => {
                edits.extend(more);
                Identified::Settled(edits)
            }
            Identified::Await(call, ticket) => Identified::Await(call, Either::Second(ticket)),
        })
    }

    fn answered(
        &self,
        ticket: Self::Ticket,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        match ticket {
            Either::First(ticket) => self.0.answered(ticket, answer, environment),
            Either::Second(ticket) => self.1.answered(ticket, answer, environment),
        }
    }

    fn tick(&self, environment: &mut dyn Environment) -> Option<(HttpCall, Self::Ticket)> {
        if let Some((call, ticket)) = self.0.tick(environment) {
            return Some((call, Either::First(ticket)));
        }
        self.1.tick(environment).map(|(call, ticket)| (call, Either::Second(ticket)))
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        (first, second): &mut Self::State,
    ) -> Result<Vec<Edit>, Refusal> {
        let mut edits = self.0.authorize(call, caller, environment, first)?;
        edits.extend(self.1.authorize(call, caller, environment, second)?);
        Ok(edits)
    }

    fn respond(
        &self,
        response: &dyn Response,
        caller: &Caller,
        environment: &mut dyn Environment,
        (first, second): &mut Self::State,
    ) -> Vec<Edit> {
        let mut edits = self.0.respond(response, caller, environment, first);
        edits.extend(self.1.respond(response, caller, environment, second));
        edits
    }
}
