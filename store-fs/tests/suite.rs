//! The filesystem store keeps the contract of a store.

use std::process::ExitCode;
use std::sync::Arc;

use anysession::Store;
use anysession_fs::{Durability, FsStore};
use anysession_testkit::{run, store_suite};

fn main() -> ExitCode {
    let full = tempfile::tempdir().expect("a temporary folder");
    let relaxed = tempfile::tempdir().expect("a temporary folder");
    let open = |folder: &tempfile::TempDir, durability| {
        let path = folder.path().join("sessions");
        move || {
            let store = FsStore::open_with(&path, durability).expect("the folder is ours");
            async move { Arc::new(store) as Arc<dyn Store> }
        }
    };
    run([
        store_suite("filesystem", open(&full, Durability::Full))
            .reopening(open(&full, Durability::Full)),
        store_suite("filesystem_relaxed", open(&relaxed, Durability::Relaxed))
            .reopening(open(&relaxed, Durability::Relaxed)),
    ])
}
