//! Drives a pipeline through the SDK's callbacks and carries out what it returns. The only place
//! that pauses a request, and the only one that answers it.

use std::rc::Rc;

use mcp_core::config::ConfigError;
use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::head::Head;
use mcp_core::pipeline::{Capabilities, Exchange, Filter, Next, Pipeline, Plan, Step};
use mcp_core::refusal::{Addressee, Reason, Refusal, Reply};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::abi::{self, Failed, Level, Map};
use crate::environment::{HostEnvironment, HostResponse};
use crate::pairs;
use crate::probe::{Hold, Probe, TICK_PERIOD, probe};
use crate::telemetry::Telemetry;
use crate::watchdog::Watchdog;

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
    proxy_wasm::set_root_context(|_| Box::new(Root::<M> { running: None }));
}

/// One configured instance of the module.
struct Root<M: Module> {
    running: Option<Rc<Running<M::Filter>>>,
}

struct Running<F> {
    pipeline: Pipeline<F>,
    probe: Probe,
    telemetry: Telemetry,
    watchdog: Watchdog,
}

/// One exchange.
struct Stream<F: Filter> {
    context: u32,
    running: Option<Rc<Running<F>>>,
    exchange: Option<Exchange<F::State>>,
    /// Whether the request waits for its body.
    held: bool,
    /// Bytes of the body so far.
    received: usize,
}

// === impl Root ===

impl<M: Module> Context for Root<M> {}

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
        for (context, held) in running.watchdog.tick() {
            if !held.began {
                abi::log(
                    Level::Error,
                    "a request was held for its body and no part of it came: on Envoy, set \
                     allow_on_headers_stop_iteration: true in the plugin's configuration",
                );
            }
            if abi::set_effective_context(context).is_ok() {
                reply(&Refusal::new(Reason::BodyTimeout).reply(Addressee::Unknown), "body_timeout");
            }
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::<M::Filter> {
            context,
            running: self.running.clone(),
            exchange: None,
            held: false,
            received: 0,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

// === impl Stream ===

impl<F: Filter> Context for Stream<F> {}

impl<F: Filter> HttpContext for Stream<F> {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let Some(running) = self.running.clone() else {
            return refuse(Reason::Unavailable);
        };
        // APISIX reports no count, always claims the end of the stream, and crashes when asked to
        // list the headers of a request that has no Host.
        let counted = count > 0;
        if !counted && !matches!(abi::header(Map::Request, "host"), Ok(Some(_))) {
            return refuse(Reason::HostMissing);
        }
        let Ok(bytes) = abi::header_pairs(Map::Request) else {
            return refuse(Reason::TooManyHeaders);
        };
        let Some(fields) = pairs::parse(&bytes) else {
            return refuse(Reason::Unavailable);
        };
        let has_body = !(counted && end_of_stream);
        let mut environment = HostEnvironment { clock: running.probe.clock };
        let (exchange, step) =
            running.pipeline.request_head(&Head::new(fields), has_body, &mut environment);
        self.exchange = Some(exchange);
        self.carry_out(&running, step)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.received = size;
        self.body(end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.body(true)
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let (Some(running), Some(exchange)) = (self.running.clone(), self.exchange.as_mut()) {
            let mut environment = HostEnvironment { clock: running.probe.clock };
            let edits = running.pipeline.response_head(exchange, &HostResponse, &mut environment);
            if let Err(Failed(status)) = apply(Map::Response, &edits) {
                abi::log(
                    Level::Error,
                    &format!("the host refused a response header: status {status}"),
                );
            }
        }
        Action::Continue
    }
}

impl<F: Filter> Stream<F> {
    fn body(&mut self, complete: bool) -> Action {
        let (true, Some(running)) = (self.held, self.running.clone()) else {
            return Action::Continue;
        };
        if running.probe.hold == Hold::Pause && !running.watchdog.note(self.context) {
            // Given up by the watchdog: the answer is on its way.
            return Action::Pause;
        }
        let Some(exchange) = self.exchange.as_mut() else {
            return refuse(Reason::Unavailable);
        };
        let step = if u64::try_from(self.received)
            .is_ok_and(|size| size > running.pipeline.admission().max_body)
        {
            running.pipeline.abandon(exchange, Reason::BodyTooLarge)
        } else if !complete {
            return Action::Pause;
        } else {
            match abi::request_body(self.received) {
                Ok(body) => {
                    let mut environment = HostEnvironment { clock: running.probe.clock };
                    running.pipeline.request_body(exchange, &body, &mut environment)
                }
                Err(_) => running.pipeline.abandon(exchange, Reason::Unavailable),
            }
        };
        self.held = false;
        running.watchdog.release(self.context);
        self.carry_out(&running, step)
    }

    fn carry_out(&mut self, running: &Running<F>, step: Step) -> Action {
        if apply(Map::Request, &step.edits).is_err() {
            // An owned header that cannot be removed would be believed upstream.
            return refuse(Reason::Unavailable);
        }
        let details = step.report.as_ref().map_or("mcp", |_| "mcp_refused");
        if let Some(report) = step.report {
            running.telemetry.record(report);
        }
        match step.next {
            Next::Forward => Action::Continue,
            Next::Reply(answer) => {
                reply(&answer, details);
                Action::Pause
            }
            Next::ReadBody => {
                self.held = true;
                match running.probe.hold {
                    Hold::Pause => {
                        let patience = running.pipeline.admission().body_timeout.as_millis();
                        let ticks = patience.div_ceil(u128::from(TICK_PERIOD));
                        running
                            .watchdog
                            .hold(self.context, u64::try_from(ticks).unwrap_or(u64::MAX));
                        Action::Pause
                    }
                    Hold::Property if abi::set_property("wasm_process_req_body", "1").is_ok() => {
                        Action::Continue
                    }
                    Hold::Property => refuse(Reason::Unavailable),
                }
            }
        }
    }
}

impl<F: Filter> Drop for Stream<F> {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.watchdog.release(self.context);
        }
    }
}

fn refuse(reason: Reason) -> Action {
    abi::log(Level::Warn, &format!(r#"{{"event":"refused","reason":"{}"}}"#, reason.as_str()));
    reply(&Refusal::new(reason).reply(Addressee::Unknown), reason.as_str());
    Action::Pause
}

fn reply(reply: &Reply, details: &str) {
    let headers = pairs::serialize(&reply.headers);
    if abi::send_local_response(reply.status, &headers, &reply.body, details).is_err() {
        // What the host did not take may be a header of ours; a bare status it always takes.
        let none: [(&'static str, HeaderValue); 0] = [];
        if let Err(Failed(status)) =
            abi::send_local_response(503, &pairs::serialize(&none), b"", details)
        {
            abi::log(Level::Critical, &format!("the host took no answer: status {status}"));
        }
    }
}

fn apply(map: Map, edits: &[Edit]) -> Result<(), Failed> {
    edits.iter().try_for_each(|edit| match edit {
        Edit::Add(name, value) => abi::add_header(map, name, value.as_str()),
        Edit::Remove(name) => abi::remove_header(map, name),
        Edit::Set(name, value) => abi::set_header(map, name, value.as_str()),
    })
}
