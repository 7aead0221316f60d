//! The guest's side of a host call: its memory and its allocator.

use wasmtime::Caller;

use crate::abi::Status;
use crate::headers::Headers;
use crate::state::{State, Stream};
use crate::world::Copied;

/// How a host call ends when it does not end well.
pub(crate) enum Fault {
    /// With this status.
    Status(Status),
    /// With the death of the host process.
    Crash(String),
    /// With a trap.
    Trap(wasmtime::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

pub(crate) type Answer = Result<(), Fault>;

/// The guest that makes a host call.
pub(crate) struct Guest<'a, 'b> {
    caller: &'a mut Caller<'b, State>,
    /// Texts of the call, for the journal.
    pub(crate) detail: String,
    /// What was copied, likewise.
    pub(crate) copied: Copied,
}

/// Texts are cut to this length in the journal.
const DETAIL_BYTES: usize = 80;

impl<'a, 'b> Guest<'a, 'b> {
    pub(crate) fn new(caller: &'a mut Caller<'b, State>) -> Self {
        Self { caller, detail: String::new(), copied: Copied::default() }
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    /// The exchange the call works on.
    pub(crate) fn stream(&mut self) -> Result<&mut Stream, Fault> {
        self.caller.data_mut().stream().ok_or(Fault::Status(Status::BadArgument))
    }

    /// Bytes of the guest's memory, unsigned addresses.
    pub(crate) fn read(&mut self, address: i64, size: i64) -> Result<Vec<u8>, Fault> {
        let (start, size) = (address as u32 as usize, size as u32 as usize);
        let memory = self.caller.data().memory.ok_or(Status::InvalidMemoryAccess)?;
        let bytes = memory.data(&*self.caller).get(start..start.saturating_add(size));
        let bytes = bytes.ok_or(Status::InvalidMemoryAccess)?.to_vec();
        self.copied.from_guest += size;
        Ok(bytes)
    }

    /// As [`Self::read`], and shown in the journal.
    pub(crate) fn text(&mut self, address: i64, size: i64) -> Result<Vec<u8>, Fault> {
        let text = self.read(address, size)?;
        self.note("", &text);
        Ok(text)
    }

    /// Copies bytes into memory that the guest set aside for them.
    pub(crate) fn fill(&mut self, address: i64, bytes: &[u8]) -> Answer {
        self.write(address, bytes)?;
        self.copied.to_guest += bytes.len();
        Ok(())
    }

    fn write(&mut self, address: i64, bytes: &[u8]) -> Answer {
        let start = address as u32 as usize;
        let memory = self.caller.data().memory.ok_or(Status::InvalidMemoryAccess)?;
        let place = memory
            .data_mut(&mut *self.caller)
            .get_mut(start..start.saturating_add(bytes.len()))
            .ok_or(Status::InvalidMemoryAccess)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, address: i64, value: u32) -> Answer {
        self.write(address, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, address: i64, value: u64) -> Answer {
        self.write(address, &value.to_le_bytes())
    }

    /// Hands a header map over.
    pub(crate) fn give_pairs(&mut self, pairs: &Headers, pointer_at: i64, size_at: i64) -> Answer {
        let bytes = if pairs.is_empty() { Vec::new() } else { pairs.to_pairs() };
        self.hand_over(&bytes, pointer_at, size_at)?;
        self.note("= ", format!("{} headers", pairs.len()).as_bytes());
        Ok(())
    }

    /// Hands bytes over in memory that the guest allocates; nothing is allocated for none.
    pub(crate) fn give(&mut self, bytes: &[u8], pointer_at: i64, size_at: i64) -> Answer {
        self.note("= ", bytes);
        self.hand_over(bytes, pointer_at, size_at)
    }

    fn hand_over(&mut self, bytes: &[u8], pointer_at: i64, size_at: i64) -> Answer {
        let pointer = match bytes {
            [] => 0,
            _ => {
                let allocate =
                    self.caller.data().allocate.clone().ok_or(Status::InternalFailure)?;
                let pointer =
                    allocate.call(&mut *self.caller, bytes.len() as u32).map_err(Fault::Trap)?;
                if pointer == 0 {
                    return Err(Status::InternalFailure.into());
                }
                self.caller.data_mut().host_allocations += 1;
                self.fill(i64::from(pointer), bytes)?;
                pointer
            }
        };
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(size_at, bytes.len() as u32)
    }

    fn note(&mut self, sign: &str, text: &[u8]) {
        if !self.detail.is_empty() {
            self.detail.push(' ');
        }
        let shown = &text[..text.len().min(DETAIL_BYTES)];
        self.detail.push_str(&format!("{sign}\"{}\"", shown.escape_ascii()));
        if shown.len() < text.len() {
            self.detail.push_str(&format!("… ({} bytes)", text.len()));
        }
    }
}
