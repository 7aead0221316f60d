//! A host with its workers: loads the module into each, runs exchanges step by step or whole, and
//! turns the clock.

mod events;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::apisix::ApisixFlow;
use crate::envoy::EnvoyFlow;
use crate::exchange::{
    ClientResponse, Exchange, Outcome, Request, Response, Transcript, UpstreamRequest,
};
use crate::flow::{Flow, Record};
use crate::headers::Headers;
use crate::metrics::Metrics;
use crate::module::{LoadError, Module};
use crate::options::Options;
use crate::profile::Profile;
use crate::services::{ServiceAnswer, Services};
use crate::worker::Worker;
use crate::world::{
    Crossing, HostCall, Journal, LogLine, Nanos, Queues, Random, SharedData, World,
};

/// Names an exchange between its first and its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangeId(usize);

/// A host with its workers.
pub struct Host {
    profile: Profile,
    module: Module,
    options: Options,
    world: Rc<RefCell<World>>,
    workers: Vec<Worker>,
    open: BTreeMap<usize, Open>,
    next_exchange: usize,
    told: Told,
    load_time: Duration,
}

struct Open {
    worker: usize,
    generation: usize,
    flow: Box<dyn Flow>,
    since: Nanos,
    /// When a peer last did something; patience counts from here.
    moved: Nanos,
    told: Told,
}

impl Open {
    /// Whether it can go on: the guest was not told of its end, and its virtual machine is there.
    fn is_live(&mut self, worker: &Worker) -> bool {
        let same = self.generation == worker.generation;
        same && !worker.vm.crashed && !self.flow.record().closed
    }
}

/// How much of the journal earlier transcripts have told.
#[derive(Clone, Copy, Default)]
struct Told {
    log: usize,
    calls: usize,
    crossings: usize,
    service_calls: usize,
}

impl Host {
    /// Loads a module into every worker of a host; on Envoy it is configured, too.
    ///
    /// # Errors
    /// [`LoadError`] when the host would not take the module. (A real APISIX then skips the plugin
    /// and serves requests without it.)
    pub fn new(module: &Module, profile: Profile, options: Options) -> Result<Self, LoadError> {
        let started = Instant::now();
        let mut services = Services::default();
        for (name, answers) in &options.services {
            services.script(name, answers.clone());
        }
        let world = World {
            now: options.start.as_nanos() as Nanos,
            random: Random(options.seed),
            shared_data: SharedData::default(),
            queues: Queues::default(),
            metrics: Metrics::default(),
            services,
            foreign_functions: options.foreign_functions.clone(),
            journal: Journal::default(),
        };
        let mut host = Self {
            profile,
            module: module.clone(),
            world: Rc::new(RefCell::new(world)),
            workers: Vec::new(),
            open: BTreeMap::new(),
            next_exchange: 0,
            told: Told::default(),
            load_time: Duration::ZERO,
            options,
        };
        for worker in 0..host.options.workers.max(1) {
            let loaded = host.load(worker, 0)?;
            host.workers.push(loaded);
        }
        host.load_time = started.elapsed();
        Ok(host)
    }

    /// Real time from the compiled module to all workers ready (on Envoy: configured).
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// Loads the module anew into every worker, with another configuration, as Envoy does when it is
    /// given one. What workers share stays as it is.
    ///
    /// # Errors
    /// As [`Self::new`]; the workers before it are reloaded then.
    ///
    /// # Panics
    /// When an exchange is open.
    pub fn reload(&mut self, configuration: &[u8]) -> Result<(), LoadError> {
        assert!(self.open.is_empty(), "open exchanges still need their virtual machine");
        self.options.configuration = configuration.to_vec();
        for worker in 0..self.workers.len() {
            let generation = self.workers[worker].generation + 1;
            self.workers[worker] = self.load(worker, generation)?;
        }
        Ok(())
    }

