//! One exchange as the SDK knows it: its callbacks, handed to the request they are about.

use core::cell::RefCell;
use std::rc::Rc;

use mcp_core::pipeline::{Ending, Filter};
use mcp_core::refusal::Reason;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::abi::{self, Failed, Level};
use crate::answer::refuse;
use crate::calls;
use crate::request::Request;
use crate::response;
use crate::shell::Running;

/// One exchange.
pub(crate) struct Stream<F: Filter> {
    context: u32,
    running: Option<Rc<Running<F>>>,
    /// Shared with whoever wakes it, once what it waits for came.
    request: Rc<RefCell<Request<F>>>,
}

impl<F: Filter> Stream<F> {
    pub(crate) fn new(context: u32, running: Option<Rc<Running<F>>>) -> Self {
        Self { context, running, request: Rc::new(RefCell::new(Request::new(context))) }
    }

    /// Runs `part` on the request, and lists it among those that wait if it does so afterwards.
    fn with(&self, part: impl FnOnce(&mut Request<F>, &Rc<Running<F>>) -> Action) -> Action {
        let Some(running) = &self.running else { return refuse(Reason::Unavailable) };
        let action = part(&mut self.request.borrow_mut(), running);
        running.list(&self.request);
        action
    }
}

impl<F: Filter> Context for Stream<F> {
    fn on_http_call_response(&mut self, token: u32, count: usize, size: usize, _: usize) {
        let action = self.with(|request, running| {
            calls::with_answer(count, size, |answer| request.answered(running, token, answer))
        });
        if action == Action::Continue
            && let Err(Failed(status)) = abi::resume_request()
        {
            abi::log(Level::Error, &format!("the host did not resume a request: status {status}"));
        }
    }
}

impl<F: Filter> HttpContext for Stream<F> {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.with(|request, running| request.head(running, count, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|request, running| request.body(running, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.with(Request::trailers)
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        if let Some(running) = &self.running
            && let Some(exchange) = self.request.borrow_mut().exchange()
        {
            // APISIX reports no count, and always claims the end of the stream.
            let end = count > 0 && end_of_stream;
            response::head(running, self.context, exchange, count, end);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if let Some(running) = &self.running
            && let Some(exchange) = self.request.borrow_mut().exchange()
        {
            response::body(running, self.context, exchange, size, end_of_stream);
        }
        Action::Continue
    }
}

impl<F: Filter> Drop for Stream<F> {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            if let Ok(mut request) = self.request.try_borrow_mut()
                && let Some(exchange) = request.exchange()
            {
                response::finish(running, exchange, Ending::Cut);
            }
            running.watchdog.release(self.context);
            running.deadlines.release(self.context);
            running.waiting.release(self.context);
        }
    }
}
