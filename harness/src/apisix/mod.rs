//! The flow of an exchange through APISIX with our plugin alone on the route.
//!
//! The request's head meets the plugin before its body is read; the body only if the plugin asked
//! for it by property, and then whole. A pause has no meaning but "I made a call or a reply", and
//! without either it kills the worker. The response can be looked at and its headers changed, no
//! more; whatever goes wrong there, it passes.

mod messages;
mod response;

use crate::calls::variable;
use crate::exchange::{Exchange, Outcome, Response, UpstreamRequest, Version};
use crate::flow::{Flow, Record};
use crate::headers::Headers;
use crate::state::{Message, Stream};
use crate::vm::{Failure, Vm};
use crate::worker::NotConfigured;
use messages::{error_page, local_response, upstream_target};

pub(crate) struct ApisixFlow {
    record: Record,
    stage: Stage,
    body: Vec<Vec<u8>>,
    body_ended: bool,
    /// The Host that goes upstream, whatever happens to the header.
    host: Option<Vec<u8>>,
    is_head: bool,
    body_shown: bool,
    configured: Result<(), NotConfigured>,
    /// Why nginx answers before any plugin runs.
    refused: Option<&'static str>,
    /// The plugin knows of the exchange.
    created: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The head met the plugin, which waits for a call.
    Head,
    /// The plugin asked for the body, which is not complete yet.
    Reading,
    /// The body met the plugin, which waits for a call.
    Body,
    /// The plugin let the request pass.
    Upstream,
    /// The response is on its way.
    Response,
}

impl ApisixFlow {
    /// `configured` is the outcome of showing the plugin its configuration.
    pub(crate) fn new(
        vm: &mut Vm,
        record: Record,
        exchange: &Exchange,
        configured: Result<(), NotConfigured>,
    ) -> Self {
        let request = &exchange.request;
        let pseudo = [
            (&b":scheme"[..], &b"http"[..]),
            (b":path", &request.target),
            (b":method", &request.method),
        ];
        let stream = Stream {
            version: request.version,
            request: Message {
                headers: request.headers.clone(),
                pseudo: pseudo.into_iter().collect(),
                visible: true,
                ..Message::default()
            },
            response: Message { visible: true, ..Message::default() },
            properties: exchange.properties.clone(),
            filter_state: Default::default(),
            asked: Default::default(),
        };
        vm.state().streams.insert(record.context, stream);
        Self {
            record,
            stage: Stage::Head,
            body: Vec::new(),
            body_ended: false,
            host: request.headers.get("host").map(<[u8]>::to_vec),
            is_head: request.method == b"HEAD",
            body_shown: false,
            configured,
            refused: (request.version != Version::Http10 && request.headers.get("host").is_none())
                .then_some("a request without Host"),
            created: false,
        }
    }

    fn create(&mut self, vm: &mut Vm) -> Result<(), Failure> {
        let (context, root) = (self.record.context, self.record.root);
        self.created = true;
        vm.state().contexts.insert(context);
        vm.call("proxy_on_context_create", context, Some(context), &[context, root]).map(drop)
    }

    fn callback(
        &mut self,
        vm: &mut Vm,
        name: &'static str,
        arguments: [u32; 2],
    ) -> Result<u32, Failure> {
        let context = self.record.context;
        let arguments = [context, arguments[0], arguments[1]];
        let code = vm.call(name, context, Some(context), &arguments)?;
        Ok(code.unwrap_or(0))
    }

    /// A request callback is over: wait for its call, send its reply, or go on.
    fn after_request_callback(&mut self, vm: &mut Vm, result: Result<u32, Failure>) {
        let paused = match result {
            Ok(code) => code != 0,
            Err(Failure::Crash { why, .. }) => return self.record.end(Outcome::Crash { why }),
            Err(trap) => {
                self.record.fail(trap);
                return self.answer(vm, error_page(503));
            }
        };
        let asked = std::mem::take(&mut self.stream(vm).asked);
        // A call wins over a reply, which is forgotten.
        if self.waits_for_call(vm) {
            return;
        }
        match asked.reply {
            Some(reply) => {
                self.record.replied = true;
                self.answer(vm, local_response(reply));
            }
            None if paused => {
                vm.crashed = true;
                let why = "a request callback paused with neither a call nor a reply: null pointer";
                self.record.end(Outcome::Crash { why: why.to_owned() });
            }
            None => self.go_on(vm),
        }
    }

    fn waits_for_call(&self, vm: &mut Vm) -> bool {
        vm.state().open_calls.iter().any(|call| call.stream == Some(self.record.context))
    }

    /// From the head to the body, if the plugin wants it, and on to the upstream.
    fn go_on(&mut self, vm: &mut Vm) {
        let stream = self.stream(vm);
        let wants_body = variable(stream, b"wasm_process_req_body").is_some_and(|v| !v.is_empty());
        match self.stage {
            Stage::Head | Stage::Reading if wants_body => {
                self.stage = Stage::Reading;
                if stream.version == Version::Http2
                    && stream.request.headers.get("content-length").is_none()
                    && !self.body.is_empty()
                {
                    let why = "APISIX does not read an HTTP/2 body without Content-Length";
                    self.record.end(Outcome::HostReplied { why: why.to_owned() });
                    return self.answer(vm, error_page(503));
                }
                if self.body_ended {
                    self.show_request_body(vm);
                }
            }
            Stage::Head | Stage::Reading | Stage::Body => {
                self.stage = Stage::Upstream;
                self.pass_upstream(vm);
            }
            Stage::Upstream | Stage::Response => {}
        }
    }

