//! Messages of exchange files: lines that begin with `>` (requests) or `<` (responses).
//!
//! ```text
//! > POST /mcp HTTP/1.1        start line: METHOD TARGET [VERSION]
//! > x-filler-${1..100}: a     fields; a range makes one per number
//! >                           an empty line, then the body
//! > {"a":                     its lines are joined by line feeds
//! >> after 2s                 a chunk ends here; the next comes 2 s later
//! > 1}
//! >> every 1                  from here on, chunks of one byte
//! >> trailers                 from here on, fields again
//! ```

use std::time::Duration;

use super::template::{Captures, Template};
use crate::exchange::{Request, Response, Version};
use crate::headers::Headers;

/// Most fields that a range makes.
const RANGE_LIMIT: u32 = 10_000;

/// A message as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) line: usize,
    pub(super) start: Template,
    fields: Vec<(Template, Template)>,
    parts: Vec<Part>,
    trailers: Option<Vec<(Template, Template)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    after: Duration,
    every: Option<usize>,
    lines: Vec<Template>,
}

/// A chunk of a body and how long after the one before it comes.
pub(super) type TimedChunk = (Duration, Vec<u8>);

impl Message {
    /// Parses the lines of one message, given with their numbers and without the first sign.
    pub(super) fn parse(sign: char, lines: &[(usize, &str)]) -> Result<Self, (usize, String)> {
        let Some((&(line, start), rest)) = lines.split_first() else {
            return Err((0, "a message without lines".to_owned()));
        };
        let start = Template::parse(start.trim()).map_err(|problem| (line, problem))?;
        let mut message =
            Self { line, start, fields: Vec::new(), parts: Vec::new(), trailers: None };
        for &(number, text) in rest {
            message.take(sign, text).map_err(|problem| (number, problem))?;
        }
        Ok(message)
    }

    fn take(&mut self, sign: char, text: &str) -> Result<(), String> {
        let mark = text.strip_prefix(sign);
        if let Some(trailers) = &mut self.trailers {
            if mark.is_some() {
                return Err("a chunk mark after the trailers began".to_owned());
            }
            trailers.extend(fields(text)?);
            return Ok(());
        }
        match (self.parts.last_mut(), mark) {
            (None, None) if text.trim().is_empty() => {
                self.parts.push(Part { after: Duration::ZERO, every: None, lines: Vec::new() });
            }
            (None, None) => self.fields.extend(fields(text)?),
            (None, Some(_)) => return Err("a chunk mark before the body".to_owned()),
            (Some(part), None) => {
                part.lines.push(Template::parse(text.strip_prefix(' ').unwrap_or(text))?);
            }
            (Some(_), Some(mark)) if mark.trim() == "trailers" => self.trailers = Some(Vec::new()),
            (Some(_), Some(mark)) => {
                let part = chunk_mark(mark.trim())?;
                self.parts.push(part);
            }
        }
        Ok(())
    }

    /// The body's chunks; marks that say nothing but how to cut make no chunk of their own.
    pub(super) fn chunks(&self, captures: &Captures) -> Result<Vec<TimedChunk>, String> {
        let mut chunks = Vec::new();
        for part in &self.parts {
            let lines: Vec<Vec<u8>> =
                part.lines.iter().map(|line| line.fill(captures)).collect::<Result<_, _>>()?;
            let bytes = lines.join(&b'\n');
            let size = part.every.unwrap_or(bytes.len()).max(1);
            chunks.extend(bytes.chunks(size).map(|piece| (part.after, piece.to_vec())));
        }
        Ok(chunks)
    }

    fn trailers(&self, captures: &Captures) -> Result<Headers, String> {
        filled(self.trailers.as_deref().unwrap_or_default(), captures)
    }

