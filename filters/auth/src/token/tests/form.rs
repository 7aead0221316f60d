//! What a token looks like from outside.

#![expect(clippy::string_slice, reason = "a test may panic: that is how it fails")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::MAX_TOKEN;
use super::*;

#[test]
fn only_three_parts_of_base64url_are_a_token() {
    let good = sign(HEADER.as_bytes(), good().to_string().as_bytes());
    assert!(judge(&good).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    let long = "a".repeat(MAX_TOKEN + 1);
    let megabyte = format!("{header}.{}.{signature}", "a".repeat(1 << 20));
    let cases = [
        ("", Reject::Parts),
        (".", Reject::Parts),
        ("..", Reject::Header),
        (header, Reject::Parts),
        (&format!("{header}.{payload}"), Reject::Parts),
        (&format!("{good}.x"), Reject::Parts),
        (&format!("{good}.x.y"), Reject::Parts),
        (&format!(".{good}"), Reject::Parts),
        (&format!("{good}."), Reject::Parts),
        (&format!("{good}="), Reject::Characters),
        (&format!("{good}\n"), Reject::Characters),
        (&format!(" {good}"), Reject::Characters),
        (&format!("{good} {good}"), Reject::Characters),
        (&format!("{good},{good}"), Reject::Characters),
        (&format!("\u{feff}{good}"), Reject::Characters),
        (&good.replace('.', "\0"), Reject::Characters),
        (&good.replace('.', "/"), Reject::Characters),
        (&format!("{header}.{payload}+.{signature}"), Reject::Characters),
        (&format!("A.{payload}.{signature}"), Reject::HeaderEncoding),
        (&format!("{header}.A.{signature}"), Reject::ClaimsEncoding),
        (&format!("{header}.{payload}."), Reject::Signature),
        (&format!("{header}..{signature}"), Reject::Signature),
        (&format!("{header}.{payload}.A"), Reject::Signature),
        (&long, Reject::TooLong),
        (&megabyte, Reject::TooLong),
    ];
    for (token, reject) in cases {
        assert_eq!(judge(token), Err(reject), "{token:.80}");
    }
    assert_eq!(Token::parse(b"a.\xff.c").map(drop), Err(Reject::Characters));
    assert_eq!(Token::parse(&long.as_bytes()[..MAX_TOKEN]).map(drop), Err(Reject::Parts));
}

#[test]
fn bits_that_base64_leaves_over_must_be_zero() {
    // 32 + 32 bytes leave four bits in the last of 86 characters.
    let good = sign(HEADER.as_bytes(), good().to_string().as_bytes());
    let last = good.chars().last().expect("a character");
    assert!("AQgw".contains(last), "{last}");
    let next = char::from(u8::try_from(last).expect("ASCII") + 1);
    let twin = format!("{}{next}", &good[..good.len() - 1]);
    assert_eq!(judge(&twin), Err(Reject::Signature));
}

#[test]
fn the_issuer_hint_is_one_string() {
    let cases: [(&[u8], Option<&str>); 12] = [
        (br#"{"iss":"a"}"#, Some("a")),
        (br#"{"x":{"iss":"b"},"iss":"a"}"#, Some("a")),
        (br#"{"iss":"\u0061"}"#, Some("a")),
        (br#"{"iss":"a","iss":"b"}"#, None),
        (br#"{"iss":"a","iss":["a"]}"#, None),
        (br#"{"iss":["a"]}"#, None),
        (br#"{"iss":null}"#, None),
        (br#"{"ISS":"a"}"#, None),
        (br#"["iss"]"#, None),
        (br#"{"iss":"a""#, None),
        (b"{\"iss\":\"\xff\"}", None),
        (b"", None),
    ];
    for (payload, hint) in cases {
        let header = URL_SAFE_NO_PAD.encode(HEADER);
        let token = format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode(payload));
        let token = Token::parse(token.as_bytes()).expect("in form");
        assert_eq!(token.issuer_hint().as_deref(), hint, "{}", payload.escape_ascii());
    }
}

#[test]
fn no_reason_holds_anything_of_the_token() {
    let token = sign(br#"{"alg":"planted"}"#, b"planted");
    let reject = judge(&token).expect_err("no such algorithm");
    assert_eq!((reject.as_str(), format!("{reject:?}").as_str()), ("algorithm", "Algorithm"));
}
