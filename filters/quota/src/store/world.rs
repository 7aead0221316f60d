//! Workers of one host, for tests: a shared-data store by the letter of Envoy's, and a hand-turned
//! clock.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mcp_core::pipeline::Environment;

/// What a host keeps for its workers (proxy-wasm-cpp-host, `shared_data.cc`): versions are compared
/// only of what is there, and not with 0; nothing is ever removed.
#[derive(Debug, Clone, Default)]
pub(super) struct Host(Rc<RefCell<SharedData>>);

#[derive(Debug, Default)]
struct SharedData {
    entries: BTreeMap<String, (Vec<u8>, u32)>,
    last_version: u32,
    reads: usize,
    writes: usize,
}

/// One worker's view of it.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) host: Host,
    pub(super) now: Option<u64>,
    pub(super) random: Option<u8>,
    /// How many of the next writes another worker forestalls.
    pub(super) conflicts: u32,
    /// Under which key alone it does; under any if none is said.
    pub(super) conflicts_under: Option<&'static str>,
    /// What another worker does just before the next write.
    pub(super) before_write: Option<Box<dyn FnOnce()>>,
    pub(super) counts: BTreeMap<String, u64>,
    /// How often the clock was read.
    pub(super) clock_reads: usize,
}

impl Host {
    pub(super) fn worker(&self, now: u64) -> Worker {
        Worker { host: self.clone(), now: Some(now), ..Worker::default() }
    }

    pub(super) fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().entries.get(key).cloned()
    }

    pub(super) fn set(&self, key: &str, value: &[u8], version: u32) -> bool {
        let mut data = self.0.borrow_mut();
        let current = data.entries.get(key).map(|(_, version)| *version);
        if current.is_some_and(|current| version != 0 && version != current) {
            return false;
        }
        data.last_version = data.last_version.wrapping_add(1).max(1);
        let version = data.last_version;
        data.entries.insert(key.to_owned(), (value.to_vec(), version));
        true
    }

    /// All values.
    pub(super) fn values(&self) -> Vec<Vec<u8>> {
        self.0.borrow().entries.values().map(|(value, _)| value.clone()).collect()
    }

    /// Bytes of keys and values.
    pub(super) fn size(&self) -> usize {
        let data = self.0.borrow();
        data.entries.iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }

    /// How often workers read and wrote since this was asked last.
    pub(super) fn calls(&self) -> (usize, usize) {
        let mut data = self.0.borrow_mut();
        (std::mem::take(&mut data.reads), std::mem::take(&mut data.writes))
    }
}

impl Worker {
    pub(super) fn counted(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }
}

impl Environment for Worker {
    fn now(&mut self) -> Option<u64> {
        self.now.map(|now| now / 1_000)
    }

    fn milliseconds(&mut self) -> Option<u64> {
        self.clock_reads += 1;
        self.now
    }

    fn add(&mut self, counter: &str, amount: u64) {
        *self.counts.entry(counter.to_owned()).or_default() += amount;
    }

    fn randomize(&mut self, bytes: &mut [u8]) -> bool {
        self.random.inspect(|byte| bytes.fill(*byte)).is_some()
    }

    fn upstream_address(&mut self) -> Option<String> {
        None
    }

    fn shared(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.host.0.borrow_mut().reads += 1;
        self.host.get(key)
    }

    fn share(&mut self, key: &str, value: &[u8], version: u32) -> bool {
        if let Some(other) = self.before_write.take() {
            other();
        }
        if self.conflicts > 0 && self.conflicts_under.is_none_or(|under| under == key) {
            self.conflicts -= 1;
            let there = self.host.get(key).unwrap_or_default().0;
            self.host.set(key, &there, 0);
        }
        self.host.0.borrow_mut().writes += 1;
        self.host.set(key, value, version)
    }
}
