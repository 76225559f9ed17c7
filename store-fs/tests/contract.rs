//! The verbs, as far as this store can get them wrong in its own way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use anysession::{Deletion, Entry, Expect, Location, Store, StoreError, Timestamp, Write};
use anysession_fs::{Durability, FsStore};
use common::{LATER, NOW, chain, create, entry, fresh, key, load, of_user, record_file, update};

#[tokio::test]
async fn what_is_written_is_read_by_another_process_of_the_directory() {
    for durability in [Durability::Full, Durability::Relaxed] {
        let (_guard, path) = fresh();
        let store = FsStore::open_with(&path, durability).unwrap();
        let other = FsStore::open(&path).unwrap();
        for payload in [
            vec![],
            vec![1; 300],
            vec![2; 4008],
            vec![3; 4096],
            vec![4; 200_000],
        ] {
            let key = key(payload.len() as u64);
            let version = create(&store, &key, entry(payload.clone())).await;
            let stored = load(&other, &key).await;
            assert_eq!((stored.version, stored.entry), (version, entry(payload)));
        }
    }
}

#[tokio::test]
async fn a_write_needs_what_it_expects() {
    let (_guard, path) = fresh();
    let store = FsStore::open(path).unwrap();
    let version = create(&store, &key(1), entry("a")).await;
    let conflict = store
        .put(&key(1), Expect::Absent, entry("b"), NOW)
        .await
        .unwrap();
    assert_eq!(conflict, Write::Conflict);
    let newer = update(&store, &key(1), &version, entry("c")).await;
    let stale = Expect::Version(version.clone());
    assert_eq!(
        store.put(&key(1), stale, entry("d"), NOW).await.unwrap(),
        Write::Conflict
    );
    assert_eq!(
        store.delete(&key(1), &version).await.unwrap(),
        Deletion::Conflict
    );
    assert_eq!(store.delete(&key(1), &newer).await.unwrap(), Deletion::Done);
    let dead = Expect::Version(newer);
    assert_eq!(
        store.put(&key(1), dead, entry("e"), NOW).await.unwrap(),
        Write::Conflict
    );
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn no_version_comes_back_after_a_deletion() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    // At one time, and at the beginning of time, where versions cannot follow the clock.
    for now in [
        NOW,
        Timestamp::from_millis(0),
        Timestamp::MAX.before(Duration::from_millis(1)),
    ] {
        let entry = Entry {
            deadline: Timestamp::MAX,
            ..entry("")
        };
        let mut seen = Vec::new();
        for round in 0..6 {
            let put = store
                .put(&key(1), Expect::Absent, entry.clone(), now)
                .await
                .unwrap();
            let mut version = common::done(put);
            seen.push(version.clone());
            for _ in 0..round {
                let expect = Expect::Version(version);
                version = common::done(
                    store
                        .put(&key(1), expect, entry.clone(), now)
                        .await
                        .unwrap(),
                );
                seen.push(version.clone());
            }
            if round % 2 == 0 {
                assert_eq!(
                    store.delete(&key(1), &version).await.unwrap(),
                    Deletion::Done
                );
            } else {
                assert_eq!(store.delete_expired(Timestamp::MAX, 10).await.unwrap(), 1);
            }
        }
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{seen:?}");
    }
}

#[tokio::test]
async fn a_touch_moves_the_deadline_and_nothing_else() {
    let (_guard, path) = fresh();
    let store = FsStore::open(path).unwrap();
    let version = create(&store, &key(1), of_user("ada", "a")).await;
    let later = LATER + Duration::from_secs(60);
    store.touch(&key(1), &version, later, NOW).await.unwrap();
    store.touch(&key(1), &version, NOW, NOW).await.unwrap();
    let stored = load(&store, &key(1)).await;
    assert_eq!(stored.version, version);
    assert_eq!(
        stored.entry,
        Entry {
            deadline: later,
            ..of_user("ada", "a")
        }
    );
    // Not at another version, not once it has expired, and never as a creation.
    let newer = update(&store, &key(1), &version, entry("b")).await;
    store
        .touch(&key(1), &version, Timestamp::MAX, NOW)
        .await
        .unwrap();
    store
        .touch(&key(1), &newer, Timestamp::MAX, LATER)
        .await
        .unwrap();
    store
        .touch(&key(2), &newer, Timestamp::MAX, NOW)
        .await
        .unwrap();
    assert_eq!(load(&store, &key(1)).await.entry.deadline, LATER);
    assert_eq!(store.load(&key(2)).await.unwrap(), None);
}

#[tokio::test]
async fn an_expired_entry_is_replaced_but_not_revived() {
    let (_guard, path) = fresh();
    let store = FsStore::open(path).unwrap();
    let version = create(&store, &key(1), entry("a")).await;
    let revive = Expect::Version(version.clone());
    assert_eq!(
        store.put(&key(1), revive, entry("b"), LATER).await.unwrap(),
        Write::Conflict
    );
    let anew = store
        .put(&key(1), Expect::Absent, entry("c"), LATER)
        .await
        .unwrap();
    assert_ne!(common::done(anew), version);
}

#[tokio::test]
async fn the_sweep_goes_on_where_it_stopped_and_spares_the_living() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(path, Durability::Relaxed).unwrap();
    for number in 0..300 {
        let deadline = if number % 3 == 0 { LATER } else { NOW };
        create(
            &store,
            &key(number),
            Entry {
                deadline,
                ..entry("")
            },
        )
        .await;
    }
    assert_eq!(store.delete_expired(NOW, 0).await.unwrap(), 0);
    let mut batches = Vec::new();
    while batches.last() != Some(&0) {
        batches.push(store.delete_expired(NOW, 64).await.unwrap());
    }
    assert_eq!(batches, [64, 64, 64, 8, 0]);
    for number in 0..300 {
        assert_eq!(
            store.load(&key(number)).await.unwrap().is_some(),
            number % 3 == 0
        );
    }
}

