//! The flow of an exchange through Envoy's filter chain with our filter alone in it.
//!
//! A direction stops where a callback says so. Stopping at the headers holds everything back
//! (`StopAllIterationAndWatermark`): body callbacks do not come until the filter resumes, unless
//! the plugin is configured with `allow_on_headers_stop_iteration`. Stopping at the body buffers
//! it, and the next callback sees all of it. A local reply runs through the response callbacks,
//! except when the filter makes it there.

mod fields;
mod heads;
mod side;

use crate::exchange::{ClientResponse, Exchange, Outcome, Response, Version};
use crate::flow::{Flow, Record};
use crate::headers::Headers;
use crate::options::{EnvoyOptions, FailurePolicy};
use crate::state::{Message, Reply, Stream};
use crate::vm::{Failure, Vm};
pub(crate) use fields::Fields;
use heads::{local_headers, refusal, request_headers};
use side::{Direction, Side, Stop, message};

pub(crate) struct EnvoyFlow {
    record: Record,
    limits: EnvoyOptions,
    /// HTTP/1 tells the end of a body after its last bytes, not with them.
    end_comes_alone: bool,
    request: Side,
    response: Side,
    filter: Filter,
    /// Why Envoy answers before any filter runs.
    refused: Option<(u32, &'static str)>,
    /// The stream got the 503 of a dead virtual machine, or is cut: no callbacks any more.
    dead: bool,
}

/// How far our filter's instance for the exchange has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// There is none: the connection manager answered.
    Absent,
    /// There is one, which the guest has not been told of.
    Waiting,
    /// The guest knows of it.
    Created,
}

impl EnvoyFlow {
    pub(crate) fn new(
        vm: &mut Vm,
        record: Record,
        exchange: &Exchange,
        limits: EnvoyOptions,
    ) -> Self {
        let stream = Stream {
            version: exchange.request.version,
            request: Message { headers: request_headers(vm, exchange), ..Message::default() },
            response: Message::default(),
            properties: exchange.properties.clone(),
            filter_state: Default::default(),
            asked: Default::default(),
        };
        vm.state().streams.insert(record.context, stream);
        Self {
            record,
            limits,
            end_comes_alone: exchange.request.version != Version::Http2,
            request: Side::default(),
            response: Side::default(),
            filter: Filter::Waiting,
            refused: refusal(&exchange.request),
            dead: false,
        }
    }

    fn create(&mut self, vm: &mut Vm) {
        let (context, root) = (self.record.context, self.record.root);
        self.filter = Filter::Created;
        vm.state().contexts.insert(context);
        let created = vm.call("proxy_on_context_create", context, None, &[context, root]);
        if let Err(failure) = created {
            self.record.fail(failure);
        }
    }

    /// Runs a callback and says what it answered; `None` when the stream is dead.
    fn callback(&mut self, vm: &mut Vm, name: &'static str, arguments: &[u32]) -> Option<u32> {
        if vm.trapped {
            return self.fail(vm);
        }
        let context = self.record.context;
        match vm.call(name, context, None, &[&[context], arguments].concat()) {
            Ok(code) => Some(code.unwrap_or(0)),
            Err(failure) => {
                self.record.fail(failure);
                self.fail(vm)
            }
        }
    }

    /// The virtual machine is dead: by policy, go on without the filter or answer 503.
    fn fail(&mut self, vm: &mut Vm) -> Option<u32> {
        if self.limits.failure_policy == FailurePolicy::FailOpen {
            return Some(0);
        }
        if !self.dead {
            self.dead = true;
            self.record.end(Outcome::HostReplied {
                why: "the virtual machine is dead after a trap".to_owned(),
            });
            self.direct_reply(vm, Reply { status: 503, headers: Headers::new(), body: Vec::new() });
        }
        None
    }

    /// Whether the guest asked for what ends the exchange: then nothing passes any more, whatever
    /// the callback answered.
    fn asked_to_stop(&self, vm: &mut Vm) -> bool {
        let stream = vm.state().streams.get(&self.record.context);
        stream.is_some_and(|stream| stream.asked.reply.is_some() || stream.asked.reset)
    }

    /// Carries out what the guest asked for; `during` is the direction whose callback ran.
    fn carry_out(&mut self, vm: &mut Vm, during: Option<Direction>) {
        let Some(stream) = vm.state().streams.get_mut(&self.record.context) else { return };
        let asked = std::mem::take(&mut stream.asked);
        if self.dead || self.record.outcome.is_some() {
            return;
        }
        if asked.reset {
            let why = "the filter closed the stream".to_owned();
            return self.record.end(Outcome::Reset { why });
        }
        if let Some(reply) = asked.reply {
            return self.reply(vm, reply, during);
        }
        let replied = self.record.replied;
        if asked.resume_request && !replied {
            self.resume_side(vm, Direction::Request);
        }
        if asked.resume_response {
            self.resume_side(vm, Direction::Response);
        }
    }

    fn reply(&mut self, vm: &mut Vm, reply: Reply, during: Option<Direction>) {
        self.record.replied = true;
        self.request.stop = Stop::All;
        if during == Some(Direction::Response) || self.response.started {
            return self.direct_reply(vm, reply);
        }
        let (headers, body) = (local_headers(&reply), reply.body);
        message(vm, self.record.context, Direction::Response).headers = headers;
        self.head(vm, Direction::Response, body.is_empty());
        if !body.is_empty() {
            self.body(vm, Direction::Response, &body, true);
        }
    }