    /// The request; what every client sends unasked is added where it is missing: `host` (not in
    /// HTTP/1.0), and the framing of the body (not in HTTP/2).
    pub(super) fn request(
        &self,
        captures: &Captures,
    ) -> Result<(Request, Vec<TimedChunk>), String> {
        let start = self.start.fill(captures)?;
        let words: Vec<&[u8]> = start.split(|byte| *byte == b' ').collect();
        let (method, target, version) = match words[..] {
            [method, target] => (method, target, Version::Http11),
            [method, target, b"HTTP/1.0"] => (method, target, Version::Http10),
            [method, target, b"HTTP/1.1"] => (method, target, Version::Http11),
            [method, target, b"HTTP/2"] => (method, target, Version::Http2),
            _ => return Err("a request begins METHOD TARGET [HTTP/1.0|HTTP/1.1|HTTP/2]".to_owned()),
        };
        let chunks = self.chunks(captures)?;
        let mut headers = filled(&self.fields, captures)?;
        if headers.get("host").is_none() && version != Version::Http10 {
            headers.add("host", "gateway.test");
        }
        if version != Version::Http2 {
            frame(&mut headers, &chunks);
        }
        let request = Request {
            version,
            method: method.to_vec(),
            target: target.to_vec(),
            headers,
            chunks: chunks.iter().map(|(_, chunk)| chunk.clone()).collect(),
            trailers: self.trailers(captures)?,
        };
        Ok((request, chunks))
    }

    /// The response, with the framing of its body.
    pub(super) fn response(
        &self,
        captures: &Captures,
    ) -> Result<(Response, Vec<TimedChunk>), String> {
        let start = self.start.fill_text(captures)?;
        let status = start.strip_prefix("HTTP/1.1 ").unwrap_or(&start);
        let status = status.split(' ').next().and_then(|status| status.parse().ok());
        let status = status.filter(|status| (100..=999).contains(status));
        let status = status.ok_or("a response begins [HTTP/1.1] STATUS [REASON]")?;
        let chunks = self.chunks(captures)?;
        let mut headers = filled(&self.fields, captures)?;
        frame(&mut headers, &chunks);
        let bytes = chunks.iter().map(|(_, chunk)| chunk.clone()).collect();
        let trailers = self.trailers(captures)?;
        Ok((Response { status, headers, chunks: bytes, trailers }, chunks))
    }
}

fn filled(fields: &[(Template, Template)], captures: &Captures) -> Result<Headers, String> {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.add(name.fill(captures)?, value.fill(captures)?);
    }
    Ok(headers)
}

/// A body in one piece has a length; in several pieces it is chunked.
fn frame(headers: &mut Headers, chunks: &[TimedChunk]) {
    let framed = ["content-length", "transfer-encoding"];
    if framed.iter().any(|name| headers.get(name).is_some()) {
        return;
    }
    match chunks {
        [] => {}
        [(_, only)] => headers.add("content-length", only.len().to_string()),
        _ => headers.add("transfer-encoding", "chunked"),
    }
}

/// `NAME: VALUE`, once or for each number of a range in it.
fn fields(text: &str) -> Result<Vec<(Template, Template)>, String> {
    let one = |text: &str| -> Result<(Template, Template), String> {
        let (name, value) = text
            .split_once(':')
            .ok_or("a field is written NAME: VALUE; an empty line parts messages")?;
        Ok((Template::parse(name.trim())?, Template::parse(value.trim())?))
    };
    let Some((before, range, after)) = range(text) else { return Ok(vec![one(text)?]) };
    let (first, last) = range?;
    (first..=last).map(|number| one(&format!("{before}{number}{after}"))).collect()
}

type Range<'t> = (&'t str, Result<(u32, u32), String>, &'t str);

/// The first `${M..N}` of a line and what is around it.
fn range(text: &str) -> Option<Range<'_>> {
    let dots = text.find("..")?;
    let start = text[..dots].rfind("${")?;
    let end = dots + text[dots..].find('}')?;
    let numbers = (text[start + 2..dots].parse().ok()?, text[dots + 2..end].parse().ok()?);
    let result = match numbers {
        (first, last) if first <= last && last - first < RANGE_LIMIT => Ok(numbers),
        _ => Err(format!("a range counts up, to at most {RANGE_LIMIT} fields")),
    };
    Some((&text[..start], result, &text[end + 1..]))
}

/// `>>`, `>> after DURATION`, `>> every SIZE`.
fn chunk_mark(mark: &str) -> Result<Part, String> {
    let mut part = Part { after: Duration::ZERO, every: None, lines: Vec::new() };
    match mark.split_once(' ') {
        None if mark.is_empty() => {}
        Some(("after", time)) => {
            part.after = humantime::parse_duration(time).map_err(|error| error.to_string())?;
        }
        Some(("every", size)) => {
            let size = size.trim().parse().ok().filter(|size| *size > 0);
            part.every = Some(size.ok_or("\"every\" wants a number of bytes")?);
        }
        _ => {
            return Err(
                "a chunk mark is followed by nothing, \"after\", \"every\" or \"trailers\""
                    .to_owned(),
            );
        }
    }
    Ok(part)
}
