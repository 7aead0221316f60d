//! Everything outside the virtual machines: the hand-turned clock, randomness, the stores that
//! workers share, and the journal of what happened. One world per [`crate::Host`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::abi::{LogLevel, Status};
use crate::metrics::Metrics;
use crate::services::{ServiceCall, Services};

/// A point of virtual time, in nanoseconds since the Unix epoch.
pub(crate) type Nanos = u64;

/// A line a module logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Which worker's virtual machine logged it.
    pub worker: usize,
    /// How serious it is.
    pub level: LogLevel,
    /// The text; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// A host call a module made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCall {
    /// Which worker's virtual machine made it.
    pub worker: usize,
    /// The callback it was made from.
    pub callback: &'static str,
    /// The call.
    pub name: &'static str,
    /// The texts that went in and came out, shortened.
    pub detail: String,
    /// What the host answered; `None` when it never returned.
    pub status: Option<Status>,
    /// What was copied for it.
    pub copied: Copied,
}

/// Bytes that a host call copied between guest and host: names, values and bodies. Numbers and
/// addresses are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Out of the guest's memory.
    pub from_guest: usize,
    /// Into the guest's memory.
    pub to_guest: usize,
}

/// One entry of a host into a virtual machine: a callback, and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Which worker's virtual machine was entered.
    pub worker: usize,
    /// The callback.
    pub callback: &'static str,
    /// WebAssembly instructions carried out, as wasmtime's fuel counts them: a bulk copy or fill
    /// counts one for each byte, control flow nothing. The same on every run.
    pub instructions: u64,
    /// How many host calls it made.
    pub calls: usize,
    /// How often the host asked the guest's allocator for memory to hand something over in.
    pub host_allocations: usize,
}

impl Crossing {
    /// Each of these callbacks with the host calls made from it, which are all those of `calls`.
    pub fn with_calls<'a>(
        crossings: &'a [Self],
        mut calls: &'a [HostCall],
    ) -> impl Iterator<Item = (&'a Self, &'a [HostCall])> {
        crossings.iter().map(move |crossing| {
            let (its, rest) = calls.split_at(crossing.calls);
            calls = rest;
            (crossing, its)
        })
    }
}

#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) log: Vec<LogLine>,
    pub(crate) calls: Vec<HostCall>,
    pub(crate) crossings: Vec<Crossing>,
    pub(crate) service_calls: Vec<ServiceCall>,
}

pub(crate) struct World {
    pub(crate) now: Nanos,
    pub(crate) random: Random,
    pub(crate) shared_data: SharedData,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    pub(crate) services: Services,
    pub(crate) foreign_functions: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) journal: Journal,
}

impl World {
    pub(crate) fn after(&self, delay: Duration) -> Nanos {
        self.now.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// `SplitMix64`: plenty for a test, and the same sequence on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Envoy's shared data, to the letter: a compare-and-swap value is compared only when the key
/// exists and the value is not 0; an absent key is stored whatever the value says; nothing is ever
/// removed.
#[derive(Default)]
pub(crate) struct SharedData {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.entries.get(key).cloned().ok_or(Status::NotFound)
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        if let Some((_, current)) = self.entries.get(key)
            && cas != 0
            && cas != *current
        {
            return Err(Status::CasMismatch);
        }
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        self.entries.insert(key.to_vec(), (value.to_vec(), self.last_cas));
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }
}

/// Named queues; ids count from 1. Readiness is told to the worker that registered last.
#[derive(Default)]
pub(crate) struct Queues {
    queues: Vec<Queue>,
    /// Queues that received something since asked: id and the worker to tell.
    pub(crate) ready: VecDeque<(u32, usize)>,
}

struct Queue {
    name: Vec<u8>,
    worker: usize,
    items: VecDeque<Vec<u8>>,
}

impl Queues {
    pub(crate) fn register(&mut self, name: &[u8], worker: usize) -> u32 {
        if let Ok(id) = self.resolve(name) {
            self.queues[id as usize - 1].worker = worker;
            return id;
        }
        self.queues.push(Queue { name: name.to_vec(), worker, items: VecDeque::new() });
        self.queues.len() as u32
    }

    pub(crate) fn resolve(&self, name: &[u8]) -> Result<u32, Status> {
        let index = self.queues.iter().position(|queue| queue.name == name);
        index.map(|index| index as u32 + 1).ok_or(Status::NotFound)
    }

    pub(crate) fn enqueue(&mut self, id: u32, item: Vec<u8>) -> Result<(), Status> {
        let queue = self.queue(id)?;
        queue.items.push_back(item);
        let worker = queue.worker;
        self.ready.push_back((id, worker));
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, id: u32) -> Result<Vec<u8>, Status> {
        self.queue(id)?.items.pop_front().ok_or(Status::Empty)
    }

    fn queue(&mut self, id: u32) -> Result<&mut Queue, Status> {
        let index = (id as usize).checked_sub(1).ok_or(Status::NotFound)?;
        self.queues.get_mut(index).ok_or(Status::NotFound)
    }
}