    /// The host that is imitated.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Runs an exchange to its end on a worker. The upstream answers once it has the whole
    /// request; while the filter holds something back, the clock is turned to whatever comes next.
    pub fn exchange(&mut self, worker: usize, exchange: &Exchange) -> Transcript {
        let id = self.open(worker, exchange);
        let Request { chunks, trailers, .. } = &exchange.request;
        for (index, chunk) in chunks.iter().enumerate() {
            self.request_body(id, chunk, trailers.is_empty() && index + 1 == chunks.len());
        }
        self.request_trailers(id, trailers);
        if self.wait_for_upstream(id) {
            let response = &exchange.response;
            self.response_head(id, response);
            let Response { chunks, trailers, .. } = response;
            for (index, chunk) in chunks.iter().enumerate() {
                self.response_body(id, chunk, trailers.is_empty() && index + 1 == chunks.len());
            }
            self.response_trailers(id, trailers);
        }
        self.finish(id)
    }

    /// Begins an exchange: the head of its request arrives. The body follows by
    /// [`Self::request_body`] if the request has chunks; its chunks themselves are not sent.
    pub fn open(&mut self, worker: usize, exchange: &Exchange) -> ExchangeId {
        self.revive(worker);
        let since = self.world.borrow().now;
        let told = self.told;
        let configured = match self.profile {
            Profile::Envoy => Ok(()),
            Profile::Apisix => self.workers[worker].configure(&self.options),
        };
        let worker_state = &mut self.workers[worker];
        let context = worker_state.context();
        let record = Record::new(context, worker_state.root);
        let vm = &mut worker_state.vm;
        let mut flow: Box<dyn Flow> = match self.profile {
            Profile::Envoy => {
                let settings = self.options.envoy.clone();
                Box::new(EnvoyFlow::new(vm, record, exchange, settings))
            }
            Profile::Apisix => Box::new(ApisixFlow::new(vm, record, exchange, configured.clone())),
        };
        if exchange.answered_before {
            flow.answered_before(vm, &exchange.response);
        } else {
            let request = &exchange.request;
            let end = request.chunks.is_empty() && request.trailers.is_empty();
            flow.request_head(vm, end);
        }
        // A refused configuration is tried again for the response, and refused again.
        if configured.is_err() && !worker_state.vm.crashed {
            let _ = worker_state.configure(&self.options);
        }
        let generation = worker_state.generation;
        let open = Open { worker, generation, flow, since, moved: since, told };
        let id = self.next_exchange;
        self.next_exchange += 1;
        self.open.insert(id, open);
        self.settle();
        ExchangeId(id)
    }

    /// Bytes of the request's body arrive.
    pub fn request_body(&mut self, id: ExchangeId, chunk: &[u8], end: bool) {
        self.step(id, |flow, vm| flow.request_body(vm, chunk, end));
    }

    /// The request ends with these trailers, if any.
    pub fn request_trailers(&mut self, id: ExchangeId, fields: &Headers) {
        if !fields.is_empty() {
            self.step(id, |flow, vm| flow.request_trailers(vm, fields));
        }
    }

    /// The response ends with these trailers, if any.
    pub fn response_trailers(&mut self, id: ExchangeId, fields: &Headers) {
        if !fields.is_empty() {
            self.step(id, |flow, vm| flow.response_trailers(vm, fields));
        }
    }

    /// Turns the clock, if need be, until the upstream has the whole request; `false` when the
    /// exchange ends before that, or nothing will bring it about.
    pub fn wait_for_upstream(&mut self, id: ExchangeId) -> bool {
        self.run_until(id, Record::upstream_complete)
    }

    /// The upstream begins its response; a body follows if the response has chunks.
    pub fn response_head(&mut self, id: ExchangeId, response: &Response) {
        let end = response.chunks.is_empty() && response.trailers.is_empty();
        self.step(id, |flow, vm| flow.response_head(vm, response, end));
    }

    /// Bytes of the upstream's response arrive.
    pub fn response_body(&mut self, id: ExchangeId, chunk: &[u8], end: bool) {
        self.step(id, |flow, vm| flow.response_body(vm, chunk, end));
    }

    /// The client goes away.
    pub fn abort(&mut self, id: ExchangeId) {
        if let Some(mut open) = self.open.remove(&id.0) {
            open.flow.record().end(Outcome::Aborted);
            self.close(&mut open);
            self.open.insert(id.0, open);
        }
        self.settle();
    }

