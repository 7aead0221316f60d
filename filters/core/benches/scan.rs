//! How many bytes per second the scan reads, next to serde_json checking the same bytes and
//! keeping nothing (`IgnoredAny`). Run with `cargo bench -p mcp-core`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "no module holds this"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mcp_core::message::{ScanLimits, scan};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

fn main() {
    println!("tools/call bodies: a third prose, a third code, a third nested records");
    println!("{:<12} {:>8} {:>14} {:>14} {:>8}", "body", "bytes", "scan", "serde_json", "ratio");
    for (name, size) in [("1 KB", 1 << 10), ("64 KB", 64 << 10), ("1 MB", 1 << 20)] {
        for (style, body) in [("", compact(size)), (" pretty", pretty(size))] {
            let limits = ScanLimits::default();
            let ours = rate(&body, |body| scan(body, &limits).is_ok());
            let theirs = rate(&body, |body| serde_json::from_slice::<IgnoredAny>(body).is_ok());
            println!(
                "{:<12} {:>8} {:>9.2} GB/s {:>9.2} GB/s {:>7.1}x",
                format!("{name}{style}"),
                body.len(),
                ours / 1e9,
                theirs / 1e9,
                ours / theirs
            );
        }
    }
}

/// The best rate of several rounds, in bytes per second: what disturbs a round only slows it.
fn rate(body: &[u8], read: impl Fn(&[u8]) -> bool) -> f64 {
    assert!(read(body), "the body is meant to be accepted");
    let (rounds, time) = (7, Duration::from_millis(80));
    let mut best = 0.0_f64;
    for _ in 0..rounds {
        let (start, mut bytes) = (Instant::now(), 0_usize);
        while start.elapsed() < time {
            for _ in 0..(1 + (64 << 10) / body.len()) {
                black_box(read(black_box(body)));
                bytes += body.len();
            }
        }
        best = best.max(bytes as f64 / start.elapsed().as_secs_f64());
    }
    best
}

fn compact(size: usize) -> Vec<u8> {
    let body = call(size).to_string();
    body.into_bytes()
}

fn pretty(size: usize) -> Vec<u8> {
    format!("{:#}", call(size)).into_bytes()
}

/// A call of about `size` bytes, as an agent that edits files makes it.
fn call(size: usize) -> Value {
    let mut third = 0;
    let (mut prose, mut code, mut records) = (String::new(), String::new(), Vec::new());
    while third < size.saturating_sub(500) / 3 {
        third += 200;
        prose.push_str(PROSE);
        code.push_str(CODE);
        records.push(record(records.len()));
    }
    prose.truncate(third);
    code.truncate(third);
    json!({
        "jsonrpc": "2.0",
        "id": 42,
        "method": "tools/call",
        "params": {
            "name": "apply_edit",
            "arguments": { "explanation": prose, "content": code, "records": records },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1.0.0" },
                "progressToken": 7
            }
        }
    })
}

/// About 200 bytes of short keys, numbers and nesting.
fn record(number: usize) -> Value {
    json!({
        "path": format!("src/module_{number}/mod.rs"),
        "range": { "start": { "line": number, "column": 4 }, "end": { "line": number + 9, "column": 0 } },
        "tags": ["edit", "rust", null, true],
        "score": 0.8125,
        "author": { "name": "R. Person", "id": 1_000_000 + number }
    })
}

const PROSE: &str = "The parser keeps one bit between chunks, because a carriage return at the end \
    of one and a line feed at the start of the next are a single line end. \u{201c}Naïve\u{201d} \
    readers get this wrong.\n";

const CODE: &str = "    fn push(&mut self, chunk: &[u8]) {\n        if chunk.is_empty() {\n            \
    return Err(\"nothing to read\".into());\n        }\n\tself.rest = chunk;\n    }\n\n";
