//! A worker of a host: its virtual machine, and the callbacks of the plugin itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::module::{LoadError, Module};
use crate::options::Options;
use crate::profile::Profile;
use crate::state::State;
use crate::vm::{Failure, Vm};
use crate::world::{Nanos, World};

pub(crate) struct Worker {
    pub(crate) vm: Vm,
    /// Counts virtual machines, as those before this one are gone.
    pub(crate) generation: usize,
    pub(crate) root: u32,
    configured: bool,
    next_context: u32,
    pub(crate) free_contexts: BTreeSet<u32>,
}

/// Why a plugin is not configured.
#[derive(Clone, Debug)]
pub(crate) enum NotConfigured {
    Refused { callback: &'static str },
    Failed(Failure),
}

impl From<Failure> for NotConfigured {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Worker {
    /// Loads the module; where the host configures at load, a refusal is an error.
    pub(crate) fn load(
        module: &Module,
        profile: Profile,
        options: &Options,
        world: &Rc<RefCell<World>>,
        index: usize,
        generation: usize,
    ) -> Result<Self, LoadError> {
        let rules = profile.rules();
        let state = State {
            rules,
            world: Rc::clone(world),
            worker: index,
            plugin_name: options.plugin_name.clone(),
            plugin_configuration: options.configuration.clone().into(),
            vm_configuration: options.vm_configuration.clone().into(),
            memory: None,
            allocate: None,
            callback: "start",
            context: 0,
            effective_context: None,
            host_allocations: 0,
            request: None,
            contexts: BTreeSet::new(),
            streams: BTreeMap::new(),
            tick: None,
            open_calls: Vec::new(),
            next_token: rules.first_token,
            call_answer: None,
        };
        let mut worker = Self {
            vm: Vm::new(module, state)?,
            generation,
            root: 0,
            configured: false,
            next_context: 1,
            free_contexts: BTreeSet::new(),
        };
        if rules.configure_at_load {
            worker.configure(options).map_err(|why| {
                let (callback, mut problem) = match why {
                    NotConfigured::Refused { callback } => (callback, "refused".to_owned()),
                    NotConfigured::Failed(failure) => (failure.callback(), failure.to_string()),
                };
                for line in &world.borrow().journal.log {
                    problem.push_str(&format!("\n  {}: {}", line.level.word(), line.text));
                }
                LoadError::Start { host: profile.name(), callback, problem }
            })?;
        }
        Ok(worker)
    }

    /// A context id for an exchange.
    pub(crate) fn context(&mut self) -> u32 {
        self.free_contexts.pop_first().unwrap_or_else(|| {
            self.next_context += 1;
            self.next_context - 1
        })
    }

    /// Creates the plugin's context and shows it its configuration, unless that succeeded before.
    pub(crate) fn configure(&mut self, options: &Options) -> Result<(), NotConfigured> {
        if self.configured {
            return Ok(());
        }
        let root = self.context();
        self.vm.state().contexts.insert(root);
        self.root = root;
        self.vm.call("proxy_on_context_create", root, None, &[root, 0])?;
        if self.vm.state().rules.vm_start {
            self.accepts("proxy_on_vm_start", options.vm_configuration.len())?;
        }
        self.accepts("proxy_on_configure", options.configuration.len())?;
        self.configured = true;
        Ok(())
    }

    fn accepts(&mut self, callback: &'static str, size: usize) -> Result<(), NotConfigured> {
        match self.vm.call(callback, self.root, None, &[self.root, size as u32])? {
            Some(0) => Err(NotConfigured::Refused { callback }),
            _ => Ok(()),
        }
    }

    /// When the next callback is due.
    pub(crate) fn next_due(&mut self) -> Option<Nanos> {
        if !self.vm.is_running() {
            return None;
        }
        let state = self.vm.state();
        let calls = state.open_calls.iter().map(|call| call.due);
        calls.chain(state.tick.iter().map(|tick| tick.due)).filter(|due| *due < Nanos::MAX).min()
    }

    /// Runs one callback that is due: first answers of calls, in the order in which they were made,
    /// then the tick.
    pub(crate) fn next_callback(&mut self, due: Nanos) -> Option<Result<(), Failure>> {
        if !self.vm.is_running() {
            return None;
        }
        let root = self.root;
        let state = self.vm.state();
        if let Some(index) = state.open_calls.iter().position(|call| call.due <= due) {
            let call = state.open_calls.remove(index);
            let (headers, size) = match &call.answer {
                Some((headers, body)) => (headers.len() as u32, body.len() as u32),
                None => (0, 0),
            };
            state.call_answer = call.answer;
            let arguments = [root, call.token, headers, size, 0];
            let name = "proxy_on_http_call_response";
            let result = self.vm.call(name, root, call.stream, &arguments);
            self.vm.state().call_answer = None;
            return Some(result.map(drop));
        }
        let now = state.world().now;
        let tick = state.tick.as_mut().filter(|tick| tick.due <= due)?;
        tick.due = now.saturating_add(tick.period.as_nanos() as Nanos);
        Some(self.vm.call("proxy_on_tick", root, None, &[root]).map(drop))
    }
}
