//! The store keeps the contract of a store.

use std::process::ExitCode;
use std::sync::Arc;

use anysession::{Config, Drivers, Store};
use anysession_testkit::{run, store_suite};
use store_redb::RedbStore;

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sessions.redb");
    let url = format!("redb://{}", path.display());
    let open = move || {
        let path = path.clone();
        async { Arc::new(RedbStore::open(path).expect("it opens")) as Arc<dyn Store> }
    };
    let connect = move || {
        let config = Config::from_pairs([("url", url.as_str())]).expect("a configuration");
        let drivers = Drivers::default().with(store_redb::DRIVER);
        async move { drivers.connect(&config).await.expect("it opens") }
    };
    run([store_suite("redb", connect).reopening(open)])
}
