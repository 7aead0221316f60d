//! Calls that come again: those that a server asked for, which are charged once, and those of a
//! model that goes round in circles.

use mcp_core::config::{ConfigError, Period, Section};
use mcp_core::message::Message;
use mcp_core::pipeline::{Call, Environment};
use mcp_core::refusal::{RETRY_AFTER, Reason, Refusal, Shape};
use mcp_core::version::Era;
use serde::Deserialize;

use crate::limit::Who;
use crate::site::Site;
use crate::store::{Hasher, Subject, Tickets};

/// `loop_breaker`: how often the same call may be made.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct LoopBreakerConfig {
    calls: u64,
    window: Period,
}

/// What is remembered of calls.
#[derive(Debug)]
pub(crate) struct Repeats {
    breaker: Option<LoopBreaker>,
    tickets: Tickets,
    /// What another server is asked is another call.
    server: String,
}

#[derive(Debug, Clone, Copy)]
struct LoopBreaker {
    calls: u64,
    /// Milliseconds.
    window: u64,
}

/// A call whose answer may ask for it to be made again with more input (MCP 2026-07-28,
/// basic/patterns/mrtr).
#[derive(Debug)]
pub(crate) struct Retries {
    server: String,
    principal: Vec<u8>,
    method: String,
    name: String,
}

/// Cells of the table of what is remembered; it forgets the oldest when it is full.
const CELLS: core::num::NonZeroU32 = match core::num::NonZeroU32::new(8_192) {
    Some(cells) => cells,
    None => core::num::NonZeroU32::MIN,
};

/// How long a client may take to come back with the input a server asked for, in milliseconds:
/// somebody may have to be asked.
const RETRY_TTL: u64 = 15 * 60 * 1_000;

/// The methods that may be answered by asking for input.
const ASKS_FOR_INPUT: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

impl Repeats {
    pub(crate) fn build(
        breaker: Option<Section<LoopBreakerConfig>>,
        site: &Site<'_>,
    ) -> Result<Self, ConfigError> {
        let breaker = breaker.map(|Section(LoopBreakerConfig { calls, window })| {
            if !(2..=1_000_000).contains(&calls) {
                return Err(ConfigError::new(
                    "loop_breaker.calls",
                    "must be between 2 and 1000000",
                ));
            }
            let window = u64::try_from(window.0.as_millis()).unwrap_or(u64::MAX);
            if !(1_000..=24 * 60 * 60 * 1_000).contains(&window) {
                let problem = "must be between \"1s\" and \"24h\"";
                return Err(ConfigError::new("loop_breaker.window", problem));
            }
            Ok(LoopBreaker { calls, window })
        });
        let tickets = if site.capabilities.shared_data {
            Tickets::shared(CELLS)
        } else {
            Tickets::own(CELLS)
        };
        Ok(Self { breaker: breaker.transpose()?, tickets, server: site.name().to_owned() })
    }

    /// Whether calls are compared with those before.
    pub(crate) const fn breaks_loops(&self) -> bool {
        self.breaker.is_some()
    }

    /// Refuses the same call of the same tool with the same arguments by the same caller, if it was
    /// made too often of late.
    pub(crate) fn check(
        &self,
        call: &Call<'_>,
        who: &Who<'_>,
        hasher: &Hasher,
        environment: &mut dyn Environment,
    ) -> Result<(), Refusal> {
        let Some(LoopBreaker { calls, window }) = self.breaker else { return Ok(()) };
        let (Some(tool), Some(message)) = (tool(call), call.message) else { return Ok(()) };
        // A retry brings new input with the same arguments.
        if message.params.request_state.is_some() {
            return Ok(());
        }
        let Some(now) = environment.milliseconds() else { return Ok(()) };
        let arguments = canonical(message);
        let mut caller = who.caller.principal.clone().unwrap_or_default();
        caller.extend(who.ip.iter().flat_map(|ip| ip.to_string().into_bytes()));
        let server = self.server.as_bytes();
        let parts: [&[u8]; 5] = [b"loop", server, &caller, tool.as_bytes(), arguments.as_bytes()];
        let subject = hasher.subject(parts.into_iter(), environment);
        if self.tickets.seen(subject, window, now, environment) <= calls {
            return Ok(());
        }
        let seconds = window.div_ceil(1_000);
        Err(Refusal::new(Reason::Loop)
            .saying(format!(
                "This call was made more than {calls} times within {seconds} s with the same \
                 arguments, and its answer will not change. Do something else, or retry in \
                 {seconds} seconds."
            ))
            .with_header(RETRY_AFTER, seconds.into())
            .shaped(Shape::ToolError(call.era)))
    }

    /// What may come again of this call, and whether it is one that a server asked to come again:
    /// that is so once for each time that it asked.
    pub(crate) fn retries(
        &self,
        call: &Call<'_>,
        who: &Who<'_>,
        hasher: &Hasher,
        environment: &mut dyn Environment,
    ) -> (Option<Retries>, bool) {
        let (Some(method), Some(message)) = (call.method, call.message) else {
            return (None, false);
        };
        if call.era != Era::Modern || !ASKS_FOR_INPUT.contains(&method) {
            return (None, false);
        }
        let retries = Retries {
            server: self.server.clone(),
            principal: who.caller.principal.clone().unwrap_or_default(),
            method: method.to_owned(),
            name: call.name.unwrap_or_default().to_owned(),
        };
        let known = message.params.request_state.as_deref().is_some_and(|state| {
            let Some(now) = environment.milliseconds() else { return false };
            let subject = retries.subject(state, hasher, environment);
            self.tickets.take(subject, now, environment)
        });
        (Some(retries), known)
    }

    /// The server asked for the call to be made again with this state.
    pub(crate) fn remember(
        &self,
        retries: &Retries,
        state: &str,
        hasher: &Hasher,
        environment: &mut dyn Environment,
    ) {
        if let Some(now) = environment.milliseconds() {
            let subject = retries.subject(state, hasher, environment);
            self.tickets.remember(subject, now.saturating_add(RETRY_TTL), environment);
        }
    }
}

impl Retries {
    fn subject(&self, state: &str, hasher: &Hasher, environment: &mut dyn Environment) -> Subject {
        let Self { server, principal, method, name } = self;
        let texts = [server, method, name, state].map(str::as_bytes);
        let parts = [b"retry".as_slice(), principal].into_iter().chain(texts);
        hasher.subject(parts, environment)
    }
}

fn tool<'a>(call: &Call<'a>) -> Option<&'a str> {
    call.name.filter(|_| call.method == Some("tools/call"))
}

/// The arguments in one spelling: members sorted, no white space.
fn canonical(message: &Message<'_>) -> String {
    let arguments = message.params.arguments.unwrap_or("{}");
    serde_json::from_str::<serde_json::Value>(arguments)
        .map_or_else(|_| arguments.to_owned(), |value| value.to_string())
}
