//! One configured issuer: its rules, where its keys come from, and what its claims mean here.

use mcp_core::config::{ConfigError, Period, Section};
use mcp_core::edit::{HeaderName, HeaderValue};
use mcp_core::pipeline::{Capabilities, Environment, HttpAnswer, HttpCall};
use serde::Deserialize;
use serde_json::Value;

use crate::claim_headers::{ClaimHeaderConfig, ClaimHeaders};
use crate::introspection::{IntrospectionConfig, Introspector};
use crate::keys::source::Request;
use crate::keys::{Found, KeySet, Keys, KeysConfig};
use crate::metadata::Identifier;
use crate::token::{
    ClaimPath, Claims, IssuerRules, IssuerSettings, Reject, Token, TokenType, verify,
};

/// An entry of `issuers`, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct IssuerConfig {
    issuer: String,
    audiences: Option<Vec<String>>,
    jwks: Option<Section<KeysConfig>>,
    introspection: Option<Section<IntrospectionConfig>>,
    algorithms: Option<Vec<String>>,
    token_types: Option<Vec<TokenType>>,
    #[serde(default)]
    required_claims: Vec<String>,
    max_lifetime: Option<Period>,
    clock_skew: Option<Period>,
    tenant_claim: Option<String>,
    agent_claim: Option<String>,
    limits_claim: Option<String>,
    #[serde(default)]
    claims_to_headers: Vec<Section<ClaimHeaderConfig>>,
}

/// A configured issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    rules: IssuerRules,
    keys: Keys,
    introspector: Option<Introspector>,
    tenant_claim: Option<ClaimPath>,
    agent_claim: Option<ClaimPath>,
    limits_claim: Option<ClaimPath>,
    headers: ClaimHeaders,
}

/// Limits that a token may carry.
const MAX_LIMITS: usize = 32;

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
    /// `iss` of its tokens.
    pub(crate) fn name(&self) -> &str {
        &self.issuer
    }

    /// Checks the entry. Tokens are for `resource`, unless it says for whom they are. What is worth
    /// knowing of its keys goes to `notices`.
    pub(crate) fn build(
        self,
        resource: Option<&Identifier>,
        capabilities: &Capabilities,
        api_key_header: &HeaderName,
        notices: &mut Vec<String>,
    ) -> Result<Issuer, ConfigError> {
        let defaults = IssuerSettings::default();
        let keys = match (self.jwks, &self.introspection) {
            (Some(Section(jwks)), _) => jwks
                .build(&self.issuer, capabilities, notices)
                .map_err(|error| error.within("jwks"))?,
            (None, Some(_)) => Keys::None,
            (None, None) => {
                return Err(ConfigError::new("jwks", "is required, unless introspection is given"));
            }
        };
        let of_resource = || resource.map(|resource| vec![resource.as_str().to_owned()]);
        let Some(audiences) = self.audiences.or_else(of_resource) else {
            let problem = "is required, unless metadata.resource says what tokens are for";
            return Err(ConfigError::new("audiences", problem));
        };
        let rules = IssuerRules::try_from(IssuerSettings {
            issuer: self.issuer,
            audiences,
            algorithms: self.algorithms.unwrap_or(defaults.algorithms),
            token_types: self.token_types.unwrap_or(defaults.token_types),
            required_claims: self.required_claims,
            max_lifetime: self.max_lifetime.map_or(defaults.max_lifetime, |period| period.0),
            clock_skew: self.clock_skew.map_or(defaults.clock_skew, |period| period.0),
        })?;
        let introspector = self
            .introspection
            .map(|Section(introspection)| introspection.build(rules.clone(), capabilities))
            .transpose()
            .map_err(|error| error.within("introspection"))?;
        let claim = |key: &str, path: Option<String>| {
            path.map(|path| ClaimPath::parse(&path))
                .transpose()
                .map_err(|error| ConfigError::new(key, error.problem))
        };
        Ok(Issuer {
            rules,
            keys,
            introspector,
            tenant_claim: claim("tenant_claim", self.tenant_claim)?,
            agent_claim: claim("agent_claim", self.agent_claim)?,
            limits_claim: claim("limits_claim", self.limits_claim)?,
            headers: ClaimHeaders::new(self.claims_to_headers, api_key_header)?,
        })
    }
}

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
            Keys::None | Keys::Inline(_) => 0,
            Keys::Remote(remote) => remote.generation(),
        }
    }

    /// Whether it has keys to verify its tokens with.
    pub(crate) fn has_keys(&self) -> bool {
        !matches!(self.keys, Keys::None)
    }

    /// What asks it about tokens, if that is configured.
    pub(crate) fn introspector(&self) -> Option<&Introspector> {
        self.introspector.as_ref()
    }

    /// Judges a token at `now`.
    pub(crate) fn judge(
        &self,
        token: &Token<'_>,
        now: u64,
        environment: &mut dyn Environment,
    ) -> Judgement {
        let verdict = |keys: &KeySet| match verify(token, &self.rules, keys, now) {
            Ok(claims) => Judgement::Accept(Box::new(claims)),
            Err(reject) => Judgement::Reject(reject),
        };
        match &self.keys {
            Keys::None => Judgement::Reject(Reject::UnknownKey),
            Keys::Inline(keys) => verdict(keys),
            Keys::Remote(remote) => match remote.find(token.key_id(), now, environment, verdict) {
                Found::Keys(judgement) => judgement,
                Found::Ask(request) => Judgement::Ask(request),
                Found::Wait => Judgement::Wait,
                Found::Unavailable(seconds) => Judgement::Unavailable(seconds),
            },
        }
    }

    /// The document to ask for without waiting for a token, if the keys are due.
    pub(crate) fn due(&self, now: u64, environment: &mut dyn Environment) -> Option<Request> {
        let Keys::Remote(remote) = &self.keys else { return None };
        remote.due(now, environment)
    }

    /// The call that asks for `request`.
    pub(crate) fn call(&self, request: &Request) -> Option<HttpCall> {
        let Keys::Remote(remote) = &self.keys else { return None };
        Some(remote.call(request))
    }

    /// Stores what the answer to `request` brought.
    pub(crate) fn answered(
        &self,
        request: &Request,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        let Keys::Remote(remote) = &self.keys else { return };
        if let Err(problem) = remote.answered(request, answer, environment) {
            let name = self.name();
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

    /// The limits that `claims` carry: the members of an object that are whole numbers. More of them
    /// than any quota has are no limits.
    pub(crate) fn limits(&self, claims: &Claims) -> Vec<(String, u64)> {
        let path = self.limits_claim.as_ref();
        let members = path.and_then(|path| claims.get(path)).and_then(Value::as_object);
        let limit = |(name, value): (&String, &Value)| Some((name.clone(), value.as_u64()?));
        members.into_iter().flatten().filter_map(limit).take(MAX_LIMITS).collect()
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
