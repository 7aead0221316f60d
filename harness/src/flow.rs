//! What both hosts' flows of an exchange have in common: the record of what reached whom.

use crate::exchange::{ClientResponse, Outcome, Response, UpstreamRequest};
use crate::headers::Headers;
use crate::vm::{Failure, Vm};

/// The events of an exchange, in either host. Each may come at any time; what cannot matter any
/// more is ignored.
pub(crate) trait Flow {
    /// The request's head arrived; `end` when no body follows.
    fn request_head(&mut self, vm: &mut Vm, end: bool);
    /// Instead of [`Self::request_head`]: a filter before ours answered the request.
    fn answered_before(&mut self, vm: &mut Vm, response: &Response);
    /// Bytes of the request's body arrived.
    fn request_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool);
    /// The request ends with trailers.
    fn request_trailers(&mut self, vm: &mut Vm, fields: &Headers);
    /// The upstream's response began; `end` when no body follows.
    fn response_head(&mut self, vm: &mut Vm, response: &Response, end: bool);
    /// Bytes of the upstream's response arrived.
    fn response_body(&mut self, vm: &mut Vm, chunk: &[u8], end: bool);
    /// The response ends with trailers.
    fn response_trailers(&mut self, vm: &mut Vm, fields: &Headers);
    /// Callbacks not of this exchange ran (a call's answer, a tick): carry out what they asked.
    fn resume(&mut self, vm: &mut Vm);
    /// Such a callback did not return.
    fn callback_failed(&mut self, vm: &mut Vm, failure: Failure);
    /// The exchange is over: say so to the guest.
    fn close(&mut self, vm: &mut Vm);
    /// What the exchange waits for, in words.
    fn waits_for(&self) -> String;
    /// What reached whom so far.
    fn record(&mut self) -> &mut Record;
}

/// What reached whom so far.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) context: u32,
    pub(crate) root: u32,
    pub(crate) upstream: Option<UpstreamRequest>,
    pub(crate) client: Option<ClientResponse>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) trap: Option<Outcome>,
    /// The filter answered, so the response is its own.
    pub(crate) replied: bool,
    pub(crate) closed: bool,
}

impl Record {
    pub(crate) fn new(context: u32, root: u32) -> Self {
        Self {
            context,
            root,
            upstream: None,
            client: None,
            outcome: None,
            trap: None,
            replied: false,
            closed: false,
        }
    }

    /// The first end counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    /// Notes a callback that did not return. A crash is an end; after a trap the exchange goes on
    /// as the host has it, but the trap is what is told of it.
    pub(crate) fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::Trap { callback, message } => {
                let callback = callback.to_owned();
                self.trap.get_or_insert(Outcome::Trap { callback, message });
            }
            Failure::Crash { why, .. } => self.end(Outcome::Crash { why }),
        }
    }

    /// What is told of an exchange that has ended.
    pub(crate) fn told(&self) -> Option<Outcome> {
        let outcome = self.outcome.as_ref()?;
        Some(self.trap.as_ref().unwrap_or(outcome).clone())
    }

    pub(crate) fn pass_upstream(&mut self, chunk: &[u8], end: bool) {
        if let Some(upstream) = &mut self.upstream {
            if !chunk.is_empty() {
                upstream.chunks.push(chunk.to_vec());
            }
            upstream.complete |= end;
        }
    }

    pub(crate) fn pass_to_client(&mut self, chunk: &[u8], end: bool) {
        if let Some(client) = &mut self.client {
            if !chunk.is_empty() {
                client.response.chunks.push(chunk.to_vec());
            }
            client.complete |= end;
            if end {
                let replied = self.replied;
                self.end(if replied { Outcome::Replied } else { Outcome::Proxied });
            }
        }
    }

    pub(crate) fn trailers(&mut self, to_upstream: bool, fields: Option<Headers>) {
        let fields = fields.unwrap_or_default();
        if to_upstream {
            if let Some(upstream) = &mut self.upstream {
                upstream.trailers = fields;
            }
        } else if let Some(client) = &mut self.client {
            client.response.trailers = fields;
        }
    }

    pub(crate) fn client_head(&mut self, status: u16, headers: Headers) {
        let response = Response { headers, ..Response::new(status) };
        self.client = Some(ClientResponse { response, complete: false });
    }

    pub(crate) fn upstream_complete(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.complete)
    }
}
