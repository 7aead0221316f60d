//! Secrets planted in the tests: whatever holds [`MARK`] is one, in a configuration or in traffic,
//! and must appear in no log line, in no metric's name and in no answer the filter makes.

use mcp_harness::{LogLine, Outcome, Transcript};

/// The mark of every planted secret.
pub const MARK: &str = "planted";

/// The current secret of the ring: 32 bytes, in base64 as configured.
pub const RING: &str = "plantedRingOne0000000000000000000000000000A=";

/// The key of exported hashes.
pub const EXPORT: &str = "plantedExport00000000000000000000000000000A=";

/// The first place in an exchange where a planted secret shows, in words.
pub fn leak(transcript: &Transcript) -> Option<String> {
    if let Some(line) = leak_in_log(&transcript.log) {
        return Some(line);
    }
    if let Some(name) = transcript.metrics.keys().find(|name| name.contains(MARK)) {
        return Some(format!("in the metric {name}"));
    }
    let answer = transcript.client.as_ref().filter(|_| transcript.outcome == Outcome::Replied)?;
    let body = String::from_utf8_lossy(&answer.response.whole_body()).into_owned();
    let headers = answer.response.headers.iter();
    let mut texts = headers.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    texts
        .find(|value| value.contains(MARK))
        .or(body.contains(MARK).then_some(body))
        .map(|text| format!("in an answer of the filter: {text}"))
}

/// The first log line that shows a planted secret.
pub fn leak_in_log(log: &[LogLine]) -> Option<String> {
    log.iter()
        .find(|line| line.text.contains(MARK))
        .map(|line| format!("in the log: {}", line.text))
}
