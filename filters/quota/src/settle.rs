//! While the answer passes and after it: what the call really cost.

use mcp_core::pipeline::{Attention, Ending, Environment, Observation, Spent};
use mcp_core::refusal::{Reason, Refusal};
use mcp_core::rewrite::Piece;

use crate::config::{MissingUsage, UpstreamFailure};
use crate::cost::Cost;
use crate::denial;
use crate::filter::QuotaFilter;
use crate::limit::{Limit, Unit};
use crate::open::{Claim, Open};
use crate::store::{Entry, Mode};
use crate::tally::Count;
use crate::usage::{Measured, Meter, Provenance, Usage};

/// What a call cost in the end.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Units, by the index of the limit.
    charged: Vec<(usize, u64)>,
    /// Tokens that a model read and wrote, whatever they are worth.
    tokens: Option<(u64, u64)>,
}

/// OpenTelemetry's `gen_ai.client.token.usage`, by its `gen_ai.token.type`.
const INPUT_TOKENS: &str = "gen_ai_client_token_usage.gen_ai_token_type.input";
const OUTPUT_TOKENS: &str = "gen_ai_client_token_usage.gen_ai_token_type.output";

impl QuotaFilter {
    /// Counts a message of the answer. What it says matters only where the answer is judged.
    pub(crate) fn count(
        &self,
        open: &mut Open,
        message: Piece<'_>,
        environment: &mut dyn Environment,
    ) -> Observation {
        let Some(meter) = open.meter.as_mut() else {
            return self.judge_limits(open, message);
        };
        match message {
            Piece::Message(text) | Piece::Other { data: text, .. } => {
                let seen = meter.message(text);
                if let Some((state, retries)) = seen.request_state.zip(open.retries.as_ref()) {
                    self.repeats.remember(retries, &state, &self.hasher, environment);
                }
            }
            Piece::Unreadable => meter.unreadable(),
        }
        // Whoever only listens changes nothing.
        if open.attention != Attention::Judge {
            return Observation::Pass;
        }
        let judged = self.judge_limits(open, message);
        if judged != Observation::Pass {
            return judged;
        }
        let Some(cap) = open.cap else { return Observation::Pass };
        self.caps.judge(cap, message, open.shape)
    }

    /// Ends an answer that costs more than a hard limit had left.
    fn judge_limits(&self, open: &mut Open, message: Piece<'_>) -> Observation {
        let usage = open.meter.as_mut().map(Meter::so_far);
        let entries = open.reservation.entries.iter().zip(&open.claims);
        for (entry, claim) in entries {
            let Some(limit) = self.limits.limits.get(claim.limit).filter(|limit| limit.hard) else {
                continue;
            };
            let left = entry.standing.remaining.saturating_add(entry.taken);
            if limit.unit.of(&self.cost(open, claim, limit.unit, usage)) > left {
                let refusal = denial::exceeded(limit, claim.amount, entry.standing);
                return Observation::End(refusal);
            }
        }
        match message {
            // It does not go on in any case, and nothing that follows would make sense without it.
            Piece::Unreadable if open.attention == Attention::Judge => {
                Observation::End(Refusal::new(Reason::Unreadable))
            }
            _ => Observation::Pass,
        }
    }

    /// Settles what was reserved.
    pub(crate) fn settle(
        &self,
        open: &Open,
        ending: Ending,
        environment: &mut dyn Environment,
    ) -> Settled {
        let measured = open.meter.as_ref().map(|meter| meter.finish(ending == Ending::Complete));
        let measured = measured.filter(|_| open.status.is_some());
        if let Some(measured) = &measured {
            self.tally.usage(measured.provenance, environment);
        }
        let tokens = tokens(open, measured.as_ref());
        if let Some((input, output)) = tokens {
            environment.observe(INPUT_TOKENS, Some(open.model()), input);
            environment.observe(OUTPUT_TOKENS, Some(open.model()), output);
        }
        let failed = open.status.is_some_and(|status| status >= 500)
            && self.upstream_failure == UpstreamFailure::Refund;
        let cost = |(entry, claim): (&Entry, &Claim)| {
            let Some(limit) = self.limits.limits.get(claim.limit) else { return entry.taken };
            if failed { 0 } else { self.final_cost(open, entry, claim, limit, measured.as_ref()) }
        };
        let entries = || open.reservation.entries.iter().zip(&open.claims);
        let costs: Vec<u64> = entries().map(cost).collect();
        for ((entry, claim), cost) in entries().zip(&costs) {
            self.tally.add(claim.limit, Count::Settled, *cost);
            self.tally.add(claim.limit, Count::Refunded, entry.taken.saturating_sub(*cost));
        }
        // The store counts what it could not do, and nobody waits for it here.
        let _ = self.store.settle(&open.reservation, &costs, environment);
        let limits = open.claims.iter().map(|claim| claim.limit);
        Settled { charged: limits.zip(costs).collect(), tokens }
    }

    /// What is told of it in the log.
    pub(crate) fn told(&self, settled: &Settled) -> Spent {
        let charged = settled.charged.iter().filter(|(_, units)| *units > 0);
        let named = |(limit, units): &(usize, u64)| {
            Some((self.limits.limits.get(*limit)?.name.clone(), *units))
        };
        Spent { tokens: settled.tokens, charged: charged.filter_map(named).collect() }
    }

    fn final_cost(
        &self,
        open: &Open,
        entry: &Entry,
        claim: &Claim,
        limit: &Limit,
        measured: Option<&Measured>,
    ) -> u64 {
        // What was not taken, since it would have been too much, is not charged either.
        if entry.charge.mode == Mode::Shadow && entry.standing.exceeded {
            return 0;
        }
        if limit.unit == Unit::Concurrent {
            return 0;
        }
        let missing = measured.is_some_and(|known| known.provenance == Provenance::Missing);
        if missing && limit.unit.counts_tokens() && self.missing_usage == MissingUsage::Reserved {
            return entry.taken;
        }
        limit.unit.of(&self.cost(open, claim, limit.unit, measured.map(|known| known.usage)))
    }

    /// What the call cost a limit, with an answer of this usage. A model's has that of its prompt,
    /// which counts instead of what was estimated of the request.
    fn cost(&self, open: &Open, claim: &Claim, unit: Unit, answer: Option<Usage>) -> Cost {
        let request = claim.request;
        let has_prompt = answer.is_some() && open.meter.as_ref().is_some_and(Meter::has_prompt);
        let asked = if has_prompt { Usage::default() } else { request.usage };
        let usage = asked.plus(answer.unwrap_or_default());
        let cost = Cost { response_bytes: open.response_bytes, usage, ..request };
        self.weights.weigh(unit, open.name.as_deref(), cost)
    }
}

/// What a model read, also from its cache, and what it wrote, also for itself.
fn tokens(open: &Open, measured: Option<&Measured>) -> Option<(u64, u64)> {
    let is_model = open.meter.as_ref().is_some_and(Meter::has_prompt);
    let known = |measured: &&Measured| is_model && measured.provenance != Provenance::Missing;
    let Usage { input, cached, output, reasoning } = measured.filter(known)?.usage;
    Some((input.saturating_add(cached), output.saturating_add(reasoning)))
}
