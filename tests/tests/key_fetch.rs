//! Keys at a service: who fetches them when many requests, workers or unknown keys come at once, and
//! what becomes of those that wait.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use mcp_harness::{
    Exchange, ExchangeId, Headers, Host, Options, Outcome, Profile, Request, Response,
    ServiceAnswer, Transcript,
};
use mcp_rfc_keys::RfcKey;
use mcp_tests::place::Place;
use mcp_tests::planted;

const SERVICE: &[u8] = b"keys:443";
const SLOW: Duration = Duration::from_millis(300);

/// 2026-01-01, when the harness begins, and an hour later.
const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"a","sub":"ann","client_id":"c",
    "iat":1767225600,"exp":1767229200}"#;

const MODULE: &str = "mcp_auth";

fn keys() -> ServiceAnswer {
    let jwk = RfcKey::ed25519().jwk_with(r#""kid":"k""#);
    let mut headers = Headers::new();
    headers.add("content-type", "application/json");
    ServiceAnswer::Respond {
        after: SLOW,
        status: 200,
        headers,
        body: format!(r#"{{"keys":[{jwk}]}}"#).into_bytes(),
    }
}

fn host(place: Place, workers: usize, answer: ServiceAnswer) -> Host {
    let configuration = format!(
        r#"{{"auth":{{"issuers":[{{"issuer":"https://issuer.example","audiences":["a"],
            "jwks":{{"service":"keys:443","path":"/jwks.json","cooldown":"30s"}}}}],
            "export_key":"{}"}}}}"#,
        planted::EXPORT,
    );
    let services = [(SERVICE.to_vec(), vec![answer])].into();
    let options =
        Options { configuration: configuration.into(), workers, services, ..Options::default() };
    place.host(options)
}

fn exchange(kid: &str) -> Exchange {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}}"#);
    let token = RfcKey::ed25519().sign(Algorithm::EdDSA, header.as_bytes(), CLAIMS.as_bytes());
    Exchange::new(Request::new("GET", "/mcp").header("authorization", format!("Bearer {token}")))
}

fn open(host: &mut Host, count: usize) -> Vec<ExchangeId> {
    (0..count).map(|_| host.open(0, &exchange("k"))).collect()
}

/// Lets the exchange go on to its end.
fn finish(host: &mut Host, id: ExchangeId) -> Transcript {
    if host.wait_for_upstream(id) {
        host.response_head(id, &Response::new(200));
    }
    host.finish(id)
}

fn fetches(host: &Host) -> usize {
    host.calls().iter().filter(|call| call.name == "proxy_http_call").count()
}

fn is_turned_away(transcript: &Transcript) -> bool {
    transcript.status() == 503 && transcript.client_header("retry-after").is_some()
}

#[test]
fn requests_that_come_together_wait_for_one_fetch() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, 1, keys());
        let ids = open(&mut host, 50);
        for id in ids {
            let transcript = finish(&mut host, id);
            assert_eq!((&transcript.outcome, transcript.status()), (&Outcome::Proxied, 200));
        }
        assert_eq!(fetches(&host), 1);
    }
}

#[test]
fn a_client_that_leaves_takes_nobody_elses_keys_along() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, 1, keys());
        let ids = open(&mut host, 3);
        host.advance(Duration::from_millis(10));
        host.abort(ids[0]);
        for id in &ids[1..] {
            assert_eq!(finish(&mut host, *id).outcome, Outcome::Proxied);
        }
        assert_eq!(fetches(&host), 1);
    }
}

#[test]
fn whoever_waits_is_told_when_the_fetch_fails() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, 1, ServiceAnswer::Fail { after: SLOW });
        for id in open(&mut host, 5) {
            assert!(is_turned_away(&finish(&mut host, id)));
        }
        assert_eq!(fetches(&host), 1);
    }
}

#[test]
fn where_requests_cannot_wait_eight_fetch_and_the_others_are_turned_away() {
    for place in Place::of(MODULE, Profile::Apisix) {
        let mut host = host(place, 1, keys());
        let ids = open(&mut host, 12);
        assert_eq!(fetches(&host), 8);
        let (fetching, others) = ids.split_at(8);
        for id in others {
            assert!(is_turned_away(&finish(&mut host, *id)));
        }
        for id in fetching {
            assert_eq!(finish(&mut host, *id).outcome, Outcome::Proxied);
        }
        assert_eq!(fetches(&host), 8);
    }
}

#[test]
fn one_worker_fetches_for_all() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, 4, keys());
        host.advance(Duration::from_secs(5));
        assert_eq!(fetches(&host), 1);
        for worker in 0..4 {
            let transcript = host.exchange(worker, &exchange("k"));
            assert_eq!(transcript.outcome, Outcome::Proxied, "worker {worker}");
        }
        assert_eq!(fetches(&host), 1);
        // Ten minutes later they are fetched anew, by one again; and so they are the next time.
        host.advance(Duration::from_secs(10 * 60));
        assert_eq!(fetches(&host), 2);
    }
}

#[test]
fn workers_go_on_when_the_one_that_fetches_gets_no_answer() {
    for place in Place::of(MODULE, Profile::Envoy) {
        let mut host = host(place, 4, ServiceAnswer::Silence);
        host.advance(Duration::from_secs(5));
        assert_eq!(fetches(&host), 1, "the others leave it to the first");
        host.script_service(SERVICE, vec![keys()]);
        host.advance(Duration::from_secs(60));
        for worker in 0..4 {
            let transcript = host.exchange(worker, &exchange("k"));
            assert_eq!(transcript.outcome, Outcome::Proxied, "worker {worker}");
        }
    }
}

#[test]
fn a_thousand_unknown_keys_cause_one_fetch() {
    for place in Place::all(MODULE) {
        let mut host = host(place, 2, keys());
        assert_eq!(host.exchange(0, &exchange("k")).outcome, Outcome::Proxied, "{place}");
        host.advance(Duration::from_secs(31));
        let before = fetches(&host);
        for number in 0..1_000 {
            let transcript = host.exchange(0, &exchange(&format!("unknown-{number}")));
            assert_eq!(transcript.status(), 401, "{place} {number}");
        }
        assert_eq!(fetches(&host) - before, 1, "{place}");
        assert_eq!(host.exchange(0, &exchange("k")).outcome, Outcome::Proxied, "{place}");
    }
}