#[tokio::test]
async fn the_user_index_has_every_key_and_is_pruned_when_it_is_read() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    let mut expected = Vec::new();
    for number in 0..5 {
        create(&store, &key(number), of_user("ada/../é", "")).await;
        create(&store, &key(100 + number), of_user("bob", "")).await;
        expected.push(key(number));
    }
    expected.sort();
    assert_eq!(keys_of(&store, "ada/../é").await, expected);
    assert_eq!(keys_of(&store, "").await, []);

    // A record that is gone without its index entry, as after a crash.
    std::fs::remove_file(record_file(&path, &key(0))).unwrap();
    assert_eq!(entries(&path), 10);
    assert_eq!(
        keys_of(&store, "ada/../é").await,
        expected_without(&expected, 0)
    );
    assert_eq!(entries(&path), 9);

    // A record that changes hands, or is deleted.
    let version = load(&store, &key(1)).await.version;
    let version = update(&store, &key(1), &version, of_user("bob", "")).await;
    assert!(keys_of(&store, "bob").await.contains(&key(1)));
    assert!(!keys_of(&store, "ada/../é").await.contains(&key(1)));
    assert_eq!(
        store.delete(&key(1), &version).await.unwrap(),
        Deletion::Done
    );
    assert!(!keys_of(&store, "bob").await.contains(&key(1)));

    // An index entry that was lost comes back with the next write.
    let version = load(&store, &key(2)).await.version;
    std::fs::remove_dir_all(path.join("users")).unwrap();
    std::fs::create_dir(path.join("users")).unwrap();
    drop(store);
    std::fs::set_permissions(
        path.join("users"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let store = FsStore::open(&path).unwrap();
    update(&store, &key(2), &version, of_user("ada/../é", "")).await;
    assert_eq!(keys_of(&store, "ada/../é").await, [key(2)]);
}

#[tokio::test]
async fn the_sweep_prunes_the_index_too() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    create(&store, &key(1), of_user("ada", "")).await;
    create(&store, &key(2), of_user("ada", "")).await;
    std::fs::remove_file(record_file(&path, &key(1))).unwrap();
    assert_eq!(store.delete_expired(NOW, 10).await.unwrap(), 0);
    assert_eq!(entries(&path), 1);
    assert_eq!(store.delete_expired(LATER, 10).await.unwrap(), 1);
    assert_eq!(entries(&path), 0);
}

#[tokio::test]
async fn more_than_the_limit_is_an_error_and_leaves_the_old_record() {
    let (_guard, path) = fresh();
    let store = FsStore::open(path).unwrap();
    let version = create(&store, &key(1), entry("a")).await;
    let expect = Expect::Version(version.clone());
    let error = store
        .put(&key(1), expect, entry(vec![0; 65 << 20]), NOW)
        .await
        .unwrap_err();
    assert!(chain(&error).contains("at most"), "{}", chain(&error));
    assert_eq!(load(&store, &key(1)).await.version, version);
}

#[test]
fn outside_a_runtime_every_verb_is_an_error() {
    let (_guard, path) = fresh();
    let store = FsStore::open(path).unwrap();
    let mut load = store.load(&LOAD_KEY);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = load.as_mut().poll(&mut context) else {
        panic!("expected an error at once");
    };
    let error: StoreError = error;
    assert!(chain(&error).contains("tokio runtime"), "{}", chain(&error));
}

static LOAD_KEY: std::sync::LazyLock<anysession::StoreKey> = std::sync::LazyLock::new(|| key(1));

#[tokio::test]
async fn the_driver_opens_a_path_or_a_url_and_refuses_what_it_does_not_know() {
    let (_guard, path) = fresh();
    let driver = anysession_fs::DRIVER;
    assert_eq!((driver.name, driver.schemes), ("filesystem", &["file"][..]));
    for location in [
        path.display().to_string(),
        format!("file://{}", path.display()),
        format!("file://{}?durability=relaxed", path.display()),
        format!("{}?durability=full", path.display()),
    ] {
        let store = (driver.connect)(Location::parse(&location)).await.unwrap();
        assert!(format!("{store:?}").contains("sessions"), "{store:?}");
    }
    for (location, expected) in [
        (
            format!("{}?durabilty=full", path.display()),
            "it knows: durability",
        ),
        (
            format!("{}?durability=fsync", path.display()),
            "full or relaxed",
        ),
        ("redis://user:hunter2@host".to_owned(), "file:///path"),
        (
            format!("{}/missing/sessions", path.display()),
            "parent does not exist",
        ),
    ] {
        let error = (driver.connect)(Location::parse(&location))
            .await
            .unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(!chain(&error).contains("hunter2"));
    }
}

async fn keys_of(store: &FsStore, user: &str) -> Vec<anysession::StoreKey> {
    let mut keys = store.keys_of_user(user).await.unwrap();
    keys.sort();
    keys
}

fn expected_without(keys: &[anysession::StoreKey], number: u64) -> Vec<anysession::StoreKey> {
    let others = keys.iter().filter(|other| **other != key(number));
    others.cloned().collect()
}

fn entries(root: &std::path::Path) -> usize {
    let users = common::tree(&root.join("users"));
    users
        .iter()
        .filter(|(_, metadata)| metadata.is_file())
        .count()
}
