//! What came of an exchange file, for reading.

use std::fmt::{self, Write};
use std::path::PathBuf;

use super::subject::show;
use crate::exchange::{Exchange, Transcript};
use crate::headers::Headers;
use crate::profile::Profile;
use crate::world::{Crossing, HostCall};

/// What happened in each exchange of a file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// The host it ran on.
    pub profile: Profile,
    /// The file is for another host only; nothing ran.
    pub skipped: bool,
    /// Each exchange, in order.
    pub exchanges: Vec<ExchangeReport>,
}

/// What happened in one exchange.
#[derive(Clone, Debug)]
pub struct ExchangeReport {
    /// Its title.
    pub title: String,
    /// The line of its request.
    pub line: usize,
    /// What was sent from both ends.
    pub exchange: Exchange,
    /// What came of it.
    pub transcript: Transcript,
}

impl Report {
    /// The story of the file; with every host call if asked.
    pub fn story(&self, with_calls: bool) -> String {
        let mut story = String::new();
        for exchange in &self.exchanges {
            // Writing to a string does not fail.
            let _ = exchange.tell(&mut story, with_calls);
        }
        if let Some(last) = self.exchanges.last().filter(|e| !e.transcript.metrics.is_empty()) {
            story.push_str("metrics\n");
            for (name, value) in &last.transcript.metrics {
                let _ = writeln!(story, "  {name} = {value}");
            }
        }
        story
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.story(false))
    }
}

impl ExchangeReport {
    fn tell(&self, out: &mut String, with_calls: bool) -> fmt::Result {
        let Self { title, exchange, transcript, .. } = self;
        writeln!(out, "## {title}")?;
        let request = &exchange.request;
        writeln!(out, "  request   {} {}", show(&request.method), show(&request.target))?;
        match &transcript.upstream {
            None => writeln!(out, "  upstream  none")?,
            Some(upstream) => {
                writeln!(out, "  upstream  {} {}", show(&upstream.method), show(&upstream.target))?;
                message(out, &upstream.headers, &upstream.chunks, upstream.complete)?;
            }
        }
        match &transcript.client {
            None => writeln!(out, "  client    none")?,
            Some(client) => {
                writeln!(out, "  client    {}", client.response.status)?;
                message(out, &client.response.headers, &client.response.chunks, client.complete)?;
            }
        }
        for call in &transcript.service_calls {
            let path = call.headers.get(":path").unwrap_or_default();
            writeln!(out, "  service   {} {}", show(&call.service), show(path))?;
        }
        for line in &transcript.log {
            writeln!(out, "  log       {} {}", line.level.word(), line.text)?;
        }
        if with_calls {
            for (crossing, calls) in Crossing::with_calls(&transcript.crossings, &transcript.calls)
            {
                let Crossing { callback, instructions, .. } = crossing;
                writeln!(out, "  callback  {callback}: {instructions} instructions")?;
                for HostCall { name, detail, status, .. } in calls {
                    let status = status.map_or("never returned".to_owned(), |s| format!("{s:?}"));
                    writeln!(out, "  call      {callback}: {name} {detail} -> {status}")?;
                }
            }
        }
        let took = humantime::format_duration(transcript.took);
        writeln!(out, "  outcome   {}, after {took}\n", transcript.outcome)
    }
}

fn message(out: &mut String, headers: &Headers, chunks: &[Vec<u8>], complete: bool) -> fmt::Result {
    for (name, value) in headers.iter() {
        writeln!(out, "            {}: {}", show(name), show(value))?;
    }
    for chunk in chunks {
        writeln!(out, "            | {}", show(chunk))?;
    }
    if complete { Ok(()) } else { writeln!(out, "            (not complete)") }
}
