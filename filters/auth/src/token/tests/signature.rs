//! Signatures that do not fit, and keys that do not fit the signature.

#![expect(clippy::string_slice, reason = "a test may panic: that is how it fails")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm::{
    self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use mcp_rfc_keys::decode;
use proptest::prelude::*;

use super::*;
use crate::token::verify::signature_fits;

fn key_for(algorithm: Algorithm) -> (&'static str, RfcKey) {
    match algorithm {
        HS256 | HS384 | HS512 => ("hmac", RfcKey::hmac()),
        ES256 => ("p256", RfcKey::p256()),
        ES384 => ("p384", RfcKey::p384()),
        EdDSA => ("ed", RfcKey::ed25519()),
        _ => ("rsa", RfcKey::rsa()),
    }
}

const ALL: [Algorithm; 12] =
    [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512];

/// A token signed with `signed` under a header that says `named` and `kid`.
fn token(signed: Algorithm, named: Algorithm, kid: &str) -> String {
    let header = format!(r#"{{"alg":"{named:?}","kid":"{kid}"}}"#);
    key_for(signed).1.sign(signed, header.as_bytes(), good().to_string().as_bytes())
}

#[test]
fn every_algorithm_verifies_with_its_own_key_and_no_other() {
    for signed in ALL {
        let (own, _) = key_for(signed);
        for named in ALL {
            for kid in ["rsa", "p256", "p384", "ed", "hmac"] {
                let verdict = judge(&token(signed, named, kid)).map(drop);
                let expected = if kid != key_for(named).0 {
                    Err(Reject::KeyAlgorithm)
                } else if signed != named {
                    Err(Reject::Signature)
                } else {
                    Ok(())
                };
                assert_eq!(verdict, expected, "{signed:?} as {named:?} with {kid}, of {own}");
            }
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    // What the attacker knows: the modulus, the point, and the text of the whole key.
    let rsa = RfcKey::rsa();
    let modulus: Value = serde_json::from_str(&rsa.jwk).expect("JSON");
    let ed: Value = serde_json::from_str(&RfcKey::ed25519().jwk).expect("JSON");
    let known = [
        ("rsa", decode(modulus["n"].as_str().expect("text"))),
        ("rsa", rsa.jwk.clone().into_bytes()),
        ("ed", decode(ed["x"].as_str().expect("text"))),
        ("ed", Vec::new()),
    ];
    for (kid, secret) in known {
        let signed = [format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), good().to_string()];
        let signed = signed.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let secret = jsonwebtoken::EncodingKey::from_secret(&secret);
        let mac = jsonwebtoken::crypto::sign(signed.as_bytes(), &secret, HS256).expect("signs");
        assert_eq!(judge(&format!("{signed}.{mac}")), Err(Reject::KeyAlgorithm), "{kid}");
    }
}

#[test]
fn without_a_kid_only_one_key_may_come_into_question() {
    let header = br#"{"alg":"EdDSA"}"#;
    let token = sign(header, good().to_string().as_bytes());
    let ed = RfcKey::ed25519();
    let one = set(&[ed.jwk_with(r#""kid":"a""#), RfcKey::rsa().jwk_with(r#""kid":"b""#)]);
    let two = set(&[ed.jwk_with(r#""kid":"a""#), ed.jwk_with(r#""kid":"b""#)]);
    let none = set(&[RfcKey::rsa().jwk]);
    assert!(judge_with(&token, &rules(), &one, NOW).is_ok());
    assert_eq!(judge_with(&token, &rules(), &two, NOW), Err(Reject::AmbiguousKey));
    assert_eq!(judge_with(&token, &rules(), &none, NOW), Err(Reject::UnknownKey));
    // A key without `kid` is not the one that was named.
    let unnamed = set(std::slice::from_ref(&ed.jwk));
    assert!(judge_with(&token, &rules(), &unnamed, NOW).is_ok());
    let named = sign(HEADER.as_bytes(), good().to_string().as_bytes());
    assert_eq!(judge_with(&named, &rules(), &unnamed, NOW), Err(Reject::UnknownKey));
}

#[test]
fn degenerate_signatures_do_not_fit() {
    let order = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
            .collect()
    };
    // The orders of the groups: FIPS 186-4 D.1.2.3 and D.1.2.4, RFC 8032 §5.1 (little-endian).
    let p256 = order("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let p384 = order(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    );
    let one = |length: usize| [vec![0; length - 1], vec![1]].concat();
    let identity = [vec![1], vec![0; 31]].concat();
    let cases = [
        (ES256, [vec![0; 32], vec![0; 32]].concat()),
        (ES256, [vec![0; 32], one(32)].concat()),
        (ES256, [one(32), vec![0; 32]].concat()),
        (ES256, [one(32), one(32)].concat()),
        (ES256, [p256.clone(), p256.clone()].concat()),
        (ES256, [p256.clone(), one(32)].concat()),
        (ES256, [one(32), p256].concat()),
        (ES256, vec![0xff; 64]),
        (ES256, vec![0; 63]),
        (ES256, vec![0; 65]),
        (ES256, vec![0x30, 6, 2, 1, 1, 2, 1, 1]),
        (ES384, vec![0; 96]),
        (ES384, [p384.clone(), one(48)].concat()),
        (ES384, [one(48), p384].concat()),
        (EdDSA, vec![0; 64]),
        (EdDSA, [identity.clone(), vec![0; 32]].concat()),
        (EdDSA, [identity, vec![0xff; 32]].concat()),
        (EdDSA, vec![0; 63]),
        (RS256, vec![0; 256]),
        (RS256, one(256)),
        (RS256, vec![0xff; 256]),
        (RS256, vec![]),
        (PS256, vec![0; 256]),
        (PS256, one(256)),
        (HS256, vec![0; 32]),
        (HS256, vec![]),
    ];
    for (algorithm, signature) in cases {
        let good = token(algorithm, algorithm, key_for(algorithm).0);
        let (signed, _) = good.rsplit_once('.').expect("three parts");
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert_eq!(judge(&forged), Err(Reject::Signature), "{algorithm:?} {signature:02x?}");
    }
}

#[test]
fn a_signature_has_one_form() {
    // Ed25519 with S + L in place of S, ECDSA in DER, a MAC cut short, RSA with a zero before it.
    let good = token(EdDSA, EdDSA, "ed");
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let mut bytes = decode(signature);
    let order = decode("7dP1XBpjEljWnPei3vneFAAAAAAAAAAAAAAAAAAAABA");
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let twin = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(judge(&twin), Err(Reject::Signature));

    let good = token(ES256, ES256, "p256");
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let bytes = decode(signature);
    let integer = |number: &[u8]| [&[2, 33, 0], number].concat();
    let numbers = [integer(&bytes[..32]), integer(&bytes[32..])].concat();
    let der = [&[0x30, 70][..], &numbers].concat();
    let twin = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(der));
    assert_eq!(judge(&twin), Err(Reject::Signature));

    let good = token(HS256, HS256, "hmac");
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let cut = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&decode(signature)[..16]));
    assert_eq!(judge(&cut), Err(Reject::Signature));

    let good = token(RS256, RS256, "rsa");
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let longer = [vec![0], decode(signature)].concat();
    let longer = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(longer));
    assert_eq!(judge(&longer), Err(Reject::Signature));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mutated_token_is_never_accepted(
        which in 0..4_usize,
        place: prop::sample::Index,
        with in prop::sample::select((0..=255_u8).collect::<Vec<_>>()),
        how in 0..3_u8,
    ) {
        let algorithm = [EdDSA, ES256, RS256, HS256][which];
        let good = token(algorithm, algorithm, key_for(algorithm).0).into_bytes();
        let mut bytes = good.clone();
        let at = place.index(bytes.len());
        match how {
            0 => bytes[at] = with,
            1 => bytes.insert(at, with),
            _ => drop(bytes.remove(at)),
        }
        if bytes != good {
            let verdict = Token::parse(&bytes).and_then(|token| verify(&token, &rules(), &keys(), NOW));
            prop_assert!(verdict.is_err());
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Token::parse(&bytes).and_then(|token| verify(&token, &rules(), &keys(), NOW)).is_err());
    }

    #[test]
    fn any_signed_claims_are_judged(header in ".{0,40}", claims in ".{0,80}") {
        let token = sign(header.as_bytes(), claims.as_bytes());
        prop_assert!(judge(&token).is_err());
        prop_assert!(judge(&sign(HEADER.as_bytes(), claims.as_bytes())).is_err());
    }
}

/// The examples of RFC 7515 A.1 to A.3, the first of which is that of RFC 7519 §3.1, of RFC 8037 A.4
/// and of RFC 7520 §4.2.
#[test]
fn the_signatures_printed_in_rfcs_fit() {
    const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let cases = [
        (
            RfcKey::hmac().jwk,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            CLAIMS,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            RfcKey::rsa().jwk,
            "eyJhbGciOiJSUzI1NiJ9",
            CLAIMS,
            concat!(
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt",
                "_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL",
                "IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no",
                "OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ",
                "Ge77Rw"
            ),
        ),
        (
            RfcKey::p256().jwk,
            "eyJhbGciOiJFUzI1NiJ9",
            CLAIMS,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            RfcKey::ed25519().jwk,
            "eyJhbGciOiJFZERTQSJ9",
            "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
        (
            format!(r#"{{"kty":"RSA","n":"{RFC_7520_MODULUS}","e":"AQAB"}}"#),
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            concat!(
                "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0",
                "ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5v",
                "IGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4",
            ),
            concat!(
                "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqH",
                "CdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn",
                "442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0",
                "n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-",
                "X72Eaw",
            ),
        ),
    ];
    for (jwk, header, claims, signature) in cases {
        let keys = set(&[jwk]);
        let text = format!("{header}.{claims}.{signature}");
        let token = Token::parse(text.as_bytes()).expect("in form");
        let key = keys.select(None, token.algorithm()).expect("one key");
        assert!(signature_fits(&token, key), "{text}");
        // Payloads are no claims for anybody here: no audience, or not even an object.
        assert!(judge_with(&text, &rules(), &keys, 1_300_819_379).is_err());
        let other = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{}"));
        let other = Token::parse(other.as_bytes()).expect("in form");
        assert!(!signature_fits(&other, key), "{text}");
    }
}

const RFC_7520_MODULUS: &str = concat!(
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJ",
    "MRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6",
    "M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_m",
    "zSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
);
