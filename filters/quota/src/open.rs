//! A call under way: what was taken for it, and what is known of its answer.

use mcp_core::pipeline::{Attention, Call, Response, Traffic};
use mcp_core::refusal::Shape;

use crate::cost::Cost;
use crate::limit::Limit;
use crate::repeats::Retries;
use crate::store::{Mode, Reservation, Standing};
use crate::usage::{self, Meter};

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
    /// How the answer has to be listened to.
    pub(crate) attention: Attention,
}

/// What a request costs one limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) limit: usize,
    /// How much the limit has for this caller.
    pub(crate) amount: u64,
    pub(crate) request: Cost,
}

impl Open {
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

    /// The model that was asked, as metrics name it.
    pub(crate) fn model(&self) -> &str {
        self.name.as_deref().unwrap_or("none")
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

/// A meter of the answer to `call`, which has as many tokens of a prompt.
pub(crate) fn meter(call: &Call<'_>, prompt: u64) -> Meter {
    Meter::new(match call.traffic {
        Traffic::Llm => usage::Traffic::Llm { prompt },
        // Whoever polls for a result is not charged for each look.
        Traffic::Mcp => usage::Traffic::Mcp { counts: call.method != Some("tasks/get") },
    })
}
