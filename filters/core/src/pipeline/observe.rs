//! The last stages: what changes in the head of an upstream's answer, what passes in its body, and
//! the end.
//!
//! A body is observed only where a filter asked for it as the head passed; all others pass
//! without a look. Nothing is ever paused: what is incomplete is held in the observer.

#[cfg(test)]
mod tests;

use super::{
    Account, Call, Ending, Environment, Exchange, Filter, Phase, Pipeline, Report, Response, line,
};
use crate::cutoff::Cutoff;
use crate::edit::{Edit, HeaderValue};
use crate::head::essence;
use crate::limits::MAX_STREAM_EVENT;
use crate::message::{Kind, Message};
use crate::refusal::{Addressee, Reason, Refusal};
use crate::rewrite::{Rewriter, Ruling};
use crate::tap::Tap;

/// What a filter wants with an answer's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// How it wants the messages.
    pub messages: Attention,
    /// If it is an event stream, it ends at this time, in seconds since 1970.
    pub until: Option<u64>,
}

/// How a filter wants the messages of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// Not at all.
    #[default]
    None,
    /// It is told of each, and of the bytes, while they pass at once and unchanged; what it says to
    /// a message changes nothing.
    Listen,
    /// It decides of each, so an event or document passes once it is whole.
    Judge,
}

/// What a filter says to a message in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// It goes on as it is.
    Pass,
    /// This JSON text goes on in its place.
    Replace(Vec<u8>),
    /// It does not go on.
    Drop,
    /// The client gets this error in its place, and nothing after it.
    End(Refusal),
    /// It goes on as it is, and all that follows as well: the filter wants no more of the answer.
    Release,
}

/// Observes the body of one answer.
#[derive(Debug)]
pub(super) struct Observer {
    /// Where the body is judged.
    rewriter: Option<Rewriter>,
    /// Where it is not, and may be ended.
    cutoff: Option<Cutoff>,
    /// Where the filters listen.
    tap: Option<Tap>,
    until: Option<u64>,
    attention: Attention,
}

/// What no longer describes a body that may be changed on its way.
const BODY_FIELDS: [&[u8]; 5] =
    [b"content-length", b"etag", b"content-md5", b"digest", b"content-digest"];

const EVENT_STREAM: &[u8] = b"text/event-stream";

impl<F: Filter> Exchange<F> {
    /// Whether the answer's body is to be handed in.
    pub const fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    /// Whether it matters how the answer ends, and how long it is, whoever observes it.
    pub const fn is_followed(&self) -> bool {
        self.account.is_some()
    }

    /// So many bytes of the answer's body arrived.
    pub fn passed(&mut self, bytes: usize) {
        if let Some(account) = &mut self.account {
            account.passed(bytes);
        }
    }

    /// What there is to tell, once: of an exchange that is over.
    pub fn take_account(&mut self) -> Option<Account> {
        let is_over = matches!(self.phase, Phase::Finished);
        self.account.take_if(|_| is_over).map(|account| *account)
    }

    /// The line in the log of what was decided.
    pub fn decision_line(&self, report: &Report) -> String {
        line::line(report, &self.caller, self.trace_id.as_deref(), None)
    }

    /// The line in the log of what became of it.
    pub fn account_line(&self, account: &Account) -> String {
        line::line(&account.report, &self.caller, self.trace_id.as_deref(), Some(account))
    }

    /// When the answer, an event stream, has to end, in seconds since 1970. A stream in which
    /// nothing comes then is for the host to end.
    pub fn stream_until(&self) -> Option<u64> {
        self.observer.as_ref()?.until
    }

    /// Whether the answer, an event stream, was ended before its time: all that is left is for the
    /// host to close it.
    pub fn has_ended(&self) -> bool {
        self.observer.as_ref().is_some_and(Observer::has_ended)
    }
}

impl Observer {
    fn has_ended(&self) -> bool {
        self.rewriter.as_ref().is_some_and(Rewriter::has_ended)
            || self.cutoff.as_ref().is_some_and(Cutoff::has_ended)
    }
}

impl<F: Filter> Pipeline<F> {
    /// The head of the upstream's answer arrived.
    pub fn response_head(
        &self,
        exchange: &mut Exchange<F>,
        response: &dyn Response,
        environment: &mut dyn Environment,
    ) -> Vec<Edit> {
        if !matches!(exchange.phase, Phase::Forwarded) {
            return Vec::new();
        }
        if let Some(account) = &mut exchange.account {
            account.status = status(response);
        }
        let mut edits =
            self.filter.respond(response, &exchange.caller, environment, &mut exchange.state);
        edits.extend(self.begin_observing(exchange, response));
        if let Some(reader) = &exchange.reader {
            edits.extend(reader.edits());
        }
        edits
    }

    /// Bytes of an observed answer's body arrived, the last ones if `end`; returns what goes on in
    /// their place, or `None` if that is the same.
    pub fn response_body(
        &self,
        exchange: &mut Exchange<F>,
        chunk: &[u8],
        end: bool,
        environment: &mut dyn Environment,
    ) -> Option<Vec<u8>> {
        let changed = self.pass(exchange, chunk, end, environment);
        if end {
            self.finish(exchange, Ending::Complete, environment);
        }
        changed
    }

    /// The exchange is over, or its context gone. What never went upstream is nobody's affair, and
    /// so is what is finished already.
    pub fn finish(
        &self,
        exchange: &mut Exchange<F>,
        ending: Ending,
        environment: &mut dyn Environment,
    ) {
        if !matches!(exchange.phase, Phase::Forwarded) {
            return;
        }
        exchange.phase = Phase::Finished;
        let ending = if exchange.has_ended() { Ending::Cut } else { ending };
        let Exchange { observer, caller, state, account, .. } = exchange;
        if let Some(tap) = observer.as_mut().and_then(|observer| observer.tap.as_mut()) {
            // A document that ends in trailers is whole, and nobody said so.
            tap.push(b"", true, |piece| {
                self.filter.observe(piece, caller, environment, state);
            });
        }
        self.filter.finish(ending, caller, environment, state);
        if let Some(account) = account {
            account.close(ending, self.filter.spent(state), environment);
        }
    }

