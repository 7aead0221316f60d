//! Answers on their way, and what a filter makes of them.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::convert::Infallible;

use super::*;
use crate::admission::{Admission, AdmissionConfig};
use crate::config;
use crate::head::Head;
use crate::pipeline::{Caller, Identified, Next};
use crate::rewrite::Piece;

/// A filter that is interested, and makes of a message what it says. It writes down what it hears.
#[derive(Debug)]
struct Judge(Interest);

impl Filter for Judge {
    type State = Vec<String>;
    type Ticket = Infallible;

    fn identify(
        &self,
        _: &Head<'_>,
        _: &mut Caller,
        _: &mut dyn Environment,
        _: &mut Self::State,
    ) -> Result<Identified<Infallible>, Refusal> {
        Ok(Identified::Settled(Vec::new()))
    }

    fn authorize(
        &self,
        _: &Call<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        _: &mut Self::State,
    ) -> Result<Vec<Edit>, Refusal> {
        Ok(Vec::new())
    }

    fn respond(
        &self,
        _: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        _: &mut Self::State,
    ) -> Vec<Edit> {
        Vec::new()
    }

    fn interest(&self, _: &dyn Response, _: &Caller, _: &mut Self::State) -> Interest {
        self.0
    }

    fn observe(
        &self,
        message: Piece<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        heard: &mut Self::State,
    ) -> Observation {
        heard.push(match message {
            Piece::Message(text) => String::from_utf8_lossy(text).into_owned(),
            Piece::Other { .. } => "other".to_owned(),
            Piece::Unreadable => "unreadable".to_owned(),
        });
        match message {
            Piece::Message(b"replace") => Observation::Replace(b"replaced".to_vec()),
            Piece::Message(b"drop") => Observation::Drop,
            Piece::Message(b"end") | Piece::Unreadable => {
                Observation::End(Refusal::new(Reason::Unreadable))
            }
            Piece::Message(b"release") => Observation::Release,
            Piece::Message(_) | Piece::Other { .. } => Observation::Pass,
        }
    }

    fn passed(&self, chunk: &[u8], _: &mut dyn Environment, heard: &mut Self::State) {
        heard.push(format!("{} bytes", chunk.len()));
    }

    fn finish(&self, ending: Ending, _: &Caller, _: &mut dyn Environment, heard: &mut Self::State) {
        heard.push(format!("{ending:?}"));
    }
}

/// A world in which it is this late.
struct World(u64);

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        Some(self.0)
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

struct Answer<'a>(&'a [(&'a str, &'a str)]);

impl Response for Answer<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let field = self.0.iter().find(|(field, _)| *field == name)?;
        Some(field.1.as_bytes().to_vec())
    }
}

const MESSAGES: Interest = Interest { messages: Attention::Judge, until: None };
const LISTEN: Interest = Interest { messages: Attention::Listen, until: None };
const UNTIL_100: Interest = Interest { messages: Attention::None, until: Some(100) };
const EVENTS: &[(&str, &str)] =
    &[(":status", "200"), ("content-type", "Text/Event-Stream; charset=utf-8")];
const JSON: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];
const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":"a\u0062","method":"tools/list"}"#;

/// A request that went upstream: a POST with this body, or a GET.
fn forwarded(interest: Interest, body: &[u8]) -> (Pipeline<Judge>, Exchange<Judge>) {
    let admission: AdmissionConfig = config::parse(br#"{"batches":"allow"}"#).expect("a section");
    let admission = Admission::try_from(admission).expect("valid");
    let pipeline = Pipeline::new(admission, Judge(interest));
    let method: &[u8] = if body.is_empty() { b"GET" } else { b"POST" };
    let head = Head::new(vec![
        (b":method", method),
        (b":path", b"/mcp"),
        (b"content-type", b"application/json"),
    ]);
    let (mut exchange, mut step) = pipeline.request_head(&head, !body.is_empty(), &mut World(0));
    if !body.is_empty() {
        step = pipeline.request_body(&mut exchange, body, &mut World(0));
    }
    assert_eq!(step.next, Next::Forward);
    (pipeline, exchange)
}

/// The answer to such a request: which fields go, and what goes on of the body.
fn answered(
    interest: Interest,
    body: &[u8],
    head: &[(&str, &str)],
    chunks: &[&str],
) -> (Vec<Edit>, Option<String>) {
    let (pipeline, mut exchange) = forwarded(interest, body);
    let edits = pipeline.response_head(&mut exchange, &Answer(head), &mut World(0));
    if !exchange.is_observed() {
        return (edits, None);
    }
    let mut out = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let end = at.saturating_add(1) == chunks.len();
        let chunk = chunk.as_bytes();
        let changed = pipeline.response_body(&mut exchange, chunk, end, &mut World(0));
        out.extend(changed.unwrap_or_else(|| chunk.to_vec()));
    }
    (edits, Some(String::from_utf8(out).expect("UTF-8")))
}

