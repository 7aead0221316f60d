//! While the answer passes and after it: what the call really cost.

use mcp_core::pipeline::{Attention, Ending, Environment, Observation};
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
    pub(crate) fn settle(&self, open: &Open, ending: Ending, environment: &mut dyn Environment) {
        let measured = open.meter.as_ref().map(|meter| meter.finish(ending == Ending::Complete));
        let measured = measured.filter(|_| open.status.is_some());
        if let Some(measured) = &measured {
            self.tally.usage(measured.provenance, environment);
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
