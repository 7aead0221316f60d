//! How a client is told that there is no more, and how much is left.

use core::fmt::Write as _;

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::pipeline::Traffic;
use mcp_core::refusal::{RETRY_AFTER, Reason, Refusal, Shape};
use mcp_core::version::Era;
use serde::Deserialize;

use crate::limit::Limit;
use crate::store::{Failure, Standing};

/// What a refused call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Denial {
    /// HTTP status 429.
    Http,
    /// A JSON-RPC error.
    Jsonrpc,
    /// The result of a failed tool, which a model reads; of a call that is not of a tool, a JSON-RPC
    /// error.
    #[default]
    ToolError,
}

/// The limits there are (`draft-ietf-httpapi-ratelimit-headers-10` §3).
const POLICY: &str = "ratelimit-policy";

/// What is left of them (§4).
const STANDING: &str = "ratelimit";

impl Denial {
    /// The shape of a refusal of such a call.
    pub(crate) fn shape(self, traffic: Traffic, method: Option<&str>, era: Era) -> Shape {
        match (self, traffic) {
            (Self::Http, _) | (_, Traffic::Llm) => Shape::Http,
            (Self::ToolError, _) if method == Some("tools/call") => Shape::ToolError(era),
            (Self::Jsonrpc | Self::ToolError, _) => Shape::JsonRpc,
        }
    }
}

/// The refusal of a call for which too little is left of `limit`, which has `amount` for this
/// caller.
pub(crate) fn exceeded(limit: &Limit, amount: u64, standing: Standing) -> Refusal {
    let unit = limit.unit.as_str();
    let name = &limit.name;
    let within = if limit.forgets() {
        format!("within {} s", seconds(limit.window))
    } else {
        "at the same time".to_owned()
    };
    let mut words = format!("Quota exceeded: {name} allows {amount} {unit} {within}.");
    let mut data = serde_json::json!({
        "policy": name,
        "unit": unit,
        "limit": amount,
        "remaining": standing.remaining,
        "window": format!("{}s", seconds(limit.window)),
    });
    let mut refusal = Refusal::new(Reason::Quota).because(format!("limit {name}"));
    if let Some(reset) = standing.reset {
        let wait = seconds(reset).max(1);
        let _ = write!(words, " Retry in {wait} seconds.");
        if let Some(members) = data.as_object_mut() {
            members.insert("retryAfterSeconds".to_owned(), wait.into());
        }
        refusal = refusal.with_header(RETRY_AFTER, wait.into());
    } else if limit.forgets() {
        words.push_str(" This call alone is more than that.");
    }
    for (field, value) in fields(&[(limit, amount, standing)]) {
        refusal = refusal.with_header(field, value);
    }
    refusal.saying(words).with_data(data)
}

/// The refusal of a call that could not be counted.
pub(crate) fn uncounted(failure: Failure) -> Refusal {
    let refusal = Refusal::new(Reason::Unavailable).because(match failure {
        Failure::Contention => "quota: too many others write the same counters",
        Failure::Full => "quota: no room for a further subject",
        Failure::NoClock => "quota: the host has no clock",
    });
    refusal.with_header(RETRY_AFTER, 1.into())
}

/// What tells a client in the head of an answer how these limits stand.
pub(crate) fn standing(limits: &[(&Limit, u64, Standing)]) -> Vec<Edit> {
    fields(limits).into_iter().map(|(field, value)| Edit::Add(field.into(), value)).collect()
}

/// Both fields; none if there is no limit to tell of.
fn fields(limits: &[(&Limit, u64, Standing)]) -> Vec<(&'static str, HeaderValue)> {
    let (mut policies, mut standings) = (String::new(), String::new());
    for (limit, amount, standing) in limits {
        begin(&mut policies, &limit.name);
        number(&mut policies, ";q=", *amount);
        if limit.forgets() {
            number(&mut policies, ";w=", seconds(limit.window));
        }
        policies.extend([";qu=\"", limit.unit.as_str(), "\""]);
        begin(&mut standings, &limit.name);
        number(&mut standings, ";r=", standing.remaining);
        if let Some(reset) = standing.reset {
            number(&mut standings, ";t=", seconds(reset));
        }
    }
    let field = |name, value: String| Some((name, HeaderValue::plain(value)?));
    [field(POLICY, policies), field(STANDING, standings)].into_iter().flatten().collect()
}

/// Begins the next item of a list (RFC 9651): a string.
fn begin(list: &mut String, name: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.extend(["\"", name, "\""]);
}

/// Adds a parameter. Written by hand, since every answer has some, and formatting costs ten times as
/// much.
fn number(list: &mut String, key: &str, value: u64) {
    /// Digits of the largest.
    const DIGITS: usize = 20;
    list.push_str(key);
    let (mut digits, mut rest) = ([b'0'; DIGITS], value);
    let mut used: usize = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' | u8::try_from(rest % 10).unwrap_or_default();
        used = used.saturating_add(1);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(DIGITS.saturating_sub(used)..).unwrap_or_default();
    list.extend(digits.iter().map(|digit| char::from(*digit)));
}

/// Whole seconds, rounded up.
const fn seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1_000)
}
