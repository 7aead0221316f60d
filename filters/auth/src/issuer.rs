//! One configured issuer: its rules, where its keys come from, and what its claims mean here.

use core::cell::RefCell;

use mcp_core::config::{ConfigError, Period, Section};
use mcp_core::edit::{HeaderName, HeaderValue};
use mcp_core::pipeline::{Capabilities, Environment, HttpAnswer, HttpCall};
use serde::Deserialize;
use serde_json::Value;

use crate::claim_headers::{ClaimHeaderConfig, ClaimHeaders};
use crate::keys::source::{Answer, Decision, Discovery, Policy, Request, Source};
use crate::keys::{KeySet, Origin};
use crate::token::{
    ClaimPath, Claims, IssuerRules, IssuerSettings, Reject, Token, TokenType, verify,
};

/// An entry of `issuers`, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct IssuerConfig {
    issuer: String,
    audiences: Vec<String>,
    jwks: JwksConfig,
    algorithms: Option<Vec<String>>,
    token_types: Option<Vec<TokenType>>,
    #[serde(default)]
    required_claims: Vec<String>,
    max_lifetime: Option<Period>,
    clock_skew: Option<Period>,
    tenant_claim: Option<String>,
    agent_claim: Option<String>,
    #[serde(default)]
    claims_to_headers: Vec<Section<ClaimHeaderConfig>>,
}

/// `jwks`: the keys themselves, or the service that has them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
struct JwksConfig {
    keys: Option<Vec<Value>>,
    service: Option<String>,
    path: Option<String>,
    authority: Option<String>,
    refresh: Option<Period>,
    max_stale: Option<Period>,
    cooldown: Option<Period>,
    timeout: Option<Period>,
}

/// A configured issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    rules: IssuerRules,
    keys: Keys,
    tenant_claim: Option<ClaimPath>,
    agent_claim: Option<ClaimPath>,
    headers: ClaimHeaders,
}

#[derive(Debug)]
enum Keys {
    Inline(KeySet),
    /// `wakes`: whether a request may wait for another's call.
    Remote {
        source: Box<RefCell<Source>>,
        service: Service,
        wakes: bool,
    },
}

#[derive(Debug)]
struct Service {
    name: String,
    authority: String,
    timeout: u32,
}

/// What an issuer says of a token.
#[derive(Debug)]
pub(crate) enum Judgement {
    Accept(Box<Claims>),
    Reject(Reject),
    /// Ask for this document, then judge again.
    Ask(Request),
    /// It is being asked for: judge again once it came.
    Wait,
    /// Nobody can tell before so many seconds have passed.
    Unavailable(u64),
}

// === impl IssuerConfig ===

impl IssuerConfig {
    /// Checks the entry. What is worth knowing of its keys goes to `notices`.
    pub(crate) fn build(
        self,
        capabilities: &Capabilities,
        api_key_header: &HeaderName,
        notices: &mut Vec<String>,
    ) -> Result<Issuer, ConfigError> {
        let defaults = IssuerSettings::default();
        let keys = self
            .jwks
            .build(&self.issuer, capabilities, notices)
            .map_err(|error| error.within("jwks"))?;
        let rules = IssuerRules::try_from(IssuerSettings {
            issuer: self.issuer,
            audiences: self.audiences,
            algorithms: self.algorithms.unwrap_or(defaults.algorithms),
            token_types: self.token_types.unwrap_or(defaults.token_types),
            required_claims: self.required_claims,
            max_lifetime: self.max_lifetime.map_or(defaults.max_lifetime, |period| period.0),
            clock_skew: self.clock_skew.map_or(defaults.clock_skew, |period| period.0),
        })?;
        let claim = |key: &str, path: Option<String>| {
            path.map(|path| ClaimPath::parse(&path))
                .transpose()
                .map_err(|error| ConfigError::new(key, error.problem))
        };
        Ok(Issuer {
            rules,
            keys,
            tenant_claim: claim("tenant_claim", self.tenant_claim)?,
            agent_claim: claim("agent_claim", self.agent_claim)?,
            headers: ClaimHeaders::new(self.claims_to_headers, api_key_header)?,
        })
    }
}

impl JwksConfig {
    fn build(
        self,
        issuer: &str,
        capabilities: &Capabilities,
        notices: &mut Vec<String>,
    ) -> Result<Keys, ConfigError> {
        match (&self.keys, &self.service) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new("service", "is not asked where keys are given"))
            }
            (None, None) => {
                Err(ConfigError::new("keys", "must be given, or the service that has them"))
            }
            (Some(keys), None) => inline(keys, issuer, notices),
            (None, Some(_)) => self.remote(issuer, capabilities),
        }
    }

    fn remote(self, issuer: &str, capabilities: &Capabilities) -> Result<Keys, ConfigError> {
        let defaults = Policy::default();
        let seconds =
            |period: Option<Period>, default| period.map_or(default, |period: Period| period.0);
        let call_timeout = seconds(self.timeout, defaults.call_timeout);
        let policy = Policy {
            refresh: seconds(self.refresh, defaults.refresh),
            max_stale: seconds(self.max_stale, defaults.max_stale),
            cooldown: seconds(self.cooldown, defaults.cooldown),
            call_timeout,
            // A host that cannot wake a request lets each one that waits make a call of its own.
            max_calls: if capabilities.ticks { 1 } else { MAX_CALLS_WITHOUT_TICKS },
            timer: capabilities.ticks,
            ..defaults
        };
        let discovery = Discovery::of(issuer);
        let authority = match (self.authority, &discovery) {
            (Some(authority), _) => authority,
            (None, Ok(discovery)) => discovery.authority().to_owned(),
            (None, Err(_)) => {
                return Err(ConfigError::new(
                    "authority",
                    "is required, since the issuer is no URL with a host",
                ));
            }
        };
        let source = match (self.path, discovery) {
            (Some(path), _) if path.starts_with('/') => Source::at(path, policy),
            (Some(_), _) => return Err(ConfigError::new("path", "must begin with '/'")),
            (None, Ok(discovery)) => Source::discovered(discovery, policy),
            (None, Err(_)) => {
                return Err(ConfigError::new(
                    "path",
                    "is required, since the issuer is no https URL",
                ));
            }
        };
        let service = Service {
            name: self.service.unwrap_or_default(),
            authority,
            timeout: u32::try_from(call_timeout.as_millis()).unwrap_or(MAX_TIMEOUT),
        };
        let source = Box::new(RefCell::new(source));
        Ok(Keys::Remote { source, service, wakes: capabilities.ticks })
    }
}

