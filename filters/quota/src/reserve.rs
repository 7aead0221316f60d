//! Before the call: which limits it concerns, what is taken from them, and whether there is enough.

use mcp_core::pipeline::{Attention, Call, Caller, Environment, Traffic};
use mcp_core::refusal::{Reason, Refusal, Shape};

use crate::bill::Bill;
use crate::config::OnStoreFailure;
use crate::cost::Cost;
use crate::denial;
use crate::filter::{QuotaFilter, State};
use crate::items::{Item, items};
use crate::limit::{Limit, Who};
use crate::open::{Claim, Open, meter};
use crate::store::{Charge, Mode, Reservation, Standing, Subject, Verdict};
use crate::tally::Count;
use crate::usage;

/// Of the keys that one message was counted by so far, the subjects: limits share keys.
struct Subjects<'a> {
    who: &'a Who<'a>,
    known: Vec<(usize, Subject)>,
}

impl QuotaFilter {
    /// Takes what the call is expected to cost.
    ///
    /// # Errors
    /// A refusal, if one of its limits does not have as much; nothing was taken then.
    pub(crate) fn reserve(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<(), Refusal> {
        if !self.is_needed() {
            return Ok(());
        }
        let shape = self.denial.shape(call.traffic, call.method, call.era);
        let who = state.sighting.who(caller, call.method, call.name);
        self.repeats.check(call, &who, &self.hasher, environment)?;
        let (retries, known) = self.repeats.retries(call, &who, &self.hasher, environment);
        let prompt = match (call.traffic, call.body) {
            (Traffic::Llm, Some(body)) => usage::of_llm_request("", body).input,
            _ => 0,
        };
        let items = items(call, state.sighting.opens_stream, known, prompt);
        let bill = self.bill(&items, caller, state, environment);
        let cap = self.caps.of(call);
        if bill.debits.is_empty() && cap.is_none() {
            return Ok(());
        }
        let may_fail = self.on_store_failure == OnStoreFailure::Allow
            || !items.iter().any(|item| item.refusable);
        let taken = match self.store.reserve(&bill.debits, environment) {
            Ok(Verdict::Reserved(reservation)) => Ok((reservation, bill.into_claims())),
            Ok(Verdict::Refused { debit, charge, standing }) => {
                Err(self.refused(bill.claim(debit, charge), standing, shape))
            }
            Err(_) if may_fail => Ok((Reservation::default(), Vec::new())),
            Err(failure) => Err(denial::uncounted(failure).shaped(shape)),
        };
        let (reservation, claims) = taken.inspect_err(|_| {
            // It was asked to come, and may come once more.
            let asked = call.message.and_then(|message| message.params.request_state.as_deref());
            if let Some((retries, asked)) = retries.as_ref().zip(asked).filter(|_| known) {
                self.repeats.remember(retries, asked, &self.hasher, environment);
            }
        })?;
        let retries = retries.filter(|_| !claims.is_empty());
        self.note(&reservation, &claims, state);
        let attention = self.attention(&claims, cap.is_some(), retries.is_some());
        let reads = cap.is_some() || retries.is_some() || self.count_tokens(&claims);
        state.open = Some(Box::new(Open {
            reservation,
            claims,
            name: call.name.map(str::to_owned),
            meter: reads.then(|| meter(call, prompt)),
            response_bytes: 0,
            status: None,
            retries,
            cap,
            shape,
            attention,
        }));
        Ok(())
    }

    /// What the messages of a request are to be charged.
    fn bill(
        &self,
        items: &[Item<'_>],
        caller: &Caller,
        state: &State,
        environment: &mut dyn Environment,
    ) -> Bill {
        let mut bill = Bill::default();
        for item in items {
            let who = state.sighting.who(caller, item.method, item.name);
            let mut subjects = Subjects { who: &who, known: Vec::new() };
            for (index, limit) in self.limits.limits.iter().enumerate() {
                if let Some((charge, claim)) = self.charge(index, limit, item, caller)
                    && let Some(subject) = self.subject(limit.key, &mut subjects, environment)
                {
                    bill.add(subject, charge, claim);
                }
            }
        }
        bill
    }

    /// The subject of the key at this index; `None` if the call is no affair of it.
    fn subject(
        &self,
        key: usize,
        subjects: &mut Subjects<'_>,
        environment: &mut dyn Environment,
    ) -> Option<Subject> {
        if let Some((_, subject)) = subjects.known.iter().find(|(known, _)| *known == key) {
            return Some(*subject);
        }
        let values = self.limits.keys.get(key)?.values(subjects.who)?;
        let subject = self.hasher.subject(values.iter().map(AsRef::as_ref), environment);
        subjects.known.push((key, subject));
        Some(subject)
    }

    /// Whether anything is configured.
    fn is_needed(&self) -> bool {
        !self.limits.limits.is_empty() || self.repeats.breaks_loops() || !self.caps.is_empty()
    }

    /// What is taken from a limit for an item, if it concerns it.
    fn charge(
        &self,
        index: usize,
        limit: &Limit,
        item: &Item<'_>,
        caller: &Caller,
    ) -> Option<(Charge, Claim)> {
        let guards = self.flood_guard == Some(index);
        if !guards && !limit.covers.call(item.method, item.name, caller) {
            return None;
        }
        let amount = limit.amount_for(caller);
        let request = if guards {
            Cost { requests: 1, ..Cost::default() }
        } else {
            self.weights.weigh(limit.unit, item.name, item.cost)
        };
        let known = limit.unit.of(&request);
        let answered = limit.unit.counts_answers() && !guards;
        let answer = if answered { limit.reserve_for(amount) } else { 0 };
        let (mode, taken) = if !(item.refusable || guards) {
            (Mode::Force, known)
        } else if limit.shadow {
            (Mode::Shadow, known.saturating_add(answer))
        } else {
            (Mode::Enforce, known.saturating_add(answer))
        };
        if taken == 0 && !limit.unit.counts_answers() {
            return None;
        }
        let charge = Charge {
            counter: limit.counter,
            algorithm: limit.algorithm_for(amount),
            limit: amount,
            amount: taken,
            mode,
        };
        Some((charge, Claim { limit: index, amount, request }))
    }

    fn refused(&self, claim: Option<&Claim>, standing: Standing, shape: Shape) -> Refusal {
        let limit = claim.and_then(|claim| self.limits.limits.get(claim.limit));
        let Some((claim, limit)) = claim.zip(limit) else {
            return Refusal::new(Reason::Quota).shaped(shape);
        };
        self.tally.add(claim.limit, Count::Refused, 1);
        let guards = self.flood_guard == Some(claim.limit);
        let shape = if guards { Shape::Http } else { shape };
        denial::exceeded(limit, claim.amount, standing).shaped(shape)
    }

    /// Counts what was taken, and remembers what would have been refused.
    fn note(&self, reservation: &Reservation, claims: &[Claim], state: &mut State) {
        for (entry, claim) in reservation.entries.iter().zip(claims) {
            let exceeded = entry.standing.exceeded;
            if exceeded && entry.charge.mode == Mode::Shadow {
                self.tally.add(claim.limit, Count::WouldRefuse, 1);
                if let Some(limit) = self.limits.limits.get(claim.limit) {
                    let refusal = denial::exceeded(limit, claim.amount, entry.standing);
                    state.shadowed.get_or_insert(refusal);
                }
            } else {
                self.tally.add(claim.limit, Count::Allowed, 1);
            }
            self.tally.add(claim.limit, Count::Reserved, entry.taken);
            self.tally.saw(claim.limit, entry.subject, entry.standing.remaining);
        }
    }

    fn count_tokens(&self, claims: &[Claim]) -> bool {
        let unit = |claim: &Claim| self.limits.limits.get(claim.limit).map(|limit| limit.unit);
        claims.iter().filter_map(unit).any(|unit| unit.counts_tokens())
    }

    /// How the answer has to be listened to.
    fn attention(&self, claims: &[Claim], capped: bool, retries: bool) -> Attention {
        let limits = || claims.iter().filter_map(|claim| self.limits.limits.get(claim.limit));
        if capped || limits().any(|limit| limit.hard) {
            Attention::Judge
        } else if retries || limits().any(|limit| limit.unit.counts_answers()) {
            Attention::Listen
        } else {
            Attention::None
        }
    }
}
