//! Signatures judged by the host: Envoy's foreign function `verify_signature`, which is many times
//! faster than any code in a module.

use mcp_core::signature::{Digest, SignedText};

use crate::abi;

const FUNCTION: &str = "verify_signature";

/// Whether the signature is one of the text; `None` if the host cannot tell, so that the module has
/// to find out by itself.
pub fn verify_signature(signed: &SignedText<'_>) -> Option<bool> {
    let answer = abi::call_foreign_function(FUNCTION, &arguments(signed)).ok()?;
    verdict(&answer)
}

/// Whether the host tells a signature that fits from one that does not.
pub(crate) fn host_verifies() -> bool {
    let verdict = |text| {
        let digest = Digest::Sha256;
        verify_signature(&SignedText { digest, public_key: KEY, signature: SIGNATURE, text })
    };
    verdict(TEXT) == Some(true) && verdict(OTHER_TEXT) == Some(false)
}

/// `VerifySignatureArguments` (envoy/source/extensions/common/wasm/ext/verify_signature.proto), of
/// which every field is a sequence of bytes: tag, length, bytes.
fn arguments(signed: &SignedText<'_>) -> Vec<u8> {
    let hash_function: &[u8] = match signed.digest {
        Digest::Sha256 => b"sha256",
        Digest::Sha384 => b"sha384",
        Digest::Sha512 => b"sha512",
    };
    let fields = [
        (0x0a, hash_function),
        (0x12, signed.public_key),
        (0x1a, signed.signature),
        (0x22, signed.text),
    ];
    let mut message = Vec::new();
    for (tag, bytes) in fields {
        message.push(tag);
        push_varint(&mut message, bytes.len());
        message.extend(bytes);
    }
    message
}

/// Seven bits per byte, the lowest first; all bytes but the last have the highest bit set.
fn push_varint(message: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return message.push(low);
        }
        message.push(low | 0x80);
    }
}

/// `VerifySignatureResult`: either the field `result`, which is true, or the field `error` alone,
/// since false is not written. Whatever else a host says is no verdict.
fn verdict(result: &[u8]) -> Option<bool> {
    match result {
        [0x08, 1] => Some(true),
        [0x12, ..] => Some(false),
        _ => None,
    }
}

// The example of RFC 7515 A.3 (ES256): its key, its signature, its text, and one that is not signed.

#[rustfmt::skip]
const KEY: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x7f, 0xcd, 0xce,
    0x27, 0x70, 0xf6, 0xc4, 0x5d, 0x41, 0x83, 0xcb, 0xee, 0x6f, 0xdb, 0x4b, 0x7b, 0x58, 0x07,
    0x33, 0x35, 0x7b, 0xe9, 0xef, 0x13, 0xba, 0xcf, 0x6e, 0x3c, 0x7b, 0xd1, 0x54, 0x45, 0xc7,
    0xf1, 0x44, 0xcd, 0x1b, 0xbd, 0x9b, 0x7e, 0x87, 0x2c, 0xdf, 0xed, 0xb9, 0xee, 0xb9, 0xf4,
    0xb3, 0x69, 0x5d, 0x6e, 0xa9, 0x0b, 0x24, 0xad, 0x8a, 0x46, 0x23, 0x28, 0x85, 0x88, 0xe5,
    0xad,
];

#[rustfmt::skip]
const SIGNATURE: &[u8] = &[
    0x30, 0x45, 0x02, 0x20, 0x0e, 0xd1, 0x21, 0x53, 0x79, 0x63, 0x6c, 0x48, 0x3c, 0x2f, 0x7f,
    0x15, 0x58, 0x07, 0xd4, 0x02, 0xa3, 0xb2, 0x28, 0x03, 0x3a, 0xf9, 0x7c, 0x7e, 0x17, 0x81,
    0x9a, 0xc3, 0x16, 0x9e, 0xa6, 0x65, 0x02, 0x21, 0x00, 0xc5, 0x0a, 0x07, 0xd3, 0x8c, 0x3c,
    0x70, 0xe5, 0xd8, 0xf1, 0x2d, 0xaf, 0x08, 0x4a, 0x54, 0x80, 0xa6, 0x65, 0x90, 0xc5, 0xf2,
    0x93, 0x50, 0x9a, 0x8f, 0x3f, 0x7f, 0x8a, 0x83, 0xa3, 0x54, 0xd5,
];

const TEXT: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI\
    mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const OTHER_TEXT: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.e30";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_tagged_and_measured() {
        let text = [b'x'; 300];
        let signed = SignedText {
            digest: Digest::Sha384,
            public_key: &[7; 127],
            signature: &[9; 128],
            text: &text,
        };
        let expected = [
            &b"\x0a\x06sha384"[..],
            b"\x12\x7f",
            &[7; 127],
            b"\x1a\x80\x01",
            &[9; 128],
            b"\x22\xac\x02",
            &text,
        ]
        .concat();
        assert_eq!(arguments(&signed), expected);
    }

    #[test]
    fn only_what_envoy_writes_is_a_verdict() {
        assert_eq!(verdict(b"\x08\x01"), Some(true));
        assert_eq!(verdict(b"\x12\x05wrong"), Some(false));
        let others: [&[u8]; 7] =
            [b"", b"\x08", b"\x08\x00", b"\x08\x02", b"\x08\x01\x12\x01x", b"\x01", b"true"];
        for other in others {
            assert_eq!(verdict(other), None, "{other:?}");
        }
    }
}
