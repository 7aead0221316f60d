//! The filter's part in each stage: who calls in `identify`, may they in `authorize`, and where to
//! turn in `respond`.

use core::cell::{OnceCell, RefCell};
use core::time::Duration;

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::hash::{self, HashKey, Subject as Hashed};
use mcp_core::head::{Head, Single};
use mcp_core::owned;
use mcp_core::pipeline::{
    Call, Caller, Environment, Fetch, Filter, HttpAnswer, Identified, Response, Topic,
};
use mcp_core::refusal::{Reason, Refusal, Reply};

use crate::api_key::ApiKeys;
use crate::caller::Known;
use crate::certificate::{Mtls, Source};
use crate::challenge::Challenger;
use crate::config::UpstreamCredentials;
use crate::introspection::{Opinion, TokenHash};
use crate::issuer::{Issuer, Judgement};
use crate::keys::source::Request;
use crate::metadata::Documents;
use crate::route::Route;
use crate::rules::{Arguments, Rules, Subject, Verdict};
use crate::token::Reject;
use crate::token::cache::TokenCache;

/// The configured filter.
#[derive(Debug)]
pub struct AuthFilter {
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) api_keys: ApiKeys,
    pub(crate) api_key_header: String,
    pub(crate) mtls: Option<Mtls>,
    pub(crate) challenger: Challenger,
    pub(crate) documents: Documents,
    pub(crate) rules: Rules,
    pub(crate) upstream_credentials: UpstreamCredentials,
    pub(crate) export_key: HashKey,
    pub(crate) cache_ttl: Duration,
    /// Made with the first request, since its hash key is random.
    pub(crate) verified: OnceCell<RefCell<TokenCache<Known>>>,
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

const AUTHORIZATION: &str = "authorization";

impl Filter for AuthFilter {
    type State = ();
    type Ticket = Ticket;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        self.documents.answer(head.first(":method")?, head.first(":path")?)
    }

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Identified<Ticket>, Refusal> {
        match self.credentials(head)? {
            Credentials::None => {
                let certified = self.certified(head, environment)?;
                *caller = certified.ok_or_else(|| self.challenger.no_credentials())?;
            }
            Credentials::ApiKey(key) => {
                let identity = self.api_keys.lookup(key);
                let known = identity.map(Known::of_api_key);
                *caller = known.ok_or_else(|| self.invalid("unknown API key"))?.caller;
            }
            Credentials::Bearer(bearer) => match self.verify(bearer, environment)? {
                Verified::Known(known) => {
                    self.prove(&known, head, environment)?;
                    *caller = known.caller;
                }
                Verified::Fetch(fetch) => return Ok(Identified::Fetch(fetch)),
                Verified::Wait(topic) => return Ok(Identified::Wait(topic)),
            },
        }
        Ok(Identified::Settled(self.exports(caller)))
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
        let due = |(index, issuer): (usize, &Issuer)| fetch(index, issuer, issuer.due(now)?);
        self.issuers.iter().enumerate().filter_map(due).collect()
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Result<Vec<Edit>, Refusal> {
        let judge = |method, name, arguments| {
            self.rules.judge(&Subject {
                method,
                name,
                arguments,
                scopes: &caller.scopes,
                tenant: caller.tenant.as_deref(),
                agent: caller.agent.as_deref(),
            })
        };
        if call.batch.is_empty() {
            let arguments = call
                .message
                .map_or(Arguments::Unread, |message| Arguments::Given(message.params.arguments));
            self.allow(judge(call.method, call.name, arguments))?;
        }
        for message in call.batch {
            let arguments = Arguments::Given(message.params.arguments);
            let name = mcp_core::agreement::subject(message);
            self.allow(judge(message.method.as_deref(), name, arguments))?;
        }
        Ok(Vec::new())
    }

    fn respond(
        &self,
        response: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        (): &mut (),
    ) -> Vec<Edit> {
        let challenge = response.header("www-authenticate");
        let redirected = challenge.and_then(|challenge| self.challenger.redirect(&challenge));
        redirected.map(|value| Edit::Set("www-authenticate", value)).into_iter().collect()
    }
}

