//! Envelopes, whole, damaged, foreign and out of date.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_core::config::{self, Secret};
use mcp_core::limits::{MAX_SESSION_ENVELOPE, MAX_SESSION_ID};

use super::{PREFIX, Record, session_id};
use crate::keys::Ring;

/// A ring of secrets that each repeat one byte.
fn ring(fills: &[u8]) -> Ring {
    #[derive(serde::Deserialize)]
    struct Keys {
        secrets: Vec<Secret>,
    }
    let secrets: Vec<_> = fills.iter().map(|fill| STANDARD.encode([*fill; 32])).collect();
    let keys: Keys = config::parse(format!(r#"{{"secrets":{secrets:?}}}"#).as_bytes()).unwrap();
    Ring::new(&keys.secrets)
}

fn record() -> Record {
    Record {
        id: "7f3c-server-minted-0001".to_owned(),
        principal: Some([7; 16]),
        version: "2025-11-25".to_owned(),
        client: "inspector".to_owned(),
        replica: "10.20.30.40:8080".to_owned(),
        issued: 1_800_000_000,
        expires: 1_800_086_400,
    }
}

fn seal(record: &Record, ring: &Ring, nonce: u8) -> Option<String> {
    record.seal(ring, |bytes| {
        bytes.fill(nonce);
        true
    })
}

/// The bytes beneath an envelope's encoding.
fn sealed(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap()
}

/// An envelope around any content, as only the holder of the key can write it.
fn envelope(ring: &Ring, plain: &[u8], context: &str) -> String {
    let sealed = ring.seal(plain, context.as_bytes(), [9; 24]).unwrap();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed))
}

#[test]
fn what_was_sealed_is_opened() {
    let ring = ring(b"a");
    let anonymous = Record { principal: None, replica: String::new(), ..record() };
    for record in [record(), anonymous] {
        let text = seal(&record, &ring, 1).unwrap();
        assert!(text.starts_with("s1."), "{text}");
        assert_eq!(session_id(text.as_bytes()), Some(text.as_str()), "a legal session id");
        assert_eq!(Record::open(text.as_bytes(), &ring), Some(record));
    }
}

#[test]
fn an_envelope_with_any_byte_changed_is_refused() {
    let ring = ring(b"a");
    let text = seal(&record(), &ring, 1).unwrap().into_bytes();
    for at in 0..text.len() {
        for byte in 0..=u8::MAX {
            let mut changed = text.clone();
            if core::mem::replace(&mut changed[at], byte) != byte {
                assert_eq!(Record::open(&changed, &ring), None, "byte {at} as {byte}");
            }
        }
    }
}

#[test]
fn an_envelope_cut_lengthened_or_rearranged_is_refused() {
    let ring = ring(b"a");
    let text = seal(&record(), &ring, 1).unwrap();
    for end in 0..text.len() {
        assert_eq!(Record::open(&text.as_bytes()[..end], &ring), None, "the first {end} bytes");
        assert_eq!(Record::open(&text.as_bytes()[end + 1..], &ring), None, "without the first");
    }
    let other = seal(&Record { id: "other".to_owned(), ..record() }, &ring, 2).unwrap();
    let nonce = PREFIX.len() + 32;
    let spliced = [other.split_at(nonce).0, text.split_at(nonce).1].concat();
    let cases = [
        format!("{text}A"),
        format!("{text}AAAA"),
        format!("{text}="),
        format!("{text} "),
        format!("{text}{text}"),
        text.replacen("s1.", "s2.", 1),
        text.replacen("s1.", "S1.", 1),
        text.replacen("s1.", "", 1),
        text.replacen("s1.", "s1.s1.", 1),
        spliced,
    ];
    for case in cases {
        assert_eq!(Record::open(case.as_bytes(), &ring), None, "{case}");
    }
}

#[test]
fn the_format_is_authenticated_with_the_content() {
    let ring = ring(b"a");
    let plain = postcard::to_allocvec(&record()).unwrap();
    let opened = |text: &str| Record::open(text.as_bytes(), &ring);
    assert_eq!(opened(&envelope(&ring, &plain, "s1.")), Some(record()));
    assert_eq!(opened(&envelope(&ring, &plain, "s2.")), None, "written as another format");
    assert_eq!(opened(&envelope(&ring, &plain, "")), None);
    assert_eq!(opened(&envelope(&ring, b"no record", "s1.")), None, "sealed by us, but no session");
}

