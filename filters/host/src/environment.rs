//! Time, randomness, counters and the upstream's address, as the host gives them.

use core::cell::OnceCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use mcp_core::certificate::PeerCertificate;
use mcp_core::pipeline::{Environment, Response};

use crate::abi::{self, Level, Map};
use crate::certificate;
use crate::clock::Clock;
use crate::pairs;
use crate::telemetry::Telemetry;

/// The host, as the pipeline asks it in one callback.
pub(crate) struct HostEnvironment<'a> {
    clock: &'a Clock,
    telemetry: &'a Telemetry,
    /// The time, once somebody asked: it stands still until the callback returns.
    now: Option<Duration>,
}

impl<'a> HostEnvironment<'a> {
    pub(crate) const fn new(clock: &'a Clock, telemetry: &'a Telemetry) -> Self {
        Self { clock, telemetry, now: None }
    }

    fn time(&mut self) -> Option<Duration> {
        self.now = self.now.or_else(|| self.clock.now());
        self.now
    }
}

impl Environment for HostEnvironment<'_> {
    fn now(&mut self) -> Option<u64> {
        self.time().as_ref().map(Duration::as_secs)
    }

    fn milliseconds(&mut self) -> Option<u64> {
        milliseconds(self.time()?)
    }

    fn recently(&mut self) -> Option<u64> {
        self.clock.recently().as_ref().map(Duration::as_secs)
    }

    fn recent_milliseconds(&mut self) -> Option<u64> {
        milliseconds(self.clock.recently()?)
    }

    fn warn(&mut self, problem: &str) {
        abi::log(Level::Warn, problem);
    }

    fn add(&mut self, counter: &str, amount: u64) {
        self.telemetry.add(counter, amount);
    }

    fn gauge(&mut self, gauge: &str, value: u64) {
        self.telemetry.show(gauge, value);
    }

    fn observe(&mut self, histogram: &str, model: Option<&str>, value: u64) {
        self.telemetry.observe(histogram, model, value);
    }

    fn randomize(&mut self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }

    fn peer_certificate(&mut self) -> Option<PeerCertificate> {
        certificate::peer_certificate()
    }

    fn shared(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        abi::shared_data(key).ok().flatten()
    }

    fn share(&mut self, key: &str, value: &[u8], version: u32) -> bool {
        abi::set_shared_data(key, value, version).is_ok()
    }

    fn client_address(&mut self) -> Option<IpAddr> {
        // Envoy's name, with a port; then nginx's.
        let address = abi::property("source\0address").ok().flatten();
        if let Some(address) = address.filter(|address| !address.is_empty()) {
            let address: SocketAddr = core::str::from_utf8(&address).ok()?.parse().ok()?;
            return Some(address.ip());
        }
        let address = abi::property("remote_addr").ok().flatten()?;
        core::str::from_utf8(&address).ok()?.parse().ok()
    }

    fn routed_host(&mut self) -> Option<Vec<u8>> {
        // nginx's name; Envoy has the host of an absolute target in `:authority`.
        abi::property("host").ok().flatten().filter(|host| !host.is_empty())
    }

    fn upstream_address(&mut self) -> Option<String> {
        let address = abi::property("upstream\0address").ok().flatten()?;
        String::from_utf8(address).ok().filter(|address| !address.is_empty())
    }
}

/// The head of the current exchange's response.
pub(crate) struct HostResponse {
    /// All fields as the host serializes them, once somebody asked; `None` if it lists none.
    fields: OnceCell<Option<Vec<u8>>>,
}

impl HostResponse {
    /// `is_listed` if the host lists the fields, which is one call for all of them.
    pub(crate) fn new(is_listed: bool) -> Self {
        Self { fields: if is_listed { OnceCell::new() } else { OnceCell::from(None) } }
    }
}

impl Response for HostResponse {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        match self.fields.get_or_init(|| abi::header_pairs(Map::Response).ok()) {
            Some(fields) => pairs::first(fields, name).map(<[u8]>::to_vec),
            None => abi::header(Map::Response, name).ok().flatten(),
        }
    }
}

pub(crate) fn milliseconds(since_1970: Duration) -> Option<u64> {
    u64::try_from(since_1970.as_millis()).ok()
}
