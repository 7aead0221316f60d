//! The reader: a place in a text, and the steps that can be taken from it.

use std::borrow::Cow;

use super::error::{Error, Stop, Syntax};
use super::{skip, string};

/// A place in a JSON text, before a value.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    rest: &'a [u8],
    /// How many more containers may be opened here.
    levels: u32,
}

/// What sort of value comes next, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An array.
    Array,
    /// `true`, `false`, `null`, or nothing that JSON knows.
    Literal,
    /// A number.
    Number,
    /// An object.
    Object,
    /// A string.
    String,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `text`, in which containers may nest `depth` deep (64 at most).
    ///
    /// # Errors
    /// If the text is not UTF-8, starts with a byte order mark, or is blank.
    pub fn new(text: &'a [u8], depth: u32) -> Result<Self, Error> {
        let text = std::str::from_utf8(text)
            .map_err(|error| Error { syntax: Syntax::NotUtf8, offset: error.valid_up_to() })?;
        if text.starts_with('\u{feff}') {
            return Err(Error { syntax: Syntax::ByteOrderMark, offset: 0 });
        }
        let rest = skip::space(text.as_bytes());
        if rest.is_empty() {
            return Err(Error { syntax: Syntax::Empty, offset: text.len() });
        }
        Ok(Self { text, rest, levels: depth.min(skip::MAX_LEVELS) })
    }

    /// How far the text has been read, in bytes.
    pub fn offset(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// What comes next; reads nothing but white space.
    ///
    /// # Errors
    /// If nothing comes.
    #[inline]
    pub fn kind(&mut self) -> Result<Kind, Error> {
        self.rest = skip::space(self.rest);
        match self.rest {
            [b'{', ..] => Ok(Kind::Object),
            [b'[', ..] => Ok(Kind::Array),
            [b'"', ..] => Ok(Kind::String),
            [b'-' | b'0'..=b'9', ..] => Ok(Kind::Number),
            [_, ..] => Ok(Kind::Literal),
            [] => Err(self.error(Syntax::End)),
        }
    }

    /// Walks over the value that comes next; returns its exact text.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        self.rest = skip::space(self.rest);
        let start = self.offset();
        self.rest = skip::value(self.rest, self.levels).map_err(|stop| self.stop(stop))?;
        Ok(self.text.get(start..self.offset()).unwrap_or_default())
    }

    /// Reads the string that comes next, its escapes undone.
    ///
    /// # Errors
    /// If it is no string, or not Unicode text.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        self.rest = skip::space(self.rest);
        let inner = match self.rest {
            [b'"', inner @ ..] => inner,
            [] => return Err(self.error(Syntax::End)),
            _ => return Err(self.error(Syntax::Unexpected)),
        };
        let start = self.offset();
        let skipped = string::skip(inner).map_err(|stop| self.stop(stop))?;
        self.rest = skipped.rest;
        let between_quotes = start.saturating_add(1)..self.offset().saturating_sub(1);
        let inner = self.text.get(between_quotes).unwrap_or_default();
        if !skipped.escaped {
            return Ok(Cow::Borrowed(inner));
        }
        string::unescape(inner).map_err(|syntax| Error { syntax, offset: start })
    }

    /// Reads the object that comes next; `member` is called with each key (its escapes undone) and
    /// must read or skip the value.
    ///
    /// # Errors
    /// If it is no object, or one of the keys is not Unicode text; and what `member` returns.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.container(b'{', b'}', |reader| {
            let key = reader.string()?;
            reader.rest = skip::colon(reader.rest).map_err(|stop| reader.stop(stop))?;
            member(reader, key)
        })
    }

    /// Reads the array that comes next; `element` is called before each element and must read or
    /// skip it.
    ///
    /// # Errors
    /// If it is no array; and what `element` returns.
    pub fn array(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.container(b'[', b']', element)
    }

    /// Ends the reading: nothing but white space may follow.
    ///
    /// # Errors
    /// If something follows.
    pub fn finish(mut self) -> Result<(), Error> {
        self.rest = skip::space(self.rest);
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(Syntax::Trailing)) }
    }

    fn container(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.rest = skip::space(self.rest);
        if self.levels == 0 {
            return Err(self.error(Syntax::Depth));
        }
        self.take(open)?;
        self.levels = self.levels.saturating_sub(1);
        if self.take(close).is_err() {
            item(self)?;
            while self.take(b',').is_ok() {
                item(self)?;
            }
            self.take(close)?;
        }
        self.levels = self.levels.saturating_add(1);
        Ok(())
    }

    /// Reads white space and one `punctuation` mark.
    #[inline]
    fn take(&mut self, punctuation: u8) -> Result<(), Error> {
        self.rest = skip::space(self.rest);
        match self.rest.split_first() {
            Some((&first, tail)) if first == punctuation => {
                self.rest = tail;
                Ok(())
            }
            Some(_) => Err(self.error(Syntax::Unexpected)),
            None => Err(self.error(Syntax::End)),
        }
    }

    fn error(&self, syntax: Syntax) -> Error {
        Error { syntax, offset: self.offset() }
    }

    fn stop(&self, (syntax, unread): Stop<'a>) -> Error {
        Error { syntax, offset: self.text.len().saturating_sub(unread.len()) }
    }
}
