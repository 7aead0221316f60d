//! Bodies in every cut: what goes on is the same bytes.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers, and an overflow fails the test"
)]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Piece, Rewriter, Ruling};
use crate::sse::{Event, Parser};

/// Replaces, drops and ends by what the message says.
fn judge(piece: Piece<'_>) -> Ruling {
    match piece {
        Piece::Message(b"drop") => Ruling::Drop,
        Piece::Message(b"end") => Ruling::End(vec![b"bye".to_vec()]),
        Piece::Message(b"two\nlines") => Ruling::Replace(b"three\nother\nlines".to_vec()),
        Piece::Message(b"long") => Ruling::Replace(b"short".to_vec()),
        Piece::Other { data: b"bad", .. } | Piece::Unreadable => Ruling::Drop,
        Piece::Message(_) | Piece::Other { .. } => Ruling::Pass,
    }
}

fn run<'c>(mut rewriter: Rewriter, chunks: impl IntoIterator<Item = &'c [u8]>) -> String {
    let chunks: Vec<_> = chunks.into_iter().collect();
    let mut out = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        out.extend(rewriter.push(chunk, at + 1 == chunks.len(), judge));
        assert!(rewriter.held.len() <= rewriter.limit, "no more is held than the limit");
    }
    String::from_utf8(out).expect("UTF-8")
}

