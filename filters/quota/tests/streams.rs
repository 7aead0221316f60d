//! Answers as providers and MCP servers write them, metered whole, cut up in every way, and broken
//! off behind every event.

#![expect(clippy::expect_used, reason = "a test may panic: that is how it fails")]

use std::path::Path;

use mcp_core::limits::MAX_STREAM_EVENT;
use mcp_core::sse::{Event, Parser};
use mcp_quota::estimator::tokens;
use mcp_quota::usage::Provenance::{Estimated, Exact, Missing, Partial};
use mcp_quota::usage::{Measured, Meter, Provenance, Traffic, Usage};

/// Estimated tokens of the prompt, where the provider does not tell them.
const PROMPT: u64 = 77;

/// Stream or document, its usage (input, cached, output, reasoning), how that is known.
type Row = (&'static str, [u64; 4], Provenance);

fn table() -> Vec<Row> {
    let failed = [70, 0, tokens("Once upon a time"), 0];
    let untold = [
        PROMPT,
        0,
        tokens("Let me look.{\"city\": \"Lisbon\"}"),
        tokens("The user wants the weather."),
    ];
    let responses =
        [PROMPT, 0, tokens("{\"of\":[1,2]}It is three."), tokens("Thinking it over. And over.")];
    vec![
        ("anthropic-overloaded.sse", failed, Estimated),
        ("anthropic.json", [12, 2048, 12, 38], Exact),
        ("anthropic.sse", [1531, 9000, 142, 0], Exact),
        ("gemini-array.json", [11, 0, 4, 90], Exact),
        ("gemini-blocked.json", [33, 0, 0, 0], Exact),
        ("gemini.json", [7, 0, 2, 0], Exact),
        ("gemini.sse", [403, 512, 21, 35], Exact),
        ("openai-chat-no-usage.sse", untold, Estimated),
        ("openai-chat-running-usage.sse", [40, 0, 3, 0], Exact),
        ("openai-chat.json", [19, 0, 6, 4], Exact),
        ("openai-chat.sse", [176, 1024, 54, 256], Exact),
        ("openai-embeddings.json", [8, 0, 0, 0], Exact),
        ("openai-error.json", [0; 4], Estimated),
        ("openai-responses-no-usage.json", responses, Estimated),
        ("openai-responses.json", [36, 0, 7, 80], Exact),
        ("openai-responses.sse", [116, 384, 33, 64], Exact),
    ]
}

fn load(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams").join(name);
    std::fs::read(path).expect("a stream of ours")
}

fn usage([input, cached, output, reasoning]: [u64; 4]) -> Usage {
    Usage { input, cached, output, reasoning }
}

/// A stream on its way through a meter.
struct Passing {
    parser: Parser,
    meter: Meter,
    so_far: u64,
}

impl Passing {
    fn new(traffic: Traffic) -> Self {
        Self { parser: Parser::new(MAX_STREAM_EVENT), meter: Meter::new(traffic), so_far: 0 }
    }

    fn push(&mut self, chunk: &[u8]) {
        let Self { parser, meter, so_far } = self;
        parser.push(chunk, |event, _| {
            match event {
                Event::Message(message) => drop(meter.message(message.data)),
                Event::TooLong => meter.unreadable(),
            }
            let now = meter.so_far().total();
            assert!(now >= *so_far, "{so_far} tokens had passed, now it is {now}");
            *so_far = now;
        });
    }
}

fn measure<'c>(traffic: Traffic, chunks: impl IntoIterator<Item = &'c [u8]>) -> Measured {
    let mut passing = Passing::new(traffic);
    for chunk in chunks {
        passing.push(chunk);
    }
    passing.meter.finish(true)
}

const LLM: Traffic = Traffic::Llm { prompt: PROMPT };

#[test]
fn every_dialect() {
    for (name, expect, provenance) in table() {
        let answer = load(name);
        let measured = if name.ends_with(".json") {
            let mut meter = Meter::new(LLM);
            meter.message(&answer);
            meter.finish(true)
        } else {
            measure(LLM, [&*answer])
        };
        assert_eq!(
            measured,
            Measured { usage: usage(expect), provenance, blob_bytes: 0 },
            "{name}"
        );
    }
}

