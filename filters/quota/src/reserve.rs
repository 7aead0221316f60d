//! Before the call: which limits it concerns, what is taken from them, and whether there is enough.

use mcp_core::message::{Kind, Message};
use mcp_core::pipeline::{Attention, Call, Caller, Environment, Response, Traffic};
use mcp_core::refusal::{Reason, Refusal, Shape};

use crate::config::OnStoreFailure;
use crate::cost::Cost;
use crate::denial;
use crate::filter::{QuotaFilter, State};
use crate::limit::{Limit, Who};
use crate::repeats::Retries;
use crate::store::{Charge, Debit, Mode, Reservation, Standing, Subject, Verdict};
use crate::tally::Count;
use crate::usage::{self, Meter, Usage};

/// A call that went upstream, and what was taken for it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) reservation: Reservation,
    /// Of each entry of the reservation, which limit it is for and what the request cost it.
    pub(crate) claims: Vec<Claim>,
    /// The tool or model.
    pub(crate) name: Option<String>,
    /// Counts the answer's tokens, where they matter.
    pub(crate) meter: Option<Meter>,
    pub(crate) response_bytes: u64,
    /// Status of the answer, once there is one.
    pub(crate) status: Option<u16>,
    /// What may be done again without being charged again.
    pub(crate) retries: Option<Retries>,
    /// Index of the cap on its result.
    pub(crate) cap: Option<usize>,
    pub(crate) shape: Shape,
    attention: Attention,
}

/// What a request costs one limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) limit: usize,
    /// How much the limit has for this caller.
    pub(crate) amount: u64,
    pub(crate) request: Cost,
}

/// One message of a request, as limits see it.
struct Item<'a> {
    method: Option<&'a str>,
    name: Option<&'a str>,
    cost: Cost,
    /// Whether it may be refused.
    refusable: bool,
}

/// Of the keys that one message was counted by so far, the subjects: limits share keys.
struct Subjects<'a> {
    who: &'a Who<'a>,
    known: Vec<(usize, Subject)>,
}

/// What clients must be able to do whatever they used up: open a session, and find out what there
/// is.
const NEVER_REFUSED: [&str; 2] = ["initialize", "server/discover"];

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
        let who = |method, name| state.sighting.who(caller, method, name);
        let whole = who(call.method, call.name);
        self.repeats.check(call, &whole, &self.hasher, environment)?;
        let (retries, known) = self.repeats.retries(call, &whole, &self.hasher, environment);
        let prompt = match (call.traffic, call.body) {
            (Traffic::Llm, Some(body)) => usage::of_llm_request("", body).input,
            _ => 0,
        };
        let items = items(call, state.sighting.opens_stream, known, prompt);
        let mut debits: Vec<Debit> = Vec::new();
        let mut claims: Vec<Vec<Claim>> = Vec::new();
        for item in &items {
            let who = who(item.method, item.name);
            let mut subjects = Subjects { who: &who, known: Vec::new() };
            for (index, limit) in self.limits.limits.iter().enumerate() {
                let guards = self.flood_guard == Some(index);
                let Some((charge, claim)) = self.charge(index, limit, item, caller, guards) else {
                    continue;
                };
                let Some(subject) = self.subject(limit.key, &mut subjects, environment) else {
                    continue;
                };
                add(&mut debits, &mut claims, Debit { subject, charges: vec![charge] }, claim);
            }
        }
        let cap = self.caps.of(call);
        let claims: Vec<Claim> = claims.into_iter().flatten().collect();
        if claims.is_empty() && cap.is_none() {
            return Ok(());
        }
        let retries = retries.filter(|_| !claims.is_empty());
        let reservation = match self.store.reserve(&debits, environment) {
            Ok(Verdict::Reserved(reservation)) => reservation,
            Ok(Verdict::Refused { debit, charge, standing }) => {
                let before: usize =
                    debits.iter().take(debit).map(|debit| debit.charges.len()).sum();
                let claim = claims.get(before.saturating_add(charge));
                return Err(self.refused(claim, standing, shape));
            }
            Err(failure) => {
                let refusable = items.iter().any(|item| item.refusable);
                if self.on_store_failure == OnStoreFailure::Allow || !refusable {
                    return Ok(());
                }
                return Err(denial::uncounted(failure).shaped(shape));
            }
        };
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
        guards: bool,
    ) -> Option<(Charge, Claim)> {
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

impl Open {
    /// How the answer has to be listened to.
    pub(crate) const fn attention(&self) -> Attention {
        self.attention
    }

    /// The head of the answer came.
    pub(crate) fn answered(&mut self, response: &dyn Response) {
        let status = response.header(":status");
        let status = status.as_deref().and_then(|status| core::str::from_utf8(status).ok());
        self.status = status.and_then(|status| status.parse().ok());
    }

    /// Bytes of the answer's body arrived.
    pub(crate) fn passed(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.response_bytes = self.response_bytes.saturating_add(bytes);
    }

    /// How the limits stand that a client may know of.
    pub(crate) fn standings<'l>(&self, limits: &'l [Limit]) -> Vec<(&'l Limit, u64, Standing)> {
        let entries = self.reservation.entries.iter().zip(&self.claims);
        let told = entries.filter(|(entry, _)| entry.charge.mode == Mode::Enforce);
        told.filter_map(|(entry, claim)| {
            Some((limits.get(claim.limit)?, claim.amount, entry.standing))
        })
        .collect()
    }
}