#[test]
fn keys_rotate_without_ending_sessions() {
    let (old, both, new) = (ring(b"a"), ring(b"ba"), ring(b"b"));
    let before = seal(&record(), &old, 1).unwrap();
    let during = seal(&record(), &both, 1).unwrap();
    let cases = [
        ("old key, old envelope", &old, &before, true),
        ("both keys, old envelope", &both, &before, true),
        ("both keys, new envelope", &both, &during, true),
        ("new key, new envelope", &new, &during, true),
        ("new key, old envelope", &new, &before, false),
        ("old key, new envelope", &old, &during, false),
    ];
    for (name, ring, envelope, opens) in cases {
        assert_eq!(Record::open(envelope.as_bytes(), ring).is_some(), opens, "{name}");
    }
    assert_eq!(Record::open(before.as_bytes(), &ring(b"")), None, "no key at all");
    assert_eq!(seal(&record(), &ring(b""), 1), None);
}

#[test]
fn whoever_carries_an_envelope_reads_nothing_in_it() {
    let record = record();
    let text = seal(&record, &ring(b"a"), 1).unwrap();
    let bytes = sealed(&text);
    let holds = |whole: &[u8], part: &[u8]| whole.windows(part.len()).any(|window| window == part);
    for secret in [&record.id, &record.replica, &record.client, &record.version] {
        // Nor any four bytes of it, in the text or beneath the encoding.
        for part in secret.as_bytes().windows(4) {
            assert!(!holds(&bytes, part) && !holds(text.as_bytes(), part), "{secret}");
        }
    }
    assert!(!holds(&bytes, &[7; 4]), "the principal's hash");
    // The same session sealed anew has nothing in common with it but the format.
    let again = sealed(&seal(&record, &ring(b"a"), 2).unwrap());
    let equal = bytes.iter().zip(&again).filter(|(one, other)| one == other).count();
    assert!(equal < 8, "{equal} of {} bytes", bytes.len());
}

#[test]
fn without_randomness_nothing_is_sealed() {
    assert_eq!(record().seal(&ring(b"a"), |_| false), None);
}

#[test]
fn an_envelope_is_never_longer_than_the_limit() {
    let ring = ring(b"a");
    let of = |length| Record { replica: "x".repeat(length), ..record() };
    let longest = (0..MAX_SESSION_ENVELOPE)
        .rev()
        .find_map(|length| Some((length, seal(&of(length), &ring, 1)?)));
    let (length, text) = longest.unwrap();
    assert!((MAX_SESSION_ENVELOPE - 3..=MAX_SESSION_ENVELOPE).contains(&text.len()), "{length}");
    assert_eq!(Record::open(text.as_bytes(), &ring), Some(of(length)));
    // One that is too long is not even decoded, whoever sealed it.
    let plain = postcard::to_allocvec(&of(length + 3)).unwrap();
    let text = envelope(&ring, &plain, PREFIX);
    assert!(text.len() > MAX_SESSION_ENVELOPE);
    assert_eq!(Record::open(text.as_bytes(), &ring), None);
    // All that a session can hold fits.
    let full = Record {
        id: "i".repeat(MAX_SESSION_ID),
        version: "v".repeat(128),
        client: "c".repeat(128),
        replica: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535".to_owned(),
        ..record()
    };
    assert!(seal(&full, &ring, 1).is_some());
}

#[test]
fn session_ids_are_visible_ascii_within_the_limit() {
    let longest = "x".repeat(MAX_SESSION_ID);
    let cases: [(&[u8], bool); 11] = [
        (b"0f8fad5b-d9cb-469f-a165-70867728950e", true),
        (b"!~", true),
        (longest.as_bytes(), true),
        (&[longest.as_bytes(), b"x"].concat(), false),
        (b"", false),
        (b"a b", false),
        (b"a\r\nx: y", false),
        (b"\0", false),
        (b"\x7f", false),
        ("\u{e9}".as_bytes(), false),
        (b"\xff", false),
    ];
    for (id, legal) in cases {
        assert_eq!(session_id(id).is_some(), legal, "{}", id.escape_ascii());
    }
}
