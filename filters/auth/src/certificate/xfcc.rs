//! `X-Forwarded-Client-Cert`, in which Envoy reports client certificates.
//!
//! ```text
//! header  = element *( "," element )        ; one for each proxy, the nearest last
//! element = pair *( ";" pair )
//! pair    = key "=" ( value / DQUOTE *( character / "\" character ) DQUOTE )
//! ```

use mcp_core::certificate::PeerCertificate;
use mcp_core::hash::digest_from_hex;

/// The certificate that the nearest proxy reports. `None` if there is none, or if it is not clear
/// what is reported: an element without one hash, or with two subjects.
pub(super) fn nearest(header: &[u8]) -> Option<PeerCertificate> {
    let header = str::from_utf8(header).ok()?;
    let element = split(header, ',')?.pop()?;
    let mut certificate = PeerCertificate::default();
    for pair in split(element, ';')? {
        let (key, value) = pair.split_once('=')?;
        let value = unquoted(value.trim())?;
        let key = key.trim().to_ascii_lowercase();
        match key.as_str() {
            "hash" if certificate.digest.is_none() => {
                certificate.digest = Some(digest_from_hex(value.as_bytes())?);
            }
            "subject" if certificate.subject.is_none() => certificate.subject = some(value),
            "hash" | "subject" => return None,
            // There may be several, of which the first counts as it does on a connection.
            "uri" => certificate.uri_san = certificate.uri_san.or_else(|| some(value)),
            "dns" => certificate.dns_san = certificate.dns_san.or_else(|| some(value)),
            _ => {}
        }
    }
    certificate.digest.is_some().then_some(certificate)
}

/// The parts between separators outside quotes. `None` if a quote is not closed.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(start..index)?);
                start = index.saturating_add(character.len_utf8());
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

/// A value without its quotes and escapes. `None` if there are quotes elsewhere.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

fn some(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}
