//! What only a file can suffer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anysession::{Config, Drivers};
use store_redb::RedbStore;

#[test]
fn only_the_owner_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    RedbStore::open(&path).unwrap();
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a database").unwrap();
    RedbStore::open(&path).unwrap_err();
    assert_eq!(fs::read_to_string(path).unwrap(), "not a database");
}

#[tokio::test]
async fn a_location_that_is_not_ours_is_refused() {
    for (url, told) in [
        ("file:///var/sessions", "redb://"),
        ("redb:///var/sessions?durability=full", "durability"),
    ] {
        let config = Config::from_pairs([("type", "redb"), ("url", url)]).unwrap();
        let drivers = Drivers::default().with(store_redb::DRIVER);
        let error = drivers.connect(&config).await.unwrap_err();
        let told_by = format!("{error:?}");
        assert!(told_by.contains(told), "{told_by}");
    }
}