#[test]
fn only_what_is_of_interest_is_observed() {
    let nothing = (Vec::new(), None);
    assert_eq!(answered(Interest::default(), CALL, EVENTS, &["data: drop\n\n"]), nothing);
    assert_eq!(answered(UNTIL_100, CALL, JSON, &["drop"]), nothing);
    let html = [(":status", "502"), ("content-type", "text/html")];
    let unchanged = (Vec::new(), Some("<html>".to_owned()));
    assert_eq!(answered(MESSAGES, CALL, &html, &["<html>"]), unchanged);
    let (edits, body) = answered(MESSAGES, CALL, EVENTS, &["data: re", "place\n\ndata: x\n\n"]);
    assert_eq!(body.as_deref(), Some("data: replaced\n\ndata: x\n\n"));
    for gone in ["content-length", "etag", "content-md5", "digest", "content-digest"] {
        assert!(edits.contains(&Edit::Remove(gone.into())), "{gone}");
    }
    assert_eq!(edits.len(), BODY_FIELDS.len(), "and no other");
}

#[test]
fn failing_upstreams_are_heard_if_they_speak_json() {
    let head = [(":status", "404"), ("content-type", "application/json; charset=utf-8")];
    assert_eq!(answered(MESSAGES, CALL, &head, &["replace"]).1.as_deref(), Some("replaced"));
    // What does not say what it is may be a list all the same.
    let head = [(":status", "200")];
    assert_eq!(answered(MESSAGES, CALL, &head, &["replace"]).1.as_deref(), Some("replace"));
}

#[test]
fn the_error_names_each_request() {
    let error = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":50200,"message":"The gateway cannot read the server's answer"}}}}"#
        )
    };
    let event = |data: &str| format!("event: message\ndata: {data}\n\n");
    let id = r#""a\u0062""#;
    let batch = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},
        {"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"The gateway cannot read the server's answer","level":"error","logger":"gateway"}}"#;
    let cases: [(&[u8], _, _); 5] = [
        (CALL, JSON, error(id)),
        (CALL, EVENTS, event(&error(id))),
        (batch, JSON, format!("[{},{}]", error("1"), error("2"))),
        (batch, EVENTS, event(&error("1")) + &event(&error("2"))),
        (b"", EVENTS, event(notification)),
    ];
    for (request, head, expect) in cases {
        let chunks = if head == JSON { ["end", ""] } else { ["data: end\n\n", "data: x\n\n"] };
        assert_eq!(answered(MESSAGES, request, head, &chunks).1, Some(expect), "{head:?}");
    }
}

#[test]
fn a_coded_body_is_withheld_and_described_as_what_takes_its_place() {
    for (media_type, json) in [("text/event-stream", false), ("text/plain", true)] {
        let head = [(":status", "200"), ("content-type", media_type), ("content-encoding", "br")];
        let (edits, body) = answered(MESSAGES, CALL, &head, &["\u{1f}", "\u{8b}", ""]);
        assert!(edits.contains(&Edit::Remove(b"content-encoding".to_vec())));
        let types = edits
            .iter()
            .any(|edit| matches!(edit, Edit::Set(name, _) if name.as_str() == "content-type"));
        assert_eq!(types, json, "{media_type}");
        let body = body.expect("observed");
        assert_eq!(body.matches("50200").count(), 1, "{body}");
        assert!(!body.contains(['\u{1f}', '\u{8b}']), "{body}");
    }
    let identity = [(":status", "200"), ("content-encoding", "Identity")];
    assert_eq!(answered(MESSAGES, CALL, &identity, &["x"]).1.as_deref(), Some("x"));
}

