//! Streams as servers write them, cut up in every way.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers, and an overflow fails the test"
)]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Event, Message, Parser};
use crate::limits::MAX_STREAM_EVENT;

/// An event, kept.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Message { kind: Vec<u8>, data: Vec<u8>, id: Option<Vec<u8>>, retry: Option<u64> },
    TooLong,
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message { kind, data, id, retry }) => Self::Message {
                kind: kind.into(),
                data: data.into(),
                id: id.map(Into::into),
                retry,
            },
            Event::TooLong => Self::TooLong,
        }
    }
}

fn data(data: &str) -> Seen {
    event("message", data, None, None)
}

fn event(kind: &str, data: &str, id: Option<&str>, retry: Option<u64>) -> Seen {
    Seen::Message { kind: kind.into(), data: data.into(), id: id.map(Into::into), retry }
}

/// Parses chunks; tells each event and where in the stream it ended.
fn parse<'c>(limit: usize, chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<(Seen, usize)> {
    let (mut parser, mut seen, mut offset) = (Parser::new(limit), Vec::new(), 0);
    for chunk in chunks {
        parser.push(chunk, |event, end| {
            assert!(end <= chunk.len());
            seen.push((event.into(), offset + end));
        });
        offset += chunk.len();
    }
    seen
}

fn events<'c>(limit: usize, chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<Seen> {
    parse(limit, chunks).into_iter().map(|(event, _)| event).collect()
}

/// Streams that are short enough to be cut at every place, with what they say.
fn vectors() -> Vec<(&'static [u8], Vec<Seen>)> {
    vec![
        (b"", vec![]),
        (b"\n\n\r\n\r\r", vec![]),
        (b"data: x\n\n", vec![data("x")]),
        (b"data: x\r\r", vec![data("x")]),
        (b"data: x\r\n\r\n", vec![data("x")]),
        // Ends of all sorts in one stream.
        (b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\rdata: e\r\n\n", vec![
            data("a\nb\nc"),
            data("d"),
            data("e"),
        ]),
        (b"event5\r\nevent6\r\n\r\ndata:7\r\n\r\n", vec![data("7")]),
        // The priming event and a message as the Python SDK frames them, and the keep-alive.
        (
            b"id: 2848\r\ndata: \r\nretry: 100\r\n\r\n: ping - 2026-11-23 04:41:48.733930+00:00\r\n\r\n\
              event: message\r\nid: 2849\r\ndata: {\"id\":0}\r\n\r\n",
            vec![
                event("message", "", Some("2848"), Some(100)),
                event("message", "{\"id\":0}", Some("2849"), None),
            ],
        ),
        // The same from the TypeScript SDK.
        (
            b"id: a_1\nretry: 5000\ndata: \n\nevent: message\nid: a_2\ndata: {\"id\":0}\n\n",
            vec![
                event("message", "", Some("a_1"), Some(5000)),
                event("message", "{\"id\":0}", Some("a_2"), None),
            ],
        ),
        // The older transport's first event.
        (b"event: endpoint\r\ndata: /messages?session_id=1\r\n\r\n", vec![
            event("endpoint", "/messages?session_id=1", None, None),
        ]),
        // From the HTML standard, §9.2.6.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", vec![data("YHOO\n+2\n10")]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", vec![
            event("message", "first event", Some("1"), None),
            event("message", "second event", Some(""), None),
        ]),
        (b"data\n\ndata\ndata\n\ndata:", vec![data(""), data("\n")]),
        (b"data:test\n\ndata: test\n\n", vec![data("test"), data("test")]),
        // One space goes, no more, and no tab.
        (b"data:  two\n\ndata:\ttab\n\ndata: \n\n", vec![data(" two"), data("\ttab"), data("")]),
        (b"data:a:b: c\n\n", vec![data("a:b: c")]),
        // Byte order marks: one is dropped at the start, and only a whole one, and only there.
        (b"\xef\xbb\xbfdata: x\n\n", vec![data("x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata:y\n\n", vec![data("y")]),
        (b"\xef\xbb\ndata: x\n\n", vec![data("x")]),
        (b"\xefdata: x\n\ndata:y\n\n", vec![data("y")]),
        (b"data:x\n\n\xef\xbb\xbfdata: y\n\n", vec![data("x")]),
        // Comments and unknown or misspelt fields say nothing.
        (b":\n:data: x\nData: x\ndata : x\n data: x\ndat: x\ndatas: x\n\n", vec![]),
        (b"eventually: x\nretry2: 7\ndata: y\n\n", vec![data("y")]),
        (b"event: x\nid: 1\nretry: 2\n\ndata: y\n\n", vec![data("y")]),
        (b"event: a\nevent: b\ndata: y\n\nevent: a\nevent:\ndata: y\n\n", vec![
            event("b", "y", None, None),
            data("y"),
        ]),
        // An id with a NUL and a time with anything but digits are not taken.
        (b"id: 1\nid: 2\0\ndata: x\n\n", vec![event("message", "x", Some("1"), None)]),
        (b"retry: 1\nretry: -2\nretry: +2\nretry: 3s\nretry:\nretry: 99999999999999999999\ndata: x\n\n", vec![
            event("message", "x", None, Some(1)),
        ]),
        // Bytes are bytes: text that is cut within a character, or none at all.
        ("data: \u{1f600}\u{e9}\n\n".as_bytes(), vec![data("\u{1f600}\u{e9}")]),
        (b"data: \0\xff\n\n", vec![Seen::Message {
            kind: b"message".into(),
            data: b"\0\xff".into(),
            id: None,
            retry: None,
        }]),
        // What has not ended is no event.
        (b"data: x\n", vec![]),
        (b"data: x\n\ndata: y", vec![data("x")]),
        (b"data: x\r\n\r", vec![data("x")]),
    ]
}

