//! The flow of an exchange through Envoy's filter chain with our filter alone in it.
//!
//! A direction stops where a callback says so. Stopping at the headers holds everything back
//! (`StopAllIterationAndWatermark`): body callbacks do not come until the filter resumes, unless
//! the plugin is configured with `allow_on_headers_stop_iteration`. Stopping at the body buffers
//! it, and the next callback sees all of it. A local reply runs through the response callbacks,
//! except when the filter makes it there.

use crate::abi::Action;
use crate::calls::append_envoy_header;
use crate::exchange::{Exchange, Outcome, Response, UpstreamRequest};
use crate::flow::{Flow, Record};
use crate::headers::Headers;
use crate::host::FailurePolicy;
use crate::state::{Message, Reply, Stream};
use crate::vm::{Failure, Vm};

pub(crate) struct EnvoyFlow {
    record: Record,
    allow_on_headers_stop_iteration: bool,
    fail_open: bool,
    request: Side,
    response: Side,
    /// The stream got the 503 of a dead virtual machine, or is cut: no callbacks any more.
    dead: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// How far one direction is.
#[derive(Default)]
struct Side {
    stop: Stop,
    started: bool,
    head_passed: bool,
    held: Vec<u8>,
    /// Body bytes, or the end, came while everything was stopped.
    unseen: bool,
    /// The guest sees what is held, with the next bytes.
    buffering: bool,
    ended: bool,
    /// A callback of this direction runs.
    running: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stop {
    #[default]
    Going,
    /// Stopped for the filters behind; callbacks go on.
    Here,
    /// Stopped for everyone.
    All,
}

impl EnvoyFlow {
    pub(crate) fn new(
        vm: &mut Vm,
        record: Record,
        exchange: &Exchange,
        policy: FailurePolicy,
        allow_on_headers_stop_iteration: bool,
    ) -> Self {
        let stream = Stream {
            version: exchange.request.version,
            request: Message { headers: request_headers(vm, exchange), ..Message::default() },
            response: Message::default(),
            properties: exchange.properties.clone(),
            asked: Default::default(),
        };
        vm.state().streams.insert(record.context, stream);
        Self {
            record,
            allow_on_headers_stop_iteration,
            fail_open: policy == FailurePolicy::FailOpen,
            request: Side::default(),
            response: Side::default(),
            dead: false,
        }
    }

    /// Runs a callback of a direction and says how to go on; `None` when the stream is dead.
    fn callback(
        &mut self,
        vm: &mut Vm,
        direction: Direction,
        name: &'static str,
        arguments: [u32; 2],
    ) -> Option<u32> {
        if vm.trapped {
            return self.fail(vm);
        }
        self.side(direction).running = true;
        let context = self.record.context;
        let result = vm.call(name, context, None, &[context, arguments[0], arguments[1]]);
        self.side(direction).running = false;
        match result {
            Ok(code) => Some(code.unwrap_or(0)),
            Err(failure) => {
                self.record.fail(failure);
                self.fail(vm)
            }
        }
    }

