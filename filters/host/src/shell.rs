//! The module as the SDK knows it: what is configured once, what ticks, and the making of streams.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{
    Capabilities, Fetch, Filter, HttpAnswer, Plan, Report, Servers, TicketOf, Topic,
};
use mcp_core::refusal::Reason;
use mcp_core::telemetry::Telemetry as Settings;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::abi::{self, Failed, Level};
use crate::clock::Clock;
use crate::deadlines::Deadlines;
use crate::environment::{HostEnvironment, milliseconds};
use crate::probe::{Probe, TICK_PERIOD, probe};
use crate::request::Request;
use crate::stream::Stream;
use crate::telemetry::Telemetry;
use crate::waiting::{Errands, WaitingRequests};
use crate::watchdog::Watchdog;
use crate::{answer, calls, response};

/// What a loadable module is made of.
pub trait Module: 'static {
    /// Its chain.
    type Filter: Filter + 'static;

    /// Reads the configuration and decides how to run on a host with these capabilities.
    ///
    /// # Errors
    /// The first key that is wrong, or that this host cannot serve.
    fn plan(
        configuration: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Plan<Self::Filter>, ConfigError>;
}

/// Registers `M` with the SDK; to be called from the module's initializer.
pub fn start<M: Module>() {
    std::panic::set_hook(Box::new(|panic| abi::log(Level::Critical, &panic.to_string())));
    proxy_wasm::set_root_context(|context| {
        Box::new(Root::<M> { context, running: None, calls: BTreeMap::new(), last_tick: None })
    });
}

/// One configured instance of the module.
struct Root<M: Module> {
    context: u32,
    running: Option<Rc<Running<M::Filter>>>,
    /// The plugin's calls under way, by the host's tokens.
    calls: BTreeMap<u32, (TicketOf<M::Filter>, Topic)>,
    /// When the last regular tick was, in milliseconds.
    last_tick: Option<u64>,
}

pub(crate) struct Running<F: Filter> {
    pub(crate) servers: Servers<F>,
    pub(crate) probe: Probe,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) watchdog: Watchdog,
    pub(crate) deadlines: Deadlines,
    pub(crate) waiting: WaitingRequests<F>,
    pub(crate) errands: Errands<TicketOf<F>>,
}

// === impl Running ===

impl<F: Filter> Running<F> {
    /// The host, as the pipeline asks it.
    pub(crate) fn environment(&self) -> HostEnvironment<'_> {
        HostEnvironment::new(&self.clock, &self.telemetry)
    }

    /// Refuses a request that no pipeline judged.
    pub(crate) fn refuse(&self, reason: Reason) -> Action {
        let report = Report::unread(reason);
        self.telemetry.record(&report, Settings::default(), Report::line);
        answer::turn_away(reason)
    }

    /// Notes whether the request waits to be woken.
    pub(crate) fn list(&self, request: &Rc<RefCell<Request<F>>>) {
        let (context, topic) = {
            let request = request.borrow();
            (request.context(), request.topic())
        };
        if let Some(topic) = topic {
            self.waiting.hold(context, topic, Rc::clone(request));
        }
    }
}

// === impl Root ===

impl<M: Module> Context for Root<M> {
    fn on_http_call_response(&mut self, token: u32, count: usize, size: usize, _: usize) {
        let Some((ticket, topic)) = self.calls.remove(&token) else { return };
        let Some(running) = self.running.clone() else { return };
        calls::with_answer(count, size, |answer| {
            let mut environment = running.environment();
            running.servers.answered(ticket, answer, &mut environment);
        });
        self.wake(&running, Some(topic));
        self.run_errands(&running);
    }
}