#[test]
fn vectors_cut_at_every_place() {
    for (stream, expected) in vectors() {
        for cut in 0..=stream.len() {
            let (one, two) = stream.split_at(cut);
            let seen = events(MAX_STREAM_EVENT, [one, two]);
            assert_eq!(seen, expected, "{} cut at {cut}", stream.escape_ascii());
        }
    }
}

#[test]
fn vectors_byte_by_byte() {
    for (stream, expected) in vectors() {
        assert_eq!(
            events(MAX_STREAM_EVENT, stream.chunks(1)),
            expected,
            "{}",
            stream.escape_ascii()
        );
    }
}

#[test]
fn tells_where_events_end() {
    let stream = b"data: x\n\n: ping\n\ndata: y\r\n\r\ndata: z\r\r";
    let ends = |chunks: &mut dyn Iterator<Item = &'static [u8]>| {
        parse(MAX_STREAM_EVENT, chunks).into_iter().map(|(_, end)| end).collect::<Vec<_>>()
    };
    // The LF of the second event's last line end is read with what follows.
    assert_eq!(ends(&mut [&stream[..]].into_iter()), [9, 27, 37]);
    assert_eq!(ends(&mut stream.chunks(1)), [9, 27, 37]);
}

#[test]
fn a_long_event_is_skipped_and_the_next_is_read() {
    let fits = |length: usize| [b"data:", "x".repeat(length).as_bytes(), b"\n\n"].concat();
    // The LF after each data line counts.
    assert_eq!(events(10, [&fits(9)[..]]), [data("xxxxxxxxx")]);
    assert_eq!(events(10, [&fits(10)[..]]), [Seen::TooLong]);
    assert_eq!(events(10, fits(10).chunks(1)), [Seen::TooLong]);
    let all = [fits(10), fits(1), fits(1000), fits(2)].concat();
    let expected = [Seen::TooLong, data("x"), Seen::TooLong, data("xx")];
    assert_eq!(events(10, [&all[..]]), expected);
    assert_eq!(events(10, all.chunks(3)), expected);
}

#[test]
fn everything_kept_counts() {
    let cases: [&[u8]; 8] = [
        b"event: 12345678901\ndata:x\n\n",
        b"id: 12345678901\ndata:x\n\n",
        b"retry: 12345678901\ndata:x\n\n",
        b"data:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata:\n\n",
        b"data:1234\nid:1234\nevent:1234\n\n",
        b"id:123456\nevent:123456\ndata\n\n",
        b"event:12345\ndata:12345\n\n",
        b"event: 12345678901\n\n",
    ];
    for stream in cases {
        assert_eq!(events(10, [stream]), [Seen::TooLong], "{}", stream.escape_ascii());
    }
    // Comments and unknown fields are not kept, however long.
    let long = "x".repeat(1000);
    let stream = format!(":{long}\n{long}\n{long}:{long}\ndata: y\n\n");
    assert_eq!(events(10, [stream.as_bytes()]), [data("y")]);
}

