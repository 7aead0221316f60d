//! Envoy's foreign function `verify_signature`, with the example of RFC 7515 A.3. The answers are
//! those of a running Envoy 1.40.

use mcp_harness::{Host, Options, Profile};

use crate::get;
use crate::guest::{said, saying};

#[rustfmt::skip]
const KEY: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x7f, 0xcd, 0xce,
    0x27, 0x70, 0xf6, 0xc4, 0x5d, 0x41, 0x83, 0xcb, 0xee, 0x6f, 0xdb, 0x4b, 0x7b, 0x58, 0x07,
    0x33, 0x35, 0x7b, 0xe9, 0xef, 0x13, 0xba, 0xcf, 0x6e, 0x3c, 0x7b, 0xd1, 0x54, 0x45, 0xc7,
    0xf1, 0x44, 0xcd, 0x1b, 0xbd, 0x9b, 0x7e, 0x87, 0x2c, 0xdf, 0xed, 0xb9, 0xee, 0xb9, 0xf4,
    0xb3, 0x69, 0x5d, 0x6e, 0xa9, 0x0b, 0x24, 0xad, 0x8a, 0x46, 0x23, 0x28, 0x85, 0x88, 0xe5,
    0xad,
];

#[rustfmt::skip]
const SIGNATURE: &[u8] = &[
    0x30, 0x45, 0x02, 0x20, 0x0e, 0xd1, 0x21, 0x53, 0x79, 0x63, 0x6c, 0x48, 0x3c, 0x2f, 0x7f,
    0x15, 0x58, 0x07, 0xd4, 0x02, 0xa3, 0xb2, 0x28, 0x03, 0x3a, 0xf9, 0x7c, 0x7e, 0x17, 0x81,
    0x9a, 0xc3, 0x16, 0x9e, 0xa6, 0x65, 0x02, 0x21, 0x00, 0xc5, 0x0a, 0x07, 0xd3, 0x8c, 0x3c,
    0x70, 0xe5, 0xd8, 0xf1, 0x2d, 0xaf, 0x08, 0x4a, 0x54, 0x80, 0xa6, 0x65, 0x90, 0xc5, 0xf2,
    0x93, 0x50, 0x9a, 0x8f, 0x3f, 0x7f, 0x8a, 0x83, 0xa3, 0x54, 0xd5,
];

const TEXT: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI\
    mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// `VerifySignatureArguments`: hash function, key, signature and text, each with tag and length.
fn arguments(fields: [&[u8]; 4]) -> Vec<u8> {
    let mut message = Vec::new();
    for (tag, bytes) in [0x0a, 0x12, 0x1a, 0x22].into_iter().zip(fields) {
        assert!(bytes.len() < 0x80, "a length of one byte");
        message.extend([tag, bytes.len() as u8]);
        message.extend(bytes);
    }
    message
}

/// What a guest says it was answered: the status, and what was returned.
fn answer(profile: Profile, options: Options, input: &[u8]) -> Vec<String> {
    let module = saying(|guest| {
        let (name, input) = (guest.text("verify_signature"), guest.text(input));
        let arguments = format!("{name} {input} (i32.const 16) (i32.const 20)");
        guest.say("status", "proxy_call_foreign_function", &arguments) + &guest.say_returned()
    });
    let mut host = Host::new(&module, profile, options).expect("it loads");
    said(&host.exchange(0, &get())).into_iter().map(str::to_owned).collect()
}

fn at_envoy(input: &[u8]) -> Vec<String> {
    answer(Profile::Envoy, Options::default(), input)
}

#[test]
fn envoy_judges_signatures() {
    let wrong = "\u{12}&Failed to verify digest. Error code: 0";
    let cases: [([&[u8]; 4], &str); 7] = [
        ([b"sha256", KEY, SIGNATURE, TEXT], "\u{8}\u{1}"),
        ([b"SHA256", KEY, SIGNATURE, TEXT], "\u{8}\u{1}"),
        ([b"sha256", KEY, SIGNATURE, b"another text"], wrong),
        ([b"sha384", KEY, SIGNATURE, TEXT], wrong),
        ([b"sha256", KEY, b"no signature", TEXT], wrong),
        ([b"sha256", &KEY[1..], SIGNATURE, TEXT], "\u{12}#Failed to initialize digest verify."),
        ([b"md4", KEY, SIGNATURE, TEXT], "\u{12}\u{15}md4 is not supported."),
    ];
    for (fields, returned) in cases {
        assert_eq!(at_envoy(&arguments(fields)), ["status=00", returned], "{fields:?}");
    }
}

#[test]
fn envoy_wants_a_key() {
    assert_eq!(at_envoy(&arguments([b"sha256", b"", SIGNATURE, TEXT]))[0], "status=02");
    assert_eq!(at_envoy(b"")[0], "status=02");
    assert_eq!(at_envoy(b"\x0a\x7f")[0], "status=02", "no protobuf");
}

#[test]
fn apisix_judges_none() {
    let input = arguments([b"sha256", KEY, SIGNATURE, TEXT]);
    assert_eq!(answer(Profile::Apisix, Options::default(), &input)[0], "status=12");
}

#[test]
fn a_test_can_put_other_words_into_envoys_mouth() {
    let words = [(b"verify_signature".to_vec(), b"garbage".to_vec())];
    let options = Options { foreign_functions: words.into_iter().collect(), ..Options::default() };
    let input = arguments([b"sha256", KEY, SIGNATURE, TEXT]);
    assert_eq!(answer(Profile::Envoy, options, &input), ["status=00", "garbage"]);
}
