//! Expectations: what must hold of a subject, judged by a transcript.

use regex::bytes::Regex;
use serde_json::Value;

use super::subject::{Seen, Subject, show, word};
use super::template::{Captures, Template};
use crate::exchange::{Exchange, Transcript};

/// What must hold of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Is(Template),
    Contains(Template),
    Lacks(Template),
    Matches(Template),
    Json(String, Template),
    Absent,
    Present,
    Identical,
}

impl Test {
    /// Reads a test from the rest of a line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (operator, value) = word(text);
        let template = || match value {
            "" => Err(format!("\"{operator}\" wants a value")),
            _ => Template::parse(value),
        };
        Ok(match operator {
            "=" => Self::Is(Template::parse(value)?),
            "contains" => Self::Contains(template()?),
            "lacks" => Self::Lacks(template()?),
            "matches" => Self::Matches(template()?),
            "json" => match value.split_once(" = ") {
                Some((pointer, value)) if pointer.starts_with('/') => {
                    Self::Json(pointer.trim().to_owned(), Template::parse(value.trim())?)
                }
                _ => Self::Json(String::new(), template()?),
            },
            "absent" | "none" if value.is_empty() => Self::Absent,
            "present" if value.is_empty() => Self::Present,
            "identical" if value.is_empty() => Self::Identical,
            _ => {
                return Err(format!(
                    "\"{text}\" is none of: = VALUE, contains VALUE, lacks VALUE, matches REGEX, \
                     json [/POINTER =] JSON, absent, none, present, identical"
                ));
            }
        })
    }

    /// Judges a transcript; an error says what was expected and what was seen.
    pub(super) fn judge(
        &self,
        subject: &Subject,
        exchange: &Exchange,
        transcript: &Transcript,
        captures: &Captures,
    ) -> Result<(), String> {
        let seen = subject.see(transcript);
        let holds = match self {
            Self::Absent => seen.is_nothing(),
            Self::Present => !seen.is_nothing(),
            Self::Identical => seen.equals(&subject.original(exchange)?),
            Self::Is(value) => seen.equals(&Seen::One(value.fill(captures)?)),
            Self::Contains(value) => {
                let value = value.fill(captures)?;
                seen.any(|text| find(text, &value))
            }
            Self::Lacks(value) => {
                let value = value.fill(captures)?;
                !seen.any(|text| find(text, &value))
            }
            Self::Matches(value) => {
                let pattern = value.fill_text(captures)?;
                let regex = Regex::new(&pattern).map_err(|error| error.to_string())?;
                seen.any(|text| regex.is_match(text))
            }
            Self::Json(pointer, value) => {
                let expected: Value = serde_json::from_str(&value.fill_text(captures)?)
                    .map_err(|error| format!("the expected value is no JSON: {error}"))?;
                let found = seen.one().and_then(|text| serde_json::from_slice::<Value>(text).ok());
                found.as_ref().and_then(|value| value.pointer(pointer)) == Some(&expected)
            }
        };
        if holds { Ok(()) } else { Err(self.difference(subject, exchange, &seen, captures)) }
    }

    fn difference(
        &self,
        subject: &Subject,
        exchange: &Exchange,
        seen: &Seen,
        captures: &Captures,
    ) -> String {
        let value = |template: &Template| {
            template.fill(captures).map_or_else(|error| error, |bytes| show(&bytes))
        };
        let expected = match self {
            Self::Is(template) => value(template),
            Self::Contains(template) => format!("to contain {}", value(template)),
            Self::Lacks(template) => format!("not to contain {}", value(template)),
            Self::Matches(template) => format!("to match {}", value(template)),
            Self::Json(pointer, template) => format!("JSON {pointer} {}", value(template)),
            Self::Absent => "nothing".to_owned(),
            Self::Present => "something".to_owned(),
            Self::Identical => {
                subject.original(exchange).map_or_else(|error| error, |seen| seen.text())
            }
        };
        format!("expected {expected}\n     got {}", seen.text())
    }
}

fn find(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
