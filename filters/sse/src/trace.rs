//! The trace context of a request (W3C Trace Context, and Baggage), which its head carries, or its
//! message in `_meta`: what one of them says and the other does not.

mod form;

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::head::Head;
use mcp_core::message::{Kind, Message, Meta};
use serde::Deserialize;

use form::{is_baggage, is_parent, is_state};

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TraceContext {
    /// None.
    Off,
    /// From `_meta` into the head.
    #[default]
    ToHeaders,
    /// The same, and from the head into `_meta`.
    Both,
}

/// A trace context, each part only if it has W3C's form.
#[derive(Debug, Default)]
struct Context {
    parent: Option<HeaderValue>,
    /// Belongs to the parent, and is not without.
    state: Option<HeaderValue>,
    baggage: Option<HeaderValue>,
}

/// What a request's head says of a trace.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    has_parent: bool,
    has_baggage: bool,
    /// What the message is to say.
    for_message: Context,
}

const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// With one of these the client vouches for every byte of the body.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

// === impl Headers ===

impl Headers {
    pub(crate) fn of(head: &Head<'_>, direction: TraceContext) -> Self {
        let writes =
            direction == TraceContext::Both && !DIGESTS.into_iter().any(|name| has(head, name));
        Self {
            has_parent: has(head, TRACE_PARENT),
            has_baggage: has(head, BAGGAGE),
            for_message: if writes { Context::of_head(head) } else { Context::default() },
        }
    }

    /// What changes in the head for a message with this `_meta`: it gets what it lacks.
    pub(crate) fn edits(&self, meta: &Meta<'_>) -> Vec<Edit> {
        let mut edits = Vec::new();
        let Context { parent, state, baggage } = Context::of_message(meta);
        if let Some(parent) = parent.filter(|_| !self.has_parent) {
            edits.push(Edit::Set(TRACE_PARENT.into(), parent));
            // One that came without its parent does not stay.
            edits.push(match state {
                Some(state) => Edit::Set(TRACE_STATE.into(), state),
                None => Edit::Remove(TRACE_STATE.into()),
            });
        }
        let baggage = baggage.filter(|_| !self.has_baggage);
        edits.extend(baggage.map(|baggage| Edit::Set(BAGGAGE.into(), baggage)));
        edits
    }

    /// What `_meta` of this message gets: nothing, if it says anything of a trace by itself.
    pub(crate) fn annotations(self, message: &Message<'_>) -> Vec<(&'static str, HeaderValue)> {
        let is_traced = message.params.meta.as_ref().is_some_and(|meta| meta.is_traced);
        if is_traced || message.kind != Kind::Request {
            return Vec::new();
        }
        let Context { parent, state, baggage } = self.for_message;
        let parts = [(TRACE_PARENT, parent), (TRACE_STATE, state), (BAGGAGE, baggage)];
        parts.into_iter().filter_map(|(key, part)| Some((key, part?))).collect()
    }
}

// === impl Context ===

impl Context {
    fn of_message(meta: &Meta<'_>) -> Self {
        Self::new(
            meta.trace_parent.as_deref(),
            meta.trace_state.as_deref(),
            meta.baggage.as_deref(),
        )
    }

    fn of_head(head: &Head<'_>) -> Self {
        // Two parents are none: with the comma between them they have no form.
        let parent = list(head, TRACE_PARENT);
        let (state, baggage) = (list(head, TRACE_STATE), list(head, BAGGAGE));
        Self::new(parent.as_deref(), state.as_deref(), baggage.as_deref())
    }

    fn new(parent: Option<&str>, state: Option<&str>, baggage: Option<&str>) -> Self {
        let parent = parent.filter(|text| is_parent(text)).and_then(HeaderValue::plain);
        let state = state.filter(|text| parent.is_some() && is_state(text));
        let baggage = baggage.filter(|text| is_baggage(text));
        Self {
            parent,
            state: state.and_then(HeaderValue::plain),
            baggage: baggage.and_then(HeaderValue::plain),
        }
    }
}

#[inline(never)] // the search is large, and wanted often
fn has(head: &Head<'_>, name: &str) -> bool {
    head.values(name).next().is_some()
}

/// The fields of this name as the one list that they are.
#[inline(never)]
fn list(head: &Head<'_>, name: &str) -> Option<String> {
    let values: Vec<&[u8]> = head.values(name).collect();
    String::from_utf8(values.join(&b',')).ok()
}
