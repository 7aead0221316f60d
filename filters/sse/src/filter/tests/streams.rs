//! What is measured of streams, and what the first event of some becomes.

use proptest::prelude::*;

use super::*;

const MEASURED: &str = r#"{"measure":true}"#;
const PREFIXED: &str = r#"{"endpoint":{"prefix":"/servers/a"}}"#;
const ENDPOINT: &str = "event: endpoint\r\ndata: /messages/?session_id=038b\r\n\r\n";
const MOVED: &str = "event: endpoint\r\ndata: /servers/a/messages/?session_id=038b\r\n\r\n";

/// What is counted of one answer to a call that passes in these chunks, and what is logged.
fn counted(fields: &[Field<'_>], chunks: &[&str]) -> (Vec<(String, u64)>, Vec<String>) {
    let mut gateway = Gateway::new(MEASURED);
    let (mut exchange, _) = gateway.send("POST", &[], CALL);
    gateway.head(&mut exchange, &Answer(fields));
    let passed = gateway.pass(&mut exchange, chunks.iter().map(|chunk| chunk.as_bytes()));
    assert!(passed == chunks.concat().as_bytes());
    gateway.leave(&mut exchange);
    (gateway.counted(), gateway.world.warned)
}

fn count(counted: &[(String, u64)], name: &str) -> u64 {
    counted.iter().find(|(counter, _)| counter == name).map_or(0, |(_, count)| *count)
}

#[test]
fn a_stream_is_measured_by_its_events_bytes_and_silences() {
    let mut gateway = Gateway::new(MEASURED);
    let (mut exchange, _) = gateway.send("POST", &[], CALL);
    gateway.head(&mut exchange, &Answer(&[EVENTS]));
    let chunks: [(u64, &str); 6] = [
        (40, ": hello\n\n"),
        (220, "id: 1\ndata: {}\n"),
        (10, "\n"),
        (4_000, ": ping\n\n"),
        (1_500, "data: {}\n\nevent: x\ndata: y\n\n"),
        (1, ""),
    ];
    let mut bytes = 0;
    for (after, chunk) in chunks {
        gateway.world.milliseconds += after;
        bytes += u64::try_from(chunk.len()).expect("small");
        let end = chunk.is_empty();
        let pipeline = &gateway.pipeline;
        pipeline.response_body(&mut exchange, chunk.as_bytes(), end, &mut gateway.world);
    }
    let expected =
        [("mcp_sse_bytes", bytes), ("mcp_sse_events", 3), ("mcp_sse_streams.outcome.complete", 1)];
    assert_eq!(gateway.counted(), expected.map(|(name, count)| (name.to_owned(), count)));
    let noted =
        [("mcp_sse_first_event_milliseconds", 270), ("mcp_sse_longest_gap_milliseconds", 4_000)];
    assert_eq!(gateway.world.noted, noted.map(|(name, value)| (name.to_owned(), None, value)));
    assert_eq!(gateway.world.warned, [""; 0]);
    assert_eq!(gateway.counted(), [], "handed over once");
}

#[test]
fn a_broken_stream_is_counted_by_what_is_wrong_with_it_and_passes() {
    let gzip = &[EVENTS, ("content-encoding", "gzip")][..];
    let cases: [(&[Field<'_>], &[&str], &str, bool); 12] = [
        (&[EVENTS], &["data: 1\n\n", "data: 2"], "mcp_sse_streams.outcome.complete", false),
        (&[EVENTS], &["data: 1"], "mcp_sse_streams.outcome.no_event", true),
        (&[EVENTS], &[": ping\n\n", ": ping\n\n"], "mcp_sse_streams.outcome.no_event", true),
        (&[EVENTS], &[""], "mcp_sse_streams.outcome.no_event", true),
        (&[EVENTS], &["{\"id\"", ":1}"], "mcp_sse_streams.outcome.mistyped", true),
        (&[EVENTS], &[" \n", "\u{feff}[1]"], "mcp_sse_mistyped.body.json", true),
        (&[JSON], &["d", "ata: {}\n\n"], "mcp_sse_mistyped.body.events", true),
        (&[JSON], &["\n: ping\n\n"], "mcp_sse_mistyped.body.events", true),
        (&[JSON], &["{\"data\":", "1}"], "", false),
        (&[JSON], &["error: no"], "", false),
        (&[("content-type", "text/html")], &["data: 1\n\n"], "", false),
        (gzip, &["\u{1f}\u{8b}{}"], "mcp_sse_streams.outcome.encoded", false),
    ];
    for (fields, chunks, name, complains) in cases {
        let (counted, warned) = counted(fields, chunks);
        assert_eq!(count(&counted, name), u64::from(!name.is_empty()), "{chunks:?} {counted:?}");
        assert_eq!(warned.len(), usize::from(complains), "{chunks:?} {warned:?}");
        if name.is_empty() {
            assert_eq!(counted, [], "{chunks:?}");
        }
    }
}

#[test]
fn a_stream_of_server_messages_may_be_silent() {
    for (method, fields, outcome) in [
        ("GET", &[("mcp-session-id", "s")][..], "mcp_sse_streams.outcome.cut"),
        ("GET", &[], "mcp_sse_streams.outcome.cut"),
        ("POST", &[], "mcp_sse_streams.outcome.no_event"),
    ] {
        let mut gateway = Gateway::new(MEASURED);
        let body = if method == "POST" { CALL } else { "" };
        let (mut exchange, _) = gateway.send(method, fields, body);
        gateway.head(&mut exchange, &Answer(&[EVENTS]));
        gateway.leave(&mut exchange);
        assert_eq!(count(&gateway.counted(), outcome), 1, "{method} {fields:?}");
    }
}

#[test]
fn a_long_event_passes_and_is_counted() {
    let long = format!("data: {}\n\n", "x".repeat(1024 * 1024));
    let (counted, warned) = counted(&[EVENTS], &["data: 1\n\n", &long, "data: 2\n\n"]);
    assert_eq!(count(&counted, "mcp_sse_events"), 2);
    assert_eq!(count(&counted, "mcp_sse_events_too_long"), 1);
    assert_eq!(count(&counted, "mcp_sse_streams.outcome.complete"), 1);
    assert_eq!(warned.len(), 1);
}

#[test]
fn the_log_gets_a_line_for_the_1st_2nd_4th_and_8th() {
    let mut gateway = Gateway::new(MEASURED);
    for _ in 0..9 {
        let (mut exchange, _) = gateway.send("POST", &[], CALL);
        gateway.head(&mut exchange, &Answer(&[EVENTS]));
        gateway.pass(&mut exchange, [&b"{}"[..]]);
        gateway.pipeline.tick(&mut gateway.world);
    }
    let line = |count: u64| {
        format!(
            "sse: answers of type text/event-stream were JSON: {count} so far \
             (mcp_sse_mistyped.body.json)"
        )
    };
    assert_eq!(gateway.world.warned, [1, 2, 4, 8].map(line));
}

/// What becomes of a stream in these chunks, opened by GET.
fn opened<'c>(
    sse: &str,
    fields: &[Field<'_>],
    answer: &[Field<'_>],
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> String {
    let mut gateway = Gateway::new(sse);
    let (mut exchange, _) = gateway.send("GET", fields, "");
    gateway.head(&mut exchange, &Answer(answer));
    String::from_utf8(gateway.pass(&mut exchange, chunks)).expect("UTF-8")
}

/// With an endpoint to rewrite, alone and while streams are measured.
fn rewriting() -> [String; 2] {
    [PREFIXED.to_owned(), PREFIXED.replacen('{', r#"{"measure":true,"#, 1)]
}

#[test]
fn the_first_event_leads_clients_through_the_gateway() {
    for sse in rewriting() {
        let later = "data: {}\r\n\r\n";
        let cases = [
            (format!("{ENDPOINT}{later}{ENDPOINT}"), format!("{MOVED}{later}{ENDPOINT}")),
            (format!(": hi\r\n\r\n{ENDPOINT}"), format!(": hi\r\n\r\n{MOVED}")),
            // Only the first event, and only of this type.
            (format!("{later}{ENDPOINT}"), format!("{later}{ENDPOINT}")),
            ("data: /messages\n\n".to_owned(), "data: /messages\n\n".to_owned()),
            ("event: endpoint\ndata: x\n\n".to_owned(), "event: endpoint\ndata: x\n\n".to_owned()),
        ];
        for (sent, expected) in cases {
            let got = opened(&sse, &[], &[EVENTS], [sent.as_bytes(), b""]);
            assert_eq!(got, expected, "{sse}");
        }
    }
}

#[test]
fn other_streams_are_not_held_for_an_endpoint() {
    let session = ("mcp-session-id", "s");
    let gzip = ("content-encoding", "gzip");
    let cases: [(&[Field<'_>], &[Field<'_>]); 3] =
        [(&[session], &[EVENTS]), (&[], &[EVENTS, gzip]), (&[], &[JSON])];
    for (fields, answer) in cases {
        let mut gateway = Gateway::new(PREFIXED);
        let (mut exchange, _) = gateway.send("GET", fields, "");
        gateway.head(&mut exchange, &Answer(answer));
        assert!(!exchange.is_observed(), "{fields:?} {answer:?}");
    }
}

#[test]
fn a_long_event_passes_where_endpoints_are_rewritten() {
    let long = format!("data: {}\n\n", "x".repeat(1024 * 1024));
    for sse in rewriting() {
        let tail = format!("{long}data: 2\n\n");
        let sent = format!("{ENDPOINT}{tail}");
        for size in [sent.len(), 1000] {
            let got = opened(&sse, &[], &[EVENTS], sent.as_bytes().chunks(size));
            assert!(got == format!("{MOVED}{tail}"), "{sse} in chunks of {size}: {}", got.len());
            let got = opened(&sse, &[], &[EVENTS], tail.as_bytes().chunks(size));
            assert!(got == tail, "{sse} in chunks of {size}: {}", got.len());
        }
    }
}

/// Any stream, made of these.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 15] = [
        b"event: endpoint\n",
        b"data: /m?x\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"data",
        b": ping",
        b"{\"id\":1}",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\0",
        b"id: 7",
        b"event:",
        b" ",
        b"\xf0\x9f\x98\x80",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// `body` cut at these places.
fn cut(body: &[u8], places: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<_> =
        places.iter().map(|place| place.index(body.len().saturating_add(1))).collect();
    places.sort_unstable();
    let starts = [0].into_iter().chain(places.iter().copied());
    let ends = places.iter().copied().chain([body.len()]);
    starts.zip(ends).map(|(start, end)| body[start..end].to_vec()).collect()
}

proptest! {
    #[test]
    fn what_is_measured_passes_as_it_came_however_it_is_cut(
        body in body(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        is_stream in any::<bool>(),
        method in prop::sample::select(vec!["GET", "POST"]),
    ) {
        let mut gateway = Gateway::new(MEASURED);
        let (mut exchange, _) = gateway.send(method, &[], if method == "POST" { CALL } else { "" });
        let media_type = if is_stream { EVENTS } else { JSON };
        gateway.head(&mut exchange, &Answer(&[(":status", "200"), media_type]));
        let chunks = cut(&body, &places);
        prop_assert_eq!(gateway.pass(&mut exchange, chunks.iter().map(Vec::as_slice)), body);
    }

    #[test]
    fn what_becomes_of_an_endpoint_does_not_depend_on_cuts(
        body in body(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let pass = |chunks: &[Vec<u8>]| {
            let mut gateway = Gateway::new(PREFIXED);
            let (mut exchange, _) = gateway.send("GET", &[], "");
            gateway.head(&mut exchange, &Answer(&[EVENTS]));
            gateway.pass(&mut exchange, chunks.iter().map(Vec::as_slice))
        };
        let whole = pass(std::slice::from_ref(&body));
        prop_assert_eq!(&pass(&cut(&body, &places)), &whole);
        if !body.windows(5).any(|part| part == b"/m?x\n") {
            prop_assert_eq!(whole, body);
        }
    }
}
