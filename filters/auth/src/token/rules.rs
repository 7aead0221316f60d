//! What one issuer's tokens must be like.

use core::time::Duration;

use jsonwebtoken::Algorithm;
use mcp_core::config::ConfigError;

use super::audience::Audience;
use super::{ClaimPath, Claims, Reject, TokenType};

/// How far clocks may differ, at most.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The algorithms an issuer may use unless it is configured: all with public keys.
const DEFAULT_ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// An issuer's rules as they are written; [`IssuerRules`] are made of them.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// `iss`, to the letter.
    pub issuer: String,
    /// The names of this server, of which `aud` must hold one.
    pub audiences: Vec<String>,
    /// The values of `alg`. `HS256`, `HS384` and `HS512` must be asked for.
    pub algorithms: Vec<String>,
    /// What `typ` may say.
    pub token_types: Vec<TokenType>,
    /// Claims that must be there besides `iss`, `aud` and `exp`.
    pub required_claims: Vec<String>,
    /// Longest time from `iat` to `exp`.
    pub max_lifetime: Duration,
    /// How far the issuer's clock may differ from this host's.
    pub clock_skew: Duration,
}

/// Checked rules for one issuer's tokens.
#[derive(Debug, Clone)]
pub struct IssuerRules {
    issuer: String,
    audiences: Vec<Audience>,
    /// The first of them, as it is written.
    an_audience: String,
    algorithms: Vec<Algorithm>,
    token_types: Vec<TokenType>,
    required_claims: Vec<ClaimPath>,
    /// In seconds.
    max_lifetime: u64,
    /// In seconds.
    clock_skew: u64,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audiences: Vec::new(),
            algorithms: DEFAULT_ALGORITHMS.map(str::to_owned).to_vec(),
            token_types: vec![TokenType::Absent, TokenType::Jwt, TokenType::AccessToken],
            required_claims: Vec::new(),
            max_lifetime: Duration::from_secs(24 * 60 * 60),
            clock_skew: Duration::from_secs(30),
        }
    }
}

impl TryFrom<IssuerSettings> for IssuerRules {
    type Error = ConfigError;

    /// Names the first setting that is wrong.
    fn try_from(settings: IssuerSettings) -> Result<Self, ConfigError> {
        if settings.issuer.is_empty() {
            return Err(ConfigError::new("issuer", "must be the issuer's name, as \"iss\" has it"));
        }
        if settings.audiences.is_empty() {
            let problem =
                "must hold at least one name of this server: tokens for others are refused";
            return Err(ConfigError::new("audiences", problem));
        }
        if let Some(index) = settings.audiences.iter().position(String::is_empty) {
            return Err(ConfigError::new(format!("audiences[{index}]"), "must not be empty"));
        }
        if settings.max_lifetime < Duration::from_secs(1) {
            return Err(ConfigError::new("max_lifetime", "must be at least \"1s\""));
        }
        if settings.clock_skew > MAX_CLOCK_SKEW {
            return Err(ConfigError::new("clock_skew", "must be at most \"60s\""));
        }
        if settings.token_types.is_empty() {
            let problem = "must hold at least one of \"JWT\", \"at+jwt\" and \"absent\"";
            return Err(ConfigError::new("token_types", problem));
        }
        Ok(Self {
            audiences: settings.audiences.iter().map(|name| Audience::new(name)).collect(),
            an_audience: settings.audiences.into_iter().next().unwrap_or_default(),
            algorithms: algorithms(&settings.algorithms)?,
            required_claims: claim_paths(&settings.required_claims)?,
            issuer: settings.issuer,
            token_types: settings.token_types,
            max_lifetime: settings.max_lifetime.as_secs(),
            clock_skew: settings.clock_skew.as_secs(),
        })
    }
}

impl IssuerRules {
    /// The issuer's name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// One name of this server.
    pub(crate) fn an_audience(&self) -> &str {
        &self.an_audience
    }

    /// When a token stops to be accepted, in seconds since 1970: its expiry and the clock skew.
    pub fn expires_at(&self, claims: &Claims) -> u64 {
        claims.expires_at.saturating_add(self.clock_skew)
    }

    /// Whether tokens may be signed so.
    pub(super) fn allow_algorithm(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether tokens may be of this type.
    pub(super) fn allow_type(&self, token_type: TokenType) -> bool {
        self.token_types.contains(&token_type)
    }

    /// Judges claims at the time `now`, in seconds since 1970.
    pub(crate) fn check(&self, claims: &Claims, now: u64) -> Result<(), Reject> {
        if claims.issuer != self.issuer {
            return Err(Reject::Issuer);
        }
        if !claims.audiences.iter().any(|name| self.audiences.contains(&Audience::new(name))) {
            return Err(Reject::Audience);
        }
        if now >= self.expires_at(claims) {
            return Err(Reject::Expired);
        }
        let soon = now.saturating_add(self.clock_skew);
        if claims.not_before.is_some_and(|start| start > soon) {
            return Err(Reject::NotYetValid);
        }
        if claims.issued_at.is_some_and(|issued| issued > soon) {
            return Err(Reject::IssuedInFuture);
        }
        let lifetime = claims.expires_at.saturating_sub(claims.issued_at.unwrap_or(now));
        if lifetime > self.max_lifetime {
            return Err(Reject::Lifetime);
        }
        let given = |path| claims.get(path).is_some_and(|value| !value.is_null());
        if self.required_claims.iter().all(given) { Ok(()) } else { Err(Reject::RequiredClaim) }
    }
}

fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, ConfigError> {
    if names.is_empty() {
        return Err(ConfigError::new("algorithms", "must hold at least one algorithm"));
    }
    let known = |(index, name): (usize, &String)| {
        name.parse().map_err(|_| {
            let path = format!("algorithms[{index}]");
            let known = DEFAULT_ALGORITHMS.join(", ");
            ConfigError::new(path, format!("must be one of {known}, HS256, HS384 and HS512"))
        })
    };
    names.iter().enumerate().map(known).collect()
}

fn claim_paths(paths: &[String]) -> Result<Vec<ClaimPath>, ConfigError> {
    let parse = |(index, path): (usize, &String)| {
        ClaimPath::parse(path)
            .map_err(|error| ConfigError::new(format!("required_claims[{index}]"), error.problem))
    };
    paths.iter().enumerate().map(parse).collect()
}
