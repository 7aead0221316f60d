//! Text with `${…}` in it: the one escape of exchange files.
//!
//! ```text
//! ${NAME}             a captured value
//! ${bytes ff 00}      these bytes
//! ${repeat 60000 x}   the text so many times
//! ${cr} ${lf}         a carriage return, a line feed
//! $${                 the two characters themselves
//! ```

use std::collections::BTreeMap;

/// Values captured so far, by name.
pub(super) type Captures = BTreeMap<String, Vec<u8>>;

/// Longest text `${repeat}` makes.
const REPEAT_LIMIT: usize = 64 << 20;

/// Text with places to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Capture(String),
}

impl Template {
    /// Parses text; the error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if let Some(before) = rest[..at].strip_suffix('$') {
                pieces.push(Piece::Literal(format!("{before}${{").into_bytes()));
                rest = &rest[at + 2..];
                continue;
            }
            let end = rest[at..].find('}').ok_or("\"${\" without \"}\"")? + at;
            pieces.push(Piece::Literal(rest.as_bytes()[..at].to_vec()));
            pieces.push(piece(&rest[at + 2..end])?);
            rest = &rest[end + 1..];
        }
        pieces.push(Piece::Literal(rest.as_bytes().to_vec()));
        Ok(Self(pieces))
    }

    /// The bytes, with captured values filled in.
    pub(super) fn fill(&self, captures: &Captures) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => out.extend(bytes),
                Piece::Capture(name) => out.extend(
                    captures.get(name).ok_or_else(|| format!("nothing was captured as {name}"))?,
                ),
            }
        }
        Ok(out)
    }

    /// The bytes as text, for patterns and JSON.
    pub(super) fn fill_text(&self, captures: &Captures) -> Result<String, String> {
        String::from_utf8(self.fill(captures)?).map_err(|_| "not valid UTF-8".to_owned())
    }
}

fn piece(inner: &str) -> Result<Piece, String> {
    let (word, argument) = inner.split_once(' ').unwrap_or((inner, ""));
    let literal = match word {
        "cr" => b"\r".to_vec(),
        "lf" => b"\n".to_vec(),
        "bytes" => argument
            .split_whitespace()
            .map(|pair| u8::from_str_radix(pair, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| format!("${{bytes {argument}}} wants pairs of hexadecimal digits"))?,
        "repeat" => {
            let (count, text) = argument.split_once(' ').ok_or("${repeat COUNT TEXT}")?;
            let count: usize = count.parse().map_err(|_| format!("\"{count}\" is no count"))?;
            if count.saturating_mul(text.len()) > REPEAT_LIMIT {
                return Err(format!("${{repeat}} makes at most {REPEAT_LIMIT} bytes"));
            }
            text.repeat(count).into_bytes()
        }
        name if is_name(name) && argument.is_empty() => return Ok(Piece::Capture(name.to_owned())),
        _ => return Err(format!("\"${{{inner}}}\" is none of ${{NAME}}, ${{bytes}}, ${{repeat}}")),
    };
    Ok(Piece::Literal(literal))
}

/// Whether a value can be captured under this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !["bytes", "cr", "lf", "repeat"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_makes_its_bytes() {
        let captures: Captures = [("id".to_owned(), b"42".to_vec())].into_iter().collect();
        let cases: [(&str, &[u8]); 7] = [
            ("plain $ text", b"plain $ text"),
            ("<${id}>", b"<42>"),
            ("${bytes ff 00}!", b"\xff\x00!"),
            ("${repeat 3 ab}", b"ababab"),
            ("a${cr}${lf}", b"a\r\n"),
            ("$${id}", b"${id}"),
            ("^end$", b"^end$"),
        ];
        for (text, expected) in cases {
            let filled = Template::parse(text).and_then(|template| template.fill(&captures));
            assert_eq!(filled.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        for text in ["${open", "${bytes zz}", "${repeat x y}", "${a b}", "${}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        let unknown = Template::parse("${id}").expect("well-formed");
        assert!(unknown.fill(&Captures::new()).is_err());
    }
}
