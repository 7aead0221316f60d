//! One request on its way: feeds the pipeline and carries out what it returns. The only place that
//! pauses a request.

use mcp_core::head::Head;
use mcp_core::pipeline::{Exchange, Fetch, Filter, HttpAnswer, Next, Step, TicketOf, Topic};
use mcp_core::refusal::Reason;
use mcp_core::telemetry::Log;
use proxy_wasm::types::Action;

use crate::abi::{self, Failed, Level, Map};
use crate::answer::{apply, reply};
use crate::calls;
use crate::pairs;
use crate::probe::{Hold, TICK_PERIOD};
use crate::shell::Running;

/// One request, as far as it came.
pub(crate) struct Request<F: Filter> {
    context: u32,
    exchange: Option<Exchange<F>>,
    waiting: Waiting<TicketOf<F>>,
    /// Bytes of the body so far.
    received: usize,
    /// Whether that was all of it.
    complete: bool,
}

const CONTENT_LENGTH: &str = "content-length";

/// What a request is held for.
enum Waiting<T> {
    Nothing,
    Body,
    /// A call of its own, by the host's token: where the host holds only requests that made one.
    Call {
        token: u32,
        ticket: T,
    },
    /// The answer to a call that the plugin made.
    Topic(Topic),
}

impl<F: Filter> Request<F> {
    pub(crate) const fn new(context: u32) -> Self {
        Self { context, exchange: None, waiting: Waiting::Nothing, received: 0, complete: false }
    }

    pub(crate) const fn context(&self) -> u32 {
        self.context
    }

    /// What it waits for, if that is something the plugin was asked to fetch.
    pub(crate) const fn topic(&self) -> Option<Topic> {
        match self.waiting {
            Waiting::Topic(topic) => Some(topic),
            Waiting::Nothing | Waiting::Body | Waiting::Call { .. } => None,
        }
    }

    pub(crate) fn head(
        &mut self,
        running: &Running<F>,
        count: usize,
        end_of_stream: bool,
    ) -> Action {
        // APISIX reports no count, always claims the end of the stream, and crashes when asked to
        // list the headers of a request that has no Host.
        let counted = count > 0;
        if !counted && !matches!(abi::header(Map::Request, "host"), Ok(Some(_))) {
            return running.refuse(Reason::HostMissing);
        }
        let has_body = !(counted && end_of_stream);
        let mut environment = running.environment();
        let judged =
            with_head(|head| running.servers.request_head(head, has_body, &mut environment));
        match judged {
            Ok((exchange, step)) => {
                self.exchange = Some(exchange);
                self.carry_out(running, step)
            }
            Err(reason) => running.refuse(reason),
        }
    }

    /// A part of the body arrived.
    pub(crate) fn body(
        &mut self,
        running: &Running<F>,
        size: usize,
        end_of_stream: bool,
    ) -> Action {
        self.received = size;
        self.complete = end_of_stream;
        self.judge_body(running)
    }

    /// The trailers arrived, and so all of the body had.
    pub(crate) fn trailers(&mut self, running: &std::rc::Rc<Running<F>>) -> Action {
        self.complete = true;
        self.judge_body(running)
    }

