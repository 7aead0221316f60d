//! The challenge of an upstream that protects itself: its metadata URL names an address clients
//! cannot reach, or one whose `resource` is not the URL they called.

/// The field with the value of each `resource_metadata` parameter replaced by `metadata_url`, which
/// needs no escapes; all else stays as it is, byte for byte. `None` if there is no such parameter, or
/// if the field is no list of challenges (RFC 9110 §11.6.1).
pub(super) fn redirect(field: &str, metadata_url: &str) -> Option<String> {
    let mut redirected = String::with_capacity(field.len().saturating_add(metadata_url.len()));
    let mut found = false;
    let mut rest = field;
    while !rest.is_empty() {
        let (before, parameter, after) = next(rest)?;
        redirected.push_str(before);
        match parameter {
            Some(Parameter { name, .. }) if name.eq_ignore_ascii_case("resource_metadata") => {
                for part in ["\"", metadata_url, "\""] {
                    redirected.push_str(part);
                }
                found = true;
            }
            Some(Parameter { value, .. }) => redirected.push_str(value),
            None => {}
        }
        rest = after;
    }
    found.then_some(redirected)
}

/// An `auth-param`; the value as it stands, with its quotes.
struct Parameter<'a> {
    name: &'a str,
    value: &'a str,
}

/// The next piece of a field: what comes up to and with a parameter's `=`, the parameter, and what
/// follows its value. A scheme, a `token68` or a comma is a piece without parameter.
fn next(field: &str) -> Option<(&str, Option<Parameter<'_>>, &str)> {
    let start = field.trim_start_matches([' ', '\t', ',']);
    let after_name = start.trim_start_matches(is_token68);
    let name = between(start, after_name);
    if name.is_empty() && !start.is_empty() {
        return None;
    }
    let value = after_name.trim_start_matches([' ', '\t']).strip_prefix('=');
    let (value, after) = match value.map(|value| value.trim_start_matches([' ', '\t'])) {
        None => return Some((between(field, after_name), None, after_name)),
        Some(value) if value.is_empty() || value.starts_with(['=', ',']) => {
            // The padding of a token68.
            let after = after_name.trim_start_matches('=');
            at_end(after)?;
            return Some((between(field, after), None, after));
        }
        Some(value) if value.starts_with('"') => (value, after_quoted(value)?),
        // A URL is no token and should be quoted; clients take it as it is.
        Some(value) => (value, value.trim_start_matches(|c| !matches!(c, ' ' | '\t' | ',' | '"'))),
    };
    at_end(after)?;
    let parameter = Parameter { name, value: between(value, after) };
    Some((between(field, value), Some(parameter), after))
}

/// What precedes `rest`, which is the end of `text`.
fn between<'a>(text: &'a str, rest: &str) -> &'a str {
    text.get(..text.len().saturating_sub(rest.len())).unwrap_or_default()
}

/// What follows a quoted string; `None` if it has no end.
fn after_quoted(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some(characters.as_str()),
            '\\' => drop(characters.next()?),
            _ => {}
        }
    }
    None
}

/// A value is followed by a comma, or by nothing.
fn at_end(after: &str) -> Option<()> {
    let after = after.trim_start_matches([' ', '\t']);
    (after.is_empty() || after.starts_with(',')).then_some(())
}

/// A character of a token (RFC 9110 §5.6.2) or, padding aside, of a `token68` (§11.2).
fn is_token68(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(character)
}
