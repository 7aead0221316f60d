//! Where a filter counts: for one server or for one of several, and what those have in common.

use core::cell::OnceCell;
use core::num::NonZeroU32;
use std::rc::Rc;

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Listed, Predecessor};

use crate::store::{Hasher, Store, Table};

/// Where a filter counts.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// What the host can do.
    pub capabilities: &'a Capabilities,
    /// Who tells who calls.
    pub predecessor: Predecessor,
    /// The entry of `servers` that it is for.
    pub server: Option<&'a Listed>,
}

/// The counters of all filters of one configuration. A host whose workers share none has them here,
/// so that a limit of several servers is one count there as well.
#[derive(Default)]
pub struct Counters {
    own: OnceCell<Rc<dyn Store>>,
    hasher: Rc<Hasher>,
}

/// Settings that counters depend on, and so are the same for all servers.
const FOR_ALL: [&str; 2] = ["max_subjects", "workers"];

impl<'a> Site<'a> {
    /// Whose the limit at `pointer` is, or the one at that index of the list there: `None` if it is
    /// that of all servers, since it is written at the top level, or there is one server.
    pub(crate) fn owner(&self, pointer: &str, index: Option<usize>) -> Option<&'a str> {
        self.server.filter(|server| !server.inherits(pointer, index)).map(Listed::name)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let own = |key: &&&str| self.owner(&format!("/quota/{key}"), None).is_some();
        match FOR_ALL.iter().find(own) {
            Some(key) => Err(ConfigError::new(*key, "is for all servers: write it beside them")),
            None => Ok(()),
        }
    }

    /// The server's name, if there are several.
    pub(crate) fn name(&self) -> &'a str {
        self.server.map_or("", Listed::name)
    }
}

impl Counters {
    /// Those of a table for so many subjects.
    pub(crate) fn of(&self, subjects: NonZeroU32, capabilities: &Capabilities) -> Rc<dyn Store> {
        if capabilities.shared_data {
            return Rc::new(Table::shared(subjects));
        }
        Rc::clone(self.own.get_or_init(|| Rc::new(Table::own(subjects))))
    }

    /// What tells subjects apart.
    pub(crate) fn hasher(&self) -> Rc<Hasher> {
        Rc::clone(&self.hasher)
    }
}
