//! The forms that W3C gives the fields of a trace context. A server's reader may be less strict, and
//! what it would make of another form is not ours to guess.

/// Members of a `tracestate` (Trace Context §3.3.1.1).
const MAX_MEMBERS: usize = 32;

/// Whether `text` is a `traceparent` of version 00 (Trace Context §3.2).
pub(super) fn is_parent(text: &str) -> bool {
    let is_hex = |text: &[u8], length| {
        text.len() == length && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &[u8], length| is_hex(text, length) && text.iter().any(|byte| *byte != b'0');
    let mut parts = text.as_bytes().split(|byte| *byte == b'-');
    let mut next = || parts.next().unwrap_or_default();
    next() == b"00"
        && is_id(next(), 32)
        && is_id(next(), 16)
        && is_hex(next(), 2)
        && parts.next().is_none()
}

/// Whether `text` is a `tracestate` (Trace Context §3.3.1): at least one member, and none that is
/// empty.
pub(super) fn is_state(text: &str) -> bool {
    let members = || members(text.as_bytes(), b',');
    members().count() <= MAX_MEMBERS && members().all(is_member)
}

fn is_member(member: &[u8]) -> bool {
    let Some((key, value)) = halves(member, b'=') else { return false };
    let is_value = (1..=256).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=');
    let is_key = match halves(key, b'@') {
        Some((tenant, system)) => is_name(tenant, 241) && is_name(system, 14),
        None => is_name(key, 256),
    };
    is_key && is_value
}

fn is_name(name: &[u8], longest: usize) -> bool {
    let rest = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    name.len() <= longest
        && matches!(name, [b'a'..=b'z' | b'0'..=b'9', ..])
        && name.iter().all(rest)
}

/// Whether `text` is a `baggage` (Baggage §3.3.1): at least one member, and none that is empty.
pub(super) fn is_baggage(text: &str) -> bool {
    members(text.as_bytes(), b',').all(|member| {
        let mut parts = members(member, b';');
        parts.next().and_then(|entry| halves(entry, b'=')).is_some_and(is_pair)
            && parts.all(|property| match halves(property, b'=') {
                Some(pair) => is_pair(pair),
                None => is_token(property),
            })
    })
}

fn is_pair((key, value): (&[u8], &[u8])) -> bool {
    let is_octet =
        |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    is_token(trimmed(key)) && trimmed(value).iter().all(is_octet)
}

/// Whether `text` is a token of HTTP.
fn is_token(text: &[u8]) -> bool {
    let is_mark = |byte| b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

/// What stands between the marks, without the space around it.
fn members(text: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    text.split(move |byte| *byte == mark).map(trimmed)
}

/// What stands before the first mark, and what after it.
fn halves(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == mark)?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_of_the_one_form_there_is() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_parent(PARENT));
        for wrong in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &PARENT.replacen("00", "01", 1),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            &PARENT.replace("b7ad", "b7a"),
            &PARENT.replace("b7ad", "b7ag"),
            &PARENT.replace("0af7", "é0af"),
            &PARENT.replace("-01", "-1"),
            &format!("{PARENT}-x"),
            &format!("{PARENT}\r\nx: y"),
            &format!(" {PARENT}"),
        ] {
            assert!(!is_parent(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_state_is_a_list_of_keys_and_values() {
        let many = vec!["a=1"; 32].join(",");
        for right in
            ["a=1", "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE", "4x@y-1=a b", "a=!~", &many]
        {
            assert!(is_state(right), "{right:?}");
        }
        for wrong in [
            "",
            "a",
            "=1",
            "a=",
            "A=1",
            "a=b=c",
            "a=1,,b=2",
            "a=é",
            "a=1\r\nx: y",
            "a@b@c=1",
            "_a=1",
            "@b=1",
            "a@=1",
            "a@123456789012345=1",
            &format!("a={}", "x".repeat(257)),
            &format!("{}=1", "x".repeat(257)),
            &format!("{many},a=1"),
        ] {
            assert!(!is_state(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_baggage_is_a_list_of_keys_and_values_with_properties() {
        for right in
            ["a=1", "a=", "a = 1 , b = 2", "a=1;p;q=2", "k!=v%20v==", "a=1;p = x ; q", "a=(b)"]
        {
            assert!(is_baggage(right), "{right:?}");
        }
        for wrong in [
            "",
            "a",
            "=1",
            "a=1,",
            "a=1,,b=2",
            "a=1 2",
            "a=\"1\"",
            "a=1;",
            "a=1;=2",
            "a b=1",
            "a=é",
            "a=\\",
            "a=1\r\nx: y",
            "a=1;p=\"",
            "a(=1",
        ] {
            assert!(!is_baggage(wrong), "{wrong:?}");
        }
    }
}
