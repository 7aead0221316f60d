#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use mcp_rfc_keys::{RfcKey, decode};

use super::*;

/// The orders of the curves (FIPS 186-4 D.1.2).
const P256_ORDER: &str = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
const P384_ORDER: &str = "________________________________x2NNgfQ3Ld9YGg2ySLCneuzsGWrMxSlz";

fn form(algorithm: Algorithm, key: &RfcKey) -> Option<Form> {
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(&key.jwk).expect("a JWK");
    Form::new(algorithm, &DecodingKey::from_jwk(&jwk).expect("a key"))
}

fn number(length: usize, last: u8) -> Vec<u8> {
    [vec![0; length - 1], vec![last]].concat()
}

#[test]
fn keys_become_subject_public_key_info() {
    // openssl pkey -pubin -outform DER, of the same numbers.
    let p256 = form(Algorithm::ES256, &RfcKey::p256()).expect("a form");
    let start = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\
        \x03\x01\x07\x03\x42\x00\x04\x7f\xcd";
    assert_eq!((p256.public_key().len(), p256.public_key().starts_with(start)), (91, true));
    let p384 = form(Algorithm::ES384, &RfcKey::p384()).expect("a form");
    let start = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\
        \x03\x62\x00\x04\xec\x3a";
    assert_eq!((p384.public_key().len(), p384.public_key().starts_with(start)), (120, true));
    let rsa = form(Algorithm::RS512, &RfcKey::rsa()).expect("a form");
    let start = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\
        \x82\x01\x0f\x00\x30\x82\x01\x0a\x02\x82\x01\x01\x00\xa1\xf8";
    assert!(
        rsa.public_key().starts_with(start) && rsa.public_key().ends_with(b"\x02\x03\x01\0\x01")
    );
    assert_eq!((rsa.public_key().len(), rsa.digest()), (294, Digest::Sha512));
}

#[test]
fn numbers_become_der() {
    let p256 = form(Algorithm::ES256, &RfcKey::p256()).expect("a form");
    let jose = [number(32, 0x7f), number(32, 0x80)].concat();
    let der: &[u8] = b"\x30\x07\x02\x01\x7f\x02\x02\x00\x80";
    assert_eq!(p256.signature(&jose).as_deref(), Some(der));
    let p384 = form(Algorithm::ES384, &RfcKey::p384()).expect("a form");
    let jose = [number(48, 0x7f), number(48, 0x80)].concat();
    assert_eq!(p384.signature(&jose).as_deref(), Some(der));
}

#[test]
fn what_can_be_no_signature_has_no_form() {
    for (algorithm, key, length, order) in [
        (Algorithm::ES256, RfcKey::p256(), 32, P256_ORDER),
        (Algorithm::ES384, RfcKey::p384(), 48, P384_ORDER),
    ] {
        let form = form(algorithm, &key).expect("a form");
        let (one, zero, order) = (number(length, 1), number(length, 0), decode(order));
        assert!(form.signature(&[&one[..], &one].concat()).is_some(), "{algorithm:?}");
        for (r, s) in [(&zero, &one), (&one, &zero), (&order, &one), (&one, &order)] {
            assert_eq!(form.signature(&[&r[..], s].concat()), None, "{algorithm:?} {r:?} {s:?}");
        }
        for wrong in [&one[..], &[&one[..], &one, &[1]].concat(), &number(2 * length - 1, 1), b""] {
            assert_eq!(form.signature(wrong), None, "{algorithm:?} {wrong:?}");
        }
        let der = form.signature(&[&one[..], &one].concat()).expect("DER").into_owned();
        assert_eq!(form.signature(&der), None, "{algorithm:?}: DER is not what JOSE has");
    }
    let rsa = form(Algorithm::RS256, &RfcKey::rsa()).expect("a form");
    assert!(rsa.signature(&[1; 256]).is_some());
    for length in [0, 255, 257] {
        assert_eq!(rsa.signature(&vec![1; length]), None, "{length}");
    }
}

#[test]
fn there_is_a_form_for_what_hosts_judge_only() {
    let fitting = |key: &RfcKey| {
        let all = [
            "HS256", "HS384", "HS512", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256",
            "PS384", "PS512", "EdDSA",
        ];
        let has_form = |name: &&str| form(name.parse().expect("an algorithm"), key).is_some();
        all.into_iter().filter(has_form).collect::<Vec<_>>()
    };
    assert_eq!(fitting(&RfcKey::rsa()), ["RS256", "RS384", "RS512"]);
    assert_eq!(fitting(&RfcKey::p256()), ["ES256"]);
    assert_eq!(fitting(&RfcKey::p384()), ["ES384"]);
    assert_eq!(fitting(&RfcKey::ed25519()), [""; 0]);
    assert_eq!(fitting(&RfcKey::hmac()), [""; 0]);
    let der = DecodingKey::from_rsa_der(&[0x30, 0]);
    assert!(Form::new(Algorithm::RS256, &der).is_none());
}
