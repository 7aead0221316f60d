//! How things come about in a host: workers come up, the clock is turned, callbacks fall due, and
//! exchanges go on after them.

use super::{ExchangeId, Host, Open};
use crate::exchange::Outcome;
use crate::flow::{Flow, Record};
use crate::module::LoadError;
use crate::options::FailurePolicy;
use crate::profile::Profile;
use crate::vm::{Failure, Vm};
use crate::worker::Worker;
use crate::world::Nanos;

impl Host {
    pub(super) fn load(&self, worker: usize, generation: usize) -> Result<Worker, LoadError> {
        let (module, options) = (&self.module, &self.options);
        Worker::load(module, self.profile, options, &self.world, worker, generation)
    }

    /// Gives a worker a new virtual machine where the host would: Envoy by its failure policy,
    /// APISIX when the whole process died.
    pub(super) fn revive(&mut self, worker: usize) {
        let dead = match self.profile {
            Profile::Envoy => {
                self.workers[worker].vm.trapped
                    && self.options.envoy.failure_policy == FailurePolicy::FailReload
            }
            Profile::Apisix => self.workers[worker].vm.crashed,
        };
        if dead {
            let generation = self.workers[worker].generation + 1;
            if let Ok(loaded) = self.load(worker, generation) {
                self.workers[worker] = loaded;
            }
        }
    }

    pub(super) fn step(&mut self, id: ExchangeId, step: impl FnOnce(&mut dyn Flow, &mut Vm)) {
        if let Some(open) = self.open.get_mut(&id.0) {
            let worker = &mut self.workers[open.worker];
            open.moved = self.world.borrow().now;
            if open.is_live(worker) {
                step(open.flow.as_mut(), &mut worker.vm);
            }
        }
        self.settle();
    }

    /// Turns the clock until the exchange ended, or it is `enough`, which it then says, or nothing
    /// more comes within patience.
    pub(super) fn run_until(&mut self, id: ExchangeId, enough: impl Fn(&Record) -> bool) -> bool {
        let patience = u64::try_from(self.options.patience.as_nanos()).unwrap_or(Nanos::MAX);
        loop {
            let Some(open) = self.open.get_mut(&id.0) else { return false };
            let limit = open.moved.saturating_add(patience);
            let record = open.flow.record();
            if record.outcome.is_some() || enough(record) {
                return record.outcome.is_none();
            }
            match self.next_event().filter(|due| *due <= limit) {
                Some(due) => self.fire(due),
                None => return false,
            }
        }
    }

    pub(super) fn next_event(&mut self) -> Option<Nanos> {
        self.workers.iter_mut().filter_map(Worker::next_due).min()
    }

    /// Lets everything due at this time happen, worker by worker.
    pub(super) fn fire(&mut self, due: Nanos) {
        let now = self.world.borrow().now.max(due);
        self.world.borrow_mut().now = now;
        for index in 0..self.workers.len() {
            while let Some(result) = self.workers[index].next_callback(due) {
                self.after_root_callback(index, result);
            }
        }
        self.settle();
    }

    /// Whatever follows at once from a step: queues tell of what they got, and a crash takes down
    /// every exchange of its worker.
    pub(super) fn settle(&mut self) {
        self.deliver_queues();
        for open in self.open.values_mut() {
            let worker = &self.workers[open.worker];
            if worker.vm.crashed && open.generation == worker.generation {
                let why = "the worker died serving another request".to_owned();
                open.flow.record().end(Outcome::Crash { why });
            }
        }
    }

    /// A callback of the plugin itself ran: exchanges it touched go on, or fail with it.
    pub(super) fn after_root_callback(&mut self, index: usize, result: Result<(), Failure>) {
        let worker = &mut self.workers[index];
        for open in self.open.values_mut().filter(|open| open.worker == index) {
            match &result {
                _ if !open.is_live(worker) => {}
                Ok(()) => open.flow.resume(&mut worker.vm),
                Err(failure) => open.flow.callback_failed(&mut worker.vm, failure.clone()),
            }
        }
    }

    pub(super) fn deliver_queues(&mut self) {
        loop {
            let ready = self.world.borrow_mut().queues.ready.pop_front();
            let Some((queue, index)) = ready else { return };
            let worker = &mut self.workers[index];
            if worker.vm.is_running() {
                let root = worker.root;
                let result = worker.vm.call("proxy_on_queue_ready", root, None, &[root, queue]);
                self.after_root_callback(index, result.map(drop));
            }
        }
    }

    pub(super) fn close(&mut self, open: &mut Open) {
        let worker = &mut self.workers[open.worker];
        if open.is_live(worker) {
            open.flow.close(&mut worker.vm);
            if self.profile.rules().reuse_context_ids {
                worker.free_contexts.insert(open.flow.record().context);
            }
        }
    }
}
