//! The scan: one walk over a body, which collects the messages and the first fault.
//!
//! What is not JSON ends the walk. Any other fault is noted and the walk goes on, so that the
//! answer can carry the id, wherever in the body it stands.

use std::borrow::Cow;

use super::{Body, Fault, Id, Kind, Message, Params, ScanError, ScanLimits, Slot};
use crate::json::{self, Keys, Reader, Spelling};

/// Reads a body: one message, or a batch of them.
///
/// # Errors
/// If the body breaks any rule listed at [`Fault`].
pub fn scan<'a>(body: &'a [u8], limits: &ScanLimits) -> Result<Body<'a>, ScanError<'a>> {
    let mut reader = Reader::new(body, limits.depth)?;
    let mut scan = Scan { limits, keys: 0, fault: None };
    let body = match reader.kind()? {
        json::Kind::Object => Body::Single(scan.message(&mut reader)?),
        json::Kind::Array => Body::Batch(scan.batch(&mut reader)?),
        _ => {
            scan.note(Fault::NotObject, reader.offset());
            reader.skip()?;
            Body::Batch(Vec::new())
        }
    };
    reader.finish()?;
    match (scan.fault, body) {
        (None, body) => Ok(body),
        (Some((fault, offset)), Body::Single(Message { id, .. })) => {
            Err(ScanError { fault, offset, id })
        }
        (Some((fault, offset)), Body::Batch(_)) => Err(ScanError { fault, offset, id: None }),
    }
}

/// The keys a server's decisions hang on, at the top level and in `params`
/// (GHSA-wvj2-96wp-fq3f lists what was confused in practice).
const MESSAGE_KEYS: [&str; 11] = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "uri",
    "arguments",
    "_meta",
    "taskId",
];

/// The walk's state.
pub(super) struct Scan<'l> {
    pub(super) limits: &'l ScanLimits,
    /// Keys seen in inspected objects.
    keys: usize,
    /// The first fault that is not one of syntax, and where. With one, what is read is of no use.
    fault: Option<(Fault, usize)>,
}

/// A message's members, before they are judged together.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: bool,
    id: IdMember<'a>,
    method: Option<Cow<'a, str>>,
    has_method: bool,
    params: Params<'a>,
    slot: Option<Slot>,
    result: bool,
    error: bool,
}

/// What stands as `id`.
#[derive(Default)]
enum IdMember<'a> {
    #[default]
    Absent,
    Null,
    /// Wrong type, too long, or given twice; noted as a fault.
    Refused,
    Valid(Id<'a>),
}

// === impl Scan ===

