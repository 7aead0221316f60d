//! Which signatures a host is asked about, and that its word is obeyed: by a host whose word each
//! test chooses.

#![expect(clippy::expect_used, reason = "a test may panic: that is how it fails")]

use std::cell::{Cell, RefCell};

use jsonwebtoken::Algorithm::{
    self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use mcp_core::signature::{Digest, SignedText};
use mcp_rfc_keys::RfcKey;

thread_local! {
    static WORD: Cell<Option<bool>> = const { Cell::new(None) };
    static ASKED: RefCell<Vec<Digest>> = const { RefCell::new(Vec::new()) };
}

/// Says what was chosen, and remembers being asked.
fn host(signed: &SignedText<'_>) -> Option<bool> {
    ASKED.with_borrow_mut(|asked| asked.push(signed.digest));
    WORD.get()
}

/// Verifies under a host that says so; also returns what it was asked.
fn verify(
    word: Option<bool>,
    signature: &str,
    text: &str,
    key: &RfcKey,
    algorithm: Algorithm,
) -> (bool, Vec<Digest>) {
    WORD.set(word);
    ASKED.take();
    let jwk: Jwk = serde_json::from_str(&key.jwk).expect("a JWK");
    let key = DecodingKey::from_jwk(&jwk).expect("a key");
    let signature = mcp_rfc_keys::decode(signature);
    let fits = mcp_signature::verifier(&algorithm, &key)
        .is_ok_and(|verifier| verifier.verify(text.as_bytes(), &signature).is_ok());
    (fits, ASKED.take())
}

fn key_for(algorithm: Algorithm) -> RfcKey {
    match algorithm {
        HS256 | HS384 | HS512 => RfcKey::hmac(),
        ES256 => RfcKey::p256(),
        ES384 => RfcKey::p384(),
        EdDSA => RfcKey::ed25519(),
        _ => RfcKey::rsa(),
    }
}

/// A key, a signature of it, and the text; the host is in place.
fn signed(algorithm: Algorithm) -> (RfcKey, String, String) {
    mcp_signature::install(host);
    mcp_signature::install(|_| Some(true)); // The first one stays.
    let key = key_for(algorithm);
    let token = key.sign(algorithm, b"{}", b"{}");
    let (text, signature) = token.rsplit_once('.').expect("three parts");
    (key, signature.to_owned(), text.to_owned())
}

const BY_HOST: [(Algorithm, Digest); 5] = [
    (RS256, Digest::Sha256),
    (RS384, Digest::Sha384),
    (RS512, Digest::Sha512),
    (ES256, Digest::Sha256),
    (ES384, Digest::Sha384),
];

#[test]
fn what_the_host_says_counts() {
    for (algorithm, digest) in BY_HOST {
        let (key, signature, text) = signed(algorithm);
        let (_, _, other) = signed(EdDSA);
        for (word, text) in [(true, other.as_str()), (false, text.as_str())] {
            let verdict = verify(Some(word), &signature, text, &key, algorithm);
            assert_eq!(verdict, (word, vec![digest]), "{algorithm:?}");
        }
    }
}

#[test]
fn where_the_host_cannot_tell_the_library_does() {
    for (algorithm, digest) in BY_HOST {
        let (key, signature, text) = signed(algorithm);
        assert_eq!(verify(None, &signature, &text, &key, algorithm), (true, vec![digest]));
        let other = verify(None, &signature, "other", &key, algorithm);
        assert_eq!(other, (false, vec![digest]), "{algorithm:?}");
    }
}

#[test]
fn the_host_is_asked_about_nothing_else() {
    for algorithm in [PS256, PS384, PS512, EdDSA, HS256, HS384, HS512] {
        let (key, signature, text) = signed(algorithm);
        for word in [Some(true), Some(false), None] {
            let verdict = verify(word, &signature, &text, &key, algorithm);
            assert_eq!(verdict, (true, vec![]), "{algorithm:?}");
            let verdict = verify(word, &signature, "other", &key, algorithm);
            assert_eq!(verdict, (false, vec![]), "{algorithm:?}");
        }
    }
}

#[test]
fn a_key_of_another_family_is_refused_here() {
    for (algorithm, other) in [(RS256, ES256), (ES256, RS256), (ES384, EdDSA), (RS512, HS512)] {
        let (_, signature, text) = signed(algorithm);
        let verdict = verify(Some(true), &signature, &text, &key_for(other), algorithm);
        assert_eq!(verdict, (false, vec![]), "{algorithm:?}");
    }
}
