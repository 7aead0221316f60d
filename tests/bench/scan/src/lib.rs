//! The JSON scan behind a C interface, so that one driver times the same code natively, as a shared
//! library, and in a wasm engine. The driver writes a body into a buffer and has it scanned many times.

use std::hint::black_box;

use mcp_core::message::{Body, ScanLimits, scan};

/// A buffer of `size` bytes for the driver to write a body into; it is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn input_buffer(size: usize) -> *mut u8 {
    vec![0; size].leak().as_mut_ptr()
}

/// Scans the body of `size` bytes at `body` as often as `times` says. Returns how often the scan found
/// one message of the method and tool that the driver wrote.
///
/// # Safety
/// `body` must come from [`input_buffer`], with this `size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(body: *const u8, size: usize, times: u32) -> u32 {
    // SAFETY: the caller passes a buffer of this size, which lives for ever.
    let body = unsafe { std::slice::from_raw_parts(body, size) };
    let limits = ScanLimits::default();
    let found = (0..times).filter(|_| is_expected(black_box(body), &limits)).count();
    u32::try_from(found).unwrap_or(u32::MAX)
}

fn is_expected(body: &[u8], limits: &ScanLimits) -> bool {
    match scan(body, limits) {
        Ok(Body::Single(message)) => {
            message.method.as_deref() == Some("tools/call")
                && message.params.name.as_deref() == Some("fetch")
        }
        _ => false,
    }
}