    /// The virtual machine is dead: by policy, go on without the filter or answer 503.
    fn fail(&mut self, vm: &mut Vm) -> Option<u32> {
        if self.fail_open {
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

    /// What a header callback's answer means. A reply stops everything, whatever was answered.
    fn stop_at_head(&self, code: u32, replied: bool) -> Stop {
        match code {
            _ if replied => Stop::All,
            0 => Stop::Going,
            1 if self.allow_on_headers_stop_iteration => Stop::Here,
            _ => Stop::All,
        }
    }

    /// The head of a direction meets the filter.
    fn head(&mut self, vm: &mut Vm, direction: Direction, end: bool) {
        self.side(direction).started = true;
        self.side(direction).ended = end;
        let message = message(vm, self.record.context, direction);
        message.visible = true;
        let count = message.headers.len() as u32;
        let name = match direction {
            Direction::Request => "proxy_on_request_headers",
            Direction::Response => "proxy_on_response_headers",
        };
        let Some(code) = self.callback(vm, direction, name, [count, u32::from(end)]) else {
            return;
        };
        let replied = self.asked_reply(vm);
        self.side(direction).stop = self.stop_at_head(code, replied);
        if self.side(direction).stop == Stop::Going {
            self.pass_head(vm, direction);
            self.pass_body(direction, &[], end);
        }
        self.carry_out(vm, Some(direction));
    }

    /// Body bytes of a direction meet the filter, or wait with the head.
    fn body(&mut self, vm: &mut Vm, direction: Direction, chunk: &[u8], end: bool) {
        let side = self.side(direction);
        if !side.started || side.ended {
            return;
        }
        side.ended = end;
        if side.stop == Stop::All {
            side.held.extend(chunk);
            side.unseen = true;
            return;
        }
        self.show_body(vm, direction, chunk.to_vec(), end);
    }

    fn show_body(&mut self, vm: &mut Vm, direction: Direction, chunk: Vec<u8>, end: bool) {
        let side = self.side(direction);
        let shown = match side.buffering {
            true => [std::mem::take(&mut side.held), chunk].concat(),
            false => chunk,
        };
        let size = shown.len() as u32;
        let context = self.record.context;
        message(vm, context, direction).body = Some(shown);
        let name = match direction {
            Direction::Request => "proxy_on_request_body",
            Direction::Response => "proxy_on_response_body",
        };
        let code = self.callback(vm, direction, name, [size, u32::from(end)]);
        let shown = message(vm, context, direction).body.take().unwrap_or_default();
        let Some(code) = code else { return };
        let replied = self.asked_reply(vm);
        let action = if replied { Action::PauseNoBuffer } else { Action::from_code(code) };
        let side = self.side(direction);
        side.buffering = action == Action::Pause;
        side.stop = if action == Action::Continue { Stop::Going } else { Stop::Here };
        match action {
            Action::Continue => {
                let held = std::mem::take(&mut side.held);
                self.pass_head(vm, direction);
                self.pass_body(direction, &[held, shown].concat(), end);
            }
            Action::Pause | Action::PauseAndWatermark => side.held.extend(shown),
            Action::PauseNoBuffer => {}
        }
        self.carry_out(vm, Some(direction));
    }

    fn asked_reply(&self, vm: &mut Vm) -> bool {
        let stream = vm.state().streams.get(&self.record.context);
        stream.is_some_and(|stream| stream.asked.reply.is_some())
    }

    /// Carries out what the guest asked for. Resuming the direction whose callback asked for it
    /// comes too early for Envoy to notice.
    fn carry_out(&mut self, vm: &mut Vm, during: Option<Direction>) {
        let Some(stream) = vm.state().streams.get_mut(&self.record.context) else { return };
        let asked = std::mem::take(&mut stream.asked);
        if self.dead || self.record.outcome.is_some() {
            return;
        }
        if asked.reset {
            self.dead = true;
            let why = "the filter closed the stream".to_owned();
            return self.record.end(Outcome::Reset { why });
        }
        if let Some(reply) = asked.reply {
            return self.reply(vm, reply, during);
        }
        let replied = self.record.replied;
        if asked.resume_request && !replied && during != Some(Direction::Request) {
            self.resume_side(vm, Direction::Request);
        }
        if asked.resume_response && during != Some(Direction::Response) {
            self.resume_side(vm, Direction::Response);
        }
    }

    fn resume_side(&mut self, vm: &mut Vm, direction: Direction) {
        let side = self.side(direction);
        if !side.started || side.running {
            return;
        }
        let (stopped, end) = (std::mem::take(&mut side.stop), side.ended);
        if stopped == Stop::Going {
            return;
        }
        side.buffering = false;
        let held = std::mem::take(&mut side.held);
        let unseen = std::mem::take(&mut side.unseen);
        self.pass_head(vm, direction);
        if unseen {
            self.show_body(vm, direction, held, end);
        } else {
            self.pass_body(direction, &held, end);
        }
    }

    fn reply(&mut self, vm: &mut Vm, reply: Reply, during: Option<Direction>) {
        self.record.replied = true;
        self.request.stop = Stop::All;
        if self.record.client.is_some() {
            self.dead = true;
            let why = "the filter replied after the response had begun".to_owned();
            return self.record.end(Outcome::Reset { why });
        }
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

    /// Answers the client past the filter, if it has not been answered yet.
    fn direct_reply(&mut self, vm: &mut Vm, reply: Reply) {
        if self.record.client.is_some() {
            let why = "the stream failed after the response had begun".to_owned();
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

    fn pass_head(&mut self, vm: &mut Vm, direction: Direction) {
        if std::mem::replace(&mut self.side(direction).head_passed, true) {
            return;
        }
        let message = message(vm, self.record.context, direction);
        message.visible = false;
        let mut headers = message.headers.clone();
        let mut take = |name: &str| {
            let value = headers.get(name).unwrap_or_default().to_vec();
            headers.remove(name.as_bytes());
            value
        };
        match direction {
            Direction::Request => {
                let (method, target, host) = (take(":method"), take(":path"), take(":authority"));
                take(":scheme");
                let host: Headers = [("host", host)].into_iter().collect();
                let headers = host.iter().chain(headers.iter()).collect();
                self.record.upstream = Some(UpstreamRequest {
                    method,
                    target,
                    headers,
                    chunks: Vec::new(),
                    complete: false,
                });
            }
            Direction::Response => {
                let status = String::from_utf8_lossy(&take(":status")).parse().unwrap_or(0);
                self.record.client_head(status, headers);
            }
        }
    }

    fn pass_body(&mut self, direction: Direction, bytes: &[u8], end: bool) {
        match direction {
            Direction::Request => self.record.to_upstream(bytes, end),
            Direction::Response => self.record.to_client(bytes, end),
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    fn is_over(&self) -> bool {
        self.dead || self.record.outcome.is_some()
    }
}

impl Flow for EnvoyFlow {
    fn request_head(&mut self, vm: &mut Vm, end: bool) {
        let (context, root) = (self.record.context, self.record.root);
        if !vm.trapped {
            vm.state().contexts.insert(context);
            let created = vm.call("proxy_on_context_create", context, None, &[context, root]);
            if let Err(failure) = created {
                self.record.fail(failure);
            }
        }
        self.head(vm, Direction::Request, end);
    }

    fn request_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool) {
        if !self.is_over() && !self.record.replied {
            self.body(vm, Direction::Request, chunk, end);
        }
    }

    fn response_head(&mut self, vm: &mut Vm, response: &Response, end: bool) {
        let asked = self.record.upstream.is_some();
        if !asked || self.is_over() || self.record.replied || self.response.started {
            return;
        }
        let mut headers = Headers::new();
        headers.add(":status", response.status.to_string());
        response.headers.iter().for_each(|(n, v)| append_envoy_header(&mut headers, n, v));
        message(vm, self.record.context, Direction::Response).headers = headers;
        self.head(vm, Direction::Response, end);
    }

    fn response_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool) {
        if !self.is_over() && !self.record.replied {
            self.body(vm, Direction::Response, chunk, end);
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
        for callback in ["proxy_on_log", "proxy_on_done", "proxy_on_delete"] {
            if !vm.trapped
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
            (Stop::All, _) if !self.allow_on_headers_stop_iteration => {
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

/// Pseudo-headers first, `Host` as `:authority`, and what Envoy adds to every request.
fn request_headers(vm: &mut Vm, exchange: &Exchange) -> Headers {
    let request = &exchange.request;
    let mut headers = Headers::new();
    headers.add(":authority", request.headers.get("host").unwrap_or_default());
    headers.add(":path", &request.target);
    headers.add(":method", &request.method);
    headers.add(":scheme", "http");
    for (name, value) in request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(b"host")) {
        append_envoy_header(&mut headers, name, value);
    }
    headers.set(b"x-forwarded-proto", b"http");
    if headers.get("x-request-id").is_none() {
        let random = &mut vm.state().world().random;
        let (high, low) = (random.next(), random.next());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        );
        headers.add("x-request-id", id);
    }
    headers
}

/// The headers of a local reply: the filter's, and those of its body.
fn local_headers(reply: &Reply) -> Headers {
    let mut headers = Headers::new();
    headers.add(":status", reply.status.to_string());
    reply.headers.iter().for_each(|(n, v)| append_envoy_header(&mut headers, n, v));
    if reply.body.is_empty() {
        headers.remove(b"content-length");
        headers.remove(b"content-type");
    } else {
        headers.set(b"content-length", reply.body.len().to_string().as_bytes());
        if headers.get("content-type").is_none() {
            headers.add("content-type", "text/plain");
        }
    }
    headers
}

fn message(vm: &mut Vm, context: u32, direction: Direction) -> &mut Message {
    let stream = vm.state().streams.get_mut(&context).expect("an open flow has its stream");
    match direction {
        Direction::Request => &mut stream.request,
        Direction::Response => &mut stream.response,
    }
}
