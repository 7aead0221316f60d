//! Keys that the workers of a host share, so that one fetches for all.
//!
//! A record in the host's shared data holds the last key set and a lease: who fetches, and until when
//! the others leave it to them. Nobody is woken by it; the others look again with their next tick. All
//! modules of one `vm_id` can write there, so they must trust each other.

use core::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_core::pipeline::Environment;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The record of one issuer's keys.
#[derive(Debug)]
pub(super) struct SharedKeys {
    key: String,
    /// Seconds after which a lease is void, whoever has it.
    lease: u64,
    /// This worker, by a random number.
    worker: Cell<Option<u64>>,
}

/// Who makes a call for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// This worker.
    Granted,
    /// Nobody need: another's keys were taken over.
    Adopted,
    /// Another worker does.
    Taken,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record<'a> {
    worker: u64,
    /// When its lease ends.
    until: u64,
    /// When the keys were fetched.
    since: u64,
    #[serde(borrow)]
    keys: &'a [u8],
}

/// How often a record is written that others write as well.
const TRIES: u8 = 5;

impl SharedKeys {
    /// The record of the keys that are at `place`: issuer, service and path. A call for them takes
    /// `timeout` seconds at most.
    pub(super) fn of(place: &[&str], timeout: u64) -> Self {
        let digest = Sha256::digest(place.join("\0"));
        let digest = URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        // Metadata and keys are fetched under one lease.
        let lease = timeout.max(1).saturating_mul(2);
        Self { key: format!("mcp_auth.keys.{digest}"), lease, worker: Cell::new(None) }
    }

    /// Takes over what another worker fetched, if `adopt` wants it (it is given the keys and when
    /// they were fetched); else tries to become the one that fetches.
    pub(super) fn claim(
        &self,
        now: u64,
        environment: &mut dyn Environment,
        adopt: impl FnOnce(&[u8], u64) -> bool,
    ) -> Claim {
        // Without a number or a record there is no sharing: each fetches for itself.
        let Some(worker) = self.worker(environment) else { return Claim::Granted };
        let Some((text, version)) = self.read(environment) else { return Claim::Granted };
        let record = Record::parse(&text);
        if record.since <= now && !record.keys.is_empty() && adopt(record.keys, record.since) {
            return Claim::Adopted;
        }
        // A lease that is longer than any was given before the clock went back.
        let left = record.until.saturating_sub(now);
        if record.worker != worker && left > 0 && left <= self.lease {
            return Claim::Taken;
        }
        let lease = Record { worker, until: now.saturating_add(self.lease), ..record };
        if environment.share(&self.key, &lease.text(), version) {
            Claim::Granted
        } else {
            Claim::Taken
        }
    }

    /// Ends this worker's lease, and leaves the keys that were fetched at that time for the others.
    pub(super) fn publish(&self, fetched: Option<(&[u8], u64)>, environment: &mut dyn Environment) {
        for _ in 0..TRIES {
            let Some((text, version)) = self.read(environment) else { return };
            let old = Record::parse(&text);
            let record = match fetched {
                Some((keys, since)) => Record { until: 0, since, keys, ..old },
                None if Some(old.worker) == self.worker.get() => Record { until: 0, ..old },
                None => return,
            };
            if environment.share(&self.key, &record.text(), version) {
                return;
            }
        }
    }

    /// The record and its version. A record that is not there is made first: the host compares
    /// versions only of what exists.
    fn read(&self, environment: &mut dyn Environment) -> Option<(Vec<u8>, u32)> {
        environment.shared(&self.key).or_else(|| {
            environment.share(&self.key, &Record::default().text(), 0);
            environment.shared(&self.key)
        })
    }

    fn worker(&self, environment: &mut dyn Environment) -> Option<u64> {
        if self.worker.get().is_none() {
            let mut random = [0; 8];
            if environment.randomize(&mut random) {
                self.worker.set(Some(u64::from_le_bytes(random)));
            }
        }
        self.worker.get()
    }
}

impl<'a> Record<'a> {
    /// Whatever is no record is an empty one.
    fn parse(text: &'a [u8]) -> Self {
        postcard::from_bytes(text).unwrap_or_default()
    }

    fn text(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
