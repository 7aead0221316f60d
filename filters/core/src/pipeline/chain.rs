//! Two filters as one: the second goes by what the first found out.

use super::observe::{Attention, Interest, Observation};
use super::{
    Call, Caller, Ending, Environment, Fetch, Filter, HttpAnswer, Identified, Response, Spent,
    Topic,
};
use crate::edit::{Edit, HeaderValue};
use crate::head::Head;
use crate::refusal::{Refusal, Reply};
use crate::rewrite::Piece;

/// A chain of two, and so of any number.
#[derive(Debug)]
pub struct Chain<A, B>(pub A, pub B);

/// What both remember of one exchange.
#[derive(Debug, Default)]
pub struct ChainState<A, B> {
    first: A,
    second: B,
    /// How they want the messages of the answer.
    attention: (Attention, Attention),
}

/// Whose call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainTicket<A, B> {
    /// The first one's.
    First(A),
    /// The second one's.
    Second(B),
}

impl<A: Filter, B: Filter> Filter for Chain<A, B> {
    type State = ChainState<A::State, B::State>;
    type Ticket = ChainTicket<A::Ticket, B::Ticket>;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        self.0.document(head).or_else(|| self.1.document(head))
    }

    fn owns(&self, name: &[u8]) -> bool {
        self.0.owns(name) || self.1.owns(name)
    }

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Result<Identified<Self::Ticket>, Refusal> {
        let mut edits = match self.0.identify(head, caller, environment, &mut state.first)? {
            Identified::Settled(edits) => edits,
            Identified::Fetch(fetch) => return Ok(Identified::Fetch(first(fetch))),
            Identified::Wait(topic) => return Ok(Identified::Wait(even(topic))),
        };
        Ok(match self.1.identify(head, caller, environment, &mut state.second)? {
            Identified::Settled(more) => {
                edits.extend(more);
                Identified::Settled(edits)
            }
            Identified::Fetch(fetch) => Identified::Fetch(second(fetch)),
            Identified::Wait(topic) => Identified::Wait(odd(topic)),
        })
    }

    fn give_up(&self, state: &mut Self::State) {
        self.0.give_up(&mut state.first);
        self.1.give_up(&mut state.second);
    }

    fn answered(
        &self,
        ticket: Self::Ticket,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        match ticket {
            ChainTicket::First(ticket) => self.0.answered(ticket, answer, environment),
            ChainTicket::Second(ticket) => self.1.answered(ticket, answer, environment),
        }
    }

    fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<Self::Ticket>> {
        let mut fetches: Vec<_> = self.0.tick(environment).into_iter().map(first).collect();
        fetches.extend(self.1.tick(environment).into_iter().map(second));
        fetches
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Result<Vec<Edit>, Refusal> {
        let mut edits = self.0.authorize(call, caller, environment, &mut state.first)?;
        edits.extend(self.1.authorize(call, caller, environment, &mut state.second)?);
        Ok(edits)
    }

    fn annotations(
        &self,
        call: &Call<'_>,
        state: &mut Self::State,
    ) -> Vec<(&'static str, HeaderValue)> {
        let mut texts = self.0.annotations(call, &mut state.first);
        texts.extend(self.1.annotations(call, &mut state.second));
        texts
    }

    fn shadowed<'s>(&self, state: &'s Self::State) -> Option<&'s Refusal> {
        self.0.shadowed(&state.first).or_else(|| self.1.shadowed(&state.second))
    }

    fn respond(
        &self,
        response: &dyn Response,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Vec<Edit> {
        let mut edits = self.0.respond(response, caller, environment, &mut state.first);
        edits.extend(self.1.respond(response, caller, environment, &mut state.second));
        edits
    }

    fn interest(
        &self,
        response: &dyn Response,
        caller: &Caller,
        state: &mut Self::State,
    ) -> Interest {
        let first = self.0.interest(response, caller, &mut state.first);
        let second = self.1.interest(response, caller, &mut state.second);
        state.attention = (first.messages, second.messages);
        Interest {
            messages: first.messages.max(second.messages),
            until: first.until.into_iter().chain(second.until).min(),
        }
    }

    /// The second sees what the first lets pass, or what it puts in its place.
    fn observe(
        &self,
        message: Piece<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Observation {
        let (first, second) = state.attention;
        let mut ruling = Observation::Pass;
        if first != Attention::None {
            let said = self.0.observe(message, caller, environment, &mut state.first);
            ruling = counted(said, &mut state.attention.0);
        }
        let message = match &ruling {
            Observation::Pass | Observation::Release => message,
            Observation::Replace(text) => Piece::Message(text),
            Observation::Drop | Observation::End(_) => return ruling,
        };
        if second != Attention::None {
            let said = self.1.observe(message, caller, environment, &mut state.second);
            let said = counted(said, &mut state.attention.1);
            if said != Observation::Pass {
                ruling = said;
            }
        }
        // Whoever still listens would hear nothing more.
        match ruling {
            Observation::Release if state.attention != NOBODY => Observation::Pass,
            ruling => ruling,
        }
    }

    fn needs_body(&self) -> bool {
        self.0.needs_body() || self.1.needs_body()
    }

    fn passed(&self, chunk: &[u8], environment: &mut dyn Environment, state: &mut Self::State) {
        let (first, second) = state.attention;
        if first != Attention::None {
            self.0.passed(chunk, environment, &mut state.first);
        }
        if second != Attention::None {
            self.1.passed(chunk, environment, &mut state.second);
        }
    }

    fn finish(
        &self,
        ending: Ending,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) {
        self.0.finish(ending, caller, environment, &mut state.first);
        self.1.finish(ending, caller, environment, &mut state.second);
    }

    fn spent(&self, state: &Self::State) -> Spent {
        let mut spent = self.0.spent(&state.first);
        let more = self.1.spent(&state.second);
        spent.tokens = spent.tokens.or(more.tokens);
        spent.charged.extend(more.charged);
        spent
    }
}

/// Nobody wants any more of an answer.
const NOBODY: (Attention, Attention) = (Attention::None, Attention::None);

/// What a filter's word counts for. One that releases the answer is told nothing more of it.
fn counted(said: Observation, attention: &mut Attention) -> Observation {
    match *attention {
        Attention::Judge if said == Observation::Release => *attention = Attention::None,
        Attention::Judge => {}
        Attention::Listen | Attention::None => return Observation::Pass,
    }
    said
}

fn first<A, B>(fetch: Fetch<A>) -> Fetch<ChainTicket<A, B>> {
    let Fetch { call, ticket, topic } = fetch;
    Fetch { call, ticket: ChainTicket::First(ticket), topic: even(topic) }
}

fn second<A, B>(fetch: Fetch<B>) -> Fetch<ChainTicket<A, B>> {
    let Fetch { call, ticket, topic } = fetch;
    Fetch { call, ticket: ChainTicket::Second(ticket), topic: odd(topic) }
}

/// Keeps the topics of the two apart.
const fn even(Topic(topic): Topic) -> Topic {
    Topic(topic << 1)
}

const fn odd(Topic(topic): Topic) -> Topic {
    Topic(topic << 1 | 1)
}

#[cfg(test)]
mod tests;
