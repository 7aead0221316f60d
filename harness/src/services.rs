//! Scripted HTTP services that modules call: what they answer, and what they were asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::headers::Headers;

/// One answer of a scripted service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAnswer {
    /// A response, after a while.
    Respond {
        /// How long the service takes.
        after: Duration,
        /// The HTTP status.
        status: u16,
        /// The headers, without pseudo-headers.
        headers: Headers,
        /// The whole body.
        body: Vec<u8>,
    },
    /// The connection fails after a while.
    Fail {
        /// How long that takes.
        after: Duration,
    },
    /// Nothing comes; only the call's own timeout ends it.
    Silence,
}

/// A call a module made to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCall {
    /// Which worker's virtual machine made it.
    pub worker: usize,
    /// The service as the module named it: a cluster, or `host[:port]`.
    pub service: Vec<u8>,
    /// Headers, pseudo-headers among them.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The timeout the module asked for; zero is none on Envoy.
    pub timeout: Duration,
}

/// Answers by service, given in order; the last one is repeated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services(BTreeMap<Vec<u8>, Script>);

#[derive(Clone, Debug, Default)]
struct Script {
    answers: Vec<ServiceAnswer>,
    next: usize,
}

impl Services {
    /// Replaces the script of a service.
    pub(crate) fn script(&mut self, service: &[u8], answers: Vec<ServiceAnswer>) {
        self.0.insert(service.to_vec(), Script { answers, next: 0 });
    }

    /// The next answer; `None` when there is no such service.
    pub(crate) fn answer(&mut self, service: &[u8]) -> Option<ServiceAnswer> {
        let script = self.0.get_mut(service)?;
        let answer = script.answers.get(script.next).or(script.answers.last()).cloned();
        script.next += 1;
        Some(answer.unwrap_or(ServiceAnswer::Silence))
    }

    pub(crate) fn knows(&self, service: &[u8]) -> bool {
        self.0.contains_key(service)
    }
}
