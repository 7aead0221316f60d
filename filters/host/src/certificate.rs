//! The certificate of the client's connection, as the host tells it in properties.

use mcp_core::certificate::{PeerCertificate, digest_of_escaped_pem};
use mcp_core::hash::digest_from_hex;

use crate::abi;

/// The certificate that the client proved to have. Either host knows none of the other's names.
pub(crate) fn peer_certificate() -> Option<PeerCertificate> {
    from_attributes().or_else(from_variables)
}

/// Envoy's attributes. `connection.mtls` says that a certificate was presented: whether it is a
/// trusted authority's is up to the listener, which lets in others only if told to.
fn from_attributes() -> Option<PeerCertificate> {
    if bytes("connection\0mtls")? != [1] {
        return None;
    }
    let digest = bytes("connection\0sha256_peer_certificate_digest");
    Some(PeerCertificate {
        digest: digest.and_then(|digits| digest_from_hex(&digits)),
        uri_san: text("connection\0uri_san_peer_certificate"),
        dns_san: text("connection\0dns_san_peer_certificate"),
        subject: text("connection\0subject_peer_certificate"),
    })
}

/// nginx's variables, among which are no alternative names.
fn from_variables() -> Option<PeerCertificate> {
    if bytes("ssl_client_verify")? != b"SUCCESS" {
        return None;
    }
    let pem = bytes("ssl_client_escaped_cert");
    Some(PeerCertificate {
        digest: pem.and_then(|pem| digest_of_escaped_pem(&pem)),
        subject: text("ssl_client_s_dn"),
        ..PeerCertificate::default()
    })
}

fn bytes(property: &str) -> Option<Vec<u8>> {
    abi::property(property).ok().flatten().filter(|value| !value.is_empty())
}

fn text(property: &str) -> Option<String> {
    String::from_utf8(bytes(property)?).ok()
}
