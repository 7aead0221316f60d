//! How one direction of an exchange iterates: head, body, trailers; stopping and resuming.

use super::EnvoyFlow;
use super::heads::{client_head, upstream_request};
use crate::abi::Action;
use crate::headers::Headers;
use crate::state::Message;
use crate::vm::Vm;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

/// How far one direction is.
#[derive(Default)]
pub(super) struct Side {
    pub(super) stop: Stop,
    pub(super) started: bool,
    pub(super) head_passed: bool,
    held: Vec<u8>,
    /// Body bytes, or the end, came while everything was stopped.
    unseen: bool,
    /// What is held is in the message's body, where the guest sees it, now and with the next bytes.
    buffering: bool,
    ended: bool,
    trailers: Option<Trailers>,
}

/// Trailers that have not passed yet.
struct Trailers {
    fields: Headers,
    seen: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stop {
    #[default]
    Going,
    /// Stopped for the filters behind; callbacks go on.
    Here,
    /// Stopped for everyone.
    All,
}

impl EnvoyFlow {
    /// The head of a direction meets the filter.
    pub(super) fn head(&mut self, vm: &mut Vm, direction: Direction, end: bool) {
        self.side(direction).started = true;
        self.side(direction).ended = end;
        let message = message(vm, self.record.context, direction);
        message.visible = true;
        let count = message.headers.len() as u32;
        let name = match direction {
            Direction::Request => "proxy_on_request_headers",
            Direction::Response => "proxy_on_response_headers",
        };
        let Some(code) = self.callback(vm, name, &[count, u32::from(end)]) else { return };
        let stopped = self.asked_to_stop(vm);
        if self.resumes_early(vm, direction) && !stopped {
            self.pass_head(vm, direction);
            self.pass_body(direction, &[], end);
        }
        self.side(direction).stop = match code {
            _ if stopped => Stop::All,
            0 => Stop::Going,
            1 if self.limits.allow_on_headers_stop_iteration => Stop::Here,
            _ => Stop::All,
        };
        if self.side(direction).stop == Stop::Going {
            self.pass_head(vm, direction);
            self.pass_body(direction, &[], end);
        }
        self.carry_out(vm, Some(direction));
    }

    /// Whether the callback that just ran resumed its own direction. Envoy does so before it looks
    /// at the callback's answer: what had come before passes, and then the answer stops the rest.
    fn resumes_early(&mut self, vm: &mut Vm, direction: Direction) -> bool {
        let Some(stream) = vm.state().streams.get_mut(&self.record.context) else { return false };
        match direction {
            Direction::Request => std::mem::take(&mut stream.asked.resume_request),
            Direction::Response => std::mem::take(&mut stream.asked.resume_response),
        }
    }

