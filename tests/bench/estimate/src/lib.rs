//! The token estimator behind a C interface, so that one driver times the same code natively, as a
//! shared library, and in a wasm engine. The driver writes a text into a buffer and has its tokens
//! estimated many times.

use std::hint::black_box;

use mcp_quota::estimator::tokens;

/// A buffer of `size` bytes for the driver to write a text into; it is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn input_buffer(size: usize) -> *mut u8 {
    vec![0; size].leak().as_mut_ptr()
}

/// Estimates the text of `size` bytes at `text` as often as `times` says. Returns how often it came
/// to more than no tokens: never, if it is not UTF-8.
///
/// # Safety
/// `text` must come from [`input_buffer`], with this `size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(text: *const u8, size: usize, times: u32) -> u32 {
    // SAFETY: the caller passes a buffer of this size, which lives for ever.
    let text = unsafe { std::slice::from_raw_parts(text, size) };
    let Ok(text) = std::str::from_utf8(text) else { return 0 };
    let estimated = (0..times).filter(|_| tokens(black_box(text)) > 0).count();
    u32::try_from(estimated).unwrap_or(u32::MAX)
}
