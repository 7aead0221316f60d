//! Key sets with one good key and one that is not.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

use jsonwebtoken::Algorithm::{self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS384, RS256};
use mcp_rfc_keys::RfcKey;

use super::*;

fn parse(keys: &[&str], origin: Origin) -> Result<(KeySet, Vec<Skipped>), KeySetError> {
    let text = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    KeySet::parse(text.as_bytes(), origin)
}

fn good() -> String {
    RfcKey::ed25519().jwk_with(r#""kid":"good""#)
}

/// What becomes of a key that stands between two good ones.
fn skipped(key: &str) -> Option<SkipReason> {
    let other = RfcKey::p256().jwk_with(r#""kid":"other""#);
    let (set, skipped) = parse(&[&good(), key, &other], Origin::Remote).expect("two good keys");
    assert!(set.knows("good") && set.knows("other"), "{key}");
    match skipped[..] {
        [] => None,
        [Skipped { index: 1, reason }] => Some(reason),
        _ => panic!("{key}: {skipped:?}"),
    }
}

/// Base64url of a number of that many bits, all of them set.
fn ones(bits: usize) -> String {
    use base64::Engine as _;
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] >>= (8 - bits % 8) % 8;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_of(modulus: &str, exponent: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{modulus}","e":"{exponent}"}}"#)
}

#[test]
fn a_bad_key_is_left_out_and_the_others_stay() {
    let (rsa, p256, p384, ed) = (RfcKey::rsa(), RfcKey::p256(), RfcKey::p384(), RfcKey::ed25519());
    let modulus = ones(2048);
    let even = format!("{}A", &modulus[..modulus.len() - 1]);
    let kid = |id: &str| ed.jwk_with(&format!(r#""kid":{id}"#));
    let cases = [
        ("1".into(), SkipReason::Malformed),
        ("[]".into(), SkipReason::Malformed),
        (r#"{"kty":1}"#.into(), SkipReason::Malformed),
        (r#"{"kty":"RSA"}"#.into(), SkipReason::Malformed),
        (ed.jwk_with(r#""kty":"OKP""#), SkipReason::Malformed),
        (ed.jwk_with(r#""x":"AA""#), SkipReason::Malformed),
        (ed.jwk_with(r#""z":{"a":1,"a":1}"#), SkipReason::Malformed),
        (ed.jwk_with(r#""z":"\ud800""#), SkipReason::Malformed),
        (ed.jwk_with(r#""use":["sig"]"#), SkipReason::Malformed),
        (ed.jwk_with(r#""alg":["EdDSA"]"#), SkipReason::Malformed),
        (rsa.jwk.replace("\"AQAB\"", "65537"), SkipReason::Malformed),
        (rsa.jwk.replace("AQAB", "AQAB=="), SkipReason::Malformed),
        (rsa.jwk.replace("AQAB", "AQ+B"), SkipReason::Malformed),
        (kid("1"), SkipReason::KeyId),
        (kid("null"), SkipReason::KeyId),
        (kid(&format!("\"{}\"", "k".repeat(129))), SkipReason::KeyId),
        ("{}".into(), SkipReason::KeyType),
        (r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#.into(), SkipReason::KeyType),
        (ed.jwk.replace("OKP", "okp"), SkipReason::KeyType),
        (p256.jwk.replace("P-256", "secp256k1"), SkipReason::Curve),
        (p256.jwk.replace("P-256", "P-521"), SkipReason::Curve),
        (ed.jwk.replace("Ed25519", "X25519"), SkipReason::Curve),
        (ed.jwk.replace("Ed25519", "Ed448"), SkipReason::Curve),
        (r#"{"kty":"EC"}"#.into(), SkipReason::Curve),
        (r#"{"kty":"OKP"}"#.into(), SkipReason::Curve),
        (rsa.jwk_with(r#""use":"enc""#), SkipReason::Use),
        (rsa.jwk_with(r#""use":"SIG""#), SkipReason::Use),
        (rsa.jwk_with(r#""use":"""#), SkipReason::Use),
        (rsa.jwk_with(r#""key_ops":["encrypt"]"#), SkipReason::KeyOperations),
        (rsa.jwk_with(r#""key_ops":["sign"]"#), SkipReason::KeyOperations),
        (rsa.jwk_with(r#""key_ops":[]"#), SkipReason::KeyOperations),
        (rsa.jwk_with(r#""key_ops":"verify""#), SkipReason::KeyOperations),
        (rsa.jwk_with(r#""alg":"ES256""#), SkipReason::Algorithm),
        (rsa.jwk_with(r#""alg":"HS256""#), SkipReason::Algorithm),
        (rsa.jwk_with(r#""alg":"RSA-OAEP""#), SkipReason::Algorithm),
        (rsa.jwk_with(r#""alg":"none""#), SkipReason::Algorithm),
        (p256.jwk_with(r#""alg":"ES384""#), SkipReason::Algorithm),
        (p256.jwk_with(r#""alg":"ECDH-ES""#), SkipReason::Algorithm),
        (p384.jwk_with(r#""alg":"ES256""#), SkipReason::Algorithm),
        (ed.jwk_with(r#""alg":"ES256""#), SkipReason::Algorithm),
        (RfcKey::hmac().jwk, SkipReason::Symmetric),
        (rsa_of("AQ", "AQAB"), SkipReason::Modulus),
        (rsa_of("", "AQAB"), SkipReason::Modulus),
        (rsa_of(&ones(1024), "AQAB"), SkipReason::Modulus),
        (rsa_of(&ones(2047), "AQAB"), SkipReason::Modulus),
        (rsa_of(&ones(4097), "AQAB"), SkipReason::Modulus),
        (rsa_of(&ones(16_384), "AQAB"), SkipReason::Modulus),
        (rsa_of(&format!("{}{}", "A".repeat(176), ones(1024)), "AQAB"), SkipReason::Modulus),
        (rsa_of(&even, "AQAB"), SkipReason::Modulus),
        (rsa_of(&modulus, ""), SkipReason::Exponent),
        (rsa_of(&modulus, "AA"), SkipReason::Exponent),
        (rsa_of(&modulus, "AQ"), SkipReason::Exponent),
        (rsa_of(&modulus, "Ag"), SkipReason::Exponent),
        (rsa_of(&modulus, "AQAA"), SkipReason::Exponent),
        // 2³² + 1, and 2⁶⁴ + 3, which is 3 if only the low bits are looked at.
        (rsa_of(&modulus, "AQAAAAE"), SkipReason::Exponent),
        (rsa_of(&modulus, "AQAAAAAAAAAD"), SkipReason::Exponent),
        (rsa_of(&modulus, &ones(264)), SkipReason::Exponent),
        (p256.jwk.replace("WI5a0", "WI5a4"), SkipReason::Point),
        (p256.jwk.replace("\"x\":\"f83O", "\"x\":\"AAAA"), SkipReason::Point),
        (p256.jwk.replace("P-256", "P-384"), SkipReason::Point),
        (p384.jwk.replace("P-384", "P-256"), SkipReason::Point),
        (p384.jwk.replace("zJkcg", "zJkcQ"), SkipReason::Point),
        // The same 64 bytes, cut in another place.
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVA","y":"RcfxRM0bvZt-hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt"}"#.into(),
            SkipReason::Point,
        ),
        (r#"{"kty":"EC","crv":"P-256","x":"","y":""}"#.into(), SkipReason::Point),
        (r#"{"kty":"OKP","crv":"Ed25519","x":""}"#.into(), SkipReason::Point),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AQ"}"#.into(), SkipReason::Point),
        // No point has this coordinate; then the neutral element, and one of order four.
        (ed_of(&[2]), SkipReason::Point),
        (ed_of(&[1]), SkipReason::Point),
        (ed_of(&[0]), SkipReason::Point),
        (ed.jwk.replace("\"x\":\"11", "\"x\":\"AAAA11"), SkipReason::Point),
    ];
    for (key, reason) in cases {
        assert_eq!(skipped(&key), Some(reason), "{key:.200}");
    }
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let key = rsa.jwk_with(&format!(r#""{name}":"AQ""#));
        assert_eq!(skipped(&key), Some(SkipReason::Private), "{name}");
    }
}

/// An Ed25519 key of these bytes and zeros.
fn ed_of(first: &[u8]) -> String {
    use base64::Engine as _;
    let mut bytes = first.to_vec();
    bytes.resize(32, 0);
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
}

#[test]
fn a_good_key_is_for_a_fixed_list_of_algorithms() {
    let rsa = RfcKey::rsa();
    let all_rsa =
        &[RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, PS384, Algorithm::PS512];
    let cases: [(String, &[Algorithm]); 15] = [
        (rsa.jwk.clone(), all_rsa),
        (rsa.jwk_with(r#""use":"sig","key_ops":["verify"],"x5c":["AA"],"z":{"a":[1]}"#), all_rsa),
        (rsa.jwk_with(r#""alg":"RS256""#), &[RS256]),
        (rsa.jwk_with(r#""alg":"PS384""#), &[PS384]),
        (rsa.jwk.replace("\"n\":\"", "\"n\":\"AAAA"), all_rsa),
        (rsa_of(&ones(2048), "Aw"), all_rsa),
        (rsa_of(&ones(4096), "AQAB"), all_rsa),
        (rsa_of(&format!("AAAA{}", ones(4096)), "AQAB"), all_rsa),
        (rsa_of(&ones(2048), "_____w"), all_rsa),
        (RfcKey::p256().jwk, &[ES256]),
        (RfcKey::p256().jwk_with(r#""alg":"ES256""#), &[ES256]),
        (RfcKey::p384().jwk, &[ES384]),
        (RfcKey::ed25519().jwk, &[EdDSA]),
        (RfcKey::ed25519().jwk_with(r#""alg":"EdDSA""#), &[EdDSA]),
        (RfcKey::ed25519().jwk_with(&format!(r#""kid":"{}""#, "k".repeat(128))), &[EdDSA]),
    ];
    for (key, algorithms) in cases {
        let (set, skipped) = parse(&[&key], Origin::Remote).expect(&key);
        assert_eq!((set.keys()[0].algorithms(), skipped), (algorithms, vec![]), "{key}");
    }
}

#[test]
fn a_secret_is_taken_from_the_configuration_alone_and_has_the_size_of_the_hash() {
    let cases: [(usize, Result<&[Algorithm], SkipReason>); 6] = [
        (31, Err(SkipReason::SecretTooShort)),
        (32, Ok(&[HS256])),
        (47, Ok(&[HS256])),
        (48, Ok(&[HS256, HS384])),
        (63, Ok(&[HS256, HS384])),
        (64, Ok(&[HS256, HS384, HS512])),
    ];
    for (length, algorithms) in cases {
        let key = format!(r#"{{"kty":"oct","k":"{}"}}"#, ones(length * 8));
        let (set, skipped) = parse(&[&key, &good()], Origin::Inline).expect("a good key");
        match algorithms {
            Ok(algorithms) => assert_eq!(set.keys()[0].algorithms(), algorithms, "{length}"),
            Err(reason) => assert_eq!(skipped, [Skipped { index: 0, reason }], "{length}"),
        }
        assert_eq!(parse(&[&key], Origin::Remote).map(drop), Err(KeySetError::NoUsableKey));
    }
    let short = format!(r#"{{"kty":"oct","alg":"HS512","k":"{}"}}"#, ones(256));
    assert_eq!(parse(&[&short], Origin::Inline).map(drop), Err(KeySetError::NoUsableKey));
}

#[test]
fn keys_that_share_a_kid_are_all_left_out() {
    let twin = |key: RfcKey| key.jwk_with(r#""kid":"twin""#);
    let keys = [twin(RfcKey::rsa()), good(), twin(RfcKey::p256()), twin(RfcKey::p384())];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (set, skipped) = parse(&keys, Origin::Remote).expect("one good key");
    let places: Vec<usize> = skipped.iter().map(|skipped| skipped.index).collect();
    assert_eq!(places, [0, 2, 3]);
    assert!(skipped.iter().all(|skipped| skipped.reason == SkipReason::DuplicateKeyId));
    assert!(!set.knows("twin") && set.knows("good"));
    // A key that is of no use takes nothing away, and keys without `kid` share none.
    let encryption = RfcKey::rsa().jwk_with(r#""kid":"good","use":"enc""#);
    let unnamed = [RfcKey::rsa().jwk, RfcKey::p256().jwk];
    let (set, skipped) =
        parse(&[&encryption, &good(), &unnamed[0], &unnamed[1]], Origin::Remote).expect("keys");
    assert_eq!(skipped, [Skipped { index: 0, reason: SkipReason::Use }]);
    assert!(set.knows("good"));
    assert_eq!(set.keys().len(), 3);
}

#[test]
fn a_kid_selects_its_key_and_none_selects_the_only_one() {
    let keys = [
        good(),
        RfcKey::rsa().jwk_with(r#""kid":"a","alg":"RS256""#),
        RfcKey::rsa().jwk_with(r#""kid":"b""#),
        RfcKey::p256().jwk,
    ];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (set, _) = parse(&keys, Origin::Remote).expect("keys");
    let cases = [
        (Some("good"), EdDSA, Ok(Some("good"))),
        (Some("good"), RS256, Err(NoKey::OtherAlgorithm)),
        (Some("a"), PS384, Err(NoKey::OtherAlgorithm)),
        (Some("b"), PS384, Ok(Some("b"))),
        (Some("GOOD"), EdDSA, Err(NoKey::Unknown)),
        (Some(""), EdDSA, Err(NoKey::Unknown)),
        (None, EdDSA, Ok(Some("good"))),
        (None, RS256, Err(NoKey::Ambiguous)),
        (None, PS384, Ok(Some("b"))),
        (None, ES256, Ok(None)),
        (None, ES384, Err(NoKey::Unknown)),
    ];
    for (kid, algorithm, expected) in cases {
        assert_eq!(set.select(kid, algorithm).map(Key::id), expected, "{kid:?} {algorithm:?}");
    }
}

#[test]
fn a_set_has_a_size_and_a_form() {
    let key = good();
    let of = |count: usize| {
        let mut keys: Vec<String> = (1..count)
            .map(|number| RfcKey::ed25519().jwk_with(&format!(r#""kid":"{number}""#)))
            .collect();
        keys.push(key.clone());
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    };
    let padded = |length: usize| {
        let text = of(1);
        format!("{}{text}", " ".repeat(length - text.len()))
    };
    let cases = [
        (of(64), None),
        (of(65), Some(KeySetError::TooManyKeys)),
        (padded(MAX_KEY_SET), None),
        (padded(MAX_KEY_SET + 1), Some(KeySetError::TooLong)),
        (format!(r#"{{"z":[1,{{}}],"keys":[{key}],"a":null}}"#), None),
        (r#"{"keys":[]}"#.into(), Some(KeySetError::NoUsableKey)),
        (r#"{"keys":[1,{},"x"]}"#.into(), Some(KeySetError::NoUsableKey)),
        (format!(r#"{{"keys":[{key}],"keys":[{key}]}}"#), Some(KeySetError::Malformed)),
        (format!(r#"{{"keys":[],"keys":[{key}]}}"#), Some(KeySetError::Malformed)),
        (format!(r#"{{"keys":[{key}]}} x"#), Some(KeySetError::Malformed)),
        (format!(r#"{{"keys":{key}}}"#), Some(KeySetError::Malformed)),
        (format!("[{key}]"), Some(KeySetError::Malformed)),
        (key.clone(), Some(KeySetError::Malformed)),
        (r#"{"keys":null}"#.into(), Some(KeySetError::Malformed)),
        ("{}".into(), Some(KeySetError::Malformed)),
        ("".into(), Some(KeySetError::Malformed)),
        ("<html>".into(), Some(KeySetError::Malformed)),
        (
            format!(r#"{{"keys":[{}{}]}}"#, "[".repeat(99), "]".repeat(99)),
            Some(KeySetError::Malformed),
        ),
    ];
    for (text, error) in cases {
        let result = KeySet::parse(text.as_bytes(), Origin::Remote);
        assert_eq!(result.err(), error, "{text:.100}");
    }
}

#[test]
fn a_key_is_printed_without_what_it_is_made_of() {
    let secret = RfcKey::hmac().jwk;
    let (set, _) = parse(&[&secret], Origin::Inline).expect("a key");
    let printed = format!("{set:?}");
    assert!(printed.contains("HS256") && !printed.contains("AyM1"), "{printed}");
    assert!(!printed.contains("3, 35, 53"), "{printed}");
}