    /// Body bytes of a direction meet the filter, or wait with the head.
    pub(super) fn body(&mut self, vm: &mut Vm, direction: Direction, chunk: &[u8], end: bool) {
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

    /// Trailers end a direction; its body callbacks never said it would end.
    pub(super) fn trailers(&mut self, vm: &mut Vm, direction: Direction, fields: Headers) {
        let side = self.side(direction);
        if !side.started || side.ended {
            return;
        }
        side.ended = true;
        side.trailers = Some(Trailers { fields, seen: false });
        if side.stop != Stop::All {
            self.show_trailers(vm, direction);
        }
    }

    /// Goes on where a direction stopped. What was held for everyone meets the filter first.
    pub(super) fn resume_side(&mut self, vm: &mut Vm, direction: Direction) {
        let side = self.side(direction);
        if !side.started || side.stop == Stop::Going {
            return;
        }
        side.stop = Stop::Going;
        let unseen = std::mem::take(&mut side.unseen);
        let end = side.ended && side.trailers.is_none();
        let held = self.take_held(vm, direction);
        self.pass_head(vm, direction);
        if unseen {
            self.show_body(vm, direction, held, end);
        } else {
            self.pass_body(direction, &held, end);
        }
        if self.side(direction).stop != Stop::Going || self.is_over() {
            return;
        }
        match self.side(direction).trailers {
            Some(Trailers { seen: false, .. }) => self.show_trailers(vm, direction),
            Some(Trailers { seen: true, .. }) => self.pass_trailers(vm, direction),
            None => {}
        }
    }

    fn show_body(&mut self, vm: &mut Vm, direction: Direction, chunk: Vec<u8>, end: bool) {
        let buffered = self.side(direction).buffering;
        let shown = match buffered {
            true => [self.take_held(vm, direction), chunk].concat(),
            false => chunk,
        };
        let size = shown.len() as u32;
        let context = self.record.context;
        message(vm, context, direction).body = Some(shown);
        let name = match direction {
            Direction::Request => "proxy_on_request_body",
            Direction::Response => "proxy_on_response_body",
        };
        let code = self.callback(vm, name, &[size, u32::from(end)]);
        let mut shown = message(vm, context, direction).body.take().unwrap_or_default();
        let Some(code) = code else { return };
        let stopped = self.asked_to_stop(vm);
        if self.resumes_early(vm, direction) && !stopped {
            self.pass_head(vm, direction);
            let mut held = self.take_held(vm, direction);
            if buffered {
                held.extend(std::mem::take(&mut shown));
            }
            self.pass_body(direction, &held, end && shown.is_empty());
        }
        let action = if stopped { Action::PauseNoBuffer } else { Action::from_code(code) };
        let side = self.side(direction);
        side.stop = if action == Action::Continue { Stop::Going } else { Stop::Here };
        match action {
            Action::Continue => {
                let held = std::mem::take(&mut side.held);
                self.pass_head(vm, direction);
                self.pass_body(direction, &[held, shown].concat(), end);
            }
            Action::Pause => {
                side.buffering = true;
                let held = [std::mem::take(&mut side.held), shown].concat();
                let fits = held.len() <= self.limits.buffer_bytes;
                message(vm, context, direction).body = Some(held);
                if !fits {
                    return self.overflow(vm, direction);
                }
            }
            Action::PauseAndWatermark => side.held.extend(shown),
            Action::PauseNoBuffer => {}
        }
        self.carry_out(vm, Some(direction));
    }

    fn take_held(&mut self, vm: &mut Vm, direction: Direction) -> Vec<u8> {
        let side = self.side(direction);
        match std::mem::take(&mut side.buffering) {
            true => message(vm, self.record.context, direction).body.take().unwrap_or_default(),
            false => std::mem::take(&mut side.held),
        }
    }

    fn show_trailers(&mut self, vm: &mut Vm, direction: Direction) {
        let context = self.record.context;
        let Some(trailers) = &mut self.side(direction).trailers else { return };
        trailers.seen = true;
        let fields = std::mem::take(&mut trailers.fields);
        let count = fields.len() as u32;
        message(vm, context, direction).trailers = Some(fields);
        let name = match direction {
            Direction::Request => "proxy_on_request_trailers",
            Direction::Response => "proxy_on_response_trailers",
        };
        let Some(code) = self.callback(vm, name, &[count]) else { return };
        if code == 0 && !self.asked_to_stop(vm) {
            self.side(direction).stop = Stop::Going;
            let held = self.take_held(vm, direction);
            self.pass_head(vm, direction);
            self.pass_body(direction, &held, false);
            self.pass_trailers(vm, direction);
        } else {
            self.side(direction).stop = Stop::Here;
        }
        self.carry_out(vm, Some(direction));
    }

    pub(super) fn pass_head(&mut self, vm: &mut Vm, direction: Direction) {
        if std::mem::replace(&mut self.side(direction).head_passed, true) {
            return;
        }
        let message = message(vm, self.record.context, direction);
        message.visible = false;
        let headers = message.headers.clone();
        match direction {
            Direction::Request => self.record.upstream = Some(upstream_request(headers)),
            Direction::Response => {
                let (status, headers) = client_head(headers);
                self.record.client_head(status, headers);
            }
        }
    }

    pub(super) fn pass_body(&mut self, direction: Direction, bytes: &[u8], end: bool) {
        match direction {
            Direction::Request => self.record.pass_upstream(bytes, end),
            Direction::Response => self.record.pass_to_client(bytes, end),
        }
    }

    fn pass_trailers(&mut self, vm: &mut Vm, direction: Direction) {
        self.side(direction).trailers = None;
        let message = message(vm, self.record.context, direction);
        self.record.trailers(direction == Direction::Request, message.trailers.take());
        self.pass_body(direction, &[], true);
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}

pub(super) fn message(vm: &mut Vm, context: u32, direction: Direction) -> &mut Message {
    let stream = vm.state().streams.get_mut(&context).expect("an open flow has its stream");
    match direction {
        Direction::Request => &mut stream.request,
        Direction::Response => &mut stream.response,
    }
}
