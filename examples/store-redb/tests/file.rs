//! What only a file can suffer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anysession::{Config, Drivers, Entry, Expect, Store, StoreKey, Timestamp, Write};
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

#[test]
fn several_processes_share_the_file_and_one_that_is_killed_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    RedbStore::open(&path).unwrap();
    let mut killed = counting(&path, u64::MAX);
    let others = [counting(&path, 50), counting(&path, 50)];
    let answered = BufReader::new(killed.stdout.take().unwrap()).lines();
    let counts = answered.filter_map(|line| line.unwrap().strip_prefix("at ")?.parse::<u64>().ok());
    let last = counts.take(50).last().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    for other in others {
        assert!(other.wait_with_output().unwrap().status.success());
    }
    let count = run(async { count_of(&RedbStore::open(&path).unwrap()).await.0 });
    assert!(count >= last, "{last} was answered, {count} is stored");
    assert!(count >= 150, "three of them counted, to {count}");
}

/// A process that counts so many times, one more than what it finds, and says each count that was stored.
fn counting(path: &Path, times: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "counts", "--ignored", "--nocapture"])
        .env("COUNT_IN", path)
        .env("COUNT_TIMES", times.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "is a process of the test above"]
#[expect(
    clippy::disallowed_methods,
    reason = "it is told what to do by whoever starts it"
)]
fn counts() {
    let Ok(path) = std::env::var("COUNT_IN") else {
        return;
    };
    let times: u64 = std::env::var("COUNT_TIMES").unwrap().parse().unwrap();
    run(async {
        let store = RedbStore::open(path).unwrap();
        let mut counted = 0;
        while counted < times {
            let (count, expect) = count_of(&store).await;
            let entry = Entry {
                payload: (count + 1).to_string().into(),
                deadline: Timestamp::MAX,
                user: None,
            };
            if let Write::Done(_) = store.put(&key(), expect, entry, NOW).await.unwrap() {
                counted += 1;
                println!("\nat {}", count + 1);
            }
        }
    });
}

const NOW: Timestamp = Timestamp::from_millis(0);

fn key() -> StoreKey {
    StoreKey::from_bytes(&[1; 32]).unwrap()
}

async fn count_of(store: &RedbStore) -> (u64, Expect) {
    match store.load(&key()).await.unwrap() {
        None => (0, Expect::Absent),
        Some(stored) => {
            let count = String::from_utf8(stored.entry.payload.to_vec()).unwrap();
            (count.parse().unwrap(), Expect::Version(stored.version))
        }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}
