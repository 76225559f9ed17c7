//! Counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with counters.
pub struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; all calls go to the system's"
)]
// SAFETY: every call is handed to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(with_header(layout.size()), Relaxed);
        // SAFETY: as required of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(with_header(layout.size()), Relaxed);
        // SAFETY: as required of the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What glibc takes for a request: eight bytes of its own, in steps of 16, at least 32.
fn with_header(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

/// How often memory was asked for, ever.
pub fn calls() -> usize {
    CALLS.load(Relaxed)
}

/// How many bytes are held now.
pub fn held() -> usize {
    BYTES.load(Relaxed)
}
