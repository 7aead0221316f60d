//! The filter's part in each stage: unwrap and check the session in `identify`, export what the
//! request is about in `authorize`, wrap the session in `respond`.

use core::convert::Infallible;

use mcp_core::edit::{Edit, HeaderValue};
use mcp_core::hash::{self, HASH, HashKey, Subject};
use mcp_core::head::{Head, Single, session_in_query};
use mcp_core::limits::{MAX_CLIENT_NAME, MAX_PRINCIPAL};
use mcp_core::owned;
use mcp_core::pipeline::{Call, Caller, Environment, Filter, Identified, Response};
use mcp_core::refusal::{Reason, Refusal};
use mcp_core::version::{Claim, Era};

use crate::config::Affinity;
use crate::envelope::{Record, session_id};
use crate::keys::Ring;

/// The configured filter.
#[derive(Debug)]
pub struct SessionFilter {
    pub(crate) sealing: Option<Sealing>,
    pub(crate) export_key: Option<HashKey>,
    pub(crate) principal_header: Option<String>,
    pub(crate) affinity: Affinity,
}

/// How session ids are sealed.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub(crate) ring: Ring,
    /// Seconds.
    pub(crate) ttl: u64,
}

/// What the filter remembers of one exchange.
#[derive(Debug, Default)]
pub struct State {
    session: Session,
    /// What `initialize` said, until the server answers it.
    opening: Opening,
}

#[derive(Debug, Default)]
enum Session {
    #[default]
    None,
    /// As the server minted it.
    Plain(String),
    /// As we sealed it, with the text the client sent.
    Sealed(Box<Record>, String),
}

#[derive(Debug, Default)]
struct Opening {
    version: String,
    client: String,
    affinity: String,
    era: Option<Era>,
}

const SESSION_ID: &str = "mcp-session-id";

impl Filter for SessionFilter {
    type State = State;
    type Ticket = Infallible;

