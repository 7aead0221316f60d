//! Two filters that write down what they are asked, as one.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::cell::RefCell;
use std::rc::Rc;

use super::super::{HttpCall, Step};
use super::*;
use crate::admission::{Admission, AdmissionConfig};
use crate::edit::HeaderValue;
use crate::pipeline::{Exchange, Next, Pipeline};
use crate::refusal::Reason;

type Log = Rc<RefCell<Vec<String>>>;

/// Says what it is asked, and does as it is told.
#[derive(Default)]
struct Part {
    name: &'static str,
    log: Log,
    identify: RefCell<Vec<Identified<u8>>>,
    refuses: bool,
    annotates: bool,
    interest: Interest,
    observation: Option<Observation>,
}

impl Part {
    fn say(&self, what: &str) {
        self.log.borrow_mut().push(format!("{} {what}", self.name));
    }
}

struct World;

impl Environment for World {
    fn now(&mut self) -> Option<u64> {
        Some(0)
    }

    fn randomize(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }
}

struct JsonAnswer;

impl Response for JsonAnswer {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            ":status" => Some(b"200".to_vec()),
            "content-type" => Some(b"application/json".to_vec()),
            _ => None,
        }
    }
}

struct EventStream;

impl Response for EventStream {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        (name == "content-type").then(|| b"text/event-stream".to_vec())
    }
}

impl Filter for Part {
    type State = bool;
    type Ticket = u8;

    fn owns(&self, name: &[u8]) -> bool {
        name == self.name.as_bytes()
    }

    fn identify(
        &self,
        _: &Head<'_>,
        caller: &mut Caller,
        _: &mut dyn Environment,
        given_up: &mut bool,
    ) -> Result<Identified<u8>, Refusal> {
        self.say(if *given_up { "identify without answers" } else { "identify" });
        if *given_up {
            return Err(Refusal::new(Reason::Unavailable));
        }
        let known = caller.agent.get_or_insert_default();
        known.push_str(self.name);
        let next = self.identify.borrow_mut().pop();
        Ok(next.unwrap_or_else(|| Identified::Settled(vec![edit(self.name)])))
    }

    fn give_up(&self, given_up: &mut bool) {
        *given_up = true;
    }

    fn answered(&self, ticket: u8, _: &HttpAnswer<'_>, _: &mut dyn Environment) {
        self.say(&format!("answered {ticket}"));
    }

    fn tick(&self, _: &mut dyn Environment) -> Vec<Fetch<u8>> {
        vec![fetch(9)]
    }

    fn authorize(
        &self,
        _: &Call<'_>,
        caller: &Caller,
        _: &mut dyn Environment,
        _: &mut bool,
    ) -> Result<Vec<Edit>, Refusal> {
        self.say(&format!("authorize {}", caller.agent.as_deref().unwrap_or_default()));
        if self.refuses { Err(Refusal::new(Reason::Forbidden)) } else { Ok(vec![edit("call")]) }
    }

    fn annotations(&self, _: &Call<'_>, _: &mut bool) -> Vec<(&'static str, HeaderValue)> {
        let text = (self.name, HeaderValue::from_static("added"));
        Vec::from_iter(self.annotates.then_some(text))
    }

    fn respond(
        &self,
        _: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        _: &mut bool,
    ) -> Vec<Edit> {
        vec![edit(self.name)]
    }

    fn interest(&self, _: &dyn Response, _: &Caller, _: &mut bool) -> Interest {
        self.interest
    }

    fn observe(
        &self,
        message: Piece<'_>,
        _: &Caller,
        _: &mut dyn Environment,
        _: &mut bool,
    ) -> Observation {
        let changed = if message == Piece::Message(b"{}") { " {}" } else { "" };
        self.say(&format!("observe{changed}"));
        self.observation.clone().unwrap_or(Observation::Pass)
    }
}

fn edit(value: &'static str) -> Edit {
    Edit::Set("x-seen".into(), HeaderValue::from_static(value))
}

fn fetch(ticket: u8) -> Fetch<u8> {
    let call = HttpCall {
        service: "s".to_owned(),
        scheme: "https",
        authority: "a".to_owned(),
        path: "/".to_owned(),
        form: None,
        timeout: 1,
    };
    Fetch { call, ticket, topic: Topic(u64::from(ticket)) }
}

fn parts() -> (Part, Part, Log) {
    let log = Log::default();
    let part = |name| Part { name, log: Rc::clone(&log), ..Part::default() };
    (part("first"), part("second"), Rc::clone(&log))
}

fn pipeline(first: Part, second: Part) -> Pipeline<Chain<Part, Part>> {
    let admission = Admission::try_from(AdmissionConfig::default()).expect("the default is valid");
    Pipeline::new(admission, Chain(first, second))
}

const POST: [(&[u8], &[u8]); 3] =
    [(b":method", b"POST"), (b":path", b"/mcp"), (b"content-type", b"application/json")];

