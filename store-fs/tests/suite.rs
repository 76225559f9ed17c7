//! The filesystem store keeps the contract of a store.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{Location, Store};
use anysession_fs::{Durability, FsStore};
use anysession_testkit::{Suite, flask_store_suite, run, store_suite};

fn flask(path: &Path, hash: &str) -> Suite {
    let url = format!("file://{}?durability=relaxed&hash={hash}", path.display());
    let open = move || {
        let connect = anysession_fs::DRIVER.connect_flask.expect("files can");
        let connecting = connect(Location::parse(&url), Flask::default());
        async move { connecting.await.expect("the folder is ours") }
    };
    let suite = flask_store_suite(format!("filesystem_flask_{hash}"), open);
    let suite = NEED_MILLISECONDS.iter().fold(suite, |suite, rule| {
        suite.except(rule, "cachelib keeps whole seconds")
    });
    suite.except(
        "a_deadline_beyond_the_year_9999_stays_in_the_future",
        "cachelib keeps them in 32 bits, to the year 2106",
    )
}

const NEED_MILLISECONDS: &[&str] = &[
    "deadlines_are_kept_to_the_millisecond",
    "an_entry_is_gone_at_its_deadline_and_not_before",
    "an_entry_written_after_its_deadline_counts_as_absent",
    "delete_expired_deletes_only_what_is_expired",
];

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
        flask(&full.path().join("flask"), "sha256"),
        flask(&full.path().join("flask_md5"), "md5"),
    ])
}