/// The body in one chunk, in every two, byte by byte, and in random ones, the end with the last
/// bytes or alone: all give the same.
fn in_every_cut(make: impl Fn() -> Rewriter, body: &[u8]) -> String {
    let whole = run(make(), [body]);
    for at in 0..=body.len() {
        let (start, rest) = body.split_at(at);
        assert_eq!(run(make(), [start, rest]), whole, "cut at {at}");
    }
    assert_eq!(run(make(), body.chunks(1)), whole, "byte by byte");
    assert_eq!(run(make(), body.chunks(1).chain([&b""[..]])), whole, "and the end alone");
    let mut seed = 1_u64;
    for _ in 0..200 {
        let (mut chunks, mut rest) = (Vec::new(), body);
        while !rest.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let size = usize::try_from(seed >> 60).expect("small");
            let (chunk, tail) = rest.split_at(size.min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        assert_eq!(run(make(), chunks), whole, "in random cuts");
    }
    whole
}

fn events(body: &str) -> String {
    in_every_cut(|| Rewriter::events(64), body.as_bytes())
}

#[test]
fn what_passes_passes_byte_for_byte() {
    for body in [
        "",
        "\n",
        ": ping\r\n\r\n",
        "data: x\n\n",
        "data:x\r\rdata: y\r\n\r\ndata: z\n\n",
        "\u{feff}id: 1\r\ndata\r\nretry: 100\r\n\r\n: ping\r\n\r\nevent: message\r\nid: 2\r\ndata: y\r\n\r\n",
        "event: endpoint\ndata: /messages?x=1\n\n",
        "data: it ends in the middle",
        "data: and here after a line\n",
        "\r\n\r\n\r\r\n\n",
    ] {
        assert_eq!(events(body), body, "{body:?}");
    }
}

#[test]
fn a_changed_event_keeps_all_but_its_data() {
    let cases = [
        (
            "event: message\r\nid: 7\r\n: note\r\ndata: long\r\nretry: 5\r\nx\r\n\r\ndata: y\r\n\r\n",
            "event: message\r\nid: 7\r\n: note\r\ndata: short\r\nretry: 5\r\nx\r\n\r\ndata: y\r\n\r\n",
        ),
        ("data:long\n\n", "data: short\n\n"),
        ("data: two\ndata:lines\nid: 1\n\n", "data: three\ndata: other\ndata: lines\nid: 1\n\n"),
        ("data:two\rid: 1\rdata:lines\r\r", "data: three\rdata: other\rdata: lines\rid: 1\r\r"),
        ("\u{feff}data: long\r\n\r\nx", "\u{feff}data: short\r\n\r\nx"),
        // Only a stream's start has a mark; elsewhere this is no field that anyone knows.
        ("\n\u{feff}data: long\n\n", "\n\u{feff}data: long\n\n"),
        // The end of the stream ends an event for careless readers.
        ("data: long", "data: short"),
        ("data: drop\r\n", ""),
    ];
    for (body, expect) in cases {
        assert_eq!(events(body), expect, "{body:?}");
    }
}

#[test]
fn what_is_dropped_leaves_nothing() {
    assert_eq!(events("data: drop\r\n\r\ndata: y\r\n\r\n"), "data: y\r\n\r\n");
    assert_eq!(events("data: x\n\ndata: drop\r\rdata: y\n\n"), "data: x\n\ndata: y\n\n");
    assert_eq!(events("event: other\ndata: bad\n\ndata: bad\n\n"), "data: bad\n\n");
}

#[test]
fn after_the_end_nothing_comes() {
    let expect = "data: x\r\n\r\nevent: message\ndata: bye\n\n";
    assert_eq!(events("data: x\r\n\r\ndata: end\r\n\r\ndata: y\r\n\r\ndata: end\r\n\r\n"), expect);
    let mut rewriter = Rewriter::events(64);
    rewriter.push(b"data: end\n\n", false, judge);
    assert!(rewriter.has_ended());
    assert_eq!(rewriter.push(b"data: x\n\n", true, judge), b"");
}

#[test]
fn an_event_past_the_limit_is_never_held_nor_passed() {
    let long = format!("data: {}\r\n\r\n", "x".repeat(200));
    assert_eq!(events(&format!("data: a\n\n{long}data: b\n\n")), "data: a\n\ndata: b\n\n");
    // Comments and unknown fields count.
    let comment = format!(": {}\ndata: x\n\n", "x".repeat(200));
    assert_eq!(events(&format!("{comment}data: b\n\n")), "data: b\n\n");
    assert_eq!(events(&long.repeat(3)), "");
    // The very limit passes: it counts the bytes of the event with its line ends.
    let fits = format!("data: {}\n\n", "x".repeat(64 - 8));
    assert_eq!(events(&fits), fits);
}

#[test]
fn a_stream_is_ended_between_events() {
    let bye = [b"1".to_vec(), b"2".to_vec()];
    let said = b"event: message\ndata: 1\n\nevent: message\ndata: 2\n\n";
    let mut rewriter = Rewriter::events(64);
    assert_eq!(rewriter.push(b"data: x\n\ndata: hal", false, judge), b"data: x\n\n");
    assert_eq!(rewriter.end(&bye), said);
    assert_eq!(rewriter.push(b"f\n\n", true, judge), b"");
    let mut rewriter = Rewriter::events(64);
    assert_eq!(rewriter.push(&[b'x'; 100], false, judge), b"");
    assert_eq!(rewriter.end(&bye), said);
}

#[test]
fn a_document_is_judged_as_a_whole() {
    let document =
        |body: &str, json| in_every_cut(|| Rewriter::document(64, json), body.as_bytes());
    assert_eq!(document("long", true), "short");
    assert_eq!(document("anything\r\n\r\n", true), "anything\r\n\r\n");
    assert_eq!(document("drop", true), "");
    assert_eq!(document("drop", false), "drop");
    assert_eq!(document("bad", false), "");
    assert_eq!(document("end", true), "bye");
    assert_eq!(document(&"x".repeat(64), true), "x".repeat(64));
    assert_eq!(document(&"x".repeat(65), true), "");
}

#[test]
fn a_document_that_cannot_be_read_is_answered_once() {
    let mut rewriter = Rewriter::document(0, true);
    let mut asked = 0;
    let mut judge = |_: Piece<'_>| {
        asked += 1;
        Ruling::End(vec![b"1".to_vec(), b"2".to_vec()])
    };
    assert_eq!(rewriter.push(b"\x1f", false, &mut judge), b"[1,2]");
    assert_eq!(rewriter.push(b"\x8b...", false, &mut judge), b"");
    assert_eq!(rewriter.push(b"", true, &mut judge), b"");
    assert_eq!(asked, 1);
    assert!(!rewriter.has_ended(), "the upstream ends it, and the client has a whole answer");
}

