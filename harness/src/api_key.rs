//! API keys as gateways hold them: callers present the key, configurations hold `sha256:` and its
//! hash. A key is read from standard input or made here, never given as an argument, which other
//! users of the machine could see.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};

/// Random bytes of a new key; its hash has no salt, so nobody must be able to guess it.
const RANDOM_BYTES: usize = 32;

/// Bytes of a key; a filter takes no longer one.
const MAX_KEY: u64 = 512;

/// Writes a new key and, on the next line, its hash.
pub(crate) fn make(out: &mut impl Write) -> Result<(), String> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|error| format!("there is no randomness: {error}"))?;
    let key = hexadecimal(&random);
    let hash = hash(key.as_bytes());
    writeln!(out, "{key}\n{hash}").map_err(|error| format!("cannot write the key: {error}"))
}

/// Reads a key, up to the end of its line, and writes its hash.
pub(crate) fn hash_of(input: impl Read, out: &mut impl Write) -> Result<(), String> {
    let mut text = Vec::new();
    // The end of the line, and what shows that there is more.
    input
        .take(MAX_KEY + 3)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot read a key: {error}"))?;
    let key = text.strip_suffix(b"\n").unwrap_or(&text);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    let short = u64::try_from(key.len()).is_ok_and(|length| (1..=MAX_KEY).contains(&length));
    if !short || !key.iter().all(u8::is_ascii_graphic) {
        return Err(format!("a key is one line of 1 to {MAX_KEY} visible ASCII characters"));
    }
    writeln!(out, "{}", hash(key)).map_err(|error| format!("cannot write the hash: {error}"))
}

fn hash(key: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(key)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
