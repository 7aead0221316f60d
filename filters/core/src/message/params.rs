//! The inspected part of a message's parameters.

use std::borrow::Cow;

use super::scan::Scan;
use super::{Fault, Id, Meta, Params, Slot};
use crate::json::{self, Kind, Reader};

impl Scan<'_> {
    /// Reads `params`, and finds where members of `_meta` can be added.
    pub(super) fn params<'a>(
        &mut self,
        reader: &mut Reader<'a>,
    ) -> Result<(Params<'a>, Option<Slot>), json::Error> {
        let mut params = Params::default();
        if reader.kind()? != Kind::Object {
            self.note(Fault::ParamsType, reader.offset());
            reader.skip()?;
            return Ok((params, None));
        }
        let mut slot = Some(Slot::Params(reader.offset()));
        let limits = self.limits;
        self.object(reader, &PARAMS_KEYS, |scan, reader, key| {
            match key {
                "name" => {
                    params.name =
                        scan.text(reader, limits.name, Fault::NameType, Fault::NameTooLong)?;
                }
                "uri" => {
                    params.uri =
                        scan.text(reader, limits.uri, Fault::UriType, Fault::UriTooLong)?;
                }
                "taskId" => {
                    params.task_id =
                        scan.text(reader, limits.name, Fault::TaskIdType, Fault::TaskIdTooLong)?;
                }
                "arguments" => params.arguments = Some(reader.skip()?),
                "requestState" => params.request_state = string(reader)?,
                "protocolVersion" => params.protocol_version = string(reader)?,
                "clientInfo" => params.client_name = scan.client_name(reader)?,
                "_meta" => {
                    reader.kind()?;
                    let brace = reader.offset();
                    params.meta = scan.meta(reader)?;
                    slot = params.meta.as_ref().map(|_| Slot::Meta(brace));
                }
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })?;
        Ok((params, slot))
    }

    /// Reads `_meta`, if it is an object.
    fn meta<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<Meta<'a>>, json::Error> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(None);
        }
        let mut meta = Meta::default();
        self.object(reader, &META_KEYS, |scan, reader, key| {
            meta.is_traced |= TRACE_KEYS.contains(&key);
            match key {
                META_PROTOCOL_VERSION => meta.protocol_version = string(reader)?,
                META_CLIENT_CAPABILITIES => {
                    meta.client_capabilities = reader.kind()? == Kind::Object;
                    reader.skip()?;
                }
                META_CLIENT_INFO => meta.client_name = scan.client_name(reader)?,
                "progressToken" => {
                    reader.kind()?;
                    meta.progress_token = Id::new(reader.skip()?).map(|id| id.token());
                }
                TRACE_PARENT => meta.trace_parent = string(reader)?,
                TRACE_STATE => meta.trace_state = string(reader)?,
                BAGGAGE => meta.baggage = string(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(Some(meta))
    }

    /// Reads the `name` of a client's description of itself, if that is an object.
    fn client_name<'a>(
        &mut self,
        reader: &mut Reader<'a>,
    ) -> Result<Option<Cow<'a, str>>, json::Error> {
        let mut name = None;
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(name);
        }
        self.object(reader, &["name"], |_, reader, key| {
            if key == "name" {
                name = string(reader)?;
            } else {
                reader.skip()?;
            }
            Ok(())
        })?;
        Ok(name)
    }
}

/// Reads a value, if it is a string.
fn string<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, json::Error> {
    if reader.kind()? == Kind::String {
        return reader.string().map(Some);
    }
    reader.skip()?;
    Ok(None)
}

/// The keys a server's decisions hang on, in `params`: those of the message, for both are taken
/// from one struct in some servers, and those that only params have.
const PARAMS_KEYS: [&str; 14] = [
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
    "requestState",
    "protocolVersion",
    "clientInfo",
];

const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// What `_meta` says of a trace, in W3C's forms.
const TRACE_KEYS: [&str; 3] = [TRACE_PARENT, TRACE_STATE, BAGGAGE];

const META_KEYS: [&str; 7] = [
    META_PROTOCOL_VERSION,
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    "progressToken",
    TRACE_PARENT,
    TRACE_STATE,
    BAGGAGE,
];