#[test]
fn every_stream_is_in_the_table() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams");
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .expect("the streams")
        .map(|entry| entry.expect("a stream").file_name().into_string().expect("ASCII"))
        .collect();
    names.sort_unstable();
    let mut tested: Vec<_> =
        table().iter().map(|(name, ..)| *name).chain(["mcp-call.sse"]).collect();
    tested.sort_unstable();
    assert_eq!(names, tested);
}

#[test]
fn a_call_with_notifications_and_a_sample() {
    let expect = tokens("Sum this up, please.")
        + tokens("You are brief.")
        + tokens("Four parcels are on their way to Ålesund.");
    let stream = load("mcp-call.sse");
    let measured = measure(Traffic::Mcp { counts: true }, [&*stream]);
    let usage = usage([0, 0, expect, 0]);
    assert_eq!(measured, Measured { usage, provenance: Estimated, blob_bytes: 12 });
}

#[test]
fn chunks_do_not_matter() {
    let streams = table().into_iter().map(|(name, ..)| (name, LLM));
    let streams = streams.filter(|(name, _)| name.ends_with(".sse"));
    for (name, traffic) in streams.chain([("mcp-call.sse", Traffic::Mcp { counts: true })]) {
        let stream = load(name);
        let whole = measure(traffic, [&*stream]);
        assert_eq!(measure(traffic, stream.chunks(1)), whole, "{name} in bytes");
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(measure(traffic, [head, tail]), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn broken_off() {
    /// How many events in a row leave the answer known how; `[DONE]` and pings are events too.
    type Course = &'static [(usize, Provenance)];
    let table: [(&str, Traffic, Course); 6] = [
        ("openai-chat.sse", LLM, &[(0, Missing), (3, Partial), (1, Estimated), (2, Exact)]),
        ("openai-chat-no-usage.sse", LLM, &[(0, Missing), (7, Partial), (2, Estimated)]),
        ("openai-chat-running-usage.sse", LLM, &[(0, Missing), (2, Partial), (2, Exact)]),
        ("anthropic.sse", LLM, &[(0, Missing), (16, Partial), (2, Exact)]),
        ("gemini.sse", LLM, &[(0, Missing), (2, Partial), (1, Exact)]),
        (
            "mcp-call.sse",
            Traffic::Mcp { counts: true },
            &[(1, Missing), (3, Partial), (1, Estimated)],
        ),
    ];
    for (name, traffic, expect) in table {
        let mut passing = Passing::new(traffic);
        let mut seen: Vec<(usize, Provenance)> = vec![(0, passing.meter.finish(false).provenance)];
        for event in events(&load(name)) {
            passing.push(&event);
            let provenance = passing.meter.finish(false).provenance;
            match seen.last_mut() {
                Some((count, last)) if *last == provenance => *count += 1,
                _ => seen.push((1, provenance)),
            }
        }
        assert_eq!(seen, expect, "{name}");
    }
}

#[test]
fn what_was_told_before_a_stream_broke_off_is_exact() {
    let cases = [
        // Behind the second text delta: input and cache from the start, the rest as it was seen.
        ("anthropic.sse", 10, [1531, 9000, tokens("I will look."), tokens("Is it raining there?")]),
        // Behind the start of a call, whose arguments are still to come.
        ("anthropic.sse", 12, [1531, 9000, tokens("I will look."), tokens("Is it raining there?")]),
        // All told so far, and nothing since.
        ("openai-chat-running-usage.sse", 2, [40, 0, 1, 0]),
        ("gemini.sse", 1, [388, 512, 0, 30]),
        ("gemini.sse", 2, [388, 512, 1, 30]),
        ("openai-chat.sse", 2, [PROMPT, 0, tokens("The tide"), 0]),
        (
            "openai-responses.sse",
            8,
            [PROMPT, 0, tokens("There are"), tokens("Counting the windows.")],
        ),
    ];
    for (name, count, expect) in cases {
        let stream = events(&load(name))[..count].concat();
        let mut passing = Passing::new(LLM);
        passing.push(&stream);
        let measured = passing.meter.finish(false);
        assert_eq!((measured.usage, measured.provenance), (usage(expect), Partial), "{name}");
    }
}

/// The stream's events that have data, each with the blank line behind it.
fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(stream.to_vec()).expect("UTF-8").replace("\r\n", "\n");
    let events = text.split_inclusive("\n\n").filter(|event| event.contains("data:"));
    events.map(|event| event.as_bytes().to_vec()).collect()
}
