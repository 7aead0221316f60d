//! One exchange: feeds the pipeline from the SDK's callbacks and carries out what it returns. The
//! only place that pauses a request.

use std::rc::Rc;

use mcp_core::head::Head;
use mcp_core::pipeline::{Exchange, Filter, HttpAnswer, HttpCall, Next, Step};
use mcp_core::refusal::Reason;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::abi::{self, Failed, Level, Map};
use crate::answer::{apply, refuse, reply};
use crate::calls;
use crate::environment::HostEnvironment;
use crate::pairs;
use crate::probe::{Hold, TICK_PERIOD};
use crate::response;
use crate::shell::Running;

/// One exchange.
pub(crate) struct Stream<F: Filter> {
    context: u32,
    running: Option<Rc<Running<F>>>,
    exchange: Option<Exchange<F>>,
    waiting: Waiting,
    /// Bytes of the body so far.
    received: usize,
    /// Whether that was all of it.
    complete: bool,
}

/// What a request is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Body,
    Answer(u32),
}

impl<F: Filter> Stream<F> {
    pub(crate) const fn new(context: u32, running: Option<Rc<Running<F>>>) -> Self {
        Self {
            context,
            running,
            exchange: None,
            waiting: Waiting::Nothing,
            received: 0,
            complete: false,
        }
    }
}

impl<F: Filter> Context for Stream<F> {
    fn on_http_call_response(&mut self, token: u32, count: usize, size: usize, _: usize) {
        if self.waiting != Waiting::Answer(token) {
            return;
        }
        let action = calls::with_answer(count, size, |answer| self.answered(answer));
        if action == Action::Continue
            && let Err(Failed(status)) = abi::resume_request()
        {
            abi::log(Level::Error, &format!("the host did not resume a request: status {status}"));
        }
    }
}

impl<F: Filter> HttpContext for Stream<F> {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let Some(running) = self.running.clone() else {
            return refuse(Reason::Unavailable);
        };
        // APISIX reports no count, always claims the end of the stream, and crashes when asked to
        // list the headers of a request that has no Host.
        let counted = count > 0;
        if !counted && !matches!(abi::header(Map::Request, "host"), Ok(Some(_))) {
            return refuse(Reason::HostMissing);
        }
        let has_body = !(counted && end_of_stream);
        let mut environment = HostEnvironment { clock: running.probe.clock };
        let judged =
            with_head(|head| running.pipeline.request_head(head, has_body, &mut environment));
        match judged {
            Ok((exchange, step)) => {
                self.exchange = Some(exchange);
                self.carry_out(&running, step)
            }
            Err(reason) => refuse(reason),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.received = size;
        self.complete = end_of_stream;
        self.body()
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.complete = true;
        self.body()
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let (Some(running), Some(exchange)) = (&self.running, &mut self.exchange) {
            response::head(running, self.context, exchange);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if let (Some(running), Some(exchange)) = (&self.running, &mut self.exchange) {
            response::body(running, self.context, exchange, size, end_of_stream);
        }
        Action::Continue
    }
}

impl<F: Filter> Stream<F> {
    /// A part of the body arrived.
    fn body(&mut self) -> Action {
        let Some(running) = self.running.clone() else { return Action::Continue };
        match self.waiting {
            Waiting::Nothing => return Action::Continue,
            // The host buffers; the body is judged once it is known who calls.
            Waiting::Answer(_) => return Action::Pause,
            Waiting::Body => {}
        }
        if running.probe.hold == Hold::Pause && !running.watchdog.note(self.context) {
            // Given up by the watchdog: the answer is on its way.
            return Action::Pause;
        }
        let too_large = u64::try_from(self.received)
            .is_ok_and(|size| size > running.pipeline.admission().max_body);
        if !too_large && !self.complete {
            return Action::Pause;
        }
        let Some(exchange) = self.exchange.as_mut() else {
            return refuse(Reason::Unavailable);
        };
        let step = if too_large {
            running.pipeline.abandon(exchange, Reason::BodyTooLarge)
        } else if let Ok(body) = abi::request_body(self.received) {
            let mut environment = HostEnvironment { clock: running.probe.clock };
            running.pipeline.request_body(exchange, &body, &mut environment)
        } else {
            running.pipeline.abandon(exchange, Reason::Unavailable)
        };
        self.waiting = Waiting::Nothing;
        running.watchdog.release(self.context);
        self.carry_out(&running, step)
    }

    fn answered(&mut self, answer: &HttpAnswer<'_>) -> Action {
        self.waiting = Waiting::Nothing;
        let (Some(running), Some(exchange)) = (self.running.clone(), self.exchange.as_mut()) else {
            return refuse(Reason::Unavailable);
        };
        let mut environment = HostEnvironment { clock: running.probe.clock };
        let judged = with_head(|head| {
            running.pipeline.call_answered(exchange, head, answer, &mut environment)
        });
        match judged {
            Ok(step) => self.carry_out(&running, step),
            Err(reason) => refuse(reason),
        }
    }

    fn carry_out(&mut self, running: &Running<F>, step: Step) -> Action {
        if apply(Map::Request, &step.edits).is_err() {
            // An owned header that cannot be removed would be believed upstream.
            return refuse(Reason::Unavailable);
        }
        let details = step.report.as_ref().map_or("mcp", |_| "mcp_refused");
        if let Some(report) = step.report {
            running.telemetry.record(report);
        }
        match step.next {
            Next::Forward => Action::Continue,
            Next::Reply(answer) => {
                reply(&answer, details);
                Action::Pause
            }
            Next::ReadBody => self.await_body(running),
            Next::Call(call) => self.await_answer(&call),
        }
    }

    fn await_body(&mut self, running: &Running<F>) -> Action {
        self.waiting = Waiting::Body;
        match running.probe.hold {
            Hold::Pause => {
                let patience = running.pipeline.admission().body_timeout.as_millis();
                let ticks = patience.div_ceil(u128::from(TICK_PERIOD));
                running.watchdog.hold(self.context, u64::try_from(ticks).unwrap_or(u64::MAX));
                // All of it may have come while a call was awaited.
                if self.complete { self.body() } else { Action::Pause }
            }
            Hold::Property if abi::set_property("wasm_process_req_body", "1").is_ok() => {
                Action::Continue
            }
            Hold::Property => refuse(Reason::Unavailable),
        }
    }

    fn await_answer(&mut self, call: &HttpCall) -> Action {
        match calls::dispatch(call) {
            Some(token) => {
                self.waiting = Waiting::Answer(token);
                Action::Pause
            }
            None => self.answered(&HttpAnswer::NONE),
        }
    }
}

impl<F: Filter> Drop for Stream<F> {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.watchdog.release(self.context);
            running.deadlines.release(self.context);
        }
    }
}

/// Runs `judge` on the request's head as the host lists it now.
fn with_head<T>(judge: impl FnOnce(&Head<'_>) -> T) -> Result<T, Reason> {
    let bytes = abi::header_pairs(Map::Request).map_err(|_| Reason::TooManyHeaders)?;
    let fields = pairs::parse(&bytes).ok_or(Reason::Unavailable)?;
    Ok(judge(&Head::new(fields)))
}
