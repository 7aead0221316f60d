//! Memory in WebAssembly: what wasi-libc does slowly and every request often. Measured on a warm
//! call of 113,000 instructions: 17,000 to compare, byte by byte, and 18,000 to allocate and free.
#![allow(unsafe_code)] // an allocator, and the symbol that the compiler calls to compare

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::cmp::Ordering;
use core::ffi::c_int;
use core::ptr::null_mut;
use std::alloc::System;

/// The allocator: what was freed is kept by size, and is the next to be given out. Only what is
/// larger goes back to wasi-libc's.
struct Pools([Cell<*mut Free>; POOLS]);

/// A block in a pool.
struct Free {
    next: *mut Free,
}

/// Sizes are rounded up to multiples of this, which is as well what blocks are aligned to.
const STEP: usize = 16;

/// Pools: one for each multiple, up to a KiB.
const POOLS: usize = 64;

#[global_allocator]
static POOLS_OF_THE_VM: Pools = Pools([const { Cell::new(null_mut()) }; POOLS]);

// SAFETY: a WebAssembly module as we build it has one thread.
unsafe impl Sync for Pools {}

impl Pools {
    /// The pool of a layout, and the size of its blocks; `None` if it is too large for one.
    fn of(&self, layout: Layout) -> Option<(&Cell<*mut Free>, usize)> {
        let pool = layout.size().wrapping_sub(1).wrapping_div(STEP);
        let size = pool.wrapping_add(1).wrapping_mul(STEP);
        if layout.align() > STEP { None } else { Some((self.0.get(pool)?, size)) }
    }
}

// Not inlined: there are thousands of places that allocate or free.
//
// SAFETY: a block comes from `System`, has the size and alignment of its pool, which are at least
// the layout's, and is in the pool only while nobody has it. The pool follows from the layout, which
// is the same when it is freed.
unsafe impl GlobalAlloc for Pools {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((pool, size)) = self.of(layout) else { return unsafe { System.alloc(layout) } };
        let block = pool.get();
        if block.is_null() {
            return unsafe { System.alloc(Layout::from_size_align_unchecked(size, STEP)) };
        }
        pool.set(unsafe { (*block).next });
        block.cast()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((pool, _)) = self.of(layout) else {
            return unsafe { System.dealloc(block, layout) };
        };
        let block: *mut Free = block.cast();
        unsafe { (*block).next = pool.get() };
        pool.set(block);
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is a legal one.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let (old, new) = (self.of(layout), self.of(wanted));
        match (old, new) {
            (None, None) => return unsafe { System.realloc(block, layout, size) },
            (Some((_, old)), Some((_, new))) if old == new => return block,
            _ => {}
        }
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            unsafe {
                block.copy_to_nonoverlapping(moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

/// Compares `size` bytes: eight at a time as long as they are the same.
///
/// # Safety
/// As C has it: both point to so many readable bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, size: usize) -> c_int {
    const STEP: usize = size_of::<u64>();
    let mut at: usize = 0;
    while size.wrapping_sub(at) >= STEP {
        // SAFETY: `STEP` bytes are left from `at` on, on both sides.
        let (a, b) = unsafe {
            (
                left.add(at).cast::<u64>().read_unaligned(),
                right.add(at).cast::<u64>().read_unaligned(),
            )
        };
        if a != b {
            return sign(a.swap_bytes().cmp(&b.swap_bytes()));
        }
        at = at.wrapping_add(STEP);
    }
    while at < size {
        // SAFETY: `at` is below `size`.
        let (a, b) = unsafe { (left.add(at).read(), right.add(at).read()) };
        if a != b {
            return sign(a.cmp(&b));
        }
        at = at.wrapping_add(1);
    }
    0
}

const fn sign(ordering: Ordering) -> c_int {
    match ordering {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}
