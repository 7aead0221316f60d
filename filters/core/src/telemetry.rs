//! The configuration's section `telemetry`: what is told of exchanges beyond what is always counted
//! and logged.

use serde::Deserialize;

use crate::pipeline::Capabilities;

/// What is told, as it is written down and as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Telemetry {
    /// Whether it is measured how long calls take.
    pub durations: bool,
    /// What is worth a line in the log.
    pub log: Log,
}

/// What is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// What was refused, or would have been.
    #[default]
    Refusals,
    /// Every exchange, once it is over.
    Exchanges,
}

impl Telemetry {
    /// What of it this host can do, and what an operator should know of that.
    #[must_use]
    pub fn on(self, capabilities: &Capabilities) -> (Self, Option<String>) {
        if self.durations && !capabilities.ticks {
            let notice = "telemetry.durations: this host takes no metrics".to_owned();
            return (Self { durations: false, ..self }, Some(notice));
        }
        (self, None)
    }

    /// Whether anybody wants to know how an exchange went once it is over.
    #[must_use]
    pub fn follows(self) -> bool {
        self.durations || self.log == Log::Exchanges
    }
}