#[test]
fn memory_is_bounded_and_given_back() {
    let held = |parser: &Parser| parser.line.capacity() + parser.block.capacity();
    let megabyte = vec![b'x'; 1 << 20];
    for start in ["", "data:", "id:", "event:", "retry:", ":", "unknown:"] {
        let mut parser = Parser::new(10_000);
        parser.push(start.as_bytes(), |_, _| {});
        for _ in 0..10 {
            parser.push(&megabyte, |event, _| panic!("{event:?}"));
            assert!(held(&parser) <= 20_000, "{start}: {}", held(&parser));
        }
    }
    let mut parser = Parser::new(10_000);
    parser.push(b"data:\n".repeat(100_000).as_slice(), |_, _| {});
    assert!(held(&parser) <= 20_000);

    let mut parser = Parser::new(MAX_STREAM_EVENT);
    let mut events = 0;
    for piece in [&b"data:"[..], &megabyte[1..], b"\n\n"] {
        parser.push(piece, |event, _| {
            assert!(
                matches!(event, Event::Message(message) if message.data.len() == (1 << 20) - 1)
            );
            events += 1;
        });
    }
    assert_eq!(events, 1);
    assert!(held(&parser) <= 8, "idle: {}", held(&parser));
    parser.push(&[b"data:", &megabyte[..], b"\n\ndata: y"].concat(), |_, _| {});
    assert!(held(&parser) <= 4096 + 8, "the next event has begun: {}", held(&parser));
}

#[test]
fn many_data_lines() {
    let stream = [b"data:\n".repeat(100_000), b"\n".to_vec()].concat();
    assert_eq!(events(MAX_STREAM_EVENT, [&stream[..]]), [data(&"\n".repeat(99_999))]);
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use proptest::prelude::*;

    use super::{events, parse, vectors};

    fn cut<'s>(stream: &'s [u8], cuts: &[prop::sample::Index]) -> Vec<&'s [u8]> {
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.sort_unstable();
        let (mut chunks, mut from) = (Vec::new(), 0);
        for place in places.into_iter().chain([stream.len()]) {
            chunks.push(&stream[from..place]);
            from = place;
        }
        chunks
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let pieces: &[&[u8]] = &[
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"data",
            b"data:",
            b"data: ",
            b"id:",
            b"event: ",
            b"retry:",
            b":",
            b" ",
            b"\xef\xbb\xbf",
            b"\xef\xbb",
            b"7",
            b"\0",
            b"x",
            "\u{1f600}".as_bytes(),
            b"0123456789",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn vectors_in_any_pieces(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9)) {
            for (stream, expected) in vectors() {
                prop_assert_eq!(events(1000, cut(stream, &cuts)), expected);
            }
        }

        /// Of any stream, also one with events that are too long.
        #[test]
        fn pieces_do_not_matter(
            stream in stream(),
            limit in 0_usize..30,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let whole = parse(limit, [&stream[..]]);
            prop_assert_eq!(parse(limit, cut(&stream, &cuts)), whole.clone());
            prop_assert_eq!(parse(limit, stream.chunks(1)), whole);
        }

        /// A plain reading of the standard, of the whole text at once, sees the same events.
        #[test]
        fn standard(stream in stream()) {
            prop_assert_eq!(events(usize::MAX, [&stream[..]]), super::standard(&stream));
        }
    }
}

/// The standard's algorithm over a whole stream, to compare with.
#[cfg(not(target_arch = "wasm32"))]
fn standard(stream: &[u8]) -> Vec<Seen> {
    // Latin-1, so that bytes are characters.
    let text: String = stream.iter().map(|&byte| char::from(byte)).collect();
    let text = text.strip_prefix("\u{ef}\u{bb}\u{bf}").unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let bytes = |text: &str| text.chars().map(|each| u8::try_from(each).unwrap()).collect();
    let mut events = Vec::new();
    let mut blocks: Vec<&str> = Vec::new();
    let lines: Vec<_> = text.split('\n').collect();
    // What follows the last line end is an unfinished line.
    for line in &lines[..lines.len() - 1] {
        if !line.is_empty() {
            blocks.push(line);
            continue;
        }
        let (mut kind, mut data, mut id, mut retry) = ("", None::<String>, None, None);
        for line in blocks.drain(..) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => match &mut data {
                    Some(data) => *data += &format!("\n{value}"),
                    None => data = Some(value.to_owned()),
                },
                "event" => kind = value,
                "id" if !value.contains('\0') => id = Some(bytes(value)),
                "retry" if value.chars().all(|each| each.is_ascii_digit()) => {
                    retry = value.parse().ok().or(retry);
                }
                _ => {}
            }
        }
        if let Some(data) = data {
            let kind = bytes(if kind.is_empty() { "message" } else { kind });
            events.push(Seen::Message { kind, data: bytes(&data), id, retry });
        }
    }
    events
}