    /// The call it made was answered.
    pub(crate) fn answered(
        &mut self,
        running: &Running<F>,
        token: u32,
        answer: &HttpAnswer<'_>,
    ) -> Action {
        match core::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Call { token: expected, ticket } if expected == token => {
                let mut environment = running.environment();
                running.servers.answered(ticket, answer, &mut environment);
                self.resume(running)
            }
            other => {
                self.waiting = other;
                Action::Pause
            }
        }
    }

    /// What it waits for may have come. The host's calls must be about this request.
    pub(crate) fn resume(&mut self, running: &Running<F>) -> Action {
        self.waiting = Waiting::Nothing;
        let Some(exchange) = self.exchange.as_mut() else {
            return running.refuse(Reason::Unavailable);
        };
        let mut environment = running.environment();
        let judged = with_head(|head| running.servers.resume(exchange, head, &mut environment));
        match judged {
            Ok(step) => self.carry_out(running, step),
            Err(reason) => running.refuse(reason),
        }
    }

    /// The exchange, once the request's head was judged.
    pub(crate) const fn exchange(&mut self) -> Option<&mut Exchange<F>> {
        self.exchange.as_mut()
    }

    fn judge_body(&mut self, running: &Running<F>) -> Action {
        match self.waiting {
            Waiting::Nothing => return Action::Continue,
            // The host buffers; the body is judged once it is known who calls.
            Waiting::Call { .. } | Waiting::Topic(_) => return Action::Pause,
            Waiting::Body => {}
        }
        if running.probe.hold == Hold::Pause && !running.watchdog.note(self.context) {
            // Given up by the watchdog: the answer is on its way.
            return Action::Pause;
        }
        let Some(exchange) = self.exchange.as_mut() else {
            return running.refuse(Reason::Unavailable);
        };
        let too_large = u64::try_from(self.received)
            .is_ok_and(|size| size > running.servers.admission(exchange).max_body);
        if !too_large && !self.complete {
            return Action::Pause;
        }
        let step = if too_large {
            running.servers.abandon(exchange, Reason::BodyTooLarge)
        } else if let Ok(body) = abi::request_body(self.received) {
            let mut environment = running.environment();
            running.servers.request_body(exchange, &body, &mut environment)
        } else {
            running.servers.abandon(exchange, Reason::Unavailable)
        };
        self.waiting = Waiting::Nothing;
        running.watchdog.release(self.context);
        self.carry_out(running, step)
    }

    fn carry_out(&mut self, running: &Running<F>, step: Step<TicketOf<F>>) -> Action {
        if apply(Map::Request, &step.edits).is_err() {
            // An owned header that cannot be removed would be believed upstream.
            return running.refuse(Reason::Unavailable);
        }
        let details = step.report.as_ref().map_or("mcp", |_| "mcp_refused");
        if let Some((report, exchange)) = step.report.zip(self.exchange.as_ref()) {
            let settings = running.servers.telemetry(exchange);
            running.telemetry.record(&report, settings, |report| match settings.log {
                Log::Refusals => report.line(),
                Log::Exchanges => exchange.decision_line(report),
            });
        }
        match step.next {
            Next::Forward => Action::Continue,
            Next::ForwardWith(body) => self.forward_with(running, &body),
            Next::Reply(answer) => {
                reply(&answer, details);
                Action::Pause
            }
            Next::ReadBody => self.await_body(running),
            Next::Fetch(fetch) => match running.probe.hold {
                Hold::Pause => {
                    let topic = fetch.topic;
                    running.errands.ask(fetch);
                    self.await_topic(running, topic)
                }
                Hold::Property => self.call(running, fetch),
            },
            Next::Wait(topic) => self.await_topic(running, topic),
        }
    }

    /// Lets the request go on with another body.
    fn forward_with(&self, running: &Running<F>, body: &[u8]) -> Action {
        if let Err(Failed(status)) = abi::set_request_body(self.received, body) {
            // It goes on as it came, which was judged.
            abi::log(Level::Error, &format!("the host kept a request's body: status {status}"));
            return Action::Continue;
        }
        // With a length that is not its own, what follows would be read as another request.
        let length = match abi::header(Map::Request, CONTENT_LENGTH) {
            Ok(Some(_)) => abi::set_header(Map::Request, CONTENT_LENGTH, &body.len().to_string()),
            Ok(None) => Ok(()),
            Err(failed) => Err(failed),
        };
        length.map_or_else(|_| running.refuse(Reason::Unavailable), |()| Action::Continue)
    }

    fn await_body(&mut self, running: &Running<F>) -> Action {
        let Some(exchange) = &self.exchange else { return running.refuse(Reason::Unavailable) };
        self.waiting = Waiting::Body;
        match running.probe.hold {
            Hold::Pause => {
                let patience = running.servers.admission(exchange).body_timeout.as_millis();
                let ticks = patience.div_ceil(u128::from(TICK_PERIOD));
                running.watchdog.hold(self.context, u64::try_from(ticks).unwrap_or(u64::MAX));
                // All of it may have come while a call was awaited.
                if self.complete { self.judge_body(running) } else { Action::Pause }
            }
            Hold::Property if abi::set_property("wasm_process_req_body", "1").is_ok() => {
                Action::Continue
            }
            Hold::Property => running.refuse(Reason::Unavailable),
        }
    }

    /// Lets the plugin wake this request. A pause without a call of one's own is not legal on every
    /// host.
    fn await_topic(&mut self, running: &Running<F>, topic: Topic) -> Action {
        if running.probe.hold == Hold::Pause && running.waiting.has_room() {
            self.waiting = Waiting::Topic(topic);
            return Action::Pause;
        }
        running.refuse(Reason::Unavailable)
    }

    fn call(&mut self, running: &Running<F>, fetch: Fetch<TicketOf<F>>) -> Action {
        let Fetch { call, ticket, .. } = fetch;
        match calls::dispatch(&call) {
            Some(token) => {
                self.waiting = Waiting::Call { token, ticket };
                Action::Pause
            }
            None => {
                let mut environment = running.environment();
                running.servers.answered(ticket, &HttpAnswer::NONE, &mut environment);
                self.resume(running)
            }
        }
    }
}

/// Runs `judge` on the request's head as the host lists it now.
fn with_head<T>(judge: impl FnOnce(&Head<'_>) -> T) -> Result<T, Reason> {
    let bytes = abi::header_pairs(Map::Request).map_err(|_| Reason::TooManyHeaders)?;
    let fields = pairs::parse(&bytes).ok_or(Reason::Unavailable)?;
    Ok(judge(&Head::new(fields)))
}