/// What is judged is what a client's parser dispatches.
#[test]
fn events_are_those_of_the_parser() {
    let pieces = [
        "data", "data:", "data: ", "x", "y ", ":", " ", "event: a", "event:", "id: 1", "\n", "\r",
        "\r\n", "\n\n", "\r\n\r\n", "\u{feff}", "\0",
    ];
    let mut seed = 7_u64;
    for _ in 0..20_000 {
        let mut stream = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).expect("fits") % pieces.len();
            stream.push_str(pieces.get(at).expect("within"));
        }
        stream.push_str("\n\n");
        let mut parsed = Vec::new();
        Parser::new(1024).push(stream.as_bytes(), |event, _| {
            if let Event::Message(message) = event {
                parsed.push((message.kind == b"message", message.data.to_vec()));
            }
        });
        let mut judged = Vec::new();
        let out = Rewriter::events(1024).push(stream.as_bytes(), true, |piece| {
            judged.push(match piece {
                Piece::Message(data) => (true, data.to_vec()),
                Piece::Other { data, .. } => (false, data.to_vec()),
                Piece::Unreadable => panic!("nothing is that long"),
            });
            Ruling::Pass
        });
        assert_eq!(judged, parsed, "{stream:?}");
        assert_eq!(out, stream.as_bytes(), "{stream:?}");
    }
}

/// A stream that is released goes on as it comes, whatever its events say or how long they are.
#[test]
fn what_is_released_is_judged_no_more() {
    let judge = |piece: Piece<'_>| match piece {
        Piece::Message(b"release") | Piece::Unreadable => Ruling::Release,
        Piece::Message(_) | Piece::Other { .. } => Ruling::Drop,
    };
    let long = format!("data: {}\r\n\r\n", "x".repeat(40));
    let cases = [
        ("data: 1\n\ndata: release\n\ndata: 2\n\n".to_owned(), 9),
        (format!("data: release\r\n\r\ndata: 2\r\n\r\n{long}: c\r\n\r\ndata: 3"), 0),
        (format!("{long}data: 2\n\n{long}"), 0),
        (format!("data: 1\n\n{long}data: 2\n\n{long}"), 9),
    ];
    for (stream, dropped) in cases {
        for size in 1..=stream.len() {
            let mut rewriter = Rewriter::events(32);
            let chunks = stream.as_bytes().chunks(size);
            let mut out: Vec<u8> =
                chunks.flat_map(|chunk| rewriter.push(chunk, false, judge)).collect();
            out.extend(rewriter.push(b"", true, judge));
            let expected = stream.get(dropped..).expect("ASCII");
            assert_eq!(String::from_utf8_lossy(&out), expected, "in chunks of {size}");
        }
    }
    let whole = Rewriter::document(8, true).push(b"release", true, judge);
    assert_eq!(whole, b"release");
    let too_long = Rewriter::document(8, true).push(b"{\"much\": 1}", true, judge);
    assert_eq!(too_long, b"", "half a document is none");
}

/// A replaced event says what it was replaced with, to a client's parser.
#[test]
fn a_replaced_event_is_read_as_its_new_data() {
    for stream in
        ["data: a\ndata: b\n\n", "\u{feff}data\r\n\r\n", "id: 1\rdata:a\r: c\rdata: b\r\r"]
    {
        let out = Rewriter::events(1024)
            .push(stream.as_bytes(), true, |_| Ruling::Replace(b"{\n \"new\": 1}".to_vec()));
        let mut said = Vec::new();
        Parser::new(1024).push(&out, |event, _| {
            if let Event::Message(message) = event {
                said.push(message.data.to_vec());
            }
        });
        assert_eq!(said, [b"{\n \"new\": 1}".to_vec()], "{stream:?}");
    }
}
