//! Why a body is refused, by which JSON-RPC code, and in which words.

use std::fmt;

use super::Id;
use crate::json::{self, Syntax};

/// A body that is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanError<'a> {
    /// The first rule it breaks; that it is no JSON at all outranks the others.
    pub fault: Fault,
    /// Where, in bytes from the start of the body: the value that is wrong or whose key is, or
    /// the end of the message if something is missing.
    pub offset: usize,
    /// The id to answer with: there if the body is JSON and a single message that has one valid id.
    pub id: Option<Id<'a>>,
}

/// The rules a body can break. "Inspected" are the message itself, `params`, `_meta` and
/// `clientInfo`. The texts are fixed and repeat nothing that a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An element of a batch is no object.
    BatchElement,
    /// A batch holds nothing.
    BatchEmpty,
    /// A batch holds more messages than allowed.
    BatchTooLong,
    /// An inspected object has a key twice, escapes undone.
    DuplicateKey,
    /// A result answers no request.
    IdMissing,
    /// The `id` of a request or of a result is `null`.
    IdNull,
    /// The `id` is longer than allowed.
    IdTooLong,
    /// The `id` is neither string nor integer.
    IdType,
    /// `jsonrpc` is not there, or not the string `2.0`.
    Jsonrpc,
    /// A key would be taken for one that policy reads by a reader that ignores case or stops at NUL.
    KeyLookAlike,
    /// There is no `method`, and no `result` or `error` either.
    MethodMissing,
    /// The `method` is longer than allowed.
    MethodTooLong,
    /// The `method` is no string.
    MethodType,
    /// `params.name` is longer than allowed.
    NameTooLong,
    /// `params.name` is no string.
    NameType,
    /// The body is JSON, but neither object nor array.
    NotObject,
    /// `params` is no object.
    ParamsType,
    /// A message with a `method` has a `result` or an `error`.
    RequestWithResult,
    /// A message has both `result` and `error`.
    ResultAndError,
    /// The body is not JSON.
    Syntax(Syntax),
    /// `params.taskId` is longer than allowed.
    TaskIdTooLong,
    /// `params.taskId` is no string.
    TaskIdType,
    /// The inspected objects have more keys than allowed.
    TooManyKeys,
    /// `params.uri` is longer than allowed.
    UriTooLong,
    /// `params.uri` is no string.
    UriType,
}

// === impl ScanError ===

impl ScanError<'_> {
    /// The JSON-RPC error code to answer with.
    pub const fn code(&self) -> i32 {
        self.fault.code()
    }
}

impl From<json::Error> for ScanError<'_> {
    fn from(error: json::Error) -> Self {
        Self { fault: Fault::Syntax(error.syntax), offset: error.offset, id: None }
    }
}

impl fmt::Display for ScanError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.fault, self.offset)
    }
}

impl std::error::Error for ScanError<'_> {}

// === impl Fault ===

impl Fault {
    /// The JSON-RPC error code: parse error (-32700) if the body is not JSON, else invalid request
    /// (-32600).
    pub const fn code(self) -> i32 {
        match self {
            Self::Syntax(_) => -32700,
            _ => -32600,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax(syntax) => return syntax.fmt(f),
            Self::BatchElement => "batch element is not an object",
            Self::BatchEmpty => "empty batch",
            Self::BatchTooLong => "too many messages in the batch",
            Self::DuplicateKey => "duplicate key",
            Self::IdMissing => "result without an id",
            Self::IdNull => "id must not be null",
            Self::IdTooLong => "id too long",
            Self::IdType => "id must be a string or an integer",
            Self::Jsonrpc => "jsonrpc must be \"2.0\"",
            Self::KeyLookAlike => "key differs from a known one only in case or from a NUL on",
            Self::MethodMissing => "message has no method, result or error",
            Self::MethodTooLong => "method too long",
            Self::MethodType => "method must be a string",
            Self::NameTooLong => "params.name too long",
            Self::NameType => "params.name must be a string",
            Self::NotObject => "message is not a JSON object",
            Self::ParamsType => "params must be an object",
            Self::RequestWithResult => "message has a method and a result or error",
            Self::ResultAndError => "message has both result and error",
            Self::TaskIdTooLong => "params.taskId too long",
            Self::TaskIdType => "params.taskId must be a string",
            Self::TooManyKeys => "too many keys",
            Self::UriTooLong => "params.uri too long",
            Self::UriType => "params.uri must be a string",
        })
    }
}
