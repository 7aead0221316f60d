//! The answer on its way back: its head, and its body where the pipeline observes it. Nothing here
//! ever holds it up.

use mcp_core::limits::ENDING_PATIENCE;
use mcp_core::pipeline::{Ending, Exchange, Filter};

use crate::abi::{self, Failed, Level, Map};
use crate::answer::apply;
use crate::environment::HostResponse;
use crate::probe::Hold;
use crate::shell::Running;

/// The head of `count` fields arrived, and nothing else comes if `end`.
pub(crate) fn head<F: Filter>(
    running: &Running<F>,
    context: u32,
    exchange: &mut Exchange<F>,
    count: usize,
    end: bool,
) {
    let mut environment = running.environment();
    // A host that counts the fields lists them rightly.
    let response = HostResponse::new(count > 0);
    let edits = running.servers.response_head(exchange, &response, &mut environment);
    if let Err(Failed(status)) = apply(Map::Response, &edits) {
        abi::log(Level::Error, &format!("the host refused a response header: status {status}"));
    }
    if end {
        finish(running, exchange, Ending::Complete);
        return;
    }
    if running.probe.hold == Hold::Property
        && (exchange.is_observed() || exchange.is_followed())
        && abi::set_property("wasm_process_resp_body", "1").is_err()
    {
        abi::log(Level::Error, "the host does not show the body of an answer");
    }
    if let Some(until) = exchange.stream_until() {
        running.deadlines.set(context, until.saturating_add(ENDING_PATIENCE.as_secs()));
    }
}

/// Bytes of the body arrived, the last ones if `end`.
pub(crate) fn body<F: Filter>(
    running: &Running<F>,
    context: u32,
    exchange: &mut Exchange<F>,
    size: usize,
    end: bool,
) {
    exchange.passed(size);
    if !exchange.is_observed() {
        if end {
            finish(running, exchange, Ending::Complete);
        }
        return;
    }
    let mut environment = running.environment();
    let passed = abi::response_body(size).and_then(|chunk| {
        match running.servers.response_body(exchange, &chunk, end, &mut environment) {
            Some(changed) => abi::set_response_body(size, &changed),
            None => Ok(()),
        }
    });
    if let Err(Failed(status)) = passed {
        // What nobody judged must not pass.
        abi::log(Level::Error, &format!("the host kept an answer's body back: status {status}"));
        close();
    }
    if end {
        tell(running, exchange);
        running.deadlines.release(context);
    } else if exchange.has_ended() {
        running.deadlines.set(context, 0);
    }
}

/// The exchange is over.
pub(crate) fn finish<F: Filter>(running: &Running<F>, exchange: &mut Exchange<F>, ending: Ending) {
    running.servers.finish(exchange, ending, &mut running.environment());
    tell(running, exchange);
}

/// Says how it went, if it is over and that is wanted.
fn tell<F: Filter>(running: &Running<F>, exchange: &mut Exchange<F>) {
    if let Some(account) = exchange.take_account() {
        let line = || exchange.account_line(&account);
        running.telemetry.close(&account, running.servers.telemetry(exchange), line);
    }
}

/// Cuts off the answer of the context that the host's calls are about.
pub(crate) fn close() {
    if let Err(Failed(status)) = abi::close_response() {
        abi::log(Level::Error, &format!("the host did not end a stream: status {status}"));
    }
}
