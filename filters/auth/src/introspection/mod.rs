//! Opaque tokens: the issuer is asked about each (RFC 7662), and its answer is believed for a while.
//!
//! `config` reads the settings, `client` is who asks, `answer` reads what is said, `verdicts`
//! remembers it and `calls` counts what is being asked. Tokens are known here by their SHA-256, so
//! nothing that outlives the call holds one.

mod answer;
mod calls;
mod client;
mod config;
#[cfg(test)]
mod tests;
mod verdicts;

pub(crate) use config::IntrospectionConfig;

use core::cell::RefCell;
use core::fmt;
use std::rc::Rc;

use mcp_core::pipeline::{Environment, Fetch, Form, HttpAnswer, HttpCall, Topic};
use sha2::{Digest as _, Sha256};

use crate::token::{Claims, IssuerRules, MAX_TOKEN, Reject};
use calls::{Begun, Calls};
use client::{ClientCredentials, form_encoded};
use verdicts::{Verdict, Verdicts};

/// Asks one issuer about its tokens.
#[derive(Debug)]
pub(crate) struct Introspector {
    /// The call, without its form.
    endpoint: HttpCall,
    client: ClientCredentials,
    rules: IssuerRules,
    require_audience: bool,
    calls: RefCell<Calls>,
    verdicts: RefCell<Verdicts>,
}

/// A token that was asked about, by its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenHash([u8; 32]);

/// What is known of a token.
#[derive(Debug, PartialEq)]
pub(crate) enum Opinion {
    Accept(Rc<Claims>),
    Reject(Reject),
    /// Make this call, then ask again.
    Ask(Box<Fetch<TokenHash>>),
    /// The call is under way: ask again once it was answered.
    Wait(Topic),
    /// Nobody can tell before so many seconds have passed.
    Unavailable(u64),
}

/// Seconds after which a client may try again that found too many calls under way.
const BUSY: u64 = 1;

impl Introspector {
    /// What is known of the credentials of the `Bearer` scheme at `now`. Answering
    /// [`Opinion::Ask`] begins a call: its outcome must be told.
    pub(crate) fn judge(&self, bearer: &[u8], now: u64) -> Opinion {
        let token = match checked(bearer) {
            Ok(token) => token,
            Err(reject) => return Opinion::Reject(reject),
        };
        let hash = TokenHash::of(token);
        match self.verdicts.borrow_mut().get(&hash, now) {
            Some(Verdict::Accept(claims)) => return Opinion::Accept(Rc::clone(claims)),
            Some(Verdict::Reject(reject)) => return Opinion::Reject(*reject),
            Some(Verdict::Unavailable { until }) => {
                return Opinion::Unavailable(until.saturating_sub(now));
            }
            None => {}
        }
        match self.calls.borrow_mut().begin(hash, now) {
            Begun::New => {
                let body = format!("token={}&token_type_hint=access_token", form_encoded(token));
                let form = Some(Form { authorization: self.client.authorization(), body });
                let call = HttpCall { form, ..self.endpoint.clone() };
                Opinion::Ask(Box::new(Fetch { call, ticket: hash, topic: hash.topic() }))
            }
            Begun::UnderWay => Opinion::Wait(hash.topic()),
            Begun::TooMany => Opinion::Unavailable(BUSY),
        }
    }

    /// Stores what the issuer said of `token`.
    pub(crate) fn answered(
        &self,
        token: TokenHash,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) {
        self.calls.borrow_mut().end(token);
        let Some(now) = environment.now() else { return };
        let claims = answer::active(answer, &self.rules, self.require_audience);
        let verdict = match claims {
            Ok(Ok(claims)) => self.rules.check(&claims, now).map(|()| claims),
            Ok(Err(reject)) => Err(reject),
            Err(problem) => {
                let issuer = self.rules.issuer();
                environment.warn(&format!("{issuer} cannot be asked about tokens: {problem}"));
                self.verdicts.borrow_mut().unavailable(token, now);
                return;
            }
        };
        self.verdicts.borrow_mut().judged(token, verdict, now);
    }
}

/// The token, if it is one that may be sent: `b64token` of RFC 6750 §2.1.
fn checked(bearer: &[u8]) -> Result<&str, Reject> {
    if bearer.len() > MAX_TOKEN {
        return Err(Reject::TooLong);
    }
    let token = str::from_utf8(bearer).map_err(|_| Reject::Characters)?;
    let characters = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if characters.is_empty() || !characters.bytes().all(allowed) {
        return Err(Reject::Characters);
    }
    Ok(token)
}

// === impl TokenHash ===

impl TokenHash {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// What the call is about. Topics of keys are small numbers.
    fn topic(self) -> Topic {
        let number = self.0.first_chunk().copied().map_or(0, u64::from_le_bytes);
        Topic(number | 1 << 63)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}
