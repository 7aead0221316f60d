//! What expectations and captures look at, and what is seen of it in a transcript.

use crate::abi::LogLevel;
use crate::exchange::{Exchange, Transcript};
use crate::headers::Headers;

/// Longest value shown in a failure.
const SHOWN_BYTES: usize = 600;

/// What an expectation, or a capture, looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Outcome,
    Client,
    ClientPart(Part),
    Upstream,
    UpstreamPart(Part),
    Log(Option<LogLevel>),
    Metric(String),
    Call(String),
    ServiceCalls(String),
    ServicePart(String, Part),
    Took,
}

/// Part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Status,
    Method,
    Path,
    Header(String),
    Body,
    Chunks,
    Complete,
}

/// What was seen of a subject.
pub(super) enum Seen {
    Nothing,
    One(Vec<u8>),
    /// Lines of a log.
    Lines(Vec<Vec<u8>>),
}

impl Subject {
    /// Whether it is about a metric.
    pub(super) const fn is_metric(&self) -> bool {
        matches!(self, Self::Metric(_))
    }

    /// Reads a subject from the start of a text; also returns the rest.
    pub(super) fn parse(text: &str) -> Result<(Self, &str), String> {
        let (word, rest) = word(text);
        Ok(match word {
            "outcome" => (Self::Outcome, rest),
            "took" => (Self::Took, rest),
            "client" | "upstream" | "service" => {
                let (name, rest) = if word == "service" { self::word(rest) } else { ("", rest) };
                let (part, rest) = match Part::parse(rest)? {
                    Some((part, rest)) => (Some(part), rest),
                    None => (None, rest),
                };
                let subject = match (word, part) {
                    ("client", None) => Self::Client,
                    ("client", Some(part)) => Self::ClientPart(part),
                    ("upstream", None) => Self::Upstream,
                    ("upstream", Some(part)) => Self::UpstreamPart(part),
                    (_, Some(part)) => Self::ServicePart(name.to_owned(), part),
                    (_, None) => match rest.strip_prefix("calls") {
                        Some(rest) => {
                            return Ok((Self::ServiceCalls(name.to_owned()), rest.trim_start()));
                        }
                        None => return Err("service NAME calls|header|body|path|method".to_owned()),
                    },
                };
                (subject, rest)
            }
            "log" => {
                match LogLevel::ALL.into_iter().find(|level| self::word(rest).0 == level.word()) {
                    Some(level) => (Self::Log(Some(level)), self::word(rest).1),
                    None => (Self::Log(None), rest),
                }
            }
            "metric" => {
                let (name, rest) = self::word(rest);
                (Self::Metric(name.to_owned()), rest)
            }
            "call" => {
                let (name, rest) = self::word(rest);
                (Self::Call(name.to_owned()), rest)
            }
            other => {
                return Err(format!(
                    "\"{other}\" is none of: outcome, client, upstream, service, log, metric, \
                     call, took"
                ));
            }
        })
    }

    pub(super) fn see(&self, transcript: &Transcript) -> Seen {
        let number = |count: usize| Seen::One(count.to_string().into_bytes());
        match self {
            Self::Outcome => Seen::One(transcript.outcome.word().into()),
            Self::Client => match &transcript.client {
                Some(client) => number(client.response.status.into()),
                None => Seen::Nothing,
            },
            Self::Upstream => match &transcript.upstream {
                Some(upstream) => Seen::One(upstream.target.clone()),
                None => Seen::Nothing,
            },
            Self::ClientPart(part) => {
                let Some(client) = &transcript.client else { return Seen::Nothing };
                match part {
                    Part::Status => number(client.response.status.into()),
                    Part::Header(name) => header(&client.response.headers, name),
                    Part::Body => Seen::One(client.response.whole_body()),
                    Part::Chunks => number(client.response.chunks.len()),
                    Part::Complete => yes_or_no(client.complete),
                    Part::Method | Part::Path => Seen::Nothing,
                }
            }
            Self::UpstreamPart(part) => {
                let Some(upstream) = &transcript.upstream else { return Seen::Nothing };
                match part {
                    Part::Method => Seen::One(upstream.method.clone()),
                    Part::Path => Seen::One(upstream.target.clone()),
                    Part::Header(name) => header(&upstream.headers, name),
                    Part::Body => Seen::One(upstream.whole_body()),
                    Part::Chunks => number(upstream.chunks.len()),
                    Part::Complete => yes_or_no(upstream.complete),
                    Part::Status => Seen::Nothing,
                }
            }
            Self::Log(level) => Seen::Lines(
                transcript
                    .log
                    .iter()
                    .filter(|line| level.is_none_or(|level| line.level == level))
                    .map(|line| line.text.clone().into_bytes())
                    .collect(),
            ),
            Self::Metric(name) => match transcript.metrics.get(name) {
                Some(value) => Seen::One(value.to_string().into_bytes()),
                None => Seen::Nothing,
            },
            Self::Call(name) => {
                number(transcript.calls.iter().filter(|call| call.name == name).count())
            }
            Self::ServiceCalls(name) => number(
                transcript.service_calls.iter().filter(|c| c.service == name.as_bytes()).count(),
            ),
            Self::ServicePart(name, part) => {
                let mut calls = transcript.service_calls.iter().rev();
                let Some(call) = calls.find(|call| call.service == name.as_bytes()) else {
                    return Seen::Nothing;
                };
                match part {
                    Part::Method => header(&call.headers, ":method"),
                    Part::Path => header(&call.headers, ":path"),
                    Part::Header(name) => header(&call.headers, name),
                    Part::Body => Seen::One(call.body.clone()),
                    Part::Status | Part::Chunks | Part::Complete => Seen::Nothing,
                }
            }
            Self::Took => {
                Seen::One(humantime::format_duration(transcript.took).to_string().into_bytes())
            }
        }
    }

