//! What distinguishes one proxy-wasm host from another, as data.
//!
//! [`Rules`] holds what both hosts have in different measure; which host calls exist and what they
//! answer is the table in [`crate::calls`]; the order of callbacks is a flow per host. Envoy is 1.40; APISIX is 3.15 with wasm-nginx-module
//! 0.7, whose quirks (marked as such) were seen on a running gateway.

use std::fmt;
use std::str::FromStr;

/// The host to imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// Envoy 1.40.
    Envoy,
    /// Apache APISIX 3.15.
    Apisix,
}

impl Profile {
    /// Every profile there is.
    pub const ALL: [Self; 2] = [Self::Envoy, Self::Apisix];

    /// The name used on the command line and in exchange files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Apisix => "apisix",
        }
    }

    pub(crate) fn rules(self) -> &'static Rules {
        match self {
            Self::Envoy => &ENVOY,
            Self::Apisix => &APISIX,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| format!("unknown host \"{name}\"; it is one of: envoy, apisix"))
    }
}

/// A host's ways, as far as a filter can notice them.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Which column of the host-call table applies.
    pub(crate) profile: Profile,
    /// `proxy_on_vm_start` is called.
    pub(crate) vm_start: bool,
    /// The configuration is shown when the module loads, not at the first request.
    pub(crate) configure_at_load: bool,
    /// After a trap no callback is made any more.
    pub(crate) trap_stops_callbacks: bool,
    /// Context ids of finished exchanges are used again.
    pub(crate) reuse_context_ids: bool,
    /// `proxy_get_header_map_pairs` shows at most this many request headers.
    pub(crate) listed_request_headers: Option<usize>,
    /// Beyond this many entries `proxy_get_header_map_pairs` of a response is garbage.
    pub(crate) listed_response_headers: Option<usize>,
    /// Calls open at once per exchange.
    pub(crate) calls_at_once: Option<usize>,
    /// The first token of an HTTP call, and how far apart they are.
    pub(crate) first_token: u32,
    pub(crate) token_step: u32,
}

const ENVOY: Rules = Rules {
    profile: Profile::Envoy,
    vm_start: true,
    configure_at_load: true,
    trap_stops_callbacks: true,
    reuse_context_ids: false,
    listed_request_headers: None,
    listed_response_headers: None,
    calls_at_once: None,
    first_token: 4,
    token_step: 4,
};

const APISIX: Rules = Rules {
    profile: Profile::Apisix,
    vm_start: false,
    configure_at_load: false,
    trap_stops_callbacks: false,
    reuse_context_ids: true,
    listed_request_headers: Some(100),
    listed_response_headers: Some(20),
    calls_at_once: Some(1),
    first_token: 0,
    token_step: 1,
};
