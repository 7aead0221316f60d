//! Where a filter counts: for one server or for one of several, and what those have in common.

use core::cell::OnceCell;
use core::num::NonZeroU32;
use std::rc::Rc;

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{Capabilities, Listed, Predecessor};
use serde_json::Value;

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
    /// Whose the setting with this key is, or the one at that index of its list: `None` if it is that
    /// of all servers, since it is written beside them, or there is one server.
    pub(crate) fn owner(&self, key: &str, index: Option<usize>) -> Option<&'a str> {
        let server = self.server?;
        let (own, common) = server.at(&["quota", key]);
        let read = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok());
        let (own, common): (Option<Value>, Option<Value>) = (read(own), read(common));
        let is_common = match index {
            None => own == common,
            Some(index) => {
                let own = own.as_ref().and_then(|list| list.get(index));
                let common = common.as_ref().and_then(Value::as_array);
                own.zip(common).is_some_and(|(own, common)| common.contains(own))
            }
        };
        (!is_common).then(|| server.name())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let own = |key: &&&str| self.owner(key, None).is_some();
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
