//! Sources under a clock turned by hand.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

use mcp_rfc_keys::RfcKey;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 60 * 60;

fn set(kids: &[&str]) -> String {
    let key = |kid: &&str| RfcKey::ed25519().jwk_with(&format!(r#""kid":"{kid}""#));
    format!(r#"{{"keys":[{}]}}"#, kids.iter().map(key).collect::<Vec<_>>().join(","))
}

fn json(body: &str) -> Answer<'_> {
    Answer { status: 200, content_type: Some(b"application/json"), body: body.as_bytes() }
}

fn at_path() -> Source {
    Source::at("/jwks", Policy::default())
}

/// A decision without what it carries.
#[derive(Debug, PartialEq)]
enum Do {
    Use,
    Refresh,
    Fetch(String),
    Wait(u64),
    Unavailable(u64),
}

fn decide(source: &mut Source, now: u64, kid: Option<&str>) -> Do {
    match source.decide(now, kid) {
        Decision::Use(_) => Do::Use,
        Decision::Refresh(_, _) => Do::Refresh,
        Decision::Fetch(request) => Do::Fetch(request.path),
        Decision::Wait { retry_after } => Do::Wait(retry_after),
        Decision::Unavailable { retry_after } => Do::Unavailable(retry_after),
    }
}

/// Asks for the request that a source wants done.
fn request(source: &mut Source, now: u64, kid: Option<&str>) -> Request {
    match source.decide(now, kid) {
        Decision::Fetch(request) | Decision::Refresh(_, request) => request,
        other => panic!("{other:?}"),
    }
}

/// A source that fetched these keys at [`NOW`].
fn holding(kids: &[&str]) -> Source {
    let mut source = at_path();
    let request = request(&mut source, NOW, None);
    let progress = source.fetched(NOW, &request, &json(&set(kids)), 0);
    assert_eq!(progress, Ok(Progress::Keys(vec![])));
    source
}

fn fetch() -> Do {
    Do::Fetch("/jwks".into())
}

#[test]
fn the_first_request_fetches_and_the_others_wait() {
    let mut source = at_path();
    assert_eq!(source.state(NOW), State::NeverFetched);
    let first = request(&mut source, NOW, Some("a"));
    assert_eq!(first.path, "/jwks");
    assert_eq!(decide(&mut source, NOW, Some("a")), Do::Wait(10));
    assert_eq!(decide(&mut source, NOW + 4, None), Do::Wait(6));
    assert!(source.fetched(NOW + 5, &first, &json(&set(&["a"])), 0).is_ok());
    assert_eq!(decide(&mut source, NOW + 5, Some("a")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 5, None), Do::Use);
    assert_eq!(source.state(NOW + 5), State::Fresh);
}

#[test]
fn where_requests_cannot_wait_several_fetch() {
    let mut source = Source::at("/jwks", Policy { max_calls: 3, ..Policy::default() });
    let requests: Vec<Request> = (0..3).map(|_| request(&mut source, NOW, None)).collect();
    assert_eq!(decide(&mut source, NOW, None), Do::Wait(10));
    assert!(source.fetched(NOW + 1, &requests[0], &json(&set(&["a"])), 0).is_ok());
    assert_eq!(decide(&mut source, NOW + 1, Some("a")), Do::Use);
    // The other two are still under way, and their answers change nothing.
    let generation = source.generation();
    for request in &requests[1..] {
        assert!(source.fetched(NOW + 2, request, &json(&set(&["a"])), 0).is_ok());
    }
    assert_eq!(source.generation(), generation);
    assert_eq!(decide(&mut source, NOW + 40, Some("b")), fetch());
}

#[test]
fn a_call_without_outcome_is_given_up() {
    let mut source = at_path();
    assert_eq!(decide(&mut source, NOW, None), fetch());
    assert_eq!(decide(&mut source, NOW + 9, None), Do::Wait(1));
    assert_eq!(decide(&mut source, NOW + 10, None), fetch());
    assert_eq!(decide(&mut source, NOW + 10, None), Do::Wait(10));
}

#[test]
fn an_outcome_is_that_of_the_oldest_call() {
    let mut source = Source::at("/jwks", Policy { max_calls: 2, ..Policy::default() });
    assert_eq!(decide(&mut source, NOW, None), fetch());
    assert_eq!(decide(&mut source, NOW + 5, None), fetch());
    assert_eq!(decide(&mut source, NOW + 5, None), Do::Wait(5));
    source.failed(NOW + 6, 0);
    assert_eq!(decide(&mut source, NOW + 7, None), fetch());
    assert_eq!(decide(&mut source, NOW + 7, None), Do::Wait(8));
}

#[test]
fn failures_put_the_next_try_off_for_longer_and_longer() {
    let mut source = at_path();
    let mut now = NOW;
    for delay in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(decide(&mut source, now, Some("a")), fetch());
        source.failed(now, 0);
        assert_eq!(source.state(now), State::Failing);
        assert_eq!(decide(&mut source, now, Some("a")), Do::Unavailable(delay));
        assert_eq!(decide(&mut source, now + delay - 1, None), Do::Unavailable(1));
        now += delay;
    }
    // However many there are.
    for _ in 0..80 {
        source.failed(now, 0);
        assert_eq!(decide(&mut source, now, None), Do::Unavailable(60));
    }
    now += 60;
    let last = request(&mut source, now, None);
    assert!(source.fetched(now, &last, &json(&set(&["a"])), 0).is_ok());
    assert_eq!(source.state(now), State::Fresh);
    // Success forgets the failures.
    let next = request(&mut source, now + HOUR, None);
    source.failed(now + HOUR, 0);
    assert_eq!(source.decide(now + HOUR, Some("b")).retry_after(), Some(1), "{next:?}");
}

impl Decision<'_> {
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Wait { retry_after } | Self::Unavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

#[test]
fn jitter_spreads_the_tries() {
    let delays: Vec<u64> = (0..40)
        .map(|jitter| {
            let mut source = at_path();
            for _ in 0..6 {
                source.failed(NOW, jitter);
            }
            source.decide(NOW, None).retry_after().expect("too early")
        })
        .collect();
    // The sixth delay is 32 seconds, of which up to a half is taken off.
    assert_eq!((delays.iter().min(), delays.iter().max()), (Some(&16), Some(&32)));
    let due: Vec<u64> = (0..1000)
        .map(|jitter| {
            let mut source = at_path();
            let request = request(&mut source, NOW, None);
            source.fetched(NOW, &request, &json(&set(&["a"])), jitter).expect("keys");
            (0..).find(|age| source.state(NOW + age) == State::Stale).expect("at some time")
        })
        .collect();
    assert_eq!((due.iter().min(), due.iter().max()), (Some(&541), Some(&600)));
}

#[test]
fn keys_that_are_due_are_used_while_one_request_fetches_them_anew() {
    let mut source = holding(&["a"]);
    assert_eq!(decide(&mut source, NOW + 599, Some("a")), Do::Use);
    assert_eq!(source.state(NOW + 600), State::Stale);
    let refresh = request(&mut source, NOW + 600, Some("a"));
    assert_eq!(decide(&mut source, NOW + 600, Some("a")), Do::Use);
    assert!(source.fetched(NOW + 601, &refresh, &json(&set(&["a", "b"])), 0).is_ok());
    assert_eq!(decide(&mut source, NOW + 601, Some("b")), Do::Use);
    assert_eq!(source.state(NOW + 601), State::Fresh);
}

#[test]
fn keys_outlive_their_issuer_for_a_day() {
    let mut source = holding(&["a"]);
    let mut now = NOW + 600;
    while now < NOW + 24 * HOUR {
        assert_eq!(decide(&mut source, now, Some("a")), Do::Refresh, "{}", now - NOW);
        source.failed(now, 0);
        assert_eq!(decide(&mut source, now, Some("a")), Do::Use, "{}", now - NOW);
        now += 60;
    }
    assert_eq!(decide(&mut source, NOW + 24 * HOUR - 1, Some("a")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 24 * HOUR, Some("a")), fetch());
    source.failed(NOW + 24 * HOUR, 0);
    assert_eq!(decide(&mut source, NOW + 24 * HOUR, Some("a")), Do::Unavailable(60));
}

#[test]
fn a_thousand_unknown_kids_are_one_fetch() {
    for warm in [false, true] {
        let mut source = if warm { holding(&["a"]) } else { at_path() };
        let start = if warm { NOW + 100 } else { NOW };
        let mut fetches = 0;
        for number in 0..1000 {
            let kid = format!("random-{number}");
            loop {
                match source.decide(start + number / 40, Some(&kid)) {
                    Decision::Fetch(request) | Decision::Refresh(_, request) => {
                        fetches += 1;
                        let answer = set(&["a"]);
                        source.fetched(start, &request, &json(&answer), number).expect("keys");
                    }
                    Decision::Use(keys) => break assert!(!keys.knows(&kid)),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(fetches, 1, "warm: {warm}");
    }
}

#[test]
fn an_unknown_kid_is_looked_for_once_per_cooldown() {
    let mut source = holding(&["a"]);
    assert_eq!(decide(&mut source, NOW + 29, Some("b")), Do::Use);
    let lookup = request(&mut source, NOW + 30, Some("b"));
    // Meanwhile: who can be judged is, who cannot waits.
    assert_eq!(decide(&mut source, NOW + 30, Some("a")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 30, None), Do::Use);
    assert_eq!(decide(&mut source, NOW + 31, Some("c")), Do::Wait(9));
    assert!(source.fetched(NOW + 32, &lookup, &json(&set(&["b"])), 0).is_ok());
    assert_eq!(decide(&mut source, NOW + 32, Some("b")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 61, Some("c")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 62, Some("c")), fetch());
    // It fails: nobody can tell whether the token is bad, but known keys still serve.
    source.failed(NOW + 62, 0);
    assert_eq!(decide(&mut source, NOW + 62, Some("c")), Do::Unavailable(1));
    assert_eq!(decide(&mut source, NOW + 62, Some("b")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 63, Some("c")), fetch());
}

#[test]
fn an_odd_answer_changes_no_keys() {
    let good = set(&["b"]);
    let long = format!("{}{good}", " ".repeat(crate::keys::MAX_KEY_SET));
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let many = set(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let html = "<html><body>maintenance</body></html>";
    let answer = |status, content_type: &'static str, body| Answer {
        status,
        content_type: Some(content_type.as_bytes()),
        body: str::as_bytes(body),
    };
    let cases = [
        (answer(500, "application/json", &good), AnswerError::Status(500)),
        (answer(404, "application/json", &good), AnswerError::Status(404)),
        (answer(302, "application/json", &good), AnswerError::Status(302)),
        (answer(204, "application/json", ""), AnswerError::Status(204)),
        (answer(206, "application/json", &good), AnswerError::Status(206)),
        (answer(0, "application/json", &good), AnswerError::Status(0)),
        (answer(200, "text/html", &good), AnswerError::ContentType),
        (answer(200, "", &good), AnswerError::ContentType),
        (answer(200, "application/jsonp", &good), AnswerError::ContentType),
        (answer(200, "text/plain; application/json", &good), AnswerError::ContentType),
        (answer(200, "application/json", &long), AnswerError::TooLong),
        (answer(200, "application/json", &many), AnswerError::Keys(KeySetError::TooManyKeys)),
        (answer(200, "application/json", html), AnswerError::Keys(KeySetError::Malformed)),
        (answer(200, "application/json", ""), AnswerError::Keys(KeySetError::Malformed)),
        (
            answer(200, "application/json", &good[..good.len() - 2]),
            AnswerError::Keys(KeySetError::Malformed),
        ),
        (
            answer(200, "application/json", r#"{"keys":[]}"#),
            AnswerError::Keys(KeySetError::NoUsableKey),
        ),
    ];
    for (answer, error) in cases {
        let mut source = holding(&["a"]);
        let generation = source.generation();
        let refresh = request(&mut source, NOW + 600, None);
        assert_eq!(source.fetched(NOW + 601, &refresh, &answer, 0), Err(error));
        assert_eq!(decide(&mut source, NOW + 601, Some("a")), Do::Use, "{error:?}");
        assert_eq!(decide(&mut source, NOW + 602, Some("a")), Do::Refresh, "{error:?}");
        assert_eq!(source.generation(), generation);
        // And where there are none, there are none.
        let mut source = at_path();
        let first = request(&mut source, NOW, None);
        assert_eq!(source.fetched(NOW, &first, &answer, 0), Err(error));
        assert_eq!(decide(&mut source, NOW, Some("a")), Do::Unavailable(1), "{error:?}");
    }
    for content_type in [
        Some("application/json"),
        Some("Application/JSON; charset=utf-8"),
        Some(" application/jwk-set+json"),
        None,
    ] {
        let mut source = at_path();
        let first = request(&mut source, NOW, None);
        let content_type = content_type.map(str::as_bytes);
        let answer = Answer { status: 200, content_type, body: good.as_bytes() };
        assert!(source.fetched(NOW, &first, &answer, 0).is_ok(), "{content_type:?}");
    }
}

#[test]
fn a_shared_secret_is_not_taken_from_an_issuer() {
    let secret = format!(r#"{{"keys":[{}]}}"#, RfcKey::hmac().jwk);
    let mut source = at_path();
    let first = request(&mut source, NOW, None);
    let verdict = source.fetched(NOW, &first, &json(&secret), 0);
    assert_eq!(verdict, Err(AnswerError::Keys(KeySetError::NoUsableKey)));
    assert_eq!(source.adopt(secret.as_bytes(), NOW, 0), Err(KeySetError::NoUsableKey));
}

#[test]
fn keys_left_out_are_told() {
    let mut source = at_path();
    let first = request(&mut source, NOW, None);
    let body = set(&["a"]).replace("]}", r#",{"kty":"AKP"}]}"#);
    let skipped = vec![Skipped { index: 1, reason: crate::keys::SkipReason::KeyType }];
    assert_eq!(source.fetched(NOW, &first, &json(&body), 0), Ok(Progress::Keys(skipped)));
}

#[test]
fn the_generation_changes_with_the_keys_and_only_then() {
    let mut source = at_path();
    let mut generations = vec![source.generation()];
    for (hour, kids) in [&["a"][..], &["a"], &["a", "b"], &["b"], &["b"]].iter().enumerate() {
        let now = NOW + HOUR * u64::try_from(hour).expect("small");
        let request = request(&mut source, now, None);
        source.fetched(now, &request, &json(&set(kids)), 0).expect("keys");
        generations.push(source.generation());
    }
    assert_eq!(generations, [0, 1, 1, 2, 3, 3]);
}

#[test]
fn what_another_worker_fetched_is_as_old_as_it_is() {
    let mut source = at_path();
    assert_eq!(source.adopt(b"<html>", NOW, 0), Err(KeySetError::Malformed));
    assert_eq!(source.state(NOW), State::NeverFetched);
    source.failed(NOW, 0);
    assert_eq!(source.adopt(set(&["a"]).as_bytes(), NOW - 500, 0), Ok(()));
    assert_eq!(source.state(NOW), State::Fresh);
    assert_eq!(decide(&mut source, NOW + 99, Some("a")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 100, Some("a")), Do::Refresh);
}

#[test]
fn a_timer_fetches_ahead_so_that_no_request_has_to() {
    let policy = Policy { timer: true, ..Policy::default() };
    let refresh = policy.refresh.as_secs();
    let mut source = Source::at("/jwks", policy);
    let first = source.due(NOW).expect("there are no keys");
    assert_eq!(source.due(NOW), None, "a call is under way");
    assert_eq!(decide(&mut source, NOW, Some("a")), Do::Wait(10));
    assert!(source.fetched(NOW, &first, &json(&set(&["a"])), 0).is_ok());
    assert_eq!(source.due(NOW + refresh - 1), None);
    // Requests go on with the old keys, whether or not the timer has asked yet.
    assert_eq!(decide(&mut source, NOW + refresh, Some("a")), Do::Use);
    assert!(source.due(NOW + refresh).is_some());
    assert_eq!(decide(&mut source, NOW + refresh, Some("a")), Do::Use);
    source.failed(NOW + refresh, 0);
    assert_eq!(source.due(NOW + refresh), None, "it is too early to try again");
    assert!(source.due(NOW + refresh + 1).is_some());
}

#[test]
fn no_policy_makes_a_source_busy_or_idle() {
    let zero = Policy {
        refresh: Duration::ZERO,
        max_stale: Duration::ZERO,
        cooldown: Duration::ZERO,
        first_retry: Duration::ZERO,
        last_retry: Duration::ZERO,
        call_timeout: Duration::ZERO,
        max_calls: 0,
        timer: false,
    };
    let mut source = Source::at("/jwks", zero);
    let first = request(&mut source, NOW, None);
    assert_eq!(decide(&mut source, NOW, None), Do::Wait(1));
    source.failed(NOW, 0);
    assert_eq!(decide(&mut source, NOW, None), Do::Unavailable(1));
    assert!(source.fetched(NOW, &first, &json(&set(&["a"])), 0).is_ok());
    assert_eq!(decide(&mut source, NOW, Some("a")), Do::Use);
    assert_eq!(decide(&mut source, NOW, Some("b")), Do::Use);
    assert_eq!(decide(&mut source, NOW + 1, Some("a")), fetch());
}

#[test]
fn a_clock_that_goes_back_does_not_stop_the_source() {
    let mut source = holding(&["a"]);
    let past = NOW - 10 * HOUR;
    assert_eq!(decide(&mut source, past, Some("a")), Do::Refresh);
    assert_eq!(decide(&mut source, past, Some("a")), Do::Use);
    source.failed(past, 0);
    assert_eq!(decide(&mut source, past - HOUR, Some("b")), fetch());
    assert_eq!(decide(&mut source, past - 2 * HOUR, Some("b")), fetch());
}

proptest! {
    #[test]
    fn no_order_of_events_begins_two_calls_at_once(
        events in prop::collection::vec((0..20_u64, 0..4_u8, any::<u64>()), 1..200),
    ) {
        let mut source = at_path();
        let mut now = NOW;
        let mut under_way: Vec<(u64, Request)> = Vec::new();
        for (later, event, jitter) in events {
            now += later;
            under_way.retain(|(began, _)| now - began < 10);
            match event {
                0 => if let Some((_, request)) = under_way.pop() {
                    source.fetched(now, &request, &json(&set(&["a"])), jitter).expect("keys");
                },
                1 => if under_way.pop().is_some() {
                    source.failed(now, jitter);
                },
                _ => {
                    let kid = if event == 2 { "a" } else { "b" };
                    let decision = source.decide(now, Some(kid));
                    prop_assert_ne!(decision.retry_after(), Some(0));
                    if let Decision::Fetch(request) | Decision::Refresh(_, request) = decision {
                        under_way.push((now, request));
                    }
                }
            }
            prop_assert!(under_way.len() <= 1);
        }
    }
}

mod discovery {
    use super::*;

    const ISSUER: &str = "https://as.example/realms/x";
    const OPENID: &str = "/realms/x/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server/realms/x";

    fn source() -> Source {
        Source::discovered(Discovery::of(ISSUER).expect("a URL"), Policy::default())
    }

    fn metadata(issuer: &str, keys: &str) -> String {
        format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}","x":[1]}}"#)
    }

    const NOT_FOUND: Answer<'_> = Answer { status: 404, content_type: None, body: b"" };

    #[test]
    fn the_documents_are_where_the_standards_say() {
        let cases = [
            (ISSUER, OPENID, OAUTH, "as.example"),
            ("https://as.example/realms/x/", OPENID, OAUTH, "as.example"),
            (
                "HTTPS://AS.example:8443",
                "/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server",
                "as.example:8443",
            ),
            (
                "http://127.0.0.1/",
                "/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server",
                "127.0.0.1",
            ),
        ];
        for (issuer, openid, oauth, authority) in cases {
            let discovery = Discovery::of(issuer).expect(issuer);
            assert_eq!(discovery.authority(), authority);
            let mut source = Source::discovered(discovery, Policy::default());
            let first = request(&mut source, NOW, None);
            assert_eq!(first.path, openid);
            let progress = source.fetched(NOW, &first, &NOT_FOUND, 0);
            assert_eq!(progress, Ok(Progress::Located));
            assert_eq!(decide(&mut source, NOW, None), Do::Fetch(oauth.into()));
        }
        for issuer in [
            "",
            "as.example",
            "ftp://as.example",
            "https://",
            "https:///x",
            "https://a@as.example",
            "https://as.example?x",
            "https://as.example/#x",
            "https://as.example/a b",
            "https://ä.example",
            "https://as.example/\r\nX: y",
            "joe",
        ] {
            assert_eq!(Discovery::of(issuer).map(drop), Err(IssuerError), "{issuer}");
        }
    }

    #[test]
    fn metadata_leads_to_keys() {
        for via_oauth in [false, true] {
            let mut source = source();
            let mut document = request(&mut source, NOW, Some("a"));
            if via_oauth {
                source.fetched(NOW, &document, &NOT_FOUND, 0).expect("there is another");
                document = request(&mut source, NOW, Some("a"));
            }
            let text = metadata(ISSUER, "https://AS.example/realms/x/keys?v=1");
            assert_eq!(source.fetched(NOW, &document, &json(&text), 0), Ok(Progress::Located));
            let keys = request(&mut source, NOW, Some("a"));
            assert_eq!(keys.path, "/realms/x/keys?v=1");
            assert_eq!(decide(&mut source, NOW, Some("a")), Do::Wait(10));
            assert!(source.fetched(NOW, &keys, &json(&set(&["a"])), 0).is_ok());
            assert_eq!(decide(&mut source, NOW, Some("a")), Do::Use);
            // Once found, the keys are asked for directly, until that fails.
            let again = request(&mut source, NOW + 600, Some("a"));
            assert_eq!(again.path, "/realms/x/keys?v=1");
            source.failed(NOW + 600, 0);
            assert_eq!(request(&mut source, NOW + 601, Some("a")).path, OPENID);
        }
    }

    #[test]
    fn metadata_is_believed_only_of_the_issuer_about_itself() {
        let cases = [
            (metadata("https://as.example/realms/y", "https://as.example/k"), AnswerError::Issuer),
            (metadata("https://as.example/realms/x/", "https://as.example/k"), AnswerError::Issuer),
            (metadata("https://AS.example/realms/x", "https://as.example/k"), AnswerError::Issuer),
            (metadata(ISSUER, "https://evil.example/k"), AnswerError::KeysElsewhere),
            (metadata(ISSUER, "https://as.example.evil.example/k"), AnswerError::KeysElsewhere),
            (metadata(ISSUER, "https://as.example:444/k"), AnswerError::KeysElsewhere),
            (metadata(ISSUER, "http://as.example/k"), AnswerError::KeysElsewhere),
            (metadata(ISSUER, "https://as.example@evil.example/k"), AnswerError::Metadata),
            (metadata(ISSUER, "https://as.example"), AnswerError::Metadata),
            (metadata(ISSUER, "https://as.example?k"), AnswerError::Metadata),
            (metadata(ISSUER, "/k"), AnswerError::Metadata),
            (metadata(ISSUER, "file:///etc/passwd"), AnswerError::Metadata),
            (metadata(ISSUER, "https://as.example/k#x"), AnswerError::Metadata),
            (metadata(ISSUER, "https://as.example/k\\r\\nx: y"), AnswerError::Metadata),
            (metadata(ISSUER, "https://as.example/a b"), AnswerError::Metadata),
            (
                metadata(ISSUER, &format!("https://as.example/{}", "k".repeat(2048))),
                AnswerError::Metadata,
            ),
            (format!(r#"{{"issuer":"{ISSUER}"}}"#), AnswerError::Metadata),
            (
                format!(r#"{{"issuer":["{ISSUER}"],"jwks_uri":"https://as.example/k"}}"#),
                AnswerError::Metadata,
            ),
            (
                metadata(ISSUER, "https://as.example/k").replace("\"x\":", "\"issuer\":"),
                AnswerError::Metadata,
            ),
            ("[]".into(), AnswerError::Metadata),
            ("<html>".into(), AnswerError::Metadata),
            (set(&["a"]), AnswerError::Metadata),
        ];
        for (text, error) in cases {
            let mut source = source();
            let document = request(&mut source, NOW, None);
            assert_eq!(source.fetched(NOW, &document, &json(&text), 0), Err(error), "{text:.200}");
            assert_eq!(decide(&mut source, NOW, None), Do::Unavailable(1));
            assert_eq!(decide(&mut source, NOW + 1, None), Do::Fetch(OPENID.into()));
        }
    }

    #[test]
    fn only_where_there_is_no_document_another_is_looked_at() {
        for status in [0, 200, 301, 302, 399, 500, 503] {
            let mut source = source();
            let openid = request(&mut source, NOW, None);
            let answer = Answer { status, content_type: None, body: b"" };
            assert!(source.fetched(NOW, &openid, &answer, 0).is_err(), "{status}");
            assert_eq!(decide(&mut source, NOW, None), Do::Unavailable(1), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 410, 499] {
            let mut source = source();
            let openid = request(&mut source, NOW, None);
            let answer = Answer { status, content_type: None, body: b"" };
            let progress = source.fetched(NOW, &openid, &answer, 0);
            assert_eq!(progress, Ok(Progress::Located), "{status}");
            assert_eq!(decide(&mut source, NOW, None), Do::Fetch(OAUTH.into()), "{status}");
        }
    }

    #[test]
    fn a_search_in_vain_ends_and_is_put_off() {
        let mut source = source();
        let mut now = NOW;
        for delay in [1, 2, 4, 8] {
            let openid = request(&mut source, now, None);
            assert_eq!(openid.path, OPENID);
            assert_eq!(source.fetched(now, &openid, &NOT_FOUND, 0), Ok(Progress::Located));
            let oauth = request(&mut source, now, None);
            assert_eq!(oauth.path, OAUTH);
            let verdict = source.fetched(now, &oauth, &NOT_FOUND, 0);
            assert_eq!(verdict, Err(AnswerError::Status(404)));
            assert_eq!(decide(&mut source, now, None), Do::Unavailable(delay));
            now += delay;
        }
    }

    #[test]
    fn good_metadata_and_bad_keys_are_put_off_for_longer_and_longer() {
        let mut source = source();
        let mut now = NOW;
        for delay in [1, 2, 4, 8] {
            let document = request(&mut source, now, None);
            let text = metadata(ISSUER, "https://as.example/k");
            source.fetched(now, &document, &json(&text), 0).expect("located");
            let keys = request(&mut source, now, None);
            assert_eq!(keys.path, "/k");
            assert!(source.fetched(now, &keys, &json("{}"), 0).is_err());
            assert_eq!(decide(&mut source, now, None), Do::Unavailable(delay));
            now += delay;
        }
    }
}
