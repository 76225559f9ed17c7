//! The stores of this crate pass its own suite. For a store of yours the file looks the same.

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use anysession::Store;
use anysession_testkit::{FaultyStore, ReferenceStore, run, store_suite};

/// Every handle on it reaches the same entries.
static SHARED: LazyLock<Arc<dyn Store>> = LazyLock::new(|| Arc::new(ReferenceStore::new()));

fn main() -> ExitCode {
    run([
        store_suite("reference", || async {
            Arc::new(ReferenceStore::new()) as Arc<dyn Store>
        })
        .reopening(|| async { Arc::clone(&SHARED) }),
        // All trials at once on one store: none of them may be in the way of another.
        store_suite("shared", || async { Arc::clone(&SHARED) }),
        store_suite("faulty_unscripted", || async {
            Arc::new(FaultyStore::new(Arc::new(ReferenceStore::new()))) as Arc<dyn Store>
        }),
    ])
}
