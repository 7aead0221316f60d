//! JSON-RPC messages as MCP policy sees them: the few members it decides on, read in one strict
//! pass over the bytes that go upstream, without building a tree.
//!
//! [`scan`] accepts only what every JSON reader understands alike: see [`Fault`] for what it
//! refuses. What it does not inspect (`arguments`, `result`, ...) is still checked to be JSON.

mod fault;
mod params;
mod scan;
mod slot;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use fault::{Fault, ScanError};
pub use scan::scan;
pub use slot::Slot;

use crate::limits;

/// What a body holds. Whether a batch is legal is for the caller to say.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives shortly")]
pub enum Body<'a> {
    /// One message.
    Single(Message<'a>),
    /// A JSON-RPC batch, of at least one message.
    Batch(Vec<Message<'a>>),
}

/// One JSON-RPC message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// What it asks of the receiver.
    pub kind: Kind,
    /// Its id; absent from notifications, and from error responses that answer no known request.
    pub id: Option<Id<'a>>,
    /// The method, escapes undone; absent from responses. It may hold any character.
    pub method: Option<Cow<'a, str>>,
    /// What `params` says; empty if there are none.
    pub params: Params<'a>,
    /// Where members of `_meta` can be added; `None` if that is no object.
    pub slot: Option<Slot>,
}

/// The kinds of JSON-RPC message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A call: has a method and an id, and wants an answer.
    Request,
    /// Has a method and no id; nobody answers it.
    Notification,
    /// An answer: has a result or an error, and no method.
    Response,
}

/// A request's id: a JSON string or integer, as the exact token that stood in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id<'a>(&'a str);

/// The members of `params` that policy decides on; all strings have their escapes undone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params<'a> {
    /// `name`: of a tool or prompt.
    pub name: Option<Cow<'a, str>>,
    /// `uri`: of a resource.
    pub uri: Option<Cow<'a, str>>,
    /// `taskId`.
    pub task_id: Option<Cow<'a, str>>,
    /// `arguments`, as the exact JSON text, whatever its type; nothing in it was inspected.
    pub arguments: Option<&'a str>,
    /// `requestState`, with which a call that was told to come back does so (MCP 2026-07-28,
    /// basic/patterns/mrtr). Absent if it is no string.
    pub request_state: Option<Cow<'a, str>>,
    /// `protocolVersion`, which `initialize` carries. Absent if it is no string.
    pub protocol_version: Option<Cow<'a, str>>,
    /// `clientInfo.name`, which `initialize` carries. Absent if it is no string.
    pub client_name: Option<Cow<'a, str>>,
    /// `_meta`. Absent if it is no object.
    pub meta: Option<Meta<'a>>,
}

/// The members of `params._meta` that policy decides on; all strings have their escapes undone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meta<'a> {
    /// `io.modelcontextprotocol/protocolVersion`. Absent if it is no string.
    pub protocol_version: Option<Cow<'a, str>>,
    /// Whether `io.modelcontextprotocol/clientCapabilities` is there and an object.
    pub client_capabilities: bool,
    /// `name` of `io.modelcontextprotocol/clientInfo`. Absent if it is no string.
    pub client_name: Option<Cow<'a, str>>,
    /// `progressToken`, as the exact JSON token. Absent if it is neither string nor integer.
    pub progress_token: Option<&'a str>,
    /// `traceparent`. Absent if it is no string.
    pub trace_parent: Option<Cow<'a, str>>,
    /// `tracestate`. Absent if it is no string.
    pub trace_state: Option<Cow<'a, str>>,
    /// `baggage`. Absent if it is no string.
    pub baggage: Option<Cow<'a, str>>,
    /// Whether any of these three is there, of whatever type.
    pub is_traced: bool,
}

/// How much [`scan`] puts up with. The defaults are those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// Levels of nested arrays and objects; 64 is the most there can be.
    pub depth: u32,
    /// Keys in all inspected objects together.
    pub keys: usize,
    /// Messages in a batch.
    pub batch: usize,
    /// Bytes of an integer id.
    pub integer_id: usize,
    /// Bytes of a string id as it stands in the body, quotes included.
    pub string_id: usize,
    /// Bytes of a method.
    pub method: usize,
    /// Bytes of `params.name` and of `params.taskId`, each.
    pub name: usize,
    /// Bytes of `params.uri`.
    pub uri: usize,
}

// === impl Id ===

impl<'a> Id<'a> {
    /// The exact JSON token, quotes and escapes included: what an answer must carry as its `id`.
    pub const fn token(&self) -> &'a str {
        self.0
    }

    fn is_string(&self) -> bool {
        self.0.starts_with('"')
    }

    /// Takes a JSON token for an id if it is a string or an integer.
    fn new(token: &'a str) -> Option<Self> {
        let integer = || !token.contains(['.', 'e', 'E']);
        match token.as_bytes().first() {
            Some(b'"') => Some(Self(token)),
            Some(b'-' | b'0'..=b'9') if integer() => Some(Self(token)),
            _ => None,
        }
    }
}

// === impl ScanLimits ===

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            depth: limits::MAX_JSON_DEPTH,
            keys: limits::MAX_INSPECTED_KEYS,
            batch: limits::MAX_BATCH,
            integer_id: limits::MAX_INTEGER_ID,
            string_id: limits::MAX_STRING_ID,
            method: limits::MAX_METHOD,
            name: limits::MAX_NAME,
            uri: limits::MAX_URI,
        }
    }
}
