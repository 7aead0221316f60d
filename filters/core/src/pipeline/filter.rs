//! What a filter is to the pipeline, and what it is given.

use core::net::IpAddr;

use super::account::Spent;
use super::fetch::{Fetch, HttpAnswer, Topic};
use super::observe::{Interest, Observation};
use crate::certificate::PeerCertificate;
use crate::edit::{Edit, HeaderValue};
use crate::head::Head;
use crate::limits::MAX_CLIENT_NAME;
use crate::message::Message;
use crate::refusal::{Refusal, Reply};
use crate::rewrite::Piece;
use crate::version::Era;

/// A filter of the chain. It sees meaning, not bytes, and answers with values; it owns no clock, no
/// randomness and no host.
pub trait Filter {
    /// What the filter remembers of one exchange.
    type State: Default;

    /// What tells the filter which of its HTTP calls was answered.
    type Ticket: Clone + PartialEq + 'static;

    /// A document this filter publishes for everyone, such as OAuth metadata.
    fn document(&self, _head: &Head<'_>) -> Option<Reply> {
        None
    }

    /// Whether the filter's configuration makes it the owner of field `name` beyond
    /// [`owned`](crate::owned): every inbound copy is removed, from every request.
    fn owns(&self, _name: &[u8]) -> bool {
        false
    }

    /// Who calls, from the request's head alone. It is asked again once what it waits for came, and
    /// now and then before, so it decides by what it has stored and changes nothing until it knows.
    ///
    /// # Errors
    /// A refusal; the pipeline reads the body first where the answer should name the request.
    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Result<Identified<Self::Ticket>, Refusal>;

    /// The answers that would say who calls do not come: [`Self::identify`], which is asked next, is
    /// to decide without them.
    fn give_up(&self, _state: &mut Self::State) {}

    /// A call was answered, or failed: stores what was learned.
    fn answered(
        &self,
        _ticket: Self::Ticket,
        _answer: &HttpAnswer<'_>,
        _environment: &mut dyn Environment,
    ) {
    }

    /// Time passed: the calls to make now that no request waits for. Asked only on hosts that
    /// tick.
    fn tick(&self, _environment: &mut dyn Environment) -> Vec<Fetch<Self::Ticket>> {
        Vec::new()
    }

    /// Whether this call may go upstream, and what the upstream and the gateway learn of it.
    ///
    /// # Errors
    /// A refusal, which reaches the client with the request's id.
    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Result<Vec<Edit>, Refusal>;

    /// Texts that `_meta` of the call's message gets before it goes upstream, by keys it does not
    /// have. Asked once the call may go; on hosts that let bodies be changed.
    fn annotations(
        &self,
        _call: &Call<'_>,
        _state: &mut Self::State,
    ) -> Vec<(&'static str, HeaderValue)> {
        Vec::new()
    }

    /// What the filter would have refused the exchange for, were it not to refuse nothing (`shadow`).
    fn shadowed<'s>(&self, _state: &'s Self::State) -> Option<&'s Refusal> {
        None
    }

    /// Whether no call is judged by its headers alone, even where they are trusted.
    fn needs_body(&self) -> bool {
        false
    }

    /// What changes in the head of the upstream's answer.
    fn respond(
        &self,
        response: &dyn Response,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut Self::State,
    ) -> Vec<Edit>;

    /// What the filter wants with the answer's body; asked right after [`Self::respond`].
    fn interest(
        &self,
        _response: &dyn Response,
        _caller: &Caller,
        _state: &mut Self::State,
    ) -> Interest {
        Interest::default()
    }

    /// A message in an answer that is of interest.
    fn observe(
        &self,
        _message: Piece<'_>,
        _caller: &Caller,
        _environment: &mut dyn Environment,
        _state: &mut Self::State,
    ) -> Observation {
        Observation::Pass
    }

    /// These bytes of an answer that is of interest arrived.
    fn passed(&self, _chunk: &[u8], _environment: &mut dyn Environment, _state: &mut Self::State) {}

    /// The exchange, which went upstream, is over. Asked once of each.
    fn finish(
        &self,
        _ending: Ending,
        _caller: &Caller,
        _environment: &mut dyn Environment,
        _state: &mut Self::State,
    ) {
    }

    /// What the exchange cost, as far as the filter counted it. Asked after [`Self::finish`], if
    /// anybody wants to know.
    fn spent(&self, _state: &Self::State) -> Spent {
        Spent::default()
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All of the answer passed.
    Complete,
    /// The client left, the upstream broke off, or nobody watched the answer's body.
    Cut,
}

/// What identification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identified<T> {
    /// Who calls is settled, with these changes to the request's head.
    Settled(Vec<Edit>),
    /// It depends on the answer to this call, which is to be made.
    Fetch(Fetch<T>),
    /// It depends on the answer to a call about this topic that is under way. Only on hosts that
    /// tick: others cannot wake a request that made no call of its own.
    Wait(Topic),
}

/// Who calls, as far as the filters so far have found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The verified principal.
    pub principal: Option<Vec<u8>>,
    /// The client program, as authentication knows it.
    pub agent: Option<String>,
    /// The tenant the principal belongs to.
    pub tenant: Option<String>,
    /// What the principal was granted.
    pub scopes: Vec<String>,
    /// When the credentials stop to hold, in seconds since 1970, with the clock skew that their
    /// check allows; `None` if they do not.
    pub expires_at: Option<u64>,
    /// Keyed hash of the principal, as `x-mcp-principal` shows it.
    pub principal_hash: Option<String>,
    /// Keyed hash of the session's id, as `x-mcp-session` shows it.
    pub session_hash: Option<String>,
    /// Limits of its own that its credentials carry, by name.
    pub limits: Vec<(String, u64)>,
}

