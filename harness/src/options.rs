//! How a host is set up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::services::ServiceAnswer;

/// What Envoy does once a virtual machine has trapped. APISIX has no such choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// `FAIL_CLOSED`: every request gets 503.
    #[default]
    FailClosed,
    /// `FAIL_RELOAD`: the next request gets a new virtual machine.
    FailReload,
    /// `FAIL_OPEN`: requests pass without the filter.
    FailOpen,
}

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The plugin's configuration, as the module reads it.
    pub configuration: Vec<u8>,
    /// The virtual machine's configuration (Envoy).
    pub vm_configuration: Vec<u8>,
    /// The plugin's name.
    pub plugin_name: String,
    /// How many workers, each with its own virtual machine; at least one.
    pub workers: usize,
    /// Where the clock starts, since the Unix epoch.
    pub start: Duration,
    /// From what the randomness that modules get is drawn.
    pub seed: u64,
    /// What only Envoy has.
    pub envoy: EnvoyOptions,
    /// How much virtual time an exchange may wait, since a peer last did something, before it
    /// counts as hanging.
    pub patience: Duration,
    /// Scripted HTTP services by cluster name or `host[:port]`.
    pub services: BTreeMap<Vec<u8>, Vec<ServiceAnswer>>,
    /// What foreign functions return, by name (Envoy); the real `verify_signature` is there unless
    /// it is named here.
    pub foreign_functions: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Default for Options {
    /// One worker, no configuration, midnight of 1 January 2026 (UTC).
    fn default() -> Self {
        Self {
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            plugin_name: "filter".to_owned(),
            workers: 1,
            start: Duration::from_secs(1_767_225_600),
            seed: 1,
            envoy: EnvoyOptions::default(),
            patience: Duration::from_secs(120),
            services: BTreeMap::new(),
            foreign_functions: BTreeMap::new(),
        }
    }
}

/// Settings of Envoy.
#[derive(Clone, Debug)]
pub struct EnvoyOptions {
    /// `failure_policy` of the plugin.
    pub failure_policy: FailurePolicy,
    /// `allow_on_headers_stop_iteration` of the plugin. Envoy's default is no.
    pub allow_on_headers_stop_iteration: bool,
    /// `per_connection_buffer_limit_bytes` of listener and cluster.
    pub buffer_bytes: usize,
}

impl Default for EnvoyOptions {
    /// `FAIL_CLOSED`, stopping at headers allowed, 1 MiB.
    fn default() -> Self {
        Self {
            failure_policy: FailurePolicy::default(),
            allow_on_headers_stop_iteration: true,
            buffer_bytes: 1 << 20,
        }
    }
}
