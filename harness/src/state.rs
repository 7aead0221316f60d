//! What host calls can see and change: one [`State`] per virtual machine, one [`Stream`] per
//! exchange in it. The flow of an exchange (`envoy`, `apisix`) reads from here, after each
//! callback, what the guest asked for.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use wasmtime::{Memory, TypedFunc};

use crate::exchange::Version;
use crate::headers::Headers;
use crate::profile::Rules;
use crate::world::{Nanos, World};

pub(crate) struct State {
    pub(crate) rules: &'static Rules,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) worker: usize,
    pub(crate) plugin_name: String,
    pub(crate) plugin_configuration: Rc<[u8]>,
    pub(crate) vm_configuration: Rc<[u8]>,
    /// Set once the module is instantiated.
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// The callback that runs, the context it runs for, and the one it chose instead.
    pub(crate) callback: &'static str,
    pub(crate) context: u32,
    pub(crate) effective_context: Option<u32>,
    /// How often the host asked for the guest's memory in this callback.
    pub(crate) host_allocations: usize,
    /// The exchange whose request is being served, where a host has such a notion.
    pub(crate) request: Option<u32>,
    pub(crate) contexts: BTreeSet<u32>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) tick: Option<Tick>,
    pub(crate) open_calls: Vec<OpenCall>,
    pub(crate) next_token: u32,
    /// The answer of an HTTP call, while its callback runs.
    pub(crate) call_answer: Option<(Headers, Vec<u8>)>,
}

pub(crate) struct Tick {
    pub(crate) period: Duration,
    pub(crate) due: Nanos,
}

/// An HTTP call that has not been answered yet.
pub(crate) struct OpenCall {
    pub(crate) token: u32,
    /// The exchange that waits for it, where exchanges do.
    pub(crate) stream: Option<u32>,
    pub(crate) due: Nanos,
    /// `None` when the call fails.
    pub(crate) answer: Option<(Headers, Vec<u8>)>,
}

/// An exchange as the guest sees it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) version: Version,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Properties a filter set, where a host keeps them apart.
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) asked: Asked,
}

/// One direction of an exchange.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// Headers; on Envoy pseudo-headers are among them.
    pub(crate) headers: Headers,
    /// Pseudo-headers of a host that keeps them apart.
    pub(crate) pseudo: Headers,
    /// Whether header calls work now.
    pub(crate) visible: bool,
    /// The body bytes that buffer calls show now.
    pub(crate) body: Option<Vec<u8>>,
    /// Trailers, from when they came until they passed.
    pub(crate) trailers: Option<Headers>,
}

/// What the guest asked for during a callback, to be carried out after it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) reply: Option<Reply>,
    pub(crate) resume_request: bool,
    pub(crate) resume_response: bool,
    pub(crate) reset: bool,
}

/// A response made by a filter.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u32,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl State {
    pub(crate) fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    /// The context that host calls work on.
    pub(crate) fn context(&self) -> u32 {
        self.effective_context.unwrap_or(self.context)
    }

    /// The exchange that host calls work on.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        let id = self.stream_id()?;
        self.streams.get_mut(&id)
    }

    pub(crate) fn stream_id(&self) -> Option<u32> {
        // On nginx "the current request" decides, whatever context a callback runs for.
        let id = self.request.unwrap_or(self.context());
        self.streams.contains_key(&id).then_some(id)
    }
}