const PING: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

type Flow = (Exchange<Chain<Part, Part>>, Step<ChainTicket<u8, u8>>);

fn begin(pipeline: &Pipeline<Chain<Part, Part>>) -> Flow {
    pipeline.request_head(&Head::new(POST.to_vec()), true, &mut World)
}

#[test]
fn each_stage_runs_over_both_before_the_next_and_the_second_knows_the_caller() {
    let (first, second, log) = parts();
    let pipeline = pipeline(first, second);
    let (mut exchange, step) = begin(&pipeline);
    assert_eq!(step.edits, [edit("first"), edit("second")]);
    let step = pipeline.request_body(&mut exchange, PING, &mut World);
    assert_eq!((step.edits, step.next), (vec![edit("call"), edit("call")], Next::Forward));
    let edits = pipeline.response_head(&mut exchange, &JsonAnswer, &mut World);
    assert_eq!(edits, [edit("first"), edit("second")]);
    let expected = [
        "first identify",
        "second identify",
        "first authorize firstsecond",
        "second authorize firstsecond",
    ];
    assert_eq!(*log.borrow(), expected);
}

/// What a filter is asked in one exchange, and what comes of it.
fn whole<F: Filter>(filter: F, log: &Log) -> (Vec<Edit>, Vec<String>) {
    let admission = Admission::try_from(AdmissionConfig::default()).expect("the default is valid");
    let pipeline = Pipeline::new(admission, filter);
    let head = Head::new(POST.to_vec());
    let (mut exchange, step) = pipeline.request_head(&head, true, &mut World);
    let mut edits = step.edits;
    edits.extend(pipeline.request_body(&mut exchange, PING, &mut World).edits);
    edits.extend(pipeline.response_head(&mut exchange, &JsonAnswer, &mut World));
    pipeline.response_body(&mut exchange, br#"{"id":1}"#, true, &mut World);
    (edits, log.take())
}

#[test]
fn an_absent_filter_leaves_the_other_as_if_it_were_alone() {
    let part = || {
        let (first, _, log) = parts();
        let interest = Interest { messages: Attention::Judge, until: None };
        (Part { interest, ..first }, log)
    };
    let (alone, log) = part();
    let expected = whole(alone, &log);
    assert_eq!(expected.1, ["first identify", "first authorize first", "first observe"]);
    let (first, log) = part();
    assert_eq!(whole(Chain(Some(first), None::<Part>), &log), expected);
    let (second, log) = part();
    assert_eq!(whole(Chain(None::<Part>, Some(second)), &log), expected);
    let nobody = whole(Chain(None::<Part>, None::<Part>), &log);
    assert_eq!(nobody, (vec![], vec![]));
}

#[test]
fn what_either_adds_to_a_message_goes_upstream() {
    for annotates in [(true, true), (true, false), (false, true)] {
        let (first, second, _) = parts();
        let first = Part { annotates: annotates.0, ..first };
        let pipeline = pipeline(first, Part { annotates: annotates.1, ..second });
        let (mut exchange, _) = begin(&pipeline);
        let step = pipeline.request_body(&mut exchange, PING, &mut World);
        let Next::ForwardWith(body) = step.next else { panic!("{:?}", step.next) };
        let body = String::from_utf8_lossy(&body);
        let has = |name| body.contains(&format!(r#""{name}":"added""#));
        assert_eq!((has("first"), has("second")), annotates, "{body}");
    }
}

#[test]
fn what_the_first_refuses_the_second_is_not_asked() {
    let (first, second, log) = parts();
    let pipeline = pipeline(Part { refuses: true, ..first }, second);
    let (mut exchange, _) = begin(&pipeline);
    let step = pipeline.request_body(&mut exchange, PING, &mut World);
    assert!(matches!(step.next, Next::Reply(reply) if reply.status == 403));
    assert!(!log.borrow().iter().any(|line| line.starts_with("second authorize")));
}

#[test]
fn answers_go_to_whoever_asked_and_topics_stay_apart() {
    let (first, second, log) = parts();
    first.identify.borrow_mut().push(Identified::Fetch(fetch(1)));
    second.identify.borrow_mut().push(Identified::Fetch(fetch(1)));
    let pipeline = pipeline(first, second);
    let (mut exchange, step) = begin(&pipeline);
    let Next::Fetch(one) = step.next else { panic!("{:?}", step.next) };
    pipeline.answered(one.ticket, &HttpAnswer::NONE, &mut World);
    let step = pipeline.resume(&mut exchange, &Head::new(POST.to_vec()), &mut World);
    let Next::Fetch(two) = step.next else { panic!("{:?}", step.next) };
    assert_ne!(one.topic, two.topic);
    pipeline.answered(two.ticket, &HttpAnswer::NONE, &mut World);
    let step = pipeline.resume(&mut exchange, &Head::new(POST.to_vec()), &mut World);
    assert_eq!(step.next, Next::ReadBody);
    let log: Vec<_> =
        log.borrow().iter().filter(|line| line.contains("answered")).cloned().collect();
    assert_eq!(log, ["first answered 1", "second answered 1"]);
    let tickets: Vec<_> = pipeline.tick(&mut World).into_iter().map(|it| it.ticket).collect();
    assert_eq!(tickets, [ChainTicket::First(9), ChainTicket::Second(9)]);
}

#[test]
fn both_learn_that_no_answer_comes() {
    let (first, second, log) = parts();
    first.identify.borrow_mut().extend(core::iter::repeat_n(Identified::Wait(Topic(3)), 99));
    let pipeline = pipeline(first, second);
    let (mut exchange, mut step) = begin(&pipeline);
    while matches!(step.next, Next::Wait(_)) {
        step = pipeline.resume(&mut exchange, &Head::new(POST.to_vec()), &mut World);
    }
    assert_eq!(log.borrow().last().map(String::as_str), Some("first identify without answers"));
    let step = pipeline.request_body(&mut exchange, PING, &mut World);
    assert!(matches!(step.next, Next::Reply(reply) if reply.status == 503));
}

#[test]
fn messages_are_judged_by_those_who_asked_for_them_and_the_first_word_counts() {
    use Attention::{Judge, Listen, None as Not};
    let replaced = || Some(Observation::Replace(b"{}".to_vec()));
    let cases = [
        (Judge, Judge, None, vec!["first observe", "second observe"]),
        (Judge, Judge, replaced(), vec!["first observe", "second observe {}"]),
        (Judge, Listen, replaced(), vec!["first observe", "second observe {}"]),
        (Listen, Judge, replaced(), vec!["first observe", "second observe"]),
        (Judge, Judge, Some(Observation::Drop), vec!["first observe"]),
        (Not, Judge, Some(Observation::Drop), vec!["second observe"]),
        (Judge, Not, None, vec!["first observe"]),
        (Not, Not, None, vec![]),
    ];
    for (one, two, observation, expected) in cases {
        let (first, second, log) = parts();
        let interest = |messages| Interest { messages, until: None };
        let first = Part { interest: interest(one), observation, ..first };
        let pipeline = pipeline(first, Part { interest: interest(two), ..second });
        let (mut exchange, _) = begin(&pipeline);
        pipeline.request_body(&mut exchange, PING, &mut World);
        pipeline.response_head(&mut exchange, &JsonAnswer, &mut World);
        log.borrow_mut().clear();
        pipeline.response_body(&mut exchange, br#"{"id":1}"#, true, &mut World);
        assert_eq!(*log.borrow(), expected, "{one:?} {two:?}");
    }
}

#[test]
fn who_releases_an_answer_hears_no_more_of_it_and_nobody_else_misses_anything() {
    use Attention::{Judge, Listen, None as Not};
    let release = || Some(Observation::Release);
    let cases = [
        // One that judges alone gives all the rest free.
        (Judge, Not, release(), None, vec!["first observe"]),
        (Not, Judge, None, release(), vec!["second observe"]),
        (Judge, Judge, release(), release(), vec!["first observe", "second observe"]),
        // The other goes on to hear, and to judge.
        (Judge, Listen, release(), None, vec!["first observe", "second observe", "second observe"]),
        (Judge, Judge, Some(Observation::Drop), release(), vec!["first observe", "first observe"]),
        // Who listens only has no say.
        (
            Listen,
            Judge,
            release(),
            release(),
            vec!["first observe", "second observe", "first observe"],
        ),
    ];
    for (one, two, first_says, second_says, expected) in cases {
        let (first, second, log) = parts();
        let interest = |messages| Interest { messages, until: None };
        let first = Part { interest: interest(one), observation: first_says, ..first };
        let second = Part { interest: interest(two), observation: second_says, ..second };
        let pipeline = pipeline(first, second);
        let (mut exchange, _) = begin(&pipeline);
        pipeline.request_body(&mut exchange, PING, &mut World);
        pipeline.response_head(&mut exchange, &EventStream, &mut World);
        log.borrow_mut().clear();
        pipeline.response_body(&mut exchange, b"data: 1\n\ndata: 2\n\n", true, &mut World);
        assert_eq!(*log.borrow(), expected, "{one:?} {two:?}");
    }
}

#[test]
fn the_earlier_end_of_a_stream_counts_and_both_own_their_fields() {
    let (first, second, _) = parts();
    let until = |until| Interest { messages: Attention::None, until };
    let chain = Chain(
        Part { interest: until(Some(7)), ..first },
        Part { interest: until(Some(5)), ..second },
    );
    let interest = chain.interest(&JsonAnswer, &Caller::default(), &mut ChainState::default());
    assert_eq!(interest, until(Some(5)));
    assert!(chain.owns(b"first") && chain.owns(b"second") && !chain.owns(b"third"));
}
