//! A response on its way to the client: the plugin looks at it and may change its headers;
//! whatever goes wrong, it passes.

use super::{ApisixFlow, Stage};
use crate::calls::variable;
use crate::exchange::{ClientResponse, Response};
use crate::vm::{Failure, Vm};

/// nginx passes upstream bytes on in buffers of this size.
const PROXY_BUFFER: usize = 8 * 1024;

impl ApisixFlow {
    /// Sends a response made here, through the response callbacks like any other.
    pub(super) fn answer(&mut self, vm: &mut Vm, response: Response) {
        self.begin_response(vm, &response);
        for chunk in &response.chunks {
            self.pass_response_body(vm, chunk);
        }
        self.end_response(vm);
    }

    pub(super) fn begin_response(&mut self, vm: &mut Vm, response: &Response) {
        self.stage = Stage::Response;
        let mut headers = response.headers.clone();
        if headers.get("date").is_none() {
            headers.add("date", "Thu, 01 Jan 2026 00:00:00 GMT");
        }
        headers.set(b"server", b"APISIX/3.15.0");
        let message = &mut self.stream(vm).response;
        message.headers = headers;
        message.pseudo.set(b":status", response.status.to_string().as_bytes());
        if self.created {
            let result = self.callback(vm, "proxy_on_response_headers", [0, 1]);
            self.pass_in_spite_of(result);
        }
        let is_head = self.is_head;
        let stream = self.stream(vm);
        let wanted = variable(stream, b"wasm_process_resp_body").is_some_and(|v| !v.is_empty());
        // A reply is too late here, but its headers have been added already.
        if let Some(reply) = std::mem::take(&mut stream.asked).reply {
            reply.headers.iter().for_each(|(n, v)| stream.response.headers.add(n, v));
        }
        let headers = stream.response.headers.clone();
        let status = stream.response.pseudo.get(":status").unwrap_or_default();
        let status = String::from_utf8_lossy(status).parse().unwrap_or(response.status);
        self.body_shown = self.created && wanted && !is_head;
        let response = Response { headers, ..Response::new(status) };
        self.record.client = Some(ClientResponse { response, complete: false });
    }

    pub(super) fn pass_response_body(&mut self, vm: &mut Vm, chunk: &[u8]) {
        for piece in chunk.chunks(PROXY_BUFFER) {
            self.show_response_body(vm, piece, false);
            self.record.pass_to_client(piece, false);
        }
    }

    pub(super) fn end_response(&mut self, vm: &mut Vm) {
        self.show_response_body(vm, &[], true);
        self.record.pass_to_client(&[], true);
    }

    pub(super) fn show_response_body(&mut self, vm: &mut Vm, piece: &[u8], end: bool) {
        if self.body_shown {
            self.stream(vm).response.body = Some(piece.to_vec());
            let arguments = [piece.len() as u32, u32::from(end)];
            let result = self.callback(vm, "proxy_on_response_body", arguments);
            self.stream(vm).response.body = None;
            self.pass_in_spite_of(result);
        }
    }

    pub(super) fn pass_in_spite_of(&mut self, result: Result<u32, Failure>) {
        if let Err(failure) = result {
            self.record.fail(failure);
        }
    }
}
