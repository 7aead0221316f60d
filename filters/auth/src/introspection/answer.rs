//! What the issuer says of a token (RFC 7662 §2.2), before it is judged by the issuer's rules.

use core::fmt;

use mcp_core::pipeline::HttpAnswer;
use serde_json::Value;

use crate::json;
use crate::keys::source::is_json;
use crate::token::{Claims, IssuerRules, Reject};

/// Bytes of an answer. What is remembered of a token is no larger.
pub(super) const MAX_ANSWER: usize = 16 * 1024;

/// Why an answer says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    NoAnswer,
    /// The gateway's own credentials are not accepted.
    Credentials(u16),
    Status(u16),
    ContentType,
    TooLong,
    /// The body is not a JSON object with distinct names and a boolean `active`.
    Form,
}

/// The claims of a token that is active, or why it is not accepted. They are yet to be judged.
///
/// The issuer's name may be left out, since nobody else was asked. So may `aud`, by the RFC; but it
/// is what tells an access token for this server from one for another, and from a refresh token, so
/// it must be there unless the configuration says otherwise.
///
/// # Errors
/// If it cannot be told from this answer.
pub(super) fn active(
    answer: &HttpAnswer<'_>,
    rules: &IssuerRules,
    require_audience: bool,
) -> Result<Result<Claims, Reject>, Problem> {
    match answer.status.ok_or(Problem::NoAnswer)? {
        200 => {}
        status @ (400 | 401 | 403) => return Err(Problem::Credentials(status)),
        status => return Err(Problem::Status(status)),
    }
    if !answer.content_type.is_none_or(is_json) {
        return Err(Problem::ContentType);
    }
    if answer.body.len() > MAX_ANSWER {
        return Err(Problem::TooLong);
    }
    let mut members = json::object(answer.body).ok_or(Problem::Form)?;
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Err(Reject::Inactive)),
        _ => return Err(Problem::Form),
    }
    // What is no bearer token needs a proof that a bearer does not give.
    match members.get("token_type") {
        None => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Ok(Err(Reject::SenderConstrained)),
    }
    // What Ory Hydra and others add, to tell refresh tokens from access tokens.
    if members.get("token_use").is_some_and(|kind| kind != "access_token" && kind != "access") {
        return Ok(Err(Reject::TokenType));
    }
    members.entry("iss").or_insert_with(|| rules.issuer().into());
    if !require_audience {
        members.entry("aud").or_insert_with(|| rules.an_audience().into());
    }
    if !members.contains_key("sub")
        && let Some(name) = members.get("username").cloned()
    {
        // Else every user of one client would be the client itself.
        members.insert("sub".to_owned(), name);
    }
    Ok(Claims::of(members))
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => formatter.write_str("no answer"),
            Self::Credentials(status) => {
                write!(formatter, "status {status}: are client_id and client_secret right?")
            }
            Self::Status(status) => write!(formatter, "status {status}"),
            Self::ContentType => formatter.write_str("not JSON"),
            Self::TooLong => write!(formatter, "more than {MAX_ANSWER} bytes"),
            Self::Form => formatter
                .write_str("not a JSON object with distinct names and a boolean \"active\""),
        }
    }
}
