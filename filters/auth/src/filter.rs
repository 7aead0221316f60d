//! The filter's part in each stage: who calls in `identify`, may they in `authorize`, and where to
//! turn in `respond`.

use core::cell::{OnceCell, RefCell};
use core::time::Duration;
use std::rc::Rc;

use mcp_core::edit::{Edit, HeaderName};
use mcp_core::head::{Head, Single};
use mcp_core::pipeline::{
    Call, Caller, Environment, Fetch, Filter, HttpAnswer, Identified, Interest, Observation,
    Response, Topic,
};
use mcp_core::refusal::{Reason, Refusal, Reply};
use mcp_core::rewrite::Piece;

use crate::answers::{Answers, Asked};
use crate::api_key::ApiKeys;
use crate::caller::Known;
use crate::certificate::Mtls;
use crate::challenge::Challenger;
use crate::exports::{AUTHORIZATION, Exports};
use crate::introspection::{Opinion, TokenHash};
use crate::issuer::{Issuer, Judgement};
use crate::keys::source::Request;
use crate::metadata::Documents;
use crate::route::Route;
use crate::rules::Rules;
use crate::token::Reject;
use crate::token::cache::TokenCache;

/// The configured filter.
#[derive(Debug)]
pub struct AuthFilter {
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) api_keys: ApiKeys,
    pub(crate) api_key_header: HeaderName,
    pub(crate) mtls: Option<Mtls>,
    pub(crate) challenger: Challenger,
    pub(crate) documents: Documents,
    pub(crate) rules: Rules,
    pub(crate) answers: Answers,
    pub(crate) exports: Exports,
    pub(crate) cache_ttl: Duration,
    /// Whether refusals are only reported.
    pub(crate) shadow: bool,
    /// Made with the first request, since its hash key is random.
    pub(crate) verified: OnceCell<RefCell<TokenCache<Rc<Known>>>>,
}

/// What the filter remembers of one exchange.
#[derive(Debug, Default)]
pub struct State {
    /// What the exchange would have been refused for.
    shadowed: Option<Refusal>,
    /// Whether it waits for no more answers.
    given_up: bool,
    asked: Asked,
}

/// Which issuer was asked for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    issuer: usize,
    question: Question,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    /// Its keys, or the document that locates them.
    Keys(Request),
    /// What it knows of a token.
    Token(TokenHash),
}

/// Bytes of all verified tokens that are remembered.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

impl Filter for AuthFilter {
    type State = State;
    type Ticket = Ticket;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        self.documents.answer(head.first(":method")?, head.first(":path")?)
    }

    fn owns(&self, name: &[u8]) -> bool {
        self.issuers.iter().any(|issuer| issuer.owns(name))
    }

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Identified<Ticket>, Refusal> {
        let refusal = match self.caller(head, environment) {
            Ok(Verified::Known(known)) => {
                *caller = known.caller.clone();
                return Ok(Identified::Settled(known.edits.clone()));
            }
            Ok(Verified::Fetch(fetch)) if !state.given_up => return Ok(Identified::Fetch(fetch)),
            Ok(Verified::Wait(topic)) if !state.given_up => return Ok(Identified::Wait(topic)),
            Ok(Verified::Fetch(Fetch { ticket, .. })) => {
                // Nobody makes this call, and nobody must wait for it.
                self.answered(ticket, &HttpAnswer::NONE, environment);
                unavailable("too many calls")
            }
            Ok(Verified::Wait(_)) => unavailable("too many calls"),
            Err(refusal) => refusal,
        };
        self.refuse(refusal, state)?;
        *caller = Caller::default();
        Ok(Identified::Settled(self.exports.nobody()))
    }

    fn give_up(&self, state: &mut State) {
        state.given_up = true;
    }

    fn answered(&self, ticket: Ticket, answer: &HttpAnswer<'_>, environment: &mut dyn Environment) {
        let Some(issuer) = self.issuers.get(ticket.issuer) else { return };
        match ticket.question {
            Question::Keys(request) => issuer.answered(&request, answer, environment),
            Question::Token(token) => {
                if let Some(introspector) = issuer.introspector() {
                    introspector.answered(token, answer, environment);
                }
            }
        }
    }

    fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<Ticket>> {
        let Some(now) = environment.now() else { return Vec::new() };
        let mut due = |(index, issuer): (usize, &Issuer)| {
            let request = issuer.due(now, environment)?;
            fetch(index, issuer, request)
        };
        self.issuers.iter().enumerate().filter_map(&mut due).collect()
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Vec<Edit>, Refusal> {
        // Who would have been refused before would not have been judged here.
        if state.shadowed.is_none()
            && let Err(refusal) = self.judge(call, caller, environment)
        {
            self.refuse(refusal, state)?;
        }
        state.asked = self.asked(call);
        let plain = state.asked.wants_plain_answer();
        let edit = plain.then(|| Edit::Remove(b"accept-encoding".to_vec()));
        Ok(edit.into_iter().collect())
    }

    fn shadowed<'s>(&self, state: &'s State) -> Option<&'s Refusal> {
        state.shadowed.as_ref()
    }

    fn respond(
        &self,
        response: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        _: &mut State,
    ) -> Vec<Edit> {
        if !self.challenger.redirects() {
            return Vec::new();
        }
        let challenge = response.header("www-authenticate");
        let redirected = challenge.and_then(|challenge| self.challenger.redirect(&challenge));
        redirected.map(|value| Edit::Set("www-authenticate".into(), value)).into_iter().collect()
    }

    fn interest(&self, _: &dyn Response, caller: &Caller, state: &mut State) -> Interest {
        self.interest_in(&state.asked, caller)
    }

    fn observe(
        &self,
        message: Piece<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Observation {
        self.cut_lists(message, &state.asked, caller, environment)
    }
}