/// Whose protocol a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// A model's API.
    Llm,
    /// MCP.
    Mcp,
}

/// The method of all requests to a model, as rules and limits name it.
pub const LLM_METHOD: &str = "llm";

/// One MCP call, from its body or, where the route trusts them, its headers; or a request to a
/// model.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Whose protocol it speaks.
    pub traffic: Traffic,
    /// How it is to be read.
    pub era: Era,
    /// The JSON-RPC method; absent on GET, DELETE, responses and batches. [`LLM_METHOD`] of a
    /// request to a model.
    pub method: Option<&'a str>,
    /// Tool, prompt, resource, task or model it is about.
    pub name: Option<&'a str>,
    /// The message, if the body was read and holds a single one.
    pub message: Option<&'a Message<'a>>,
    /// The messages, if the body is a batch.
    pub batch: &'a [Message<'a>],
    /// The body, if it was read.
    pub body: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    /// What the client says of itself: in `_meta` of each modern request, or in `initialize`.
    #[must_use]
    pub fn client_name(&'a self) -> Option<&'a str> {
        let params = &self.message?.params;
        let modern = params.meta.as_ref().and_then(|meta| meta.client_name.as_deref());
        let name = modern.or(params.client_name.as_deref()).filter(|name| !name.is_empty())?;
        name.get(..name.floor_char_boundary(MAX_CLIENT_NAME))
    }
}

/// The head of an upstream's answer. It is asked by name, since APISIX lists a response's fields
/// only where there are few.
pub trait Response {
    /// The first value of field `name` (lower case).
    fn header(&self, name: &str) -> Option<Vec<u8>>;
}

/// What the host can do; asked once, before a filter is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// It tells the time.
    pub clock: bool,
    /// It wakes the module at intervals, so that a held request can be given up.
    pub ticks: bool,
    /// Its workers can share data.
    pub shared_data: bool,
    /// It judges signatures ([`crate::signature`]).
    pub signatures: bool,
    /// It lets bodies be changed.
    pub bodies: bool,
    /// It lets an answer be ended while it passes.
    pub ends_streams: bool,
}

impl Capabilities {
    /// A host that can do everything.
    pub const ALL: Self = Self {
        clock: true,
        ticks: true,
        shared_data: true,
        signatures: true,
        bodies: true,
        ends_streams: true,
    };
}

/// Who tells a filter who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// The gateway's own authentication, in a header, or nobody.
    None,
    /// The auth filter, which is before it in the chain.
    Auth,
}

/// The version of shared data that is not there. Hosts compare versions only of what exists, and
/// count them from 1, so this one never matches.
pub const ABSENT: u32 = u32::MAX;

/// What a filter may ask of the world around it.
pub trait Environment {
    /// Seconds since 1970, or `None` on a host without a clock.
    fn now(&mut self) -> Option<u64>;

    /// Milliseconds since 1970, or `None` on a host without a clock.
    fn milliseconds(&mut self) -> Option<u64> {
        self.now()?.checked_mul(1_000)
    }

    /// [`Self::now`], perhaps a second ago, where the host can be spared the question: for what
    /// lasts for minutes. Never before what was asked last.
    fn recently(&mut self) -> Option<u64> {
        self.now()
    }

    /// [`Self::milliseconds`], perhaps a second ago.
    fn recent_milliseconds(&mut self) -> Option<u64> {
        self.milliseconds()
    }

    /// Tells the operator something; never a client's words or a secret.
    fn warn(&mut self, _problem: &str) {}

    /// Counts one under this name. The host remembers every name, so it is made of words of the
    /// program and the configuration, never of a client's.
    fn count(&mut self, counter: &str) {
        self.add(counter, 1);
    }

    /// Counts `amount` under this name, as [`Self::count`] counts one.
    fn add(&mut self, _counter: &str, _amount: u64) {}

    /// Shows `value` under this name, in place of what it showed before.
    fn gauge(&mut self, _gauge: &str, _value: u64) {}

    /// Notes one `value` of the histogram of this name, which is the program's. `model` is the model
    /// it is about; a client chose that text, and the host sees to it that there are not too many.
    fn observe(&mut self, _histogram: &str, _model: Option<&str>, _value: u64) {}

    /// Fills `bytes` from a cryptographic source; `false` if there is none.
    fn randomize(&mut self, bytes: &mut [u8]) -> bool;

    /// The certificate that the client proved to have on this connection, if the gateway asked it
    /// for one.
    fn peer_certificate(&mut self) -> Option<PeerCertificate> {
        None
    }

    /// What the workers of this host share under `key`, with its version; `None` if there is
    /// nothing, or no sharing.
    fn shared(&mut self, _key: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    /// Shares `value` under `key`, unless another worker wrote there since `version`; version 0 is
    /// any, and [`ABSENT`] shares it only if there is nothing yet. `false` if it was not written.
    fn share(&mut self, _key: &str, _value: &[u8], _version: u32) -> bool {
        false
    }

    /// The client's IP address, as far as the gateway knows it.
    fn client_address(&mut self) -> Option<IpAddr> {
        None
    }

    /// The host that the gateway chose the route by, in lower case and without a port, where that can
    /// be another than `Host` says: nginx goes by the request line if that names one.
    fn routed_host(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// The address of the host that answered, once one did and if the gateway tells.
    fn upstream_address(&mut self) -> Option<String>;
}
