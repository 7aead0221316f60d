//! The filter's part in each stage: who is counted in `identify`, what is taken in `authorize`, what
//! passes in `observe`, and what it cost in the end.

use core::convert::Infallible;
use core::fmt;
use std::rc::Rc;

use mcp_core::edit::Edit;
use mcp_core::head::Head;
use mcp_core::pipeline::{
    Attention, Call, Caller, Ending, Environment, Fetch, Filter, Identified, Interest, Observation,
    Response, Spent,
};
use mcp_core::refusal::Refusal;
use mcp_core::rewrite::Piece;

use crate::caps::Caps;
use crate::config::{MissingUsage, OnStoreFailure, UpstreamFailure};
use crate::denial::{self, Denial};
use crate::limit::Limits;
use crate::open::Open;
use crate::repeats::Repeats;
use crate::settle::Settled;
use crate::store::{Hasher, Store};
use crate::tally::Tally;
use crate::weights::Weights;
use crate::who::{ACCEPT_ENCODING, Sighting, Sources};

/// The configured filter.
pub struct QuotaFilter {
    pub(crate) limits: Limits,
    /// Index of the limit that covers whatever is sent.
    pub(crate) flood_guard: Option<usize>,
    pub(crate) repeats: Repeats,
    pub(crate) caps: Caps,
    pub(crate) weights: Weights,
    pub(crate) store: Rc<dyn Store>,
    pub(crate) hasher: Rc<Hasher>,
    pub(crate) tally: Tally,
    pub(crate) sources: Sources,
    pub(crate) denial: Denial,
    /// Whether answers say how much is left.
    pub(crate) remaining_headers: bool,
    pub(crate) missing_usage: MissingUsage,
    pub(crate) upstream_failure: UpstreamFailure,
    pub(crate) on_store_failure: OnStoreFailure,
}

/// What the filter remembers of one exchange.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) sighting: Sighting,
    /// What it would have been refused for.
    pub(crate) shadowed: Option<Refusal>,
    /// What was taken for it.
    pub(crate) open: Option<Box<Open>>,
    /// What it cost, once it is over.
    pub(crate) settled: Option<Settled>,
}

impl Filter for QuotaFilter {
    type State = State;
    type Ticket = Infallible;

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Identified<Infallible>, Refusal> {
        state.sighting = self.sources.read(head, caller, environment)?;
        Ok(Identified::Settled(Vec::new()))
    }

    fn tick(&self, environment: &mut dyn Environment) -> Vec<Fetch<Infallible>> {
        self.tally.flush(environment);
        Vec::new()
    }

    fn needs_body(&self) -> bool {
        self.repeats.breaks_loops()
            || self.limits.limits.iter().any(|limit| limit.unit.reads_requests())
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Vec<Edit>, Refusal> {
        self.reserve(call, caller, environment, state)?;
        let reads = state.open.as_ref().is_some_and(|open| open.attention != Attention::None);
        // What is compressed cannot be counted.
        let codings = reads && state.sighting.accepts_coding;
        let plain = codings.then(|| Edit::Remove(ACCEPT_ENCODING.into()));
        Ok(plain.into_iter().collect())
    }

    fn shadowed<'s>(&self, state: &'s State) -> Option<&'s Refusal> {
        state.shadowed.as_ref()
    }

    fn respond(
        &self,
        response: &dyn Response,
        _: &Caller,
        _: &mut dyn Environment,
        state: &mut State,
    ) -> Vec<Edit> {
        let Some(open) = state.open.as_mut() else { return Vec::new() };
        open.answered(response);
        if !self.remaining_headers {
            return Vec::new();
        }
        let told = open.standings(&self.limits.limits);
        denial::standing(&told)
    }

    fn interest(&self, _: &dyn Response, _: &Caller, state: &mut State) -> Interest {
        let messages = state.open.as_ref().map_or(Attention::None, |open| open.attention);
        Interest { messages, until: None }
    }

    fn observe(
        &self,
        message: Piece<'_>,
        _: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Observation {
        let Some(open) = state.open.as_mut() else { return Observation::Pass };
        self.count(open, message, environment)
    }

    fn passed(&self, chunk: &[u8], _: &mut dyn Environment, state: &mut State) {
        if let Some(open) = state.open.as_mut() {
            open.passed(chunk.len());
        }
    }

    fn finish(
        &self,
        ending: Ending,
        _: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) {
        if let Some(open) = state.open.take() {
            let settled = self.settle(&open, ending, environment);
            state.settled = Some(settled);
        }
    }

    fn spent(&self, state: &State) -> Spent {
        state.settled.as_ref().map(|settled| self.told(settled)).unwrap_or_default()
    }
}

impl fmt::Debug for QuotaFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QuotaFilter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