/// Puts a charge into the debit of its subject; what the same counter is charged already grows.
fn add(debits: &mut Vec<Debit>, claims: &mut Vec<Vec<Claim>>, new: Debit, claim: Claim) {
    let known = debits.iter().position(|debit| debit.subject == new.subject);
    let Some((debit, claimed)) =
        known.and_then(|at| Some((debits.get_mut(at)?, claims.get_mut(at)?)))
    else {
        debits.push(new);
        claims.push(vec![claim]);
        return;
    };
    for charge in new.charges {
        let same = debit.charges.iter().position(|other| other.counter == charge.counter);
        let same = same.and_then(|at| Some((debit.charges.get_mut(at)?, claimed.get_mut(at)?)));
        if let Some((other, grown)) = same {
            other.amount = other.amount.saturating_add(charge.amount);
            grown.request = grown.request.plus(claim.request);
        } else {
            debit.charges.push(charge);
            claimed.push(claim);
        }
    }
}

/// The messages of a request; `known` if it repeats a call that was charged, `prompt` tokens if it is
/// one to a model.
fn items<'a>(call: &Call<'a>, opens_stream: bool, known: bool, prompt: u64) -> Vec<Item<'a>> {
    let bytes = call.body.map_or(0, |body| u64::try_from(body.len()).unwrap_or(u64::MAX));
    let one = Cost { in_flight: 1, requests: 1, ..Cost::default() };
    if call.traffic == Traffic::Llm {
        let usage = Usage { input: prompt, ..Usage::default() };
        let cost = Cost { request_bytes: bytes, usage, ..one };
        return vec![Item { method: call.method, name: call.name, cost, refusable: true }];
    }
    if let Some(message) = call.message {
        return vec![item(message, call.body, bytes, call.name, known)];
    }
    if !call.batch.is_empty() {
        let share = bytes.div_ceil(u64::try_from(call.batch.len()).unwrap_or(u64::MAX).max(1));
        let each = |message: &'a Message<'a>| {
            let name = message.params.name.as_deref();
            item(message, None, share, name, false)
        };
        return call.batch.iter().map(each).collect();
    }
    match call.method {
        Some(method) => {
            let refusable = !NEVER_REFUSED.contains(&method);
            let cost = if refusable { one } else { Cost::default() };
            vec![Item { method: Some(method), name: call.name, cost, refusable }]
        }
        // A stream that the client listens on is open, and no request.
        None if opens_stream => {
            let cost = Cost { in_flight: 1, ..Cost::default() };
            vec![Item { method: None, name: None, cost, refusable: true }]
        }
        None => Vec::new(),
    }
}

/// One message; `known` if it repeats a call that was charged.
fn item<'a>(
    message: &'a Message<'a>,
    body: Option<&[u8]>,
    request_bytes: u64,
    name: Option<&'a str>,
    known: bool,
) -> Item<'a> {
    let method = message.method.as_deref();
    let refusable =
        message.kind == Kind::Request && !method.is_some_and(|m| NEVER_REFUSED.contains(&m));
    let usage = match (message.kind, body) {
        _ if known => Usage::default(),
        (Kind::Response, Some(body)) => usage::of_response_body(body),
        _ => usage::of_request(message),
    };
    let count = u64::from(refusable);
    let requests = if known { 0 } else { count };
    let cost =
        Cost { in_flight: count, requests, request_bytes, usage, micros: 0, ..Cost::default() };
    Item { method, name, cost, refusable }
}

fn meter(call: &Call<'_>, prompt: u64) -> Meter {
    Meter::new(match call.traffic {
        Traffic::Llm => usage::Traffic::Llm { prompt },
        // Whoever polls for a result is not charged for each look.
        Traffic::Mcp => usage::Traffic::Mcp { counts: call.method != Some("tasks/get") },
    })
}
