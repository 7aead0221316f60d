//! The verification of a token behind a C interface, so that one driver times the same code natively,
//! as a shared library, and in a wasm engine. The driver writes a token, and what it is judged by,
//! into a buffer and has it verified many times; nothing is remembered from one time to the next.

use std::hint::black_box;

use mcp_auth::keys::{KeySet, Origin};
use mcp_auth::token::{IssuerRules, IssuerSettings, Token, verify};
use serde::Deserialize;

/// What the driver writes, as JSON.
#[derive(Deserialize)]
struct Input<'a> {
    token: &'a str,
    issuer: String,
    audience: String,
    /// The text of a JWK set.
    jwks: String,
    /// The time of judgement, in seconds since 1970.
    now: u64,
}

/// A buffer of `size` bytes for the driver to write its input into; it is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn input_buffer(size: usize) -> *mut u8 {
    vec![0; size].leak().as_mut_ptr()
}

/// Verifies the token in the input of `size` bytes at `input` as often as `times` says, with keys and
/// rules read once. Returns how often it was accepted: never, if the input cannot be read.
///
/// # Safety
/// `input` must come from [`input_buffer`], with this `size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(input: *const u8, size: usize, times: u32) -> u32 {
    // SAFETY: the caller passes a buffer of this size, which lives for ever.
    let input = unsafe { std::slice::from_raw_parts(input, size) };
    let accepted = Verification::new(input)
        .map_or(0, |verification| (0..times).filter(|_| verification.accepts()).count());
    u32::try_from(accepted).unwrap_or(u32::MAX)
}

struct Verification<'a> {
    token: &'a str,
    rules: IssuerRules,
    keys: KeySet,
    now: u64,
}

impl<'a> Verification<'a> {
    fn new(input: &'a [u8]) -> Option<Self> {
        let input: Input<'a> = serde_json::from_slice(input).ok()?;
        let settings = IssuerSettings {
            issuer: input.issuer,
            audiences: vec![input.audience],
            ..IssuerSettings::default()
        };
        let (keys, _) = KeySet::parse(input.jwks.as_bytes(), Origin::Remote).ok()?;
        let rules = IssuerRules::try_from(settings).ok()?;
        Some(Self { token: input.token, rules, keys, now: input.now })
    }

    /// All that a request costs whose token no cache knows.
    fn accepts(&self) -> bool {
        Token::parse(black_box(self.token.as_bytes()))
            .and_then(|token| verify(&token, &self.rules, &self.keys, self.now))
            .is_ok()
    }
}
