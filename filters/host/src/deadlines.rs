//! Open streams, and when each has to end.

use core::cell::RefCell;
use std::collections::BTreeMap;

/// The open streams of one VM that have an end.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(RefCell<BTreeMap<u32, u64>>);

impl Deadlines {
    /// The stream of `context` has to end at `time`, in seconds since 1970.
    pub(crate) fn set(&self, context: u32, time: u64) {
        self.0.borrow_mut().insert(context, time);
    }

    /// The stream ended.
    pub(crate) fn release(&self, context: u32) {
        self.0.borrow_mut().remove(&context);
    }

    /// Returns, and forgets, the streams whose time has come.
    pub(crate) fn take_due(&self, now: u64) -> Vec<u32> {
        let mut deadlines = self.0.borrow_mut();
        let is_due = |(context, time): (&u32, &u64)| (*time <= now).then_some(*context);
        let due: Vec<_> = deadlines.iter().filter_map(is_due).collect();
        for context in &due {
            deadlines.remove(context);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_due_once_and_not_before_its_time() {
        let deadlines = Deadlines::default();
        deadlines.set(7, 100);
        deadlines.set(8, 101);
        deadlines.set(9, 100);
        deadlines.set(9, 200);
        assert!(deadlines.take_due(99).is_empty());
        assert_eq!(deadlines.take_due(100), [7]);
        assert!(deadlines.take_due(100).is_empty());
        deadlines.release(8);
        assert_eq!(deadlines.take_due(1000), [9]);
    }
}