impl<M: Module> Root<M> {
    /// Makes the calls that were asked for.
    fn run_errands(&mut self, running: &Running<M::Filter>) {
        while let Some(Fetch { call, ticket, topic }) = running.errands.next() {
            match calls::dispatch(&call) {
                Some(token) => drop(self.calls.insert(token, (ticket, topic))),
                None => {
                    let mut environment = running.environment();
                    running.servers.answered(ticket, &HttpAnswer::NONE, &mut environment);
                    self.wake(running, Some(topic));
                }
            }
        }
    }

    /// Lets requests that wait for `topic`, or all, look again. The host's calls are about this
    /// plugin afterwards.
    fn wake(&self, running: &Running<M::Filter>, topic: Option<Topic>) {
        let waiting = running.waiting.take(topic);
        if waiting.is_empty() {
            return;
        }
        for request in waiting {
            let context = request.borrow().context();
            if abi::set_effective_context(context).is_err() {
                continue;
            }
            let action = request.borrow_mut().resume(running);
            if action == Action::Continue
                && let Err(Failed(status)) = abi::resume_request()
            {
                let problem = format!("the host did not resume a request: status {status}");
                abi::log(Level::Error, &problem);
            }
            running.list(&request);
        }
        if let Err(Failed(status)) = abi::set_effective_context(self.context) {
            abi::log(Level::Error, &format!("the host did not return to its plugin: {status}"));
        }
    }

    /// Whether a tick is one of the regular ones, rather than one that a request asked for.
    fn is_regular(&mut self, running: &Running<M::Filter>) -> bool {
        let now = running.clock.now().and_then(milliseconds);
        if running.errands.take_hurry() {
            let _ = abi::set_tick_period(TICK_PERIOD);
            let elapsed = now.zip(self.last_tick).and_then(|(now, last)| now.checked_sub(last));
            // Requests that hurry all the time must not keep the regular ticks away.
            if elapsed.is_some_and(|elapsed| elapsed < u64::from(TICK_PERIOD)) {
                return false;
            }
        }
        self.last_tick = now;
        true
    }
}

impl<M: Module> RootContext for Root<M> {
    fn on_configure(&mut self, size: usize) -> bool {
        let probe = probe();
        let configuration = match abi::configuration(size) {
            Ok(configuration) => configuration,
            Err(Failed(status)) => {
                abi::log(
                    Level::Critical,
                    &format!("the host gave no configuration: status {status}"),
                );
                return false;
            }
        };
        match M::plan(&configuration, &probe.capabilities) {
            Ok(plan) => {
                for notice in &plan.notices {
                    abi::log(Level::Info, notice);
                }
                self.running = Some(Rc::new(Running {
                    servers: plan.servers,
                    clock: Clock::new(probe.clock, probe.capabilities.ticks),
                    probe,
                    telemetry: Telemetry::new(probe.capabilities.ticks),
                    watchdog: Watchdog::default(),
                    deadlines: Deadlines::default(),
                    waiting: WaitingRequests::default(),
                    errands: Errands::default(),
                }));
                true
            }
            Err(error) => {
                abi::log(Level::Critical, &format!("configuration refused: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(running) = self.running.clone() else { return };
        let regular = self.is_regular(&running);
        if regular {
            let mut environment = running.environment();
            for fetch in running.servers.tick(&mut environment) {
                running.errands.add(fetch);
            }
            self.wake(&running, None);
        }
        self.run_errands(&running);
        if !regular {
            return;
        }
        for (context, held) in running.watchdog.tick() {
            if !held.began {
                abi::log(
                    Level::Error,
                    "a request was held for its body and no part of it came: on Envoy, set \
                     allow_on_headers_stop_iteration: true in the plugin's configuration",
                );
            }
            if abi::set_effective_context(context).is_ok() {
                running.refuse(Reason::BodyTimeout);
            }
        }
        let now = running.clock.recently().map(|now| now.as_secs());
        for context in now.map(|now| running.deadlines.take_due(now)).unwrap_or_default() {
            if abi::set_effective_context(context).is_ok() {
                response::close();
            }
        }
        running.telemetry.flush();
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context, self.running.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
