//! Signatures of every algorithm at the built module: whether the host was asked, and that good ones
//! pass and bad ones do not, whoever judges them.

use jsonwebtoken::Algorithm::{
    self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use mcp_harness::{Exchange, Host, Options, Profile, Transcript};
use mcp_rfc_keys::RfcKey;
use mcp_tests::place::Place;
use mcp_tests::{message, planted};

const BY_HOST: [Algorithm; 5] = [RS256, RS384, RS512, ES256, ES384];
const HERE: [Algorithm; 7] = [PS256, PS384, PS512, EdDSA, HS256, HS384, HS512];

const NOTICE: &str = "are verified by the host";

/// 2026-01-01, when the harness begins, and an hour later.
const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"a","sub":"ann","client_id":"c",
    "iat":1767225600,"exp":1767229200}"#;

fn key_for(algorithm: Algorithm) -> RfcKey {
    match algorithm {
        HS256 | HS384 | HS512 => RfcKey::hmac(),
        ES256 => RfcKey::p256(),
        ES384 => RfcKey::p384(),
        EdDSA => RfcKey::ed25519(),
        _ => RfcKey::rsa(),
    }
}

fn options(algorithm: Algorithm) -> Options {
    let configuration = format!(
        r#"{{"auth":{{"issuers":[{{"issuer":"https://issuer.example","audiences":["a"],
            "algorithms":["{algorithm:?}"],"jwks":{{"keys":[{}]}}}}],
            "export_key":"{}"}}}}"#,
        key_for(algorithm).jwk_with(r#""kid":"k""#),
        planted::EXPORT,
    );
    Options { configuration: configuration.into(), ..Options::default() }
}

const MODULE: &str = "mcp_auth";

fn host(place: Place, options: Options) -> Host {
    let mut host = place.host(options);
    // APISIX configures at the first request.
    let transcript = host.exchange(0, &Exchange::new(message::legacy("{}")));
    assert_eq!(transcript.status(), 401, "{place}: {transcript:?}");
    host
}

/// A token with this signature, or a good one.
fn token(algorithm: Algorithm) -> String {
    let header = format!(r#"{{"alg":"{algorithm:?}","kid":"k","typ":"at+jwt"}}"#);
    key_for(algorithm).sign(algorithm, header.as_bytes(), CLAIMS.as_bytes())
}

/// The token of somebody else, with the signature of this one.
fn forged(token: &str) -> String {
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("parts") };
    let claims = mcp_rfc_keys::encode(CLAIMS.replace("ann", "bob").as_bytes());
    format!("{header}.{claims}.{signature}")
}

/// The token with its signature, in base64url, changed.
fn resigned(token: &str, signature: &str) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    format!("{signed}.{signature}")
}

fn send(host: &mut Host, token: &str) -> Transcript {
    let ping = message::legacy(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    host.exchange(0, &Exchange::new(ping.header("authorization", format!("Bearer {token}"))))
}

/// How often the host was asked to judge a signature.
fn asked(transcript: &Transcript) -> usize {
    let verify = |name: &str, detail: &str| {
        name == "proxy_call_foreign_function" && detail.starts_with(r#""verify_signature""#)
    };
    transcript.calls.iter().filter(|call| verify(call.name, &call.detail)).count()
}

#[test]
fn the_host_judges_what_it_can_and_the_module_the_rest() {
    for place in Place::all(MODULE) {
        for algorithm in BY_HOST.into_iter().chain(HERE) {
            let at_host = place.profile == Profile::Envoy && BY_HOST.contains(&algorithm);
            let mut host = host(place, options(algorithm));
            let good = token(algorithm);
            let transcript = send(&mut host, &good);
            let seen = (transcript.status(), asked(&transcript));
            assert_eq!(seen, (200, usize::from(at_host)), "{algorithm:?} on {place}");

            let transcript = send(&mut host, &forged(&good));
            let seen = (transcript.status(), asked(&transcript));
            assert_eq!(seen, (401, usize::from(at_host)), "{algorithm:?} on {place}");
        }
    }
}

#[test]
fn a_signature_with_any_byte_changed_fits_nowhere() {
    for place in Place::all(MODULE) {
        for algorithm in [RS256, ES256, ES384] {
            let mut host = host(place, options(algorithm));
            let good = token(algorithm);
            let (_, signature) = good.rsplit_once('.').expect("three parts");
            // The last letter may carry bits that mean nothing; they are refused as well.
            for at in (0..signature.len()).step_by(7).chain([signature.len() - 1]) {
                let letter = if signature.as_bytes()[at] == b'A' { "Q" } else { "A" };
                let changed = [&signature[..at], letter, &signature[at + 1..]].concat();
                let transcript = send(&mut host, &resigned(&good, &changed));
                assert_eq!(transcript.status(), 401, "{algorithm:?} on {place}: letter {at}");
            }
            assert_eq!(send(&mut host, &good).status(), 200, "{algorithm:?} on {place}");
        }
    }
}

/// What JOSE does not allow is refused before any host sees it, since DER would allow some of it.
#[test]
fn what_can_be_no_signature_is_put_to_no_host() {
    for place in Place::all(MODULE) {
        for (algorithm, length) in [(ES256, 32), (ES384, 48)] {
            let (zero, one) = (vec![0; length], [vec![0; length - 1], vec![1]].concat());
            let order_or_more = vec![0xff; length];
            let signatures = [
                [&zero[..], &one].concat(),
                [&one[..], &zero].concat(),
                [&zero[..], &zero].concat(),
                [&order_or_more[..], &one].concat(),
                [&one[..], &order_or_more].concat(),
                [&one[..], &one, &[0]].concat(),
                one.clone(),
                b"\x30\x06\x02\x01\x01\x02\x01\x01".to_vec(),
            ];
            let mut host = host(place, options(algorithm));
            for signature in signatures {
                let token = resigned(&token(algorithm), &mcp_rfc_keys::encode(&signature));
                let transcript = send(&mut host, &token);
                let seen = (transcript.status(), asked(&transcript));
                assert_eq!(seen, (401, 0), "{algorithm:?} on {place}: {signature:?}");
            }
        }
        let mut host = host(place, options(RS256));
        for length in [255, 257] {
            let token = resigned(&token(RS256), &mcp_rfc_keys::encode(&vec![1; length]));
            let transcript = send(&mut host, &token);
            assert_eq!((transcript.status(), asked(&transcript)), (401, 0), "{place}: {length}");
        }
    }
}

#[test]
fn the_log_says_whether_the_host_judges() {
    for place in Place::all(MODULE) {
        let host = host(place, options(RS256));
        let said = host.log().iter().any(|line| line.text.contains(NOTICE));
        assert_eq!(said, place.profile == Profile::Envoy, "{place}");
    }
}

/// Whatever it answers, the module judges by itself.
#[test]
fn a_host_that_cannot_judge_is_not_believed() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let answers: [&[u8]; 6] =
            [b"\x08\x01", b"\x12\x05wrong", b"", b"\x08\x00", b"\x08\x01\x12\x00", b"garbage"];
        for answer in answers {
            let mut options = options(ES256);
            options.foreign_functions.insert(b"verify_signature".to_vec(), answer.to_vec());
            let mut host = host(place, options);
            assert!(!host.log().iter().any(|line| line.text.contains(NOTICE)), "{answer:?}");
            let good = token(ES256);
            let transcript = send(&mut host, &good);
            assert_eq!((transcript.status(), asked(&transcript)), (200, 0), "{answer:?}");
            assert_eq!(send(&mut host, &forged(&good)).status(), 401, "{answer:?}");
        }
    }
}
