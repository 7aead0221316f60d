//! Conditions on the top-level members of a call's `arguments`.
//!
//! The members are read strictly and once for all rules. Where two JSON readers could see different
//! values (a key twice, or in another case), or a server could take one value for another (`1.0`
//! for `1`, a number for its digits), a condition is [`Holds::Unclear`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use mcp_core::json::{Error, Kind, Reader, look_alike};
use mcp_core::limits::MAX_JSON_DEPTH;
use serde::Deserialize;

use mcp_core::pattern::{Holds, has_dot_segment};

/// The arguments of the call that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// The exact JSON text of `params.arguments`; `None` if the call has none.
    Given(Option<&'a str>),
    /// They cannot be known: the body was not read.
    Unread,
    /// Whichever the caller chooses: asks whether there can be a call that is allowed, as when a
    /// list of tools is filtered.
    Any,
}

/// A condition as it is written: exactly one of its members.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub(super) struct ConditionConfig {
    equals: Option<Scalar>,
    r#in: Option<Vec<Scalar>>,
    prefix: Option<String>,
}

/// A condition on one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// It is one of these, which are of one type.
    OneOf(Vec<Scalar>),
    /// It is a string that starts so.
    Prefix(String),
}

/// A value that an argument can be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub(super) enum Scalar {
    Text(String),
    /// An integer as its shortest digits.
    Integer(String),
    Truth(bool),
}

/// The members of `arguments` that any rule names.
#[derive(Debug)]
pub(super) enum Members<'a> {
    /// By the name in the rules; what is not there is absent.
    Read(BTreeMap<&'a str, Member<'a>>),
    /// They are no object, or unread.
    Unclear,
}

/// One argument.
#[derive(Debug)]
pub(super) enum Member<'a> {
    Text(Cow<'a, str>),
    /// Anything but a string, as its exact JSON text.
    Other(&'a str),
    /// It occurs twice, or in a spelling that some readers take for it.
    Ambiguous,
}

/// Values in one `in`.
const MAX_VALUES: usize = 256;

impl ConditionConfig {
    /// The condition, if exactly one is written.
    pub(super) fn check(self) -> Result<Condition, String> {
        match (self.equals, self.r#in, self.prefix) {
            (Some(value), None, None) => Ok(Condition::OneOf(vec![value])),
            (None, Some(values), None) => {
                let same = |pair: &[Scalar]| matches!(pair, [a, b] if a.kind() == b.kind());
                if !(1..=MAX_VALUES).contains(&values.len()) || !values.windows(2).all(same) {
                    return Err(format!("'in' must hold 1 to {MAX_VALUES} values of one type"));
                }
                Ok(Condition::OneOf(values))
            }
            (None, None, Some(prefix)) if !prefix.is_empty() => Ok(Condition::Prefix(prefix)),
            (None, None, Some(_)) => Err("'prefix' must not be empty".to_owned()),
            _ => Err("must have exactly one of 'equals', 'in' and 'prefix'".to_owned()),
        }
    }
}

impl Condition {
    /// Whether the argument `name` is as the condition wants it.
    pub(super) fn holds(&self, name: &str, members: &Members<'_>) -> Holds {
        let Members::Read(members) = members else { return Holds::Unclear };
        match (members.get(name), self) {
            (None, _) => Holds::No,
            (Some(Member::Text(text)), Self::Prefix(_)) if has_dot_segment(text) => Holds::Unclear,
            (Some(Member::Text(text)), Self::Prefix(prefix)) => sure(text.starts_with(prefix)),
            (Some(_), Self::Prefix(_)) => Holds::Unclear,
            (Some(member), Self::OneOf(values)) => {
                // They are of one type, so they are all unclear or none is.
                let each = || values.iter().map(|value| value.is(member));
                each().find(|holds| *holds != Holds::No).unwrap_or(Holds::No)
            }
        }
    }
}

impl Scalar {
    fn kind(&self) -> core::mem::Discriminant<Self> {
        core::mem::discriminant(self)
    }

    fn is(&self, member: &Member<'_>) -> Holds {
        match (self, member) {
            (Self::Text(value), Member::Text(text)) => sure(value == text),
            (Self::Truth(value), Member::Other(token @ ("true" | "false"))) => {
                sure(*value == (*token == "true"))
            }
            (Self::Integer(value), Member::Other(token)) if is_plain_integer(token) => {
                sure(value == token)
            }
            _ => Holds::Unclear,
        }
    }
}

impl TryFrom<serde_json::Value> for Scalar {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, &'static str> {
        match value {
            serde_json::Value::String(text) => Ok(Self::Text(text)),
            serde_json::Value::Bool(truth) => Ok(Self::Truth(truth)),
            serde_json::Value::Number(number) if !number.is_f64() => {
                Ok(Self::Integer(number.to_string()))
            }
            _ => Err("must be a string, an integer, true or false"),
        }
    }
}

impl<'a> Members<'a> {
    /// Reads the members called `names`, each of which is ASCII.
    pub(super) fn read(arguments: Arguments<'a>, names: &'a [String]) -> Self {
        match arguments {
            Arguments::Given(None) => Self::Read(BTreeMap::new()),
            Arguments::Given(Some(text)) => read(text, names).map_or(Self::Unclear, Self::Read),
            Arguments::Unread | Arguments::Any => Self::Unclear,
        }
    }
}

fn read<'a>(text: &'a str, names: &'a [String]) -> Result<BTreeMap<&'a str, Member<'a>>, Error> {
    let mut members = BTreeMap::new();
    let mut reader = Reader::new(text.as_bytes(), MAX_JSON_DEPTH)?;
    reader.object(|reader, key| {
        let exact = names.iter().find(|name| **name == key);
        let value = match (exact, reader.kind()?) {
            (Some(_), Kind::String) => Member::Text(reader.string()?),
            _ => Member::Other(reader.skip()?),
        };
        if let Some(name) = exact
            && members.insert(name.as_str(), value).is_some()
        {
            members.insert(name, Member::Ambiguous);
        }
        // Two names may be look-alikes of each other: of two tools, say.
        for name in names.iter().filter(|name| **name != key && look_alike(&key, name)) {
            members.insert(name, Member::Ambiguous);
        }
        Ok(())
    })?;
    reader.finish()?;
    Ok(members)
}

/// Whether a number is written in the one way that integers are.
fn is_plain_integer(token: &str) -> bool {
    token != "-0" && token.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9'))
}

const fn sure(holds: bool) -> Holds {
    if holds { Holds::Yes } else { Holds::No }
}