fn inline(keys: &[Value], issuer: &str, notices: &mut Vec<String>) -> Result<Keys, ConfigError> {
    let text = serde_json::json!({ "keys": keys }).to_string();
    let (set, skipped) = KeySet::parse(text.as_bytes(), Origin::Inline)
        .map_err(|error| ConfigError::new("keys", format!("cannot be used: {}", error.as_str())))?;
    if let Some(key) = skipped.first() {
        // A key that was written down on purpose and does not work is a mistake, not a surprise.
        return Err(ConfigError::new(
            format!("keys[{}]", key.index),
            format!("cannot be used: {}", key.reason.as_str()),
        ));
    }
    notices.push(format!("{} keys are configured for {issuer}", set.keys().len()));
    Ok(Keys::Inline(set))
}

const MAX_CALLS_WITHOUT_TICKS: usize = 8;
const MAX_TIMEOUT: u32 = 60_000;

// === impl Issuer ===

impl Issuer {
    /// `iss` of its tokens.
    pub(crate) fn name(&self) -> &str {
        self.rules.issuer()
    }

    /// When a token stops to be accepted, in seconds since 1970.
    pub(crate) fn expires_at(&self, claims: &Claims) -> u64 {
        self.rules.expires_at(claims)
    }

    /// Changes whenever its keys do.
    pub(crate) fn generation(&self) -> u64 {
        match &self.keys {
            Keys::Inline(_) => 0,
            Keys::Remote { source, .. } => source.borrow().generation(),
        }
    }

    /// Judges a token at `now`.
    pub(crate) fn judge(&self, token: &Token<'_>, now: u64) -> Judgement {
        let verdict = |keys: &KeySet| match verify(token, &self.rules, keys, now) {
            Ok(claims) => Judgement::Accept(Box::new(claims)),
            Err(reject) => Judgement::Reject(reject),
        };
        match &self.keys {
            Keys::Inline(keys) => verdict(keys),
            Keys::Remote { source, wakes, .. } => {
                match source.borrow_mut().decide(now, token.key_id()) {
                    Decision::Use(keys) => verdict(keys),
                    Decision::Refresh(_, request) | Decision::Fetch(request) => {
                        Judgement::Ask(request)
                    }
                    Decision::Wait { .. } if *wakes => Judgement::Wait,
                    Decision::Wait { retry_after } | Decision::Unavailable { retry_after } => {
                        Judgement::Unavailable(retry_after)
                    }
                }
            }
        }
    }

    /// The document to ask for without waiting for a token, if the keys are due.
    pub(crate) fn due(&self, now: u64) -> Option<Request> {
        let Keys::Remote { source, .. } = &self.keys else { return None };
        source.borrow_mut().due(now)
    }

    /// The call that asks for `request`.
    pub(crate) fn call(&self, request: &Request) -> Option<HttpCall> {
        let Keys::Remote { service, .. } = &self.keys else { return None };
        Some(HttpCall {
            service: service.name.clone(),
            scheme: if self.name().starts_with("http://") { "http" } else { "https" },
            authority: service.authority.clone(),
            path: request.path.clone(),
            form: None,
            timeout: service.timeout,
        })
    }

    /// Stores what the answer to `request` brought.
    pub(crate) fn answered(
        &self,
        request: &Request,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        let Keys::Remote { source, .. } = &self.keys else { return };
        let mut random = [0; 8];
        environment.randomize(&mut random);
        let jitter = u64::from_le_bytes(random);
        let now = environment.now().unwrap_or_default();
        let mut source = source.borrow_mut();
        let Some(status) = answer.status else { return source.failed(now, jitter) };
        let answer = Answer { status, content_type: answer.content_type, body: answer.body };
        if let Err(problem) = source.fetched(now, request, &answer, jitter) {
            let (name, problem) = (self.name(), problem.as_str());
            environment.warn(&format!("keys of {name} could not be had: {problem}"));
        }
    }

    /// The tenant that `claims` name.
    pub(crate) fn tenant(&self, claims: &Claims) -> Option<String> {
        text(claims, self.tenant_claim.as_ref()?)
    }

    /// The client program that `claims` name: by the configured claim, else the party that acts for
    /// the subject, else the token's client.
    pub(crate) fn agent(&self, claims: &Claims) -> Option<String> {
        match &self.agent_claim {
            Some(path) => text(claims, path),
            None => claims.actor().or(claims.client()).map(str::to_owned),
        }
    }

    /// The fields that `claims` fill upstream.
    pub(crate) fn fields(&self, claims: &Claims) -> Vec<(HeaderName, HeaderValue)> {
        self.headers.of(claims)
    }

    /// Whether `name` is a spelling of one of these fields.
    pub(crate) fn owns(&self, name: &[u8]) -> bool {
        self.headers.own(name)
    }
}

fn text(claims: &Claims, path: &ClaimPath) -> Option<String> {
    claims.get(path).and_then(Value::as_str).map(str::to_owned)
}
