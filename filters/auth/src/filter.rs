//! The filter's part in each stage: who calls in `identify`, may they in `authorize`, where to turn
//! in `respond`, and what lists show in `observe`.

use core::cell::{OnceCell, RefCell};
use core::time::Duration;

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::hash::{self, HashKey, Subject as Hashed};
use mcp_core::head::{Head, Single};
use mcp_core::owned;
use mcp_core::pipeline::{
    Call, Caller, Environment, Fetch, Filter, HttpAnswer, Identified, Interest, Observation,
    Response, Topic,
};
use mcp_core::refusal::{Reason, Refusal, Reply};
use mcp_core::rewrite::Piece;
use mcp_core::version::Era;

use crate::api_key::{ApiKeys, Identity};
use crate::challenge::Challenger;
use crate::config::UpstreamCredentials;
use crate::issuer::{Issuer, Judgement};
use crate::keys::source::Request;
use crate::list_filter::{self, Unreadable};
use crate::metadata::Documents;
use crate::rules::{Arguments, Rules, Subject, Verdict};
use crate::token::cache::TokenCache;
use crate::token::{Claims, Reject, Token};

/// The configured filter.
#[derive(Debug)]
pub struct AuthFilter {
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) api_keys: ApiKeys,
    pub(crate) api_key_header: String,
    pub(crate) challenger: Challenger,
    pub(crate) documents: Documents,
    pub(crate) rules: Rules,
    /// Lists show only what the rules let the caller use.
    pub(crate) filter_lists: bool,
    /// Streams end when their token does.
    pub(crate) end_streams: bool,
    pub(crate) upstream_credentials: UpstreamCredentials,
    pub(crate) export_key: HashKey,
    pub(crate) cache_ttl: Duration,
    /// Made with the first request, since its hash key is random.
    pub(crate) verified: OnceCell<RefCell<TokenCache<Caller>>>,
}

/// What is remembered of an exchange until its answer comes.
#[derive(Debug, Default)]
pub struct Asked {
    /// Lists may be in the answer, and who reads them speaks so.
    lists: Option<Era>,
    /// Nobody waits for any message in the answer: it is a stream that was opened by GET.
    unasked: bool,
}

/// Which issuer was asked for which document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    issuer: usize,
    request: Request,
}

/// Bytes of all verified tokens that are remembered.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

const AUTHORIZATION: &str = "authorization";

impl Filter for AuthFilter {
    type State = Asked;
    type Ticket = Ticket;

    fn document(&self, head: &Head<'_>) -> Option<Reply> {
        self.documents.answer(head.first(":method")?, head.first(":path")?)
    }

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        _: &mut Asked,
    ) -> Result<Identified<Ticket>, Refusal> {
        match self.credentials(head)? {
            Credentials::None => return Err(self.challenger.no_credentials()),
            Credentials::ApiKey(key) => {
                let identity = self.api_keys.lookup(key);
                *caller =
                    identity.map(of_api_key).ok_or_else(|| self.invalid("unknown API key"))?;
            }
            Credentials::Bearer(bearer) => match self.verify(bearer, environment)? {
                Verified::Known(known) => *caller = known,
                Verified::Fetch(fetch) => return Ok(Identified::Fetch(fetch)),
                Verified::Wait(topic) => return Ok(Identified::Wait(topic)),
            },
        }
        Ok(Identified::Settled(self.exports(caller)))
    }

    fn answered(&self, ticket: Ticket, answer: &HttpAnswer<'_>, environment: &mut dyn Environment) {
        if let Some(issuer) = self.issuers.get(ticket.issuer) {
            issuer.answered(&ticket.request, answer, environment);
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
        asked: &mut Asked,
    ) -> Result<Vec<Edit>, Refusal> {
        let judge =
            |method, name, arguments| self.rules.judge(&subject(caller, method, name, arguments));
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
        asked.unasked = call.method.is_none() && call.message.is_none() && call.batch.is_empty();
        asked.lists = Some(call.era).filter(|_| {
            let batch = call.batch.iter().filter_map(|message| message.method.as_deref());
            let lists =
                call.method.into_iter().chain(batch).any(|m| list_filter::METHODS.contains(&m));
            // A stream may bring what an earlier request asked for.
            self.filter_lists && (lists || asked.unasked)
        });
        // What is compressed cannot be filtered.
        let plain = asked.lists.map(|_| Edit::Remove(b"accept-encoding".to_vec()));
        Ok(plain.into_iter().collect())
    }

    fn respond(
        &self,
        response: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        _: &mut Asked,
    ) -> Vec<Edit> {
        let challenge = response.header("www-authenticate");
        let redirected = challenge.and_then(|challenge| self.challenger.redirect(&challenge));
        redirected.map(|value| Edit::Set("www-authenticate", value)).into_iter().collect()
    }

    fn interest(&self, _: &dyn Response, caller: &Caller, asked: &mut Asked) -> Interest {
        Interest {
            messages: asked.lists.is_some(),
            until: caller.expires_at.filter(|_| self.end_streams),
        }
    }

    fn observe(
        &self,
        message: Piece<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        asked: &mut Asked,
    ) -> Observation {
        let may_use = |method, name: &str| {
            let subject = subject(caller, Some(method), Some(name), Arguments::Any);
            matches!(self.rules.judge(&subject), Verdict::Allow { .. })
        };
        match list_filter::filter(message, asked.lists.unwrap_or(Era::Legacy), may_use) {
            Ok(None) => Observation::Pass,
            Ok(Some(filtered)) => Observation::Replace(filtered),
            Err(Unreadable) => {
                environment.warn("an answer that may hold a list cannot be read; it was withheld");
                if asked.unasked {
                    Observation::Drop
                } else {
                    Observation::End(Refusal::new(Reason::Unreadable))
                }
            }
        }
    }
}