impl Scan<'_> {
    /// Notes a fault, unless there was one before.
    pub(super) fn note(&mut self, fault: Fault, offset: usize) {
        self.fault.get_or_insert((fault, offset));
    }

    /// Reads an inspected object of which policy acts on the keys `known`; `member` is called with
    /// each key, also where there is something wrong with it.
    pub(super) fn object<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        known: &[&str],
        mut member: impl FnMut(&mut Self, &mut Reader<'a>, &str) -> Result<(), json::Error>,
    ) -> Result<(), json::Error> {
        let mut keys = Keys::new(known);
        reader.object(|reader, key| {
            self.keys = self.keys.saturating_add(1);
            let fault = if self.keys > self.limits.keys {
                Some(Fault::TooManyKeys)
            } else {
                match keys.insert(&key) {
                    Spelling::Duplicate => Some(Fault::DuplicateKey),
                    Spelling::LookAlike => Some(Fault::KeyLookAlike),
                    Spelling::New => None,
                }
            };
            if let Some(fault) = fault {
                self.note(fault, reader.offset());
            }
            member(self, reader, &key)
        })
    }

    /// Reads a string that policy decides on.
    pub(super) fn text<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        limit: usize,
        wrong_type: Fault,
        too_long: Fault,
    ) -> Result<Option<Cow<'a, str>>, json::Error> {
        let kind = reader.kind()?;
        let offset = reader.offset();
        if kind != json::Kind::String {
            self.note(wrong_type, offset);
            reader.skip()?;
            return Ok(None);
        }
        let text = reader.string()?;
        if text.len() > limit {
            self.note(too_long, offset);
        }
        Ok(Some(text))
    }

    fn batch<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Vec<Message<'a>>, json::Error> {
        let mut messages = Vec::new();
        let start = reader.offset();
        reader.array(|reader| {
            let kind = reader.kind()?;
            if messages.len() >= self.limits.batch {
                self.note(Fault::BatchTooLong, reader.offset());
            } else if kind != json::Kind::Object {
                self.note(Fault::BatchElement, reader.offset());
            } else {
                messages.push(self.message(reader)?);
                return Ok(());
            }
            reader.skip().map(drop)
        })?;
        if messages.is_empty() {
            self.note(Fault::BatchEmpty, start);
        }
        Ok(messages)
    }

    fn message<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Message<'a>, json::Error> {
        let limits = self.limits;
        reader.kind()?;
        let slot = Some(Slot::Message(reader.offset()));
        let mut envelope = Envelope { slot, ..Envelope::default() };
        self.object(reader, &MESSAGE_KEYS, |scan, reader, key| {
            match key {
                "jsonrpc" if reader.kind()? == json::Kind::String => {
                    envelope.jsonrpc = reader.string()? == "2.0";
                }
                "id" => {
                    let first = matches!(envelope.id, IdMember::Absent);
                    let id = scan.id(reader)?;
                    envelope.id = if first { id } else { IdMember::Refused };
                }
                "method" => {
                    envelope.has_method = true;
                    envelope.method =
                        scan.text(reader, limits.method, Fault::MethodType, Fault::MethodTooLong)?;
                }
                "params" => (envelope.params, envelope.slot) = scan.params(reader)?,
                _ => {
                    envelope.result |= key == "result";
                    envelope.error |= key == "error";
                    reader.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(self.classify(envelope, reader.offset()))
    }

    fn id<'a>(&mut self, reader: &mut Reader<'a>) -> Result<IdMember<'a>, json::Error> {
        reader.kind()?;
        let offset = reader.offset();
        let token = reader.skip()?;
        let ScanLimits { integer_id, string_id, .. } = *self.limits;
        let fault = match Id::new(token) {
            Some(id) => {
                let limit = if id.is_string() { string_id } else { integer_id };
                if token.len() <= limit {
                    return Ok(IdMember::Valid(id));
                }
                Fault::IdTooLong
            }
            None if token == "null" => return Ok(IdMember::Null),
            None => Fault::IdType,
        };
        self.note(fault, offset);
        Ok(IdMember::Refused)
    }

    /// Judges a message as a whole; it ends at `offset`.
    fn classify<'a>(&mut self, envelope: Envelope<'a>, offset: usize) -> Message<'a> {
        let Envelope { jsonrpc, id, method, has_method, params, slot, result, error } = envelope;
        if !jsonrpc {
            self.note(Fault::Jsonrpc, offset);
        }
        let kind = match (has_method, &id) {
            (true, IdMember::Absent) => Kind::Notification,
            (true, _) => Kind::Request,
            (false, _) => Kind::Response,
        };
        let fault = match (has_method, result, error, &id) {
            (true, false, false, IdMember::Null) => Some(Fault::IdNull),
            (true, false, false, _) => None,
            (true, ..) => Some(Fault::RequestWithResult),
            (false, true, true, _) => Some(Fault::ResultAndError),
            (false, true, false, IdMember::Absent) => Some(Fault::IdMissing),
            (false, true, false, IdMember::Null) => Some(Fault::IdNull),
            (false, false, false, _) => Some(Fault::MethodMissing),
            // An error may answer what could not be read: without an id, or with a null one.
            (false, ..) => None,
        };
        if let Some(fault) = fault {
            self.note(fault, offset);
        }
        let id = match id {
            IdMember::Valid(id) => Some(id),
            IdMember::Absent | IdMember::Null | IdMember::Refused => None,
        };
        Message { kind, id, method, params, slot }
    }
}
