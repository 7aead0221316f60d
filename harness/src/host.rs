//! A host with its workers: loads the module into each, runs exchanges step by step or whole, and
//! turns the clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::apisix::ApisixFlow;
use crate::envoy::EnvoyFlow;
use crate::exchange::{ClientResponse, Exchange, Outcome, Response, Transcript, UpstreamRequest};
use crate::flow::{Flow, Record};
use crate::metrics::Metrics;
use crate::module::{LoadError, Module};
use crate::profile::Profile;
use crate::services::{ServiceAnswer, Services};
use crate::state::State;
use crate::vm::{Failure, Vm};
use crate::world::{HostCall, Journal, LogLine, Nanos, Queues, Random, SharedData, World};

/// What Envoy does once a virtual machine has trapped. APISIX has no such choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// `FAIL_CLOSED`: every request gets 503.
    #[default]
    FailClosed,
    /// `FAIL_RELOAD`: the next request gets a new virtual machine.
    FailReload,
    /// `FAIL_OPEN`: requests pass without the filter.
    FailOpen,
}

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The plugin's configuration, as the module reads it.
    pub configuration: Vec<u8>,
    /// The virtual machine's configuration (Envoy).
    pub vm_configuration: Vec<u8>,
    /// The plugin's name.
    pub plugin_name: String,
    /// How many workers, each with its own virtual machine; at least one.
    pub workers: usize,
    /// Where the clock starts, since the Unix epoch.
    pub start: Duration,
    /// From what the randomness that modules get is drawn.
    pub seed: u64,
    /// Envoy's `failure_policy`.
    pub failure_policy: FailurePolicy,
    /// Envoy's `allow_on_headers_stop_iteration`.
    pub allow_on_headers_stop_iteration: bool,
    /// How much virtual time an exchange may wait before it counts as hanging.
    pub patience: Duration,
    /// Scripted HTTP services by cluster name or `host[:port]`.
    pub services: BTreeMap<Vec<u8>, Vec<ServiceAnswer>>,
    /// What foreign functions return, by name (Envoy).
    pub foreign_functions: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Default for Options {
    /// One worker, no configuration, `allow_on_headers_stop_iteration`, 1 January 2026.
    fn default() -> Self {
        Self {
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            plugin_name: "filter".to_owned(),
            workers: 1,
            start: Duration::from_secs(1_767_225_600),
            seed: 1,
            failure_policy: FailurePolicy::default(),
            allow_on_headers_stop_iteration: true,
            patience: Duration::from_secs(120),
            services: BTreeMap::new(),
            foreign_functions: BTreeMap::new(),
        }
    }
}

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

struct Worker {
    vm: Vm,
    /// Counts virtual machines, as those before this one are gone.
    generation: usize,
    root: u32,
    configured: bool,
    next_context: u32,
    free_contexts: BTreeSet<u32>,
}

struct Open {
    worker: usize,
    generation: usize,
    flow: Box<dyn Flow>,
    since: Nanos,
    told: Told,
}

/// How much of the journal earlier transcripts have told.
#[derive(Clone, Copy, Default)]
struct Told {
    log: usize,
    calls: usize,
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

    /// The host that is imitated.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Runs an exchange to its end on a worker. The upstream answers once it has the whole
    /// request; while the filter holds something back, the clock is turned to whatever comes next.
    pub fn exchange(&mut self, worker: usize, exchange: &Exchange) -> Transcript {
        let id = self.open(worker, exchange);
        let chunks = &exchange.request.chunks;
        for (index, chunk) in chunks.iter().enumerate() {
            self.request_body(id, chunk, index + 1 == chunks.len());
        }
        if self.wait_for_upstream(id) {
            let response = &exchange.response;
            self.response_head(id, response);
            for (index, chunk) in response.chunks.iter().enumerate() {
                self.response_body(id, chunk, index + 1 == response.chunks.len());
            }
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
            Profile::Envoy => Box::new(EnvoyFlow::new(
                vm,
                record,
                exchange,
                self.options.failure_policy,
                self.options.allow_on_headers_stop_iteration,
            )),
            Profile::Apisix => Box::new(ApisixFlow::new(vm, record, exchange, configured)),
        };
        flow.request_head(vm, exchange.request.chunks.is_empty());
        let generation = worker_state.generation;
        let open = Open { worker, generation, flow, since, told };
        let id = self.next_exchange;
        self.next_exchange += 1;
        self.open.insert(id, open);
        self.deliver_queues();
        ExchangeId(id)
    }

