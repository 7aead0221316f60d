//! Requests that are held until their body arrives, and when to stop waiting.
//!
//! Time is counted in ticks, so that holding a request costs no clock reading.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// The held requests of one VM.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    now: Cell<u64>,
    held: RefCell<BTreeMap<u32, Held>>,
}

/// One held request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    deadline: u64,
    /// Whether any part of the body came.
    pub(crate) began: bool,
}

impl Watchdog {
    /// Starts waiting for the body of `context` for `patience` ticks.
    pub(crate) fn hold(&self, context: u32, patience: u64) {
        let deadline = self.now.get().saturating_add(patience);
        self.held.borrow_mut().insert(context, Held { deadline, began: false });
    }

    /// A part of the body came. `false`: the request was given up before.
    pub(crate) fn note(&self, context: u32) -> bool {
        self.held.borrow_mut().get_mut(&context).map(|held| held.began = true).is_some()
    }

    /// The request is decided, or gone.
    pub(crate) fn release(&self, context: u32) {
        self.held.borrow_mut().remove(&context);
    }

    /// A tick passed: returns, and forgets, what waited too long.
    pub(crate) fn tick(&self) -> Vec<(u32, Held)> {
        let now = self.now.get().saturating_add(1);
        self.now.set(now);
        let mut held = self.held.borrow_mut();
        let overdue: Vec<_> = held
            .iter()
            .filter(|(_, held)| held.deadline < now)
            .map(|(id, held)| (*id, *held))
            .collect();
        for (id, _) in &overdue {
            held.remove(id);
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_given_up_once_and_only_after_its_time() {
        let watchdog = Watchdog::default();
        watchdog.hold(7, 2);
        watchdog.hold(8, 2);
        assert!(watchdog.note(8));
        assert!(watchdog.tick().is_empty());
        assert!(watchdog.tick().is_empty());
        let overdue: Vec<_> =
            watchdog.tick().into_iter().map(|(id, held)| (id, held.began)).collect();
        assert_eq!(overdue, [(7, false), (8, true)]);
        assert!(watchdog.tick().is_empty());
        assert!(!watchdog.note(7));
    }

    #[test]
    fn a_decided_request_is_not_given_up() {
        let watchdog = Watchdog::default();
        watchdog.hold(7, 0);
        watchdog.release(7);
        assert!(watchdog.tick().is_empty());
    }
}
