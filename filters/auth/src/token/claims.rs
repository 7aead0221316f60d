//! What a token says (RFC 7519 §4, RFC 9068 §2.2), each claim of the type it must have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{ClaimPath, Reject};
use crate::json;

/// The claims of a verified token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) expires_at: u64,
    pub(super) not_before: Option<u64>,
    pub(super) issued_at: Option<u64>,
    subject: Option<String>,
    client: Option<String>,
    scopes: Vec<String>,
    certificate: Option<[u8; 32]>,
    members: Map<String, Value>,
}

impl Claims {
    /// Reads claims whose signature fits.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Reject> {
        let members = json::object(text).ok_or(Reject::Claims)?;
        let subject = name(&members, "sub", Reject::Subject)?;
        let client = match name(&members, "client_id", Reject::Client)? {
            Some(client) => Some(client),
            None => name(&members, "azp", Reject::Client)?,
        };
        if subject.is_none() && client.is_none() {
            return Err(Reject::Nobody);
        }
        Ok(Self {
            issuer: name(&members, "iss", Reject::Issuer)?.ok_or(Reject::Issuer)?,
            audiences: audiences(members.get("aud"))?,
            expires_at: seconds(&members, "exp", Reject::ExpiryMalformed)?
                .ok_or(Reject::ExpiryMalformed)?,
            not_before: seconds(&members, "nbf", Reject::NotBeforeMalformed)?,
            issued_at: seconds(&members, "iat", Reject::IssuedAtMalformed)?,
            subject,
            client,
            scopes: scopes(&members)?,
            certificate: certificate(members.get("cnf"))?,
            members,
        })
    }

    /// Who issued the token.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// On whose behalf it is used; absent where a client acts for itself.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The client it was issued to: `client_id` or, without one, `azp`.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Who acts for the subject: `sub` of the claim `act` (RFC 8693 §4.1).
    pub fn actor(&self) -> Option<&str> {
        let actor = self.members.get("act")?.get("sub")?;
        actor.as_str().filter(|name| !name.is_empty())
    }

    /// What it allows: `scope` or, without one, `scp`.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// When it expires, in seconds since 1970.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// The SHA-256 of the client certificate it is bound to (RFC 8705 §3.1). Such a token is good
    /// for nothing on a connection without that certificate: the caller must compare.
    pub fn certificate(&self) -> Option<&[u8; 32]> {
        self.certificate.as_ref()
    }

    /// The claim at `path`.
    pub fn get(&self, path: &ClaimPath) -> Option<&Value> {
        path.find(&self.members)
    }
}

/// A string that is not empty.
fn name(
    members: &Map<String, Value>,
    claim: &str,
    reject: Reject,
) -> Result<Option<String>, Reject> {
    match members.get(claim) {
        None => Ok(None),
        Some(Value::String(name)) if !name.is_empty() => Ok(Some(name.clone())),
        Some(_) => Err(reject),
    }
}

/// A point in time. Fractions are allowed by RFC 7519 §2 and written by no known issuer.
fn seconds(
    members: &Map<String, Value>,
    claim: &str,
    reject: Reject,
) -> Result<Option<u64>, Reject> {
    members.get(claim).map(|value| value.as_u64().ok_or(reject)).transpose()
}

fn audiences(claim: Option<&Value>) -> Result<Vec<String>, Reject> {
    match claim {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(several)) => strings(several).ok_or(Reject::AudienceMalformed),
        _ => Err(Reject::AudienceMalformed),
    }
}

fn scopes(members: &Map<String, Value>) -> Result<Vec<String>, Reject> {
    let scopes = match (members.get("scope"), members.get("scp")) {
        (Some(Value::String(list)), _) | (None, Some(Value::String(list))) => {
            list.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        }
        (None, Some(Value::Array(list))) => strings(list).ok_or(Reject::Scope)?,
        (None, None) => Vec::new(),
        _ => return Err(Reject::Scope),
    };
    if scopes.iter().all(|scope| is_scope(scope)) { Ok(scopes) } else { Err(Reject::Scope) }
}

/// Whether it is a scope-token of RFC 6749 §3.3: visible ASCII but `"` and `\`.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// What the token is bound to. A bearer proves to have a certificate, by its connection, and
/// nothing else, so any other confirmation method cannot be met.
fn certificate(claim: Option<&Value>) -> Result<Option<[u8; 32]>, Reject> {
    let methods = match claim {
        None => return Ok(None),
        Some(Value::Object(methods)) => methods,
        Some(_) => return Err(Reject::Confirmation),
    };
    if methods.keys().any(|method| method != "x5t#S256") {
        return Err(Reject::SenderConstrained);
    }
    let thumbprint = methods.get("x5t#S256").and_then(Value::as_str).ok_or(Reject::Confirmation)?;
    let thumbprint = URL_SAFE_NO_PAD.decode(thumbprint).map_err(|_| Reject::Confirmation)?;
    thumbprint.try_into().map(Some).map_err(|_| Reject::Confirmation)
}

fn strings(values: &[Value]) -> Option<Vec<String>> {
    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}