enum Credentials<'a> {
    None,
    ApiKey(&'a [u8]),
    Bearer(&'a [u8]),
}

enum Verified {
    Known(Known),
    Fetch(Fetch<Ticket>),
    Wait(Topic),
}

impl AuthFilter {
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
        match head.single(&self.api_key_header) {
            Single::Absent => Ok(Credentials::None),
            Single::One(key) => Ok(Credentials::ApiKey(key)),
            Single::Repeated => Err(Refusal::new(Reason::DuplicateHeader)),
        }
    }

    fn verify(
        &self,
        bearer: &[u8],
        environment: &mut dyn Environment,
    ) -> Result<Verified, Refusal> {
        let unavailable = || Refusal::new(Reason::Unavailable);
        let now = environment.now().ok_or_else(unavailable)?;
        let generation =
            self.issuers.iter().fold(0_u64, |sum, issuer| sum.wrapping_add(issuer.generation()));
        let cache = self.cache(environment).ok_or_else(unavailable)?;
        if let Some(known) = cache.borrow_mut().get(bearer, generation, now) {
            return Ok(Verified::Known(known.clone()));
        }
        let (index, token) = match Route::of(bearer, &self.issuers) {
            Ok(Route::Keys(index, token)) => (index, token),
            Ok(Route::Introspection(index)) => return self.introspect(index, bearer, now),
            Err(reject) => return Err(self.rejected(reject)),
        };
        let issuer = self.issuers.get(index).ok_or_else(unavailable)?;
        match issuer.judge(&token, now) {
            Judgement::Accept(claims) => {
                let known = Known::of_token(issuer, &claims);
                let weight = known.weight();
                cache.borrow_mut().insert(
                    bearer,
                    (known.clone(), weight),
                    generation,
                    now,
                    claims.expires_at(),
                );
                Ok(Verified::Known(known))
            }
            Judgement::Reject(reject) => Err(self.rejected(reject)),
            Judgement::Ask(request) => {
                fetch(index, issuer, request).map(Verified::Fetch).ok_or_else(unavailable)
            }
            Judgement::Wait => Ok(Verified::Wait(keys_of(index))),
            Judgement::Unavailable(seconds) => {
                Err(unavailable().with_header("retry-after", seconds.into()))
            }
        }
    }

    /// Judges a token by what the issuer at `index` says of it.
    fn introspect(&self, index: usize, bearer: &[u8], now: u64) -> Result<Verified, Refusal> {
        let unavailable = || Refusal::new(Reason::Unavailable);
        let issuer = self.issuers.get(index).ok_or_else(unavailable)?;
        let introspector = issuer.introspector().ok_or_else(unavailable)?;
        match introspector.judge(bearer, now) {
            Opinion::Accept(claims) => Ok(Verified::Known(Known::of_token(issuer, &claims))),
            Opinion::Reject(reject) => Err(self.rejected(reject)),
            Opinion::Ask(fetch) => {
                let Fetch { call, ticket, topic } = *fetch;
                let ticket = Ticket { issuer: index, question: Question::Token(ticket) };
                Ok(Verified::Fetch(Fetch { call, ticket, topic }))
            }
            Opinion::Wait(topic) => Ok(Verified::Wait(topic)),
            Opinion::Unavailable(seconds) => {
                Err(unavailable().with_header("retry-after", seconds.into()))
            }
        }
    }

    /// Who has the connection's certificate, if such callers are configured.
    fn certified(
        &self,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<Option<Caller>, Refusal> {
        let Some(mtls) = &self.mtls else { return Ok(None) };
        let certificate = mtls.source().certificate(head, environment)?;
        Ok(certificate.and_then(|certificate| mtls.caller(&certificate)))
    }

    /// A token that is bound to a certificate (RFC 8705 §3) is nobody's without it, however often
    /// the token itself was found to hold.
    fn prove(
        &self,
        known: &Known,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<(), Refusal> {
        let Some(digest) = known.certificate else { return Ok(()) };
        let source = self.mtls.as_ref().map_or(Source::Connection, Mtls::source);
        let shown = source.certificate(head, environment)?;
        if shown.and_then(|certificate| certificate.digest) == Some(digest) {
            return Ok(());
        }
        Err(self.rejected(Reject::Certificate))
    }

    fn cache(&self, environment: &mut dyn Environment) -> Option<&RefCell<TokenCache<Known>>> {
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

    /// Who calls, as the upstream and the gateway learn it; and no credentials, unless they are
    /// the upstream's as well.
    fn exports(&self, caller: &Caller) -> Vec<Edit> {
        let mut edits = Vec::new();
        if self.upstream_credentials == UpstreamCredentials::Strip {
            edits.push(Edit::Remove(AUTHORIZATION.into()));
            if !self.api_keys.is_empty() {
                edits.push(Edit::Remove(self.api_key_header.clone().into_bytes()));
            }
        }
        let principal = caller.principal.as_deref().and_then(|principal| {
            HeaderValue::plain(hash::text(self.export_key.hash(Hashed::Principal, principal)))
        });
        let exports = [
            (owned::PRINCIPAL, principal),
            (owned::TENANT, caller.tenant.as_deref().and_then(HeaderValue::mirrored)),
            (owned::AGENT, caller.agent.as_deref().and_then(HeaderValue::mirrored)),
            (owned::SCOPES, HeaderValue::plain(caller.scopes.join(" "))),
        ];
        edits.extend(exports.into_iter().filter_map(|(name, value)| Some(Edit::Set(name, value?))));
        edits
    }

    fn allow(&self, verdict: Verdict<'_>) -> Result<(), Refusal> {
        match verdict {
            Verdict::Allow { .. } => Ok(()),
            Verdict::Deny { .. } => Err(Refusal::new(Reason::Forbidden)),
            Verdict::InsufficientScope { missing, .. } => {
                Err(self.challenger.insufficient_scope(&missing))
            }
        }
    }

    /// What a client learns of a token that does not hold: that it expired, since a fresh one
    /// helps, or that it is not valid. Which check failed stays here.
    fn rejected(&self, reject: Reject) -> Refusal {
        match reject {
            Reject::Expired => self.invalid("The token expired"),
            _ => self.invalid("The token is not valid"),
        }
    }

    fn invalid(&self, description: &str) -> Refusal {
        self.challenger.invalid_token(description)
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