    /// The host's answer to a body that does not fit its buffer.
    fn overflow(&mut self, vm: &mut Vm, direction: Direction) {
        let (status, body) = match direction {
            Direction::Request => (413, "Payload Too Large"),
            Direction::Response => (500, "Response payload too large"),
        };
        let why = format!("{body}: the buffer holds {} bytes", self.limits.buffer_bytes);
        self.record.end(Outcome::HostReplied { why });
        let reply = Reply { status, headers: Headers::new(), body: body.into() };
        self.reply(vm, reply, Some(direction));
    }

    /// Bytes of a body; in HTTP/1 the end comes after them.
    fn arrive(&mut self, vm: &mut Vm, direction: Direction, chunk: &[u8], end: bool) {
        if end && self.end_comes_alone && !chunk.is_empty() {
            self.body(vm, direction, chunk, false);
            if !self.is_over() {
                self.body(vm, direction, &[], true);
            }
        } else {
            self.body(vm, direction, chunk, end);
        }
    }

    /// Answers the client past the filter, if it has not been answered yet.
    fn direct_reply(&mut self, vm: &mut Vm, reply: Reply) {
        if self.record.client.is_some() {
            let why = "a reply came after the response had begun".to_owned();
            return self.record.end(Outcome::Reset { why });
        }
        self.response.stop = Stop::Going;
        self.response.head_passed = false;
        let context = self.record.context;
        message(vm, context, Direction::Response).headers = local_headers(&reply);
        self.pass_head(vm, Direction::Response);
        self.pass_body(Direction::Response, &reply.body, true);
        self.dead = true;
    }

    fn is_over(&self) -> bool {
        self.dead || self.record.outcome.is_some()
    }
}

impl Flow for EnvoyFlow {
    fn request_head(&mut self, vm: &mut Vm, end: bool) {
        if let Some((status, why)) = self.refused {
            self.filter = Filter::Absent;
            self.record.end(Outcome::HostReplied { why: why.to_owned() });
            let reply = Reply { status, headers: Headers::new(), body: Vec::new() };
            return self.direct_reply(vm, reply);
        }
        if !vm.trapped {
            self.create(vm);
        }
        self.head(vm, Direction::Request, end);
    }

    /// The response passes a filter that never saw the request, unseen.
    fn answered_before(&mut self, _vm: &mut Vm, response: &Response) {
        let why = "a filter before ours answered".to_owned();
        self.record.end(Outcome::HostReplied { why });
        self.record.client = Some(ClientResponse { response: response.clone(), complete: true });
    }

    fn request_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool) {
        if !self.is_over() && !self.record.replied {
            self.arrive(vm, Direction::Request, chunk, end);
        }
    }

    fn request_trailers(&mut self, vm: &mut Vm, fields: &Headers) {
        if !self.is_over() && !self.record.replied {
            self.trailers(vm, Direction::Request, fields.clone().lower_cased());
        }
    }

    fn response_head(&mut self, vm: &mut Vm, response: &Response, end: bool) {
        let asked = self.record.upstream.is_some();
        if !asked || self.is_over() || self.record.replied || self.response.started {
            return;
        }
        let mut headers = Headers::new();
        headers.add(":status", response.status.to_string());
        response.headers.iter().for_each(|(n, v)| Fields::Response.add(&mut headers, n, v));
        headers.add("x-envoy-upstream-service-time", "0");
        message(vm, self.record.context, Direction::Response).headers = headers;
        self.head(vm, Direction::Response, end);
    }

    fn response_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool) {
        if !self.is_over() && !self.record.replied {
            self.arrive(vm, Direction::Response, chunk, end);
        }
    }

    fn response_trailers(&mut self, vm: &mut Vm, fields: &Headers) {
        if !self.is_over() && !self.record.replied {
            self.trailers(vm, Direction::Response, fields.clone().lower_cased());
        }
    }

    fn resume(&mut self, vm: &mut Vm) {
        self.carry_out(vm, None);
    }

    /// Nothing resumes an exchange that waits.
    fn callback_failed(&mut self, _vm: &mut Vm, failure: Failure) {
        self.record.fail(failure);
    }

    fn close(&mut self, vm: &mut Vm) {
        if std::mem::replace(&mut self.record.closed, true) {
            return;
        }
        let context = self.record.context;
        // Access loggers run for every filter instance, and first make the guest's context.
        if self.filter == Filter::Waiting && !vm.trapped {
            self.create(vm);
        }
        for callback in ["proxy_on_log", "proxy_on_done", "proxy_on_delete"] {
            if self.filter == Filter::Created
                && !vm.trapped
                && let Err(failure) = vm.call(callback, context, None, &[context])
            {
                self.record.fail(failure);
            }
        }
        vm.state().contexts.remove(&context);
        vm.state().streams.remove(&context);
    }

    fn waits_for(&self) -> String {
        let what = match (self.request.stop, self.response.stop) {
            (_, Stop::All | Stop::Here) => {
                "the filter paused in the response and nothing resumes it"
            }
            (Stop::All, _) if !self.limits.allow_on_headers_stop_iteration => {
                "the filter paused at the request headers and nothing resumes it; body callbacks \
                 do not come without allow_on_headers_stop_iteration"
            }
            (Stop::All | Stop::Here, _) => {
                "the filter paused in the request and nothing resumes it"
            }
            (Stop::Going, Stop::Going) => "the peers send no more",
        };
        what.to_owned()
    }

    fn record(&mut self) -> &mut Record {
        &mut self.record
    }
}
