//! Requests that wait for an answer to a call of the plugin's, and the calls it has yet to make.
//!
//! A call that the plugin makes by itself is answered whatever becomes of the request that needed it
//! first, and one answer serves all that wait for it. The plugin makes calls in its own callbacks
//! only, so a request that needs one asks for a tick at once.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use mcp_core::limits::MAX_WAITING;
use mcp_core::pipeline::{Fetch, Filter, Topic};

use crate::abi;
use crate::request::Request;

/// The waiting requests of one VM, by their contexts.
pub(crate) struct WaitingRequests<F: Filter>(RefCell<BTreeMap<u32, Entry<F>>>);

struct Entry<F: Filter> {
    topic: Topic,
    request: Rc<RefCell<Request<F>>>,
}

/// Calls to make with the next tick.
pub(crate) struct Errands<T> {
    calls: RefCell<Vec<Fetch<T>>>,
    hurried: Cell<bool>,
}

/// The shortest interval of ticks, in milliseconds.
const AT_ONCE: u32 = 1;

impl<F: Filter> WaitingRequests<F> {
    /// Whether one more may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.0.borrow().len() < MAX_WAITING
    }

    /// Begins to wait.
    pub(crate) fn hold(&self, context: u32, topic: Topic, request: Rc<RefCell<Request<F>>>) {
        self.0.borrow_mut().insert(context, Entry { topic, request });
    }

    /// The request is gone.
    pub(crate) fn release(&self, context: u32) {
        self.0.borrow_mut().remove(&context);
    }

    /// Takes out those that wait for `topic`, or all; to be held again if they go on waiting.
    pub(crate) fn take(&self, topic: Option<Topic>) -> Vec<Rc<RefCell<Request<F>>>> {
        let mut waiting = self.0.borrow_mut();
        waiting
            .extract_if(.., |_, entry| topic.is_none_or(|topic| entry.topic == topic))
            .map(|(_, entry)| entry.request)
            .collect()
    }
}

impl<F: Filter> Default for WaitingRequests<F> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Errands<T> {
    /// Leaves a call to be made, and asks for a tick at once.
    pub(crate) fn ask(&self, fetch: Fetch<T>) {
        self.calls.borrow_mut().push(fetch);
        // Where it fails the regular tick still comes.
        if !self.hurried.replace(true) {
            let _ = abi::set_tick_period(AT_ONCE);
        }
    }

    /// Leaves a call to be made with this very tick.
    pub(crate) fn add(&self, fetch: Fetch<T>) {
        self.calls.borrow_mut().push(fetch);
    }

    /// The next call.
    pub(crate) fn next(&self) -> Option<Fetch<T>> {
        self.calls.borrow_mut().pop()
    }

    /// Whether a tick was asked for since this was last asked.
    pub(crate) fn take_hurry(&self) -> bool {
        self.hurried.take()
    }
}

impl<T> Default for Errands<T> {
    fn default() -> Self {
        Self { calls: RefCell::default(), hurried: Cell::new(false) }
    }
}
