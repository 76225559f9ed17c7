//! The adapter suite once more, on the filesystem store instead of the memory store.

use std::process::ExitCode;
use std::sync::Arc;

use anysession_fs::{Durability, FsStore};
use anysession_poem::anysession::Store;
use anysession_testkit::{adapter_suite_on, run};

fn main() -> ExitCode {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().to_owned();
    let open = move || {
        // Each trial gets a directory of its own.
        let own = tempfile::tempdir_in(&path)
            .expect("a temporary directory")
            .keep();
        let store = FsStore::open_with(own.join("sessions"), Durability::Relaxed);
        let store: Arc<dyn Store> = Arc::new(store.expect("a directory to keep sessions in"));
        async { store }
    };
    let suite = adapter_suite_on("poem_on_filesystem", open, probe_poem::serve);
    run([probe_poem::declare(suite)])
}