enum Credentials<'a> {
    None,
    ApiKey(&'a [u8]),
    Bearer(&'a [u8]),
}

enum Verified {
    Known(Caller),
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
        if let Some(caller) = cache.borrow_mut().get(bearer, generation, now) {
            return Ok(Verified::Known(caller.clone()));
        }
        let token = Token::parse(bearer).map_err(|reject| self.rejected(reject))?;
        let named = token.issuer_hint();
        let issuer = self.issuers.iter().position(|issuer| Some(issuer.name()) == named.as_deref());
        let index = issuer.ok_or_else(|| self.rejected(Reject::Issuer))?;
        let issuer = self.issuers.get(index).ok_or_else(unavailable)?;
        match issuer.judge(&token, now) {
            Judgement::Accept(claims) => {
                let caller = of_token(issuer, &claims);
                let weight = weight(&caller);
                cache.borrow_mut().insert(
                    bearer,
                    (caller.clone(), weight),
                    generation,
                    now,
                    claims.expires_at(),
                );
                Ok(Verified::Known(caller))
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

    fn cache(&self, environment: &mut dyn Environment) -> Option<&RefCell<TokenCache<Caller>>> {
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

/// A call as the rules judge it.
fn subject<'a>(
    caller: &'a Caller,
    method: Option<&'a str>,
    name: Option<&'a str>,
    arguments: Arguments<'a>,
) -> Subject<'a> {
    Subject {
        method,
        name,
        arguments,
        scopes: &caller.scopes,
        tenant: caller.tenant.as_deref(),
        agent: caller.agent.as_deref(),
    }
}

/// The call that asks for a document of the issuer at `index`.
fn fetch(index: usize, issuer: &Issuer, request: Request) -> Option<Fetch<Ticket>> {
    let call = issuer.call(&request)?;
    Some(Fetch { call, ticket: Ticket { issuer: index, request }, topic: keys_of(index) })
}

fn keys_of(issuer: usize) -> Topic {
    Topic(u64::try_from(issuer).unwrap_or(u64::MAX))
}

fn of_api_key(identity: &Identity) -> Caller {
    Caller {
        principal: Some(identity.principal.clone().into_bytes()),
        agent: identity.agent.clone(),
        tenant: identity.tenant.clone(),
        scopes: identity.scopes.clone(),
        expires_at: None,
    }
}

/// The principal is issuer, client and subject: a refreshed token has the same three, and neither
/// another issuer's nor another client's user of the same name does.
fn of_token(issuer: &Issuer, claims: &Claims) -> Caller {
    let parts = [
        claims.issuer(),
        claims.client().unwrap_or_default(),
        claims.subject().unwrap_or_default(),
    ];
    Caller {
        principal: Some(parts.join("\0").into_bytes()),
        agent: issuer.agent(claims),
        tenant: issuer.tenant(claims),
        scopes: claims.scopes().to_vec(),
        expires_at: Some(issuer.expires_at(claims)),
    }
}

/// Bytes that a caller takes on the heap.
fn weight(caller: &Caller) -> usize {
    let texts = [caller.agent.as_ref(), caller.tenant.as_ref()].into_iter().flatten();
    let scopes = caller.scopes.iter().map(|scope| scope.len().saturating_add(24));
    texts
        .map(String::len)
        .chain(scopes)
        .chain(caller.principal.as_ref().map(Vec::len))
        .fold(0, usize::saturating_add)
}
