//! Tokens of which no two are alike, good ones and bad, pass through one virtual machine: what it
//! remembers of them is bounded, so its memory has a size that it keeps.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use mcp_harness::{Exchange, Host, Options, Outcome, Profile, Transcript};
use mcp_tests::place::{GATEWAY, Place};
use mcp_tests::{message, planted};

/// Accepted tokens on Envoy; a fifth of them on APISIX and in the gateway module, where they are remembered
/// just so.
const ACCEPTED: usize = 20_000;
/// Refused tokens for each that is accepted.
const REFUSED: usize = 5;
/// Accepted tokens after which nothing may grow any more; the module remembers fewer.
const WARM_UP: usize = 3_000;
/// Pages of 64 KiB that chance may take: where free memory lies, varies.
const CHANCE: u64 = 1;
/// What the module may take, beyond what it takes before the first token, to remember tokens and to
/// work with: 4 MiB and 1 MiB, in pages of 64 KiB.
const PAGES: u64 = 80;

/// When the harness's clock starts, in seconds since 1970.
const NOW: u64 = 1_767_225_600;
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://mcp.example.com/mcp";

#[test]
fn memory_stays_as_it_was_after_warm_up_on_envoy() {
    Place::of("mcp_auth", Profile::Envoy).into_iter().for_each(flood);
}

#[test]
fn memory_stays_as_it_was_after_warm_up_on_apisix() {
    Place::of("mcp_auth", Profile::Apisix).into_iter().for_each(flood);
}

fn flood(place: Place) {
    let accepted = match (place.module, place.profile) {
        (GATEWAY, _) => ACCEPTED / 5,
        (_, Profile::Envoy) => ACCEPTED,
        (_, Profile::Apisix) => ACCEPTED / 5,
    };
    let key = SigningKey::from_bytes(&[7; 32]);
    let options = Options { configuration: configuration(&key).into(), ..Options::default() };
    let mut host = place.host(options);
    let wrong = signature(&key, "another text");
    let before = host.memory_pages(0);
    let mut warm = 0;
    for number in 0..accepted {
        for kind in 0..REFUSED {
            let answer = call(&mut host, &refused(&wrong, kind, number));
            assert_eq!((&answer.outcome, answer.status()), (&Outcome::Replied, 401), "{kind}");
        }
        let answer = call(&mut host, &signed(&key, "accepted", number));
        assert_eq!((&answer.outcome, answer.status()), (&Outcome::Proxied, 200), "{number}");
        if number == WARM_UP {
            warm = host.memory_pages(0);
        }
        if number % 100 == 0 {
            host.forget_journal();
        }
    }
    let now = host.memory_pages(0);
    assert!(
        now <= warm + CHANCE,
        "{place}: {warm} pages of 64 KiB grew to {now}; {before} at first"
    );
    assert!(
        warm - before <= PAGES,
        "{place}: {warm} pages of 64 KiB, {before} before the first token"
    );
}

fn configuration(key: &SigningKey) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{x}"}}"#);
    format!(
        r#"{{"auth":{{"export_key":"{}","issuers":[{{"issuer":"{ISSUER}","audiences":["{AUDIENCE}"],
            "jwks":{{"keys":[{jwk}]}}}}]}}}}"#,
        planted::EXPORT
    )
}

fn call(host: &mut Host, token: &str) -> Transcript {
    let request = message::modern_call("add").header("authorization", format!("Bearer {token}"));
    host.exchange(0, &Exchange::new(request))
}

/// A token that is not accepted. One kind costs a whole verification: its signature, `wrong`, is that
/// of another text.
fn refused(wrong: &str, kind: usize, number: usize) -> String {
    let unknown = format!(r#"{{"alg":"EdDSA","kid":"{number}"}}"#);
    let another = format!("https://{number}.example");
    let (header, issuer) = match kind {
        0 => (r#"{"alg":"none"}"#, ISSUER),
        1 => (unknown.as_str(), ISSUER),
        2 => (HEADER, another.as_str()),
        _ => (HEADER, ISSUER),
    };
    let text = unsigned(header, issuer, "refused", number);
    match kind {
        0 => format!("{text}."),
        1..=3 => format!("{text}.AAAA"),
        _ => format!("{text}.{wrong}"),
    }
}

const HEADER: &str = r#"{"alg":"EdDSA","kid":"ed","typ":"at+jwt"}"#;

fn signed(key: &SigningKey, subject: &str, number: usize) -> String {
    let text = unsigned(HEADER, ISSUER, subject, number);
    format!("{text}.{}", signature(key, &text))
}

fn signature(key: &SigningKey, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).to_bytes())
}

/// What is signed of a token of half a kilobyte to 3.5 KB.
fn unsigned(header: &str, issuer: &str, subject: &str, number: usize) -> String {
    let (expires, filler) = (NOW + 3_600, "x".repeat(number * 37 % 2_200));
    let claims = format!(
        r#"{{"iss":"{issuer}","aud":"{AUDIENCE}","sub":"{subject}-{number}","client_id":"flood","iat":{NOW},"exp":{expires},"scope":"tools-{number}","filler":"{filler}"}}"#
    );
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
