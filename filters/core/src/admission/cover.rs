//! Which requests are an admission's own, where there are several of them.

use super::Admission;
use super::origin::Host;
use super::path::{self, PathRule};
use crate::head::Head;

/// A request's path in both of its readings: as it was sent, and as an upstream may resolve it.
pub(crate) struct Target<'a> {
    sent: &'a [u8],
    resolved: Vec<u8>,
}

impl<'a> Target<'a> {
    pub(crate) fn of(head: &Head<'a>) -> Self {
        let sent = path::without_query(head.first(":path").unwrap_or(b"/"));
        Self { sent, resolved: path::resolve(sent) }
    }

    /// As an upstream may resolve it.
    pub(crate) fn resolved(&self) -> &[u8] {
        &self.resolved
    }

    /// As a router that resolves nothing takes it.
    pub(crate) const fn sent(&self) -> &[u8] {
        self.sent
    }
}

/// The host, and perhaps the port, that a request is for.
pub(crate) fn authority<'a>(head: &Head<'a>) -> &'a [u8] {
    head.first(":authority").or_else(|| head.first("host")).unwrap_or_default()
}

/// Whether `authority` names `host`, which has no port.
pub(crate) fn names_host(authority: &[u8], host: &[u8]) -> bool {
    core::str::from_utf8(host)
        .is_ok_and(|host| Host::parse(host).is_ok_and(|host| host.matches(authority)))
}

impl Admission {
    /// Whether this path is one of its endpoints, of servers or of models.
    pub(crate) fn covers_path(&self, path: &[u8]) -> bool {
        self.paths.is_empty() || self.endpoints().any(|rule| rule.covers(path))
    }

    /// Whether it answers to `authority`.
    pub(crate) fn covers_host(&self, authority: &[u8]) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(authority))
    }

    /// Whether it answers to some hosts only.
    pub(crate) const fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether every request that `other` covers is covered here as well.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let hosts = self.hosts.is_empty()
            || other.has_hosts()
                && other.hosts.iter().all(|host| self.covers_host(host.as_str().as_bytes()));
        let within = |rule: &PathRule| self.endpoints().any(|wider| wider.contains(rule));
        let paths =
            self.paths.is_empty() || !other.paths.is_empty() && other.endpoints().all(within);
        hosts && paths
    }

    fn endpoints(&self) -> impl Iterator<Item = &PathRule> {
        self.paths.iter().chain(&self.llm_paths)
    }
}