#[test]
fn a_stream_ends_with_the_first_bytes_after_its_time() {
    for (interest, request, says) in [
        (UNTIL_100, CALL, r#"{"jsonrpc":"2.0","id":"a\u0062","error":{"code":40100,"#),
        (
            Interest { messages: Attention::Judge, ..UNTIL_100 },
            CALL,
            r#""message":"The token expired"}}"#,
        ),
        (
            UNTIL_100,
            b"",
            r#""method":"notifications/message","params":{"data":"The token expired""#,
        ),
    ] {
        let (pipeline, mut exchange) = forwarded(interest, request);
        pipeline.response_head(&mut exchange, &Answer(EVENTS), &mut World(0));
        assert_eq!(exchange.stream_until(), Some(100));
        let push = |chunk: &[u8], now, exchange: &mut _| {
            let out = pipeline.response_body(exchange, chunk, false, &mut World(now));
            out.map(|out| String::from_utf8(out).expect("UTF-8"))
        };
        assert_eq!(push(b"data: x\n\n", 99, &mut exchange), None);
        // A stream that is judged passes by whole events; one that is not goes on to the end of one.
        let judged = interest.messages == Attention::Judge;
        let (whole, rest) = if judged { (Some("data: y\n\n"), "") } else { (None, "z\n\n") };
        assert_eq!(push(b"data: y\n\ndata: ", 99, &mut exchange).as_deref(), whole);
        assert!(!exchange.has_ended());
        let last = push(b"z\n\ndata: secret\n\n", 100, &mut exchange).expect("changed");
        let last = last.strip_prefix(rest).expect("what was under way");
        assert!(last.starts_with("event: message\ndata: {") && last.ends_with("}\n\n"), "{last}");
        assert!(last.contains(says), "{last}");
        assert_eq!(last.matches("data:").count(), 1, "{last}");
        assert!(exchange.has_ended());
        assert_eq!(push(b"data: more\n\n", 101, &mut exchange).as_deref(), Some(""));
        assert_eq!(push(b"", 102, &mut exchange), None);
    }
}

#[test]
fn only_streams_have_a_time_to_end() {
    let both = Interest { messages: Attention::Judge, ..UNTIL_100 };
    let (pipeline, mut exchange) = forwarded(both, CALL);
    pipeline.response_head(&mut exchange, &Answer(JSON), &mut World(0));
    assert_eq!(exchange.stream_until(), None);
    let out = pipeline.response_body(&mut exchange, b"replace", true, &mut World(1000));
    assert_eq!(out.as_deref(), Some(&b"replaced"[..]));
    assert!(!exchange.has_ended());
}

#[test]
fn a_coded_stream_ends_without_a_word() {
    let head =
        [(":status", "200"), ("content-type", "text/event-stream"), ("content-encoding", "br")];
    let (pipeline, mut exchange) = forwarded(UNTIL_100, CALL);
    let edits = pipeline.response_head(&mut exchange, &Answer(&head), &mut World(0));
    assert!(!edits.contains(&Edit::Remove(b"content-encoding".to_vec())));
    assert_eq!(pipeline.response_body(&mut exchange, b"\x0b\n\n\x02", false, &mut World(99)), None);
    let out = pipeline.response_body(&mut exchange, b"\x80", false, &mut World(100));
    assert_eq!(out.as_deref(), Some(&b""[..]));
    assert!(exchange.has_ended());
}

#[test]
fn who_only_listens_changes_nothing_and_holds_nothing_up() {
    let coded =
        [(":status", "200"), ("content-type", "text/event-stream"), ("content-encoding", "br")];
    let other = [(":status", "200"), ("content-type", "application/octet-stream")];
    let late = Interest { until: Some(100), ..LISTEN };
    type Case<'a> = (Interest, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (
            LISTEN,
            EVENTS,
            &["data: dr", "op\n\ndata: x"],
            &["8 bytes", "11 bytes", "drop", "Complete"],
        ),
        (LISTEN, JSON, &["re", "place"], &["2 bytes", "5 bytes", "replace", "Complete"]),
        (LISTEN, &coded, &["?", "?"], &["1 bytes", "unreadable", "1 bytes", "Complete"]),
        (LISTEN, &other, &["?"], &["1 bytes", "Complete"]),
        (late, EVENTS, &["data: end\n\n", ""], &["11 bytes", "end", "0 bytes", "Complete"]),
        (late, &coded, &["data: x\n\n", ""], &["9 bytes", "unreadable", "0 bytes", "Complete"]),
    ];
    for (interest, head, chunks, expected) in cases {
        let (edits, body) = answered(interest, CALL, head, chunks);
        assert_eq!(body.as_deref(), Some(&*chunks.concat()), "{chunks:?}");
        assert_eq!(edits.is_empty(), interest == LISTEN, "{chunks:?}");
        let (pipeline, mut exchange) = forwarded(interest, CALL);
        pipeline.response_head(&mut exchange, &Answer(head), &mut World(0));
        for (at, chunk) in chunks.iter().enumerate() {
            let end = at.saturating_add(1) == chunks.len();
            let changed =
                pipeline.response_body(&mut exchange, chunk.as_bytes(), end, &mut World(0));
            assert!(interest != LISTEN || changed.is_none());
        }
        assert_eq!(exchange.state, expected, "{chunks:?}");
    }
}

#[test]
fn an_exchange_is_finished_once() {
    let (pipeline, mut exchange) = forwarded(LISTEN, CALL);
    pipeline.finish(&mut exchange, Ending::Cut, &mut World(0));
    pipeline.finish(&mut exchange, Ending::Complete, &mut World(0));
    assert_eq!(exchange.state, ["Cut"]);

    // A document that ended in trailers was whole.
    let (pipeline, mut exchange) = forwarded(LISTEN, CALL);
    pipeline.response_head(&mut exchange, &Answer(JSON), &mut World(0));
    pipeline.response_body(&mut exchange, b"{}", false, &mut World(0));
    pipeline.finish(&mut exchange, Ending::Cut, &mut World(0));
    assert_eq!(exchange.state, ["2 bytes", "{}", "Cut"]);

    // One that was ended here did not come to its end.
    let (pipeline, mut exchange) = forwarded(MESSAGES, CALL);
    pipeline.response_head(&mut exchange, &Answer(EVENTS), &mut World(0));
    pipeline.response_body(&mut exchange, b"data: end\n\ndata: x\n\n", true, &mut World(0));
    assert_eq!(exchange.state, ["20 bytes", "end", "Cut"]);
}
