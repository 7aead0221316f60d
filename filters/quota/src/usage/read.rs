//! JSON values as counting reads them: one of another type than it should be is passed over.

use std::borrow::Cow;

use mcp_core::json::{Error, Kind, Reader};

/// Levels of nesting in an answer: the most a reader can tell apart.
const DEPTH: u32 = 64;

/// Starts to read a text.
pub(super) fn reader(text: &[u8]) -> Result<Reader<'_>, Error> {
    Reader::new(text, DEPTH)
}

/// Reads the object that comes next, if it is one.
pub(super) fn object<'a>(
    reader: &mut Reader<'a>,
    member: impl FnMut(&mut Reader<'a>, Cow<'a, str>) -> Result<(), Error>,
) -> Result<(), Error> {
    if reader.kind()? == Kind::Object { reader.object(member) } else { reader.skip().map(drop) }
}

/// Reads the string that comes next, its escapes undone, if it is one.
pub(super) fn string<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Error> {
    let is_string = reader.kind()? == Kind::String;
    let token = reader.skip()?;
    Ok(is_string.then(|| unquoted(token)))
}

/// The length of the string that comes next as it stands, without its quotes; 0 if it is none.
pub(super) fn length(reader: &mut Reader<'_>) -> Result<u64, Error> {
    let is_string = reader.kind()? == Kind::String;
    let length = reader.skip()?.len().saturating_sub(2);
    Ok(if is_string { u64::try_from(length).unwrap_or(u64::MAX) } else { 0 })
}

fn unquoted(token: &str) -> Cow<'_, str> {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // Half of a surrogate pair is no text, but JavaScript sends it: it is taken as it stands.
    let text = Reader::new(token.as_bytes(), 0).and_then(|mut reader| reader.string());
    text.unwrap_or(Cow::Borrowed(inner))
}