    fn pass(
        &self,
        exchange: &mut Exchange<F>,
        chunk: &[u8],
        end: bool,
        environment: &mut dyn Environment,
    ) -> Option<Vec<u8>> {
        let Exchange { observer, caller, state, requests, .. } = exchange;
        let observer = observer.as_mut()?;
        let ended = observer.has_ended();
        let Observer { rewriter, cutoff, tap, until, attention } = observer;
        if *attention != Attention::None && !ended {
            self.filter.passed(chunk, environment, state);
        }
        if let Some(tap) = tap.as_mut().filter(|_| !ended) {
            tap.push(chunk, end, |piece| {
                self.filter.observe(piece, caller, environment, state);
            });
        }
        let now = until.and_then(|_| environment.recently());
        let expired = until.zip(now).is_some_and(|(until, now)| now >= until);
        let expiry = |requests: &[String]| farewell(&Refusal::new(Reason::Expired), requests);
        if let Some(cutoff) = cutoff {
            if !expired {
                cutoff.pass(chunk);
                return None;
            }
            let out = cutoff.end(chunk, || expiry(requests));
            return (out != chunk).then_some(out);
        }
        let rewriter = rewriter.as_mut()?;
        let out = if expired && !rewriter.has_ended() {
            rewriter.end(&expiry(requests))
        } else {
            rewriter.push(chunk, end, |piece| {
                match self.filter.observe(piece, caller, environment, state) {
                    Observation::Pass => Ruling::Pass,
                    Observation::Replace(text) => Ruling::Replace(text),
                    Observation::Drop => Ruling::Drop,
                    Observation::End(refusal) => Ruling::End(farewell(&refusal, requests)),
                    Observation::Release => Ruling::Release,
                }
            })
        };
        (out != chunk).then_some(out)
    }

    /// Begins to observe, if the filter wants to; returns what changes in the head for that.
    fn begin_observing(&self, exchange: &mut Exchange<F>, response: &dyn Response) -> Vec<Edit> {
        let Interest { messages, until } =
            self.filter.interest(response, &exchange.caller, &mut exchange.state);
        // Each look at a field is a call to the host, so nothing is asked that decides nothing.
        if messages == Attention::None && until.is_none() {
            return Vec::new();
        }
        let media_type = response.header("content-type").unwrap_or_default();
        let is = |other: &[u8]| essence(&media_type).eq_ignore_ascii_case(other);
        let (events, json) = (is(EVENT_STREAM), is(b"application/json"));
        let until = until.filter(|_| events);
        if messages == Attention::None && until.is_none() {
            return Vec::new();
        }
        let coding = response.header("content-encoding").unwrap_or_default();
        let coded = !coding.is_empty() && !coding.trim_ascii().eq_ignore_ascii_case(b"identity");
        // What a failing upstream says is no list, unless it is written like one.
        let judged = messages == Attention::Judge && (events || json || is_successful(response));
        let tap = match (events, json) {
            _ if judged || messages == Attention::None => None,
            _ if coded => Some(Tap::unreadable()),
            (true, _) => Some(Tap::events(MAX_STREAM_EVENT)),
            (false, true) => Some(Tap::document(MAX_STREAM_EVENT)),
            (false, false) => Some(Tap::bytes()),
        };
        let limit = if coded { 0 } else { MAX_STREAM_EVENT };
        let rewriter = judged.then(|| match events {
            true => Rewriter::events(limit),
            false => Rewriter::document(limit, json),
        });
        let cutoff = until.filter(|_| !judged).map(|_| Cutoff::new(coded));
        let changes = rewriter.is_some() || cutoff.is_some();
        exchange.observer = Some(Observer { rewriter, cutoff, tap, until, attention: messages });
        if !changes {
            return Vec::new();
        }
        let mut edits: Vec<_> =
            BODY_FIELDS.iter().map(|name| Edit::Remove(name.to_vec())).collect();
        if judged && coded {
            // What goes on is ours, and plain.
            edits.push(Edit::Remove(b"content-encoding".to_vec()));
            if !events {
                let json = HeaderValue::from_static("application/json");
                edits.push(Edit::Set("content-type".into(), json));
            }
        }
        edits
    }
}

fn status(response: &dyn Response) -> Option<u16> {
    let status = response.header(":status")?;
    core::str::from_utf8(&status).ok()?.parse().ok()
}

fn is_successful(response: &dyn Response) -> bool {
    response.header(":status").is_some_and(|status| status.starts_with(b"2"))
}

/// The error as each of the exchange's requests gets it. Where nobody asked, as on a stream that
/// was opened by GET, it is a notification: an error without an id makes some clients fail.
fn farewell(refusal: &Refusal, requests: &[String]) -> Vec<Vec<u8>> {
    if requests.is_empty() {
        return vec![refusal.notification()];
    }
    requests.iter().map(|id| refusal.reply(Addressee::Request(id)).body).collect()
}

/// The ids of the requests in a call, as exact JSON tokens.
pub(super) fn requests(call: &Call<'_>) -> Vec<String> {
    let messages = call.message.into_iter().chain(call.batch);
    let id = |message: &Message<'_>| {
        let id = message.id.filter(|_| message.kind == Kind::Request)?;
        Some(id.token().to_owned())
    };
    messages.filter_map(id).collect()
}