    fn show_request_body(&mut self, vm: &mut Vm) {
        self.stage = Stage::Body;
        let body = self.body.concat();
        let size = body.len() as u32;
        self.stream(vm).request.body = Some(body);
        let result = self.callback(vm, "proxy_on_request_body", [size, 1]);
        self.stream(vm).request.body = None;
        self.after_request_callback(vm, result);
    }

    fn pass_upstream(&mut self, vm: &mut Vm) {
        if self.record.upstream.is_none() {
            let original_host = self.host.clone();
            let stream = self.stream(vm);
            let host = stream.properties.get(&b"upstream_host"[..]).cloned().or(original_host);
            let mut headers = stream.request.headers.clone();
            match host {
                Some(host) => headers.set(b"host", &host),
                None => headers.remove(b"host"),
            }
            let request = UpstreamRequest {
                method: stream.request.pseudo.get(":method").unwrap_or_default().to_vec(),
                target: upstream_target(stream),
                headers,
                chunks: Vec::new(),
                trailers: Headers::new(),
                complete: false,
            };
            self.record.upstream = Some(request);
        }
        let (body, ended) = (std::mem::take(&mut self.body), self.body_ended);
        body.iter().for_each(|chunk| self.record.pass_upstream(chunk, false));
        self.record.pass_upstream(&[], ended);
    }

    fn stream<'v>(&self, vm: &'v mut Vm) -> &'v mut Stream {
        let stream = vm.state().streams.get_mut(&self.record.context);
        stream.expect("an open flow has its stream")
    }

    fn crashed(&self) -> bool {
        matches!(self.record.outcome, Some(Outcome::Crash { .. }))
    }
}

impl Flow for ApisixFlow {
    fn request_head(&mut self, vm: &mut Vm, end: bool) {
        self.body_ended = end;
        if let Some(why) = self.refused {
            self.record.end(Outcome::HostReplied { why: why.to_owned() });
            return self.answer(vm, error_page(400));
        }
        match self.configured.clone() {
            Ok(()) => {}
            Err(NotConfigured::Refused { callback }) => {
                let why = format!("{callback} refused");
                self.record.end(Outcome::HostReplied { why });
                return self.answer(vm, error_page(503));
            }
            Err(NotConfigured::Failed(failure)) => {
                return self.after_request_callback(vm, Err(failure));
            }
        }
        let created = self.create(vm);
        let result = created.and_then(|()| self.callback(vm, "proxy_on_request_headers", [0, 1]));
        self.after_request_callback(vm, result);
    }

    /// The plugin meets the exchange at its response.
    fn answered_before(&mut self, vm: &mut Vm, response: &Response) {
        let why = "a plugin before ours answered".to_owned();
        self.record.end(Outcome::HostReplied { why });
        if self.configured.is_ok()
            && let Err(failure) = self.create(vm)
        {
            self.record.fail(failure);
        }
        self.answer(vm, response.clone());
    }

    fn request_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool) {
        if self.body_ended {
            return;
        }
        self.body.push(chunk.to_vec());
        self.body_ended = end;
        match self.stage {
            Stage::Reading => self.go_on(vm),
            Stage::Upstream => self.pass_upstream(vm),
            Stage::Head | Stage::Body | Stage::Response => {}
        }
    }

    /// nginx drops the trailers of a request.
    fn request_trailers(&mut self, vm: &mut Vm, _fields: &Headers) {
        self.request_body(vm, &[], true);
    }

    fn response_head(&mut self, vm: &mut Vm, response: &Response, end: bool) {
        if self.stage == Stage::Upstream && self.record.outcome.is_none() {
            self.begin_response(vm, response);
            if end {
                self.end_response(vm);
            }
        }
    }

    fn response_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool) {
        let open = self.record.client.as_ref().is_some_and(|client| !client.complete);
        if self.stage == Stage::Response && open && !self.crashed() {
            self.pass_response_body(vm, chunk);
            if end {
                self.end_response(vm);
            }
        }
    }

    /// nginx drops the trailers of a response.
    fn response_trailers(&mut self, vm: &mut Vm, _fields: &Headers) {
        self.response_body(vm, &[], true);
    }

    fn resume(&mut self, vm: &mut Vm) {
        if matches!(self.stage, Stage::Head | Stage::Body) && self.record.outcome.is_none() {
            self.after_request_callback(vm, Ok(0));
        }
    }

    /// The request that waits for a call gets 503.
    fn callback_failed(&mut self, vm: &mut Vm, failure: Failure) {
        if matches!(self.stage, Stage::Head | Stage::Body) && !self.waits_for_call(vm) {
            self.after_request_callback(vm, Err(failure));
        }
    }

    /// The guest may look at nothing any more.
    fn close(&mut self, vm: &mut Vm) {
        if std::mem::replace(&mut self.record.closed, true) {
            return;
        }
        let context = self.record.context;
        vm.state().streams.remove(&context);
        vm.state().open_calls.retain(|call| call.stream != Some(context));
        if self.created && !self.crashed() {
            for callback in ["proxy_on_done", "proxy_on_delete"] {
                if let Err(failure) = vm.call(callback, context, None, &[context]) {
                    self.record.fail(failure);
                }
            }
        }
        vm.state().contexts.remove(&context);
    }

    fn waits_for(&self) -> String {
        match self.stage {
            Stage::Head | Stage::Body => "the plugin's HTTP call is not answered",
            Stage::Reading => "the request's body does not end",
            Stage::Upstream => "the upstream does not answer",
            Stage::Response => "the upstream's response does not end",
        }
        .to_owned()
    }

    fn record(&mut self) -> &mut Record {
        &mut self.record
    }
}
