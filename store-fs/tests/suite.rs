//! The filesystem store keeps the contract of a store.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{Location, Store};
use anysession_fs::{Durability, FsStore};
use anysession_testkit::{Suite, flask_store_suite, run, store_suite};

fn flask(path: PathBuf, hash: &str) -> Suite {
    let url = format!("file://{}?durability=relaxed&hash={hash}", path.display());
    let open = move || {
        let connect = anysession_fs::DRIVER.connect_flask.expect("files can");
        let connecting = connect(Location::parse(&url), Flask::default());
        async move { connecting.await.expect("the folder is ours") }
    };
    flask_store_suite(format!("filesystem_flask_{hash}"), open.clone())
        .reopening(open)
        .except(
            "deadlines_are_kept_to_the_millisecond",
            "cachelib keeps whole seconds",
        )
        .except(
            "a_deadline_beyond_the_year_9999_stays_in_the_future",
            "cachelib keeps them in 32 bits, to the year 2106",
        )
}

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
        flask(full.path().join("flask"), "sha256"),
        flask(full.path().join("flask_md5"), "md5"),
    ])
}
