//! Where a filter's tests run: in the module that has it alone and in the gateway module, which with
//! the same configuration does the same, under each host profile.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mcp_harness::{Host, LoadError, Module, Options, Profile};

use crate::module;

/// The module that has all filters.
pub const GATEWAY: &str = "mcp_gateway";

/// A module under a host profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The module's name, as in `dist/`.
    pub module: &'static str,
    /// The host that it runs under.
    pub profile: Profile,
}

impl Place {
    /// This module and the gateway, under this profile.
    #[must_use]
    pub fn of(module: &'static str, profile: Profile) -> [Self; 2] {
        [module, GATEWAY].map(|module| Self { module, profile })
    }

    /// This module and the gateway, under every profile.
    #[must_use]
    pub fn all(module: &'static str) -> Vec<Self> {
        Profile::ALL.into_iter().flat_map(|profile| Self::of(module, profile)).collect()
    }

    /// The module, running.
    ///
    /// # Panics
    /// If it was not built, or does not load.
    #[must_use]
    pub fn host(self, options: Options) -> Host {
        // Shown where a test fails.
        println!("{self}");
        self.start(options).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// The module, running, unless it refuses its configuration.
    ///
    /// # Errors
    /// What is wrong with it. On APISIX that shows at the first request.
    ///
    /// # Panics
    /// If it was not built, or does not compile.
    pub fn start(self, options: Options) -> Result<Host, LoadError> {
        Host::new(&self.compiled(), self.profile, options)
    }

    /// The module, compiled once in each process: that takes longer than most tests.
    fn compiled(self) -> Module {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.entry(self.module).or_insert_with(|| module::load(self.module)).clone()
    }
}

static COMPILED: Mutex<BTreeMap<&str, Module>> = Mutex::new(BTreeMap::new());

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.module, self.profile)
    }
}
