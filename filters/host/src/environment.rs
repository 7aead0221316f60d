//! Time, randomness, counters and the upstream's address, as the host gives them.

use core::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use mcp_core::certificate::PeerCertificate;
use mcp_core::pipeline::{Environment, Response};

use crate::abi::{self, Level, Map};
use crate::certificate;
use crate::telemetry::Telemetry;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The proxy-wasm call.
    Host,
    /// WASI: APISIX does not implement the proxy-wasm call.
    Wasi,
}

impl Clock {
    /// Seconds since 1970.
    pub(crate) fn now(self) -> Option<u64> {
        self.since_1970().map(|since| since.as_secs()).filter(|seconds| *seconds > 0)
    }

    /// Milliseconds since 1970.
    pub(crate) fn milliseconds(self) -> Option<u64> {
        u64::try_from(self.since_1970()?.as_millis()).ok()
    }

    fn since_1970(self) -> Option<Duration> {
        match self {
            Self::Host => abi::now().ok().map(Duration::from_nanos),
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            Self::Wasi => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok(),
        }
    }
}

/// The host, as the pipeline asks it.
pub(crate) struct HostEnvironment<'a> {
    pub(crate) clock: Clock,
    pub(crate) telemetry: &'a Telemetry,
}

impl Environment for HostEnvironment<'_> {
    fn now(&mut self) -> Option<u64> {
        self.clock.now()
    }

    fn milliseconds(&mut self) -> Option<u64> {
        self.clock.milliseconds().filter(|milliseconds| *milliseconds > 0)
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
pub(crate) struct HostResponse;

impl Response for HostResponse {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        abi::header(Map::Response, name).ok().flatten()
    }
}