    /// How the exchange ended, if it has.
    pub fn outcome(&mut self, id: ExchangeId) -> Option<Outcome> {
        self.open.get_mut(&id.0)?.flow.record().told()
    }

    /// What the client and the upstream received so far.
    pub fn so_far(&mut self, id: ExchangeId) -> (Option<ClientResponse>, Option<UpstreamRequest>) {
        let record = self.open.get_mut(&id.0).map(|open| open.flow.record());
        record.map_or((None, None), |record| (record.client.clone(), record.upstream.clone()))
    }

    /// Waits for the exchange to end, turning the clock if need be, and tells the guest it is over.
    ///
    /// # Panics
    /// When the exchange was finished before.
    pub fn finish(&mut self, id: ExchangeId) -> Transcript {
        self.run_until(id, |_| false);
        let mut open = self.open.remove(&id.0).expect("an exchange is finished once");
        let waits_for = open.flow.waits_for();
        open.flow.record().end(Outcome::Hang { why: waits_for });
        self.close(&mut open);
        self.deliver_queues();
        let world = self.world.borrow();
        let journal = &world.journal;
        self.told = Told {
            log: journal.log.len(),
            calls: journal.calls.len(),
            crossings: journal.crossings.len(),
            service_calls: journal.service_calls.len(),
        };
        let record = open.flow.record();
        Transcript {
            outcome: record.told().expect("ended above"),
            client: record.client.take(),
            upstream: record.upstream.take(),
            log: journal.log[open.told.log..].to_vec(),
            calls: journal.calls[open.told.calls..].to_vec(),
            crossings: journal.crossings[open.told.crossings..].to_vec(),
            service_calls: journal.service_calls[open.told.service_calls..].to_vec(),
            metrics: world.metrics.values(),
            took: Duration::from_nanos(world.now - open.since),
        }
    }

    /// Turns the clock, with all that falls due on the way: ticks and answers of HTTP calls.
    pub fn advance(&mut self, by: Duration) {
        let target = self.world.borrow().after(by);
        while let Some(due) = self.next_event().filter(|due| *due <= target) {
            self.fire(due);
        }
        self.world.borrow_mut().now = target;
    }

    /// The virtual time, since the Unix epoch.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.world.borrow().now)
    }

    /// Sets the clock, also back; nothing falls due.
    pub fn set_now(&mut self, now: Duration) {
        self.world.borrow_mut().now = now.as_nanos() as Nanos;
    }

    /// Replaces what an HTTP service answers; the last answer is repeated.
    pub fn script_service(&mut self, service: &[u8], answers: Vec<ServiceAnswer>) {
        self.world.borrow_mut().services.script(service, answers);
    }

    /// Size of a worker's guest memory, in pages of 64 KiB.
    pub fn memory_pages(&self, worker: usize) -> u64 {
        self.workers[worker].vm.memory_pages()
    }

    /// Everything logged since the host began.
    pub fn log(&self) -> Vec<LogLine> {
        self.world.borrow().journal.log.clone()
    }

    /// Every host call made since the host began, and not forgotten.
    pub fn calls(&self) -> Vec<HostCall> {
        self.world.borrow().journal.calls.clone()
    }

    /// Every callback made since the host began, and not forgotten.
    pub fn crossings(&self) -> Vec<Crossing> {
        self.world.borrow().journal.crossings.clone()
    }

    /// Drops the journal, for runs of very many exchanges; open exchanges must be none.
    ///
    /// # Panics
    /// When an exchange is open.
    pub fn forget_journal(&mut self) {
        assert!(self.open.is_empty(), "open exchanges still need the journal");
        self.world.borrow_mut().journal = Journal::default();
        self.told = Told::default();
    }

    /// All metrics by name.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        self.world.borrow().metrics.values()
    }

    /// How many keys shared data holds, and how many bytes of keys and values.
    pub fn shared_data_size(&self) -> (usize, usize) {
        let world = self.world.borrow();
        (world.shared_data.len(), world.shared_data.bytes())
    }
}
