//! The memory store keeps the contract of a store.

use std::process::ExitCode;
use std::sync::Arc;

use anysession::{MemoryStore, Store};
use anysession_testkit::{run, store_suite};

fn main() -> ExitCode {
    run([store_suite("memory", || async {
        Arc::new(MemoryStore::new()) as Arc<dyn Store>
    })])
}