    /// Bytes of the request's body arrive.
    pub fn request_body(&mut self, id: ExchangeId, chunk: &[u8], end: bool) {
        self.step(id, |flow, vm| flow.request_body(vm, chunk, end));
    }

    /// Turns the clock, if need be, until the upstream has the whole request; `false` when the
    /// exchange ends before that, or nothing will bring it about.
    pub fn wait_for_upstream(&mut self, id: ExchangeId) -> bool {
        self.run_until(id, Record::upstream_complete)
    }

    /// The upstream begins its response; a body follows if the response has chunks.
    pub fn response_head(&mut self, id: ExchangeId, response: &Response) {
        self.step(id, |flow, vm| flow.response_head(vm, response, response.chunks.is_empty()));
    }

    /// Bytes of the upstream's response arrive.
    pub fn response_body(&mut self, id: ExchangeId, chunk: &[u8], end: bool) {
        self.step(id, |flow, vm| flow.response_body(vm, chunk, end));
    }

    /// The client goes away.
    pub fn abort(&mut self, id: ExchangeId) {
        self.step(id, |flow, vm| {
            flow.record().end(Outcome::Aborted);
            flow.close(vm);
        });
    }

    /// How the exchange ended, if it has.
    pub fn outcome(&mut self, id: ExchangeId) -> Option<Outcome> {
        self.open.get_mut(&id.0)?.flow.record().outcome.clone()
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
            service_calls: journal.service_calls.len(),
        };
        let record = open.flow.record();
        Transcript {
            outcome: record.outcome.clone().expect("set above"),
            client: record.client.take(),
            upstream: record.upstream.take(),
            log: journal.log[open.told.log..].to_vec(),
            calls: journal.calls[open.told.calls..].to_vec(),
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

    // --- inside ---

    fn load(&mut self, worker: usize, generation: usize) -> Result<Worker, LoadError> {
        let rules = self.profile.rules();
        let state = State {
            rules,
            world: Rc::clone(&self.world),
            worker,
            plugin_name: self.options.plugin_name.clone(),
            plugin_configuration: self.options.configuration.clone().into(),
            vm_configuration: self.options.vm_configuration.clone().into(),
            memory: None,
            allocate: None,
            callback: "start",
            context: 0,
            effective_context: None,
            request: None,
            contexts: BTreeSet::new(),
            streams: BTreeMap::new(),
            tick: None,
            open_calls: Vec::new(),
            next_token: rules.first_token,
            call_answer: None,
        };
        let vm = Vm::new(&self.module, state)?;
        let mut loaded = Worker {
            vm,
            generation,
            root: 0,
            configured: false,
            next_context: 1,
            free_contexts: BTreeSet::new(),
        };
        if rules.configure_at_load {
            loaded.configure(&self.options).map_err(|problem| LoadError::Start {
                host: self.profile.name(),
                callback: "proxy_on_configure",
                problem: self.with_log(problem),
            })?;
        }
        Ok(loaded)
    }

    fn with_log(&self, mut problem: String) -> String {
        for line in &self.world.borrow().journal.log {
            problem.push_str(&format!("\n  {}: {}", line.level.word(), line.text));
        }
        problem
    }

    /// Gives a worker a new virtual machine where the host would: Envoy by its failure policy,
    /// APISIX when the whole process died.
    fn revive(&mut self, worker: usize) {
        let dead = match self.profile {
            Profile::Envoy => {
                self.workers[worker].vm.trapped
                    && self.options.failure_policy == FailurePolicy::FailReload
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

    fn step(&mut self, id: ExchangeId, step: impl FnOnce(&mut dyn Flow, &mut Vm)) {
        if let Some(open) = self.open.get_mut(&id.0) {
            let worker = &mut self.workers[open.worker];
            if open.generation == worker.generation && !worker.vm.crashed {
                step(open.flow.as_mut(), &mut worker.vm);
            }
        }
        self.deliver_queues();
    }

    /// Turns the clock until the exchange ended, or it is `enough`, which it then says, or nothing
    /// more comes within patience.
    fn run_until(&mut self, id: ExchangeId, enough: impl Fn(&Record) -> bool) -> bool {
        let limit = self.world.borrow().after(self.options.patience);
        loop {
            let Some(open) = self.open.get_mut(&id.0) else { return false };
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

    fn next_event(&mut self) -> Option<Nanos> {
        let mut next = None;
        for worker in self.workers.iter_mut().filter(|worker| worker.vm.is_running()) {
            let state = worker.vm.state();
            let calls = state.open_calls.iter().map(|call| call.due);
            let ticks = state.tick.iter().map(|tick| tick.due);
            let earliest = calls.chain(ticks).filter(|due| *due < Nanos::MAX).min();
            next = [next, earliest].into_iter().flatten().min();
        }
        next
    }

    /// Lets everything due at this time happen, worker by worker.
    fn fire(&mut self, due: Nanos) {
        let now = self.world.borrow().now.max(due);
        self.world.borrow_mut().now = now;
        for index in 0..self.workers.len() {
            while let Some(result) = self.workers[index].next_callback(due) {
                self.after_root_callback(index, result);
            }
        }
        self.deliver_queues();
    }

    /// A callback of the plugin itself ran: exchanges it touched go on, or fail with it.
    fn after_root_callback(&mut self, index: usize, result: Result<(), Failure>) {
        let worker = &mut self.workers[index];
        let affected = self
            .open
            .values_mut()
            .filter(|open| open.worker == index && open.generation == worker.generation);
        for open in affected {
            match &result {
                Ok(()) => open.flow.resume(&mut worker.vm),
                Err(failure) => open.flow.callback_failed(&mut worker.vm, failure.clone()),
            }
        }
    }

    fn deliver_queues(&mut self) {
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

    fn close(&mut self, open: &mut Open) {
        let worker = &mut self.workers[open.worker];
        if open.generation == worker.generation && !worker.vm.crashed {
            open.flow.close(&mut worker.vm);
            if self.profile.rules().reuse_context_ids {
                worker.free_contexts.insert(open.flow.record().context);
            }
        }
    }
}

impl Worker {
    /// A context id for an exchange.
    fn context(&mut self) -> u32 {
        self.free_contexts.pop_first().unwrap_or_else(|| {
            self.next_context += 1;
            self.next_context - 1
        })
    }

    /// Creates the plugin's context and shows it its configuration, once it succeeds.
    fn configure(&mut self, options: &Options) -> Result<(), String> {
        if self.configured {
            return Ok(());
        }
        let vm_start = self.vm.state().rules.vm_start;
        let root = self.context();
        self.vm.state().contexts.insert(root);
        self.root = root;
        let text = |failure: Failure| failure.to_string();
        self.vm.call("proxy_on_context_create", root, None, &[root, 0]).map_err(text)?;
        let size = options.vm_configuration.len() as u32;
        if vm_start
            && self.vm.call("proxy_on_vm_start", root, None, &[root, size]).map_err(text)?
                == Some(0)
        {
            return Err("proxy_on_vm_start refused".to_owned());
        }
        let size = options.configuration.len() as u32;
        if self.vm.call("proxy_on_configure", root, None, &[root, size]).map_err(text)? == Some(0) {
            return Err("the configuration was refused".to_owned());
        }
        self.configured = true;
        Ok(())
    }

    /// Runs one callback that is due: first answers of calls, in the order in which they came,
    /// then the tick.
    fn next_callback(&mut self, due: Nanos) -> Option<Result<(), Failure>> {
        if !self.vm.is_running() {
            return None;
        }
        let root = self.root;
        let state = self.vm.state();
        let calls = state.open_calls.iter().enumerate();
        let first = calls.filter(|(_, call)| call.due <= due).min_by_key(|(_, call)| call.due);
        if let Some((index, _)) = first {
            let call = state.open_calls.remove(index);
            let (headers, size) = match &call.answer {
                Some((headers, body)) => (headers.len() as u32, body.len() as u32),
                None => (0, 0),
            };
            state.call_answer = call.answer;
            let arguments = [root, call.token, headers, size, 0];
            let name = "proxy_on_http_call_response";
            let result = self.vm.call(name, root, call.stream, &arguments);
            self.vm.state().call_answer = None;
            return Some(result.map(drop));
        }
        let now = state.world().now;
        let tick = state.tick.as_mut().filter(|tick| tick.due <= due)?;
        tick.due = now.saturating_add(tick.period.as_nanos() as Nanos);
        Some(self.vm.call("proxy_on_tick", root, None, &[root]).map(drop))
    }
}