    fn identify(
        &self,
        head: &Head<'_>,
        caller: &mut Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Identified<Infallible>, Refusal> {
        if caller.principal.is_none() {
            caller.principal = self.principal(head)?;
        }
        let edits = self.session(head, caller, environment, state)?;
        caller.session_hash = self.session_hash(&state.session);
        Ok(Identified::Settled(edits))
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Vec<Edit>, Refusal> {
        let client = call.client_name();
        state.opening.era = Some(call.era);
        if call.method == Some("initialize") {
            let version =
                call.message.and_then(|message| message.params.protocol_version.as_deref());
            state.opening.version = cut(version.unwrap_or_default());
            state.opening.client = cut(client.unwrap_or_default());
        }
        let agent = caller.agent.as_deref().or(client).or(match &state.session {
            Session::Sealed(record, _) => {
                Some(record.client.as_str()).filter(|name| !name.is_empty())
            }
            Session::Plain(_) | Session::None => None,
        });
        // The auth filter has written what it knows.
        let known = caller.principal_hash.is_some() && caller.agent.is_some();
        let agent = agent.filter(|_| !known);
        state.opening.affinity = self.affinity(call, caller, environment, &state.session);
        let mut edits =
            vec![Edit::Set(owned::ERA.into(), HeaderValue::from_static(call.era.as_str()))];
        let exports = [
            (owned::METHOD, call.method.and_then(HeaderValue::mirrored)),
            (owned::NAME, call.name.and_then(HeaderValue::mirrored)),
            (owned::AGENT, agent.and_then(|agent| HeaderValue::mirrored(&cut(agent)))),
            (owned::SESSION, caller.session_hash.as_deref().and_then(HeaderValue::plain)),
            (owned::AFFINITY, HeaderValue::plain(state.opening.affinity.as_str())),
        ];
        edits.extend(
            exports.into_iter().filter_map(|(name, value)| Some(Edit::Set(name.into(), value?))),
        );
        Ok(edits)
    }

    fn respond(
        &self,
        response: &dyn Response,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Vec<Edit> {
        // A modern server mints no ids, and one that did would mint what nobody can present here: not
        // worth a host call in every modern exchange.
        let (Some(sealing), Some(Era::Legacy)) = (&self.sealing, state.opening.era) else {
            return Vec::new();
        };
        let Some(minted) = response.header(SESSION_ID) else { return Vec::new() };
        if let Session::Sealed(record, presented) = &state.session
            && record.id.as_bytes() == minted
        {
            return vec![session_edit(Some(presented.clone()))];
        }
        let sealed = session_id(&minted).zip(environment.now()).and_then(|(id, now)| {
            let record = Record {
                id: id.to_owned(),
                principal: self.principal_hash(caller),
                version: state.opening.version.clone(),
                client: state.opening.client.clone(),
                replica: self.replica(environment, state),
                issued: now,
                expires: now.saturating_add(sealing.ttl),
            };
            record.seal(&sealing.ring, |bytes| environment.randomize(bytes))
        });
        vec![session_edit(sealed)]
    }
}

impl SessionFilter {
    fn principal(&self, head: &Head<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(name) = &self.principal_header else { return Ok(None) };
        match head.single(name) {
            Single::Absent | Single::One(b"") => Ok(None),
            Single::One(value) if value.len() <= MAX_PRINCIPAL => Ok(Some(value.to_vec())),
            Single::One(_) => Err(Refusal::new(Reason::PrincipalTooLong)),
            Single::Repeated => Err(Refusal::new(Reason::DuplicateHeader)),
        }
    }

    /// Reads the session that a request belongs to; returns what changes in its head.
    fn session(
        &self,
        head: &Head<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        state: &mut State,
    ) -> Result<Vec<Edit>, Refusal> {
        let Some(presented) = head.single(SESSION_ID).one() else {
            if let Some(id) = head.first(":path").and_then(session_in_query).and_then(session_id) {
                state.session = Session::Plain(id.to_owned());
            }
            return Ok(Vec::new());
        };
        // Sessions left the protocol: whatever a modern client sends here goes no further.
        if Claim::parse(head.single("mcp-protocol-version").one()).era() == Era::Modern {
            return Ok(vec![Edit::Remove(SESSION_ID.into())]);
        }
        let unknown = || Refusal::new(Reason::SessionUnknown);
        let Some(sealing) = &self.sealing else {
            state.session = Session::Plain(session_id(presented).ok_or_else(unknown)?.to_owned());
            return Ok(Vec::new());
        };
        let record = Record::open(presented, &sealing.ring).ok_or_else(unknown)?;
        let current = environment.recently().is_some_and(|now| now < record.expires);
        if !current || record.principal != self.principal_hash(caller) {
            return Err(unknown());
        }
        let id = HeaderValue::plain(record.id.as_str()).ok_or_else(unknown)?;
        let presented = String::from_utf8_lossy(presented).into_owned();
        state.session = Session::Sealed(Box::new(record), presented);
        Ok(vec![Edit::Set(SESSION_ID.into(), id)])
    }

    fn principal_hash(&self, caller: &Caller) -> Option<[u8; HASH]> {
        let key = self.export_key.as_ref()?;
        caller.principal.as_ref().map(|principal| key.hash(Subject::Principal, principal))
    }

    fn session_hash(&self, session: &Session) -> Option<String> {
        let key = self.export_key.as_ref()?;
        let id = match session {
            Session::None => return None,
            Session::Plain(id) => id,
            Session::Sealed(record, _) => &record.id,
        };
        Some(hash::text(key.hash(Subject::Session, id.as_bytes())))
    }

    /// What load balancing is to go by; empty if it is free to choose. A request that opens a
    /// session without a principal gets a random token, so that sessions spread.
    fn affinity(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
        session: &Session,
    ) -> String {
        if self.affinity == Affinity::Off {
            return String::new();
        }
        if let Session::Sealed(record, _) = session {
            return record.replica.clone();
        }
        if let Some(principal) = self.principal_hash(caller) {
            return hash::text(principal);
        }
        let mut token = [0; HASH];
        if call.method == Some("initialize") && environment.randomize(&mut token) {
            return hash::text(token);
        }
        String::new()
    }

    /// What leads back to the replica that just minted a session.
    fn replica(&self, environment: &mut dyn Environment, state: &State) -> String {
        match self.affinity {
            Affinity::Off => String::new(),
            Affinity::Token => state.opening.affinity.clone(),
            Affinity::UpstreamAddress => {
                environment.upstream_address().unwrap_or_else(|| state.opening.affinity.clone())
            }
        }
    }
}

/// The id that goes to the client. One that cannot be sealed does not: it would be refused when it
/// comes back, and it must not be seen.
fn session_edit(envelope: Option<String>) -> Edit {
    match envelope.and_then(HeaderValue::plain) {
        Some(value) => Edit::Set(SESSION_ID.into(), value),
        None => Edit::Remove(SESSION_ID.into()),
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_CLIENT_NAME)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
