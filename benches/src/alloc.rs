//! Counts what is allocated, while it is asked to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// Off while time is taken: counting would cost those most who allocate most.
static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, with counters.
pub struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; all calls go to the system's"
)]
// SAFETY: every call is handed to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as required of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as required of the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        given_back(layout.size());
        taken(size);
        // SAFETY: as required of the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: as required of the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn taken(size: usize) {
    if ON.load(Relaxed) {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(with_header(size), Relaxed);
    }
}

fn given_back(size: usize) {
    if ON.load(Relaxed) {
        BYTES.fetch_sub(with_header(size), Relaxed);
    }
}

/// What glibc takes for a request: eight bytes of its own, in steps of 16, at least 32.
fn with_header(size: usize) -> isize {
    (size + 8).next_multiple_of(16).max(32) as isize
}

/// What was allocated while something was done.
pub struct Count {
    /// How often memory was asked for; a block that grows counts each time.
    pub calls: usize,
    /// How many more bytes are held than before.
    pub held: isize,
}

/// Counts while `work` is done.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Count) {
    let (calls, bytes) = (CALLS.load(Relaxed), BYTES.load(Relaxed));
    ON.store(true, Relaxed);
    let done = work();
    ON.store(false, Relaxed);
    let count = Count {
        calls: CALLS.load(Relaxed) - calls,
        held: BYTES.load(Relaxed) - bytes,
    };
    (done, count)
}