    /// The bytes to capture.
    pub(super) fn bytes(&self, transcript: &Transcript) -> Option<Vec<u8>> {
        match self.see(transcript) {
            Seen::One(bytes) => Some(bytes),
            Seen::Lines(lines) => Some(lines.join(&b'\n')),
            Seen::Nothing => None,
        }
    }

    /// What the other side sent, which an unchanged message equals.
    pub(super) fn original(&self, exchange: &Exchange) -> Result<Seen, String> {
        Ok(match self {
            Self::UpstreamPart(Part::Body) => Seen::One(exchange.request.chunks.concat()),
            Self::UpstreamPart(Part::Path) => Seen::One(exchange.request.target.clone()),
            Self::UpstreamPart(Part::Method) => Seen::One(exchange.request.method.clone()),
            Self::UpstreamPart(Part::Header(name)) => header(&exchange.request.headers, name),
            Self::ClientPart(Part::Body) => Seen::One(exchange.response.whole_body()),
            Self::ClientPart(Part::Header(name)) => header(&exchange.response.headers, name),
            Self::ClientPart(Part::Status) => {
                Seen::One(exchange.response.status.to_string().into_bytes())
            }
            _ => return Err("\"identical\" is for what passes the filter".to_owned()),
        })
    }
}

impl Part {
    fn parse(text: &str) -> Result<Option<(Self, &str)>, String> {
        let (word, rest) = word(text);
        let part = match word {
            "status" => Self::Status,
            "method" => Self::Method,
            "path" => Self::Path,
            "body" => Self::Body,
            "chunks" => Self::Chunks,
            "complete" => Self::Complete,
            "header" => {
                let (name, rest) = self::word(rest);
                if name.is_empty() {
                    return Err("header wants a name".to_owned());
                }
                return Ok(Some((Self::Header(name.to_owned()), rest)));
            }
            _ => return Ok(None),
        };
        Ok(Some((part, rest)))
    }
}

impl Seen {
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::One(_) => false,
            Self::Lines(lines) => lines.is_empty(),
        }
    }

    pub(super) fn one(&self) -> Option<&[u8]> {
        match self {
            Self::One(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            _ => self.one().is_some() && self.one() == other.one(),
        }
    }

    pub(super) fn any(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::One(bytes) => holds(bytes),
            Self::Lines(lines) => lines.iter().any(|line| holds(line)),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::One(bytes) => show(bytes),
            Self::Lines(lines) if lines.is_empty() => "no lines".to_owned(),
            Self::Lines(lines) => {
                lines.iter().map(|line| format!("\n         {}", show(line))).collect()
            }
        }
    }
}

/// All values of a header as one, joined by ", ".
fn header(headers: &Headers, name: &str) -> Seen {
    let values: Vec<&[u8]> = headers.get_all(name.as_bytes()).collect();
    if values.is_empty() { Seen::Nothing } else { Seen::One(values.join(&b", "[..])) }
}

fn yes_or_no(answer: bool) -> Seen {
    Seen::One(if answer { b"yes".to_vec() } else { b"no".to_vec() })
}

/// Bytes for reading: text as it is, other bytes escaped, the end cut off.
pub(super) fn show(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let mut text = String::new();
    for chunk in shown.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                letter if letter.is_control() => text.extend(letter.escape_default()),
                letter => text.push(letter),
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    match bytes.len() - shown.len() {
        0 if text.is_empty() => "(empty)".to_owned(),
        0 => text,
        more => format!("{text}… ({more} more bytes)"),
    }
}

/// The first word of a text, and the rest without the space between.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}