enum Credentials<'a> {
    None,
    ApiKey(&'a [u8]),
    Bearer(&'a [u8]),
}

enum Verified {
    Known(Rc<Known>),
    Fetch(Fetch<Ticket>),
    Wait(Topic),
}

impl AuthFilter {
    /// Refuses; in shadow mode it only remembers that it would have. The one place that tells the
    /// two apart.
    fn refuse(&self, refusal: Refusal, state: &mut State) -> Result<(), Refusal> {
        if !self.shadow {
            return Err(refusal);
        }
        state.shadowed = Some(refusal);
        Ok(())
    }

    fn caller(
        &self,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<Verified, Refusal> {
        match self.credentials(head)? {
            Credentials::None => self.certified(head, environment).map(known),
            Credentials::ApiKey(key) => match self.api_keys.lookup(key) {
                Some(identity) => Ok(known(Known::of_api_key(identity, &self.exports))),
                None => {
                    Err(self.challenger.invalid_token("unknown API key").because("unknown API key"))
                }
            },
            Credentials::Bearer(bearer) => {
                let verified = self.verify(bearer, environment)?;
                if let Verified::Known(known) = &verified {
                    self.check_binding(known, head, environment)?;
                }
                Ok(verified)
            }
        }
    }

    /// A bearer token, else an API key. Another scheme is no credential here.
    fn credentials<'a>(&self, head: &Head<'a>) -> Result<Credentials<'a>, Refusal> {
        if let Some(value) = head.single(AUTHORIZATION).one() {
            let (scheme, token) = value.split_at_checked(7).unwrap_or((value, b""));
            if scheme.eq_ignore_ascii_case(b"bearer ") {
                return Ok(Credentials::Bearer(token.trim_ascii()));
            }
        }
        if self.api_keys.is_empty() {
            return Ok(Credentials::None);
        }
        match head.single(self.api_key_header.as_str()) {
            Single::Absent => Ok(Credentials::None),
            Single::One(key) => Ok(Credentials::ApiKey(key)),
            Single::Repeated => Err(Refusal::new(Reason::DuplicateHeader).because("API key")),
        }
    }

    fn verify(
        &self,
        bearer: &[u8],
        environment: &mut dyn Environment,
    ) -> Result<Verified, Refusal> {
        let now = environment.recently().ok_or_else(|| unavailable("no clock"))?;
        let generation =
            self.issuers.iter().fold(0_u64, |sum, issuer| sum.wrapping_add(issuer.generation()));
        let cache = self.cache(environment).ok_or_else(|| unavailable("no randomness"))?;
        if let Some(known) = cache.borrow_mut().get(bearer, generation, now) {
            return Ok(Verified::Known(Rc::clone(known)));
        }
        let now = environment.now().ok_or_else(|| unavailable("no clock"))?;
        let route = Route::of(bearer, &self.issuers).map_err(|reject| self.rejected(reject))?;
        let (index, issuer, token) = match route {
            Route::Keys(index, issuer, token) => (index, issuer, token),
            Route::Introspection(index, issuer) => {
                return self.introspect(index, issuer, bearer, now);
            }
        };
        let no_keys = || unavailable(&format!("no keys of {}", issuer.name()));
        match issuer.judge(&token, now, environment) {
            Judgement::Accept(claims) => {
                let known = Rc::new(Known::of_token(issuer, &claims, &self.exports));
                let weight = known.weight();
                cache.borrow_mut().insert(
                    bearer,
                    (Rc::clone(&known), weight),
                    generation,
                    now,
                    claims.expires_at(),
                );
                Ok(Verified::Known(known))
            }
            Judgement::Reject(reject) => Err(self.rejected(reject)),
            Judgement::Ask(request) => {
                fetch(index, issuer, request).map(Verified::Fetch).ok_or_else(no_keys)
            }
            Judgement::Wait => Ok(Verified::Wait(keys_of(index))),
            Judgement::Unavailable(seconds) => {
                Err(no_keys().with_header("retry-after", seconds.into()))
            }
        }
    }

    /// Judges a token by what the issuer at `index` says of it.
    fn introspect(
        &self,
        index: usize,
        issuer: &Issuer,
        bearer: &[u8],
        now: u64,
    ) -> Result<Verified, Refusal> {
        let unknown = || unavailable(&format!("no word of {} on the token", issuer.name()));
        match issuer.introspector().ok_or_else(unknown)?.judge(bearer, now) {
            Opinion::Accept(claims) => Ok(known(Known::of_token(issuer, &claims, &self.exports))),
            Opinion::Reject(reject) => Err(self.rejected(reject)),
            Opinion::Ask(fetch) => {
                let Fetch { call, ticket, topic } = *fetch;
                let ticket = Ticket { issuer: index, question: Question::Token(ticket) };
                Ok(Verified::Fetch(Fetch { call, ticket, topic }))
            }
            Opinion::Wait(topic) => Ok(Verified::Wait(topic)),
            Opinion::Unavailable(seconds) => {
                Err(unknown().with_header("retry-after", seconds.into()))
            }
        }
    }

    fn cache(&self, environment: &mut dyn Environment) -> Option<&RefCell<TokenCache<Rc<Known>>>> {
        if self.verified.get().is_none() {
            let mut hash_key = [0; 16];
            if !environment.randomize(&mut hash_key) {
                return None;
            }
            let cache = TokenCache::new(CACHE_BYTES, self.cache_ttl, hash_key);
            self.verified.set(RefCell::new(cache)).ok();
        }
        self.verified.get()
    }

    /// What a client learns of a token that does not hold: that it expired, since a fresh one
    /// helps, or that it is not valid. Which check failed is for the operator.
    pub(crate) fn rejected(&self, reject: Reject) -> Refusal {
        let description = match reject {
            Reject::Expired => "The token expired",
            _ => "The token is not valid",
        };
        self.challenger.invalid_token(description).because(format!("token {}", reject.as_str()))
    }
}

/// The call that asks for a document of the issuer at `index`.
fn fetch(index: usize, issuer: &Issuer, request: Request) -> Option<Fetch<Ticket>> {
    let call = issuer.call(&request)?;
    Some(Fetch {
        call,
        ticket: Ticket { issuer: index, question: Question::Keys(request) },
        topic: keys_of(index),
    })
}

fn keys_of(issuer: usize) -> Topic {
    Topic(u64::try_from(issuer).unwrap_or(u64::MAX))
}

fn known(known: Known) -> Verified {
    Verified::Known(Rc::new(known))
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(Reason::Unavailable).because(why.to_owned())
}

#[cfg(test)]
mod tests;
