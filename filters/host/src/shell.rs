//! The module as the SDK knows it: what is configured once, what ticks, and the making of streams.

use std::rc::Rc;

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Filter, HttpAnswer, Pipeline, Plan};
use mcp_core::refusal::Reason;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::abi::{self, Failed, Level};
use crate::deadlines::Deadlines;
use crate::environment::HostEnvironment;
use crate::probe::{Probe, probe};
use crate::stream::Stream;
use crate::telemetry::Telemetry;
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
    proxy_wasm::set_root_context(|_| Box::new(Root::<M> { running: None, pending: None }));
}

/// One configured instance of the module.
struct Root<M: Module> {
    running: Option<Rc<Running<M::Filter>>>,
    /// The call that no request waits for, by the host's token.
    pending: Option<(u32, <M::Filter as Filter>::Ticket)>,
}

pub(crate) struct Running<F: Filter> {
    pub(crate) pipeline: Pipeline<F>,
    pub(crate) probe: Probe,
    pub(crate) telemetry: Telemetry,
    pub(crate) watchdog: Watchdog,
    pub(crate) deadlines: Deadlines,
}

// === impl Root ===

impl<M: Module> Context for Root<M> {
    fn on_http_call_response(&mut self, token: u32, count: usize, size: usize, _: usize) {
        let Some((_, ticket)) = self.pending.take_if(|(pending, _)| *pending == token) else {
            return;
        };
        if let Some(running) = &self.running {
            let mut environment = HostEnvironment { clock: running.probe.clock };
            calls::with_answer(count, size, |answer| {
                running.pipeline.background_answer(ticket, answer, &mut environment);
            });
        }
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
                    pipeline: plan.pipeline,
                    probe,
                    telemetry: Telemetry::default(),
                    watchdog: Watchdog::default(),
                    deadlines: Deadlines::default(),
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
        let Some(running) = &self.running else { return };
        // First, while the effective context is still the root's: the call is nobody else's.
        if self.pending.is_none() {
            let mut environment = HostEnvironment { clock: running.probe.clock };
            if let Some((call, ticket)) = running.pipeline.tick(&mut environment) {
                match calls::dispatch(&call) {
                    Some(token) => self.pending = Some((token, ticket)),
                    None => {
                        let none = &HttpAnswer::NONE;
                        running.pipeline.background_answer(ticket, none, &mut environment);
                    }
                }
            }
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
                answer::refuse(Reason::BodyTimeout);
            }
        }
        let now = running.probe.clock.now();
        for context in now.map(|now| running.deadlines.take_due(now)).unwrap_or_default() {
            if abi::set_effective_context(context).is_ok() {
                response::close();
            }
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context, self.running.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
