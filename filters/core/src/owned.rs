//! The headers our filters own, and which inbound fields are removed before anything is decided.
//!
//! Every inbound copy of an owned header is a forgery. A copy with `_` for `-` is one as well:
//! upstream servers that speak CGI or WSGI fold the two into one name.

/// `legacy` or `modern`. Owner: session.
pub const ERA: &str = "x-mcp-era";
/// The JSON-RPC method. Owner: session.
pub const METHOD: &str = "x-mcp-method";
/// Tool, prompt, resource or task the method is about. Owner: session.
pub const NAME: &str = "x-mcp-name";
/// Keyed hash of the session id. Owner: session.
pub const SESSION: &str = "x-mcp-session";
/// What load balancing keeps together. Owner: session.
pub const AFFINITY: &str = "x-mcp-affinity";
/// Keyed hash of who calls. Owner: auth.
pub const PRINCIPAL: &str = "x-mcp-principal";
/// The caller's tenant. Owner: auth.
pub const TENANT: &str = "x-mcp-tenant";
/// The client program: by token where auth knows it, else what the client says of itself.
pub const AGENT: &str = "x-mcp-agent";
/// The caller's scopes. Owner: auth.
pub const SCOPES: &str = "x-mcp-scopes";
/// Which entry of `servers` the request belongs to. Owner: the list.
pub const SERVER: &str = "x-mcp-server";
/// What separately loaded modules vouch for to each other. Owner: the chain.
pub const HANDOFF: &str = "x-mcp-handoff";

const OWNED: [&str; 11] =
    [ERA, METHOD, NAME, SESSION, AFFINITY, PRINCIPAL, TENANT, AGENT, SCOPES, SERVER, HANDOFF];

/// Fields that decide something and may occur once. A second one means that we and the upstream
/// may read different requests.
pub const SINGLETONS: [&str; 7] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "mcp-session-id",
    "origin",
];

/// Mirrored fields of the modern era. Repetition is judged with the body, so that the refusal can
/// name the request (see `agreement`).
pub const MIRRORED: [&str; 3] = ["mcp-protocol-version", "mcp-method", "mcp-name"];

/// Whether an inbound field of this name is removed: any spelling of an owned header, and the
/// `_` spellings of the headers MCP policy reads.
#[must_use]
pub fn is_forged(name: &[u8]) -> bool {
    // All of them begin so, and most fields do not.
    if matches!(name, [b'x' | b'X', ..]) && names_any(name, &OWNED) {
        return true;
    }
    has_underscore(name)
        && (names_any(name, &SINGLETONS)
            || names_any(name, &MIRRORED)
            || name.get(..PARAM.len()).is_some_and(|prefix| folds_to(prefix, PARAM)))
}

const PARAM: &str = "mcp-param-";

/// Eight bytes at a time: every name of every request is asked.
fn has_underscore(name: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    let (eights, rest) = name.as_chunks::<8>();
    let in_eight = |eight: &[u8; 8]| {
        // A byte is zero, and so an underscore, if and only if one of its high bits comes out set.
        let zeros = u64::from_le_bytes(*eight) ^ u64::from_le_bytes([b'_'; 8]);
        zeros.wrapping_sub(ONES) & !zeros & HIGHS != 0
    };
    eights.iter().any(in_eight) || rest.contains(&b'_')
}

fn names_any(name: &[u8], candidates: &[&str]) -> bool {
    candidates.iter().any(|candidate| folds_to(name, candidate))
}

/// Whether `name` is a spelling of `candidate` (lower case): in any case, and with `_` for `-`.
#[must_use]
pub fn folds_to(name: &[u8], candidate: &str) -> bool {
    name.len() == candidate.len()
        && name.iter().zip(candidate.bytes()).all(|(byte, expect)| match byte {
            b'_' => expect == b'-',
            byte => byte.to_ascii_lowercase() == expect,
        })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_spelling_of_an_owned_header_is_forged() {
        for name in OWNED {
            assert!(name.starts_with('x'), "{name}");
            for spelling in [name.to_owned(), name.to_uppercase(), name.replace('-', "_")] {
                assert!(is_forged(spelling.as_bytes()), "{spelling}");
            }
        }
    }

    #[test]
    fn other_headers_pass_unless_they_imitate_one_that_policy_reads() {
        let cases: [(&[u8], bool); 11] = [
            (b"mcp-protocol_version", true),
            (b"mcp_protocol-version", true),
            (b"mcp-session-id", false),
            (b"mcp_session_id", true),
            (b"Mcp-Session_Id", true),
            (b"mcp_param_region", true),
            (b"mcp-param-region", false),
            (b"x-mcp-other", false),
            (b"x_trace", false),
            (b"", false),
            (b"\xff_", false),
        ];
        for (name, forged) in cases {
            assert_eq!(is_forged(name), forged, "{:?}", String::from_utf8_lossy(name));
        }
    }
}
