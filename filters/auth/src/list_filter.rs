//! Lists cut down to what the caller may use: results of `tools/list`, `prompts/list`,
//! `resources/list` and `resources/templates/list`, known by their shape, whatever asked for them.
//!
//! What is cut is cut out of the text: everything that stays is byte for byte what the server
//! wrote. An entry that two readers may take for different ones does not stay.

use core::ops::Range;
use std::borrow::Cow;

use mcp_core::json::{Error, Keys, Kind, Reader, Spelling};
use mcp_core::order;
use mcp_core::rewrite::Piece;
use mcp_core::version::Era;

/// Why a text cannot be filtered: it is not JSON-RPC that all readers understand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The methods whose results are lists.
pub(crate) const METHODS: [&str; 4] =
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

/// A list in a result.
struct List {
    /// The member that holds it.
    key: &'static str,
    /// The member of an entry by which rules know it.
    name: &'static str,
    /// The method that uses an entry.
    method: &'static str,
}

/// A template is known by its text, as if that were a URI.
const LISTS: [List; 4] = [
    List { key: "tools", name: "name", method: "tools/call" },
    List { key: "prompts", name: "name", method: "prompts/get" },
    List { key: "resources", name: "uri", method: "resources/read" },
    List { key: "resourceTemplates", name: "uriTemplate", method: "resources/read" },
];

const CACHE_SCOPE: &str = "cacheScope";
const PRIVATE: &str = r#""private""#;

const MESSAGE_KEYS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const RESULT_KEYS: [&str; 5] = ["tools", "prompts", "resources", "resourceTemplates", CACHE_SCOPE];

/// Levels of nested arrays and objects in an answer: tools carry whole JSON Schemas.
const MAX_DEPTH: u32 = 64;

/// Cuts from the lists in `piece` what `may_use` (asked with method and name) does not allow, and
/// marks them private to the caller. `None`: nothing changes.
///
/// # Errors
/// If `piece` may hold a list and cannot be read for certain.
pub(crate) fn filter(
    piece: Piece<'_>,
    era: Era,
    may_use: impl Fn(&'static str, &str) -> bool,
) -> Result<Option<Vec<u8>>, Unreadable> {
    let text = match piece {
        Piece::Message(text) if text.trim_ascii().is_empty() => return Ok(None),
        Piece::Other { data: text, .. }
            if !matches!(text.trim_ascii().first(), Some(b'{' | b'[')) =>
        {
            return Ok(None);
        }
        Piece::Message(text) | Piece::Other { data: text, .. } => text,
        Piece::Unreadable => return Err(Unreadable),
    };
    let mut filter = Filter { era, may_use, cuts: Vec::new(), unclear: false };
    filter.text(text).map_err(|_| Unreadable)?;
    if filter.unclear {
        return Err(Unreadable);
    }
    Ok(apply(text, filter.cuts))
}

struct Filter<P> {
    era: Era,
    may_use: P,
    /// What is replaced by what, none within another.
    cuts: Vec<(Range<usize>, Cow<'static, str>)>,
    /// Something of importance can be read in two ways.
    unclear: bool,
}

impl<P: Fn(&'static str, &str) -> bool> Filter<P> {
    /// One message, or a batch of them.
    fn text(&mut self, text: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(text, MAX_DEPTH)?;
        match reader.kind()? {
            Kind::Array => reader.array(|reader| self.message(reader))?,
            _ => self.message(&mut reader)?,
        }
        reader.finish()
    }

    fn message(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        self.object(reader, &MESSAGE_KEYS, |filter, reader, key| match key {
            "result" => filter.result(reader),
            _ => reader.skip().map(drop),
        })
    }

    fn result(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        reader.kind()?;
        let behind_brace = reader.offset().saturating_add(1);
        let (mut listed, mut scope) = (false, None);
        self.object(reader, &RESULT_KEYS, |filter, reader, key| {
            if let Some(list) = LISTS.iter().find(|list| list.key == key) {
                listed = true;
                return filter.list(reader, list);
            }
            let value = value(reader)?;
            if key == CACHE_SCOPE {
                scope = Some(value);
            }
            Ok(())
        })?;
        match scope {
            Some((range, written)) if listed && written != PRIVATE => {
                self.cuts.push((range, PRIVATE.into()));
            }
            None if listed && self.era == Era::Modern => {
                let member = format!(r#""{CACHE_SCOPE}":{PRIVATE},"#);
                self.cuts.push((behind_brace..behind_brace, member.into()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a list; if an entry goes, those that stay take the place of all.
    fn list<'a>(&mut self, reader: &mut Reader<'a>, list: &List) -> Result<(), Error> {
        let (mut all, mut kept): (Option<Range<usize>>, Vec<&'a str>) = (None, Vec::new());
        let mut goes = false;
        reader.array(|reader| {
            let (range, entry) = value(reader)?;
            all = Some(all.take().map_or(range.start, |all| all.start)..range.end);
            match name(entry, list)? {
                Some(name) if (self.may_use)(list.method, &name) => kept.push(entry),
                _ => goes = true,
            }
            Ok(())
        })?;
        if let Some(all) = all.filter(|_| goes) {
            self.cuts.push((all, kept.join(",").into()));
        }
        Ok(())
    }

    /// Reads an object, in which none of the `known` keys may be doubtful.
    fn object<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        known: &[&str],
        mut member: impl FnMut(&mut Self, &mut Reader<'a>, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut keys = Keys::new(known);
        reader.object(|reader, key| {
            self.unclear |= is_unclear(keys.insert(&key), &key, known);
            member(self, reader, &key)
        })
    }
}

/// Reads the value that comes next; returns where it stands and its exact text.
fn value<'a>(reader: &mut Reader<'a>) -> Result<(Range<usize>, &'a str), Error> {
    reader.kind()?;
    let start = reader.offset();
    let text = reader.skip()?;
    Ok((start..reader.offset(), text))
}

/// The name of an entry of `list`; `None` if that is not certain.
fn name<'a>(entry: &'a str, list: &List) -> Result<Option<Cow<'a, str>>, Error> {
    let mut reader = Reader::new(entry.as_bytes(), MAX_DEPTH)?;
    if reader.kind()? != Kind::Object {
        return Ok(None);
    }
    let known = [list.name];
    let (mut keys, mut name, mut unclear) = (Keys::new(&known), None, false);
    reader.object(|reader, key| {
        unclear |= is_unclear(keys.insert(&key), &key, &known);
        if key == list.name && reader.kind()? == Kind::String {
            name = Some(reader.string()?);
            return Ok(());
        }
        reader.skip().map(drop)
    })?;
    Ok(name.filter(|_| !unclear))
}

fn is_unclear(spelling: Spelling, key: &str, known: &[&str]) -> bool {
    match spelling {
        Spelling::New => false,
        Spelling::LookAlike => true,
        Spelling::Duplicate => known.contains(&key),
    }
}

/// The text after the cuts; `None` if there are none.
fn apply(text: &[u8], mut cuts: Vec<(Range<usize>, Cow<'static, str>)>) -> Option<Vec<u8>> {
    if cuts.is_empty() {
        return None;
    }
    order::by(&mut cuts, |(one, _), (other, _)| one.start.cmp(&other.start));
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for (range, replacement) in cuts {
        out.extend_from_slice(text.get(from..range.start).unwrap_or_default());
        out.extend_from_slice(replacement.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
mod tests;
