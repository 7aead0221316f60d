//! The client's certificate, as the gateway verified it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::hash::{self, DIGEST};

/// What is known of a client's certificate. Hosts tell different parts of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerCertificate {
    /// The SHA-256 of its DER form (`x5t#S256` of RFC 8705 §3.1).
    pub digest: Option<[u8; DIGEST]>,
    /// The first URI among its subject alternative names.
    pub uri_san: Option<String>,
    /// The first DNS name among them.
    pub dns_san: Option<String>,
    /// Its subject, as RFC 2253 writes it: `CN=alice,O=Acme`.
    pub subject: Option<String>,
}

/// The digest of the one certificate in `text`: PEM (RFC 7468 §5) with its bytes percent-encoded,
/// as nginx escapes it.
#[must_use]
pub fn digest_of_escaped_pem(text: &[u8]) -> Option<[u8; DIGEST]> {
    let pem = percent_decoded(text)?;
    let base64 = pem.trim_ascii().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let base64: Vec<u8> =
        base64.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(base64).ok().filter(|der| !der.is_empty())?;
    Some(Sha256::digest(der).into())
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(next) = rest.next() {
        bytes.push(if next == b'%' { hash::hex_byte(rest.next()?, rest.next()?)? } else { next });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::hash::digest_from_hex;

    /// The SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn an_escaped_certificate_is_hashed_in_its_binary_form() {
        let abc = digest_from_hex(ABC.as_bytes());
        let cases = [
            "-----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----%0A",
            "-----BEGIN CERTIFICATE-----\r\nYW\r\nJj\r\n-----END CERTIFICATE-----",
            "-----BEGIN%20CERTIFICATE-----%0a%59WJj%0a-----END%20CERTIFICATE-----",
        ];
        for text in cases {
            assert_eq!(digest_of_escaped_pem(text.as_bytes()), abc, "{text}");
        }
        let none = [
            "",
            "YWJj",
            "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----",
            "-----BEGIN%20CERTIFICATE-----%0AYWJ!%0A-----END%20CERTIFICATE-----",
            "-----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----%0",
            "-----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----%zz",
            "-----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----\
             -----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----",
            "-----BEGIN%20PUBLIC%20KEY-----%0AYWJj%0A-----END%20PUBLIC%20KEY-----",
        ];
        for text in none {
            assert_eq!(digest_of_escaped_pem(text.as_bytes()), None, "{text}");
        }
    }
}
