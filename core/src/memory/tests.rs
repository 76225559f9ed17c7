#![expect(
    clippy::needless_pass_by_value,
    reason = "keys are made where they are handed over"
)]
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;

use super::*;

/// No verb of this store waits, so its answer is there at the first poll.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory store waits for something"),
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Numbers at both ends of the key, so that the shards and the places in a table differ.
fn key(number: u64) -> StoreKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[24..].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    StoreKey::from_bytes(&bytes).unwrap()
}

/// Keys that differ, but not in the part that serves as their hash.
fn key_with_the_same_tail(number: u8) -> StoreKey {
    let mut bytes = [7; 32];
    bytes[0] = number;
    StoreKey::from_bytes(&bytes).unwrap()
}

fn entry(deadline: u64) -> Entry {
    Entry {
        payload: Bytes::from_static(b"payload"),
        deadline: at(deadline),
        user: None,
    }
}

fn entry_of(user: &str, deadline: u64) -> Entry {
    Entry {
        user: Some(user.into()),
        ..entry(deadline)
    }
}

fn put(store: &MemoryStore, key: StoreKey, expect: Expect, entry: Entry, now: u64) -> Write {
    done(store.put(&key, expect, entry, at(now))).unwrap()
}

fn create(store: &MemoryStore, key: StoreKey, entry: Entry, now: u64) -> Version {
    match put(store, key, Expect::Absent, entry, now) {
        Write::Done(version) => version,
        Write::Conflict => panic!("the key is taken"),
    }
}

fn update(store: &MemoryStore, key: StoreKey, version: Version, entry: Entry) -> Version {
    match put(store, key, Expect::Version(version), entry, 0) {
        Write::Done(version) => version,
        Write::Conflict => panic!("the version is the right one"),
    }
}

fn load(store: &MemoryStore, key: StoreKey) -> Option<Stored> {
    done(store.load(&key)).unwrap()
}

fn delete(store: &MemoryStore, key: StoreKey, version: &Version) -> Deletion {
    done(store.delete(&key, version)).unwrap()
}

fn keys_of(store: &MemoryStore, user: &str) -> Vec<StoreKey> {
    let mut keys = done(store.keys_of_user(user)).unwrap();
    keys.sort();
    keys
}

/// What the store holds inside.
#[derive(Debug, PartialEq, Eq, Default)]
struct Counts {
    taken: usize,
    sessions: usize,
    queued: usize,
    users: usize,
    keys_of_users: usize,
}

fn counts(store: &MemoryStore) -> Counts {
    let (users, keys_of_users) = store.users.counts();
    let mut counts = Counts {
        taken: store.len(),
        users,
        keys_of_users,
        ..Counts::default()
    };
    for shard in &store.shards {
        let (sessions, queued) = lock(shard).counts();
        counts.sessions += sessions;
        counts.queued += queued;
    }
    counts
}

#[test]
fn only_the_expected_version_is_written() {
    let store = MemoryStore::new();
    let first = create(&store, key(1), entry(10), 0);
    let taken = put(&store, key(1), Expect::Absent, entry(10), 0);
    assert_eq!(taken, Write::Conflict);

    let second = update(&store, key(1), first.clone(), entry(20));
    assert_ne!(first, second);
    let late = Expect::Version(first);
    assert_eq!(put(&store, key(1), late, entry(30), 0), Write::Conflict);
    let foreign = Expect::Version(Version::from_bytes(Bytes::from_static(b"2")));
    assert_eq!(put(&store, key(1), foreign, entry(30), 0), Write::Conflict);
    assert_eq!(load(&store, key(1)).unwrap().entry, entry(20));
}

#[test]
fn a_deleted_key_stays_deleted_and_its_versions_never_return() {
    let store = MemoryStore::new();
    let old = create(&store, key(1), entry(10), 0);
    let update = Expect::Version(old.clone());
    assert_eq!(delete(&store, key(1), &old), Deletion::Done);
    assert_eq!(delete(&store, key(1), &old), Deletion::Conflict);
    assert_eq!(put(&store, key(1), update, entry(10), 0), Write::Conflict);

    assert_ne!(create(&store, key(1), entry(10), 0), old);
    assert_eq!(delete(&store, key(1), &old), Deletion::Conflict);
}

#[test]
fn nothing_revives_an_expired_entry() {
    let store = MemoryStore::new();
    let version = create(&store, key(1), entry(10), 0);
    let update = Expect::Version(version.clone());
    assert_eq!(put(&store, key(1), update, entry(99), 10), Write::Conflict);
    done(store.touch(&key(1), &version, at(99), at(10))).unwrap();
    assert_eq!(load(&store, key(1)).unwrap().entry.deadline, at(10));

    assert_ne!(create(&store, key(1), entry(99), 10), version);
    assert_eq!(counts(&store).queued, 1);
}

#[test]
fn a_touch_moves_only_the_deadline_and_only_forward() {
    let store = MemoryStore::new();
    let version = create(&store, key(1), entry(10), 0);
    for (deadline, expected) in [(30, 30), (20, 30)] {
        done(store.touch(&key(1), &version, at(deadline), at(0))).unwrap();
        let stored = load(&store, key(1)).unwrap();
        assert_eq!((stored.entry, &stored.version), (entry(expected), &version));
    }
    done(store.touch(&key(1), &Version::from(u64::MAX), at(99), at(0))).unwrap();
    done(store.touch(&key(2), &version, at(99), at(0))).unwrap();
    assert_eq!(load(&store, key(1)).unwrap().entry.deadline, at(30));
    assert_eq!(load(&store, key(2)), None);
}

#[test]
fn of_many_writers_none_is_lost() {
    const WRITERS: u64 = 16;
    const EACH: u64 = 500;
    let store = MemoryStore::new();
    let number = |value: u64| Entry {
        payload: value.to_le_bytes().to_vec().into(),
        ..entry(10)
    };
    let read = |stored: &Stored| u64::from_le_bytes(stored.entry.payload[..].try_into().unwrap());
    create(&store, key(1), number(0), 0);
    let start = Barrier::new(WRITERS as usize);
    let increment = || loop {
        let stored = load(&store, key(1)).unwrap();
        let next = number(read(&stored) + 1);
        if put(&store, key(1), Expect::Version(stored.version), next, 0) != Write::Conflict {
            break;
        }
    };
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                start.wait();
                (0..EACH).for_each(|_| increment());
            });
        }
    });
    assert_eq!(read(&load(&store, key(1)).unwrap()), WRITERS * EACH);
}

#[test]
fn a_full_store_refuses_the_new_and_keeps_the_old() {
    let store = MemoryStore::with_limit(2);
    let version = create(&store, key(1), entry(10), 0);
    create(&store, key(2), entry(20), 0);
    let refused = done(store.put(&key(3), Expect::Absent, entry(10), at(9))).unwrap_err();
    assert!(refused.is_full(), "{refused:?}");
    assert_eq!(load(&store, key(3)), None);
    let taken = put(&store, key(2), Expect::Absent, entry(10), 9);
    assert_eq!(taken, Write::Conflict);

    let update = put(&store, key(1), Expect::Version(version), entry(12), 9);
    assert!(matches!(update, Write::Done(_)));
    create(&store, key(3), entry(30), 12);
    assert_eq!(load(&store, key(1)), None);
    assert_eq!(load(&store, key(2)).unwrap().entry, entry(20));

    let stored = load(&store, key(2)).unwrap();
    assert_eq!(delete(&store, key(2), &stored.version), Deletion::Done);
    create(&store, key(4), entry(30), 12);
}

#[test]
fn the_bound_is_exact_when_many_create_at_once() {
    const MAX: usize = 100;
    let store = MemoryStore::with_limit(MAX);
    // Half of the places are taken by sessions that have expired when the others come.
    (0..50).for_each(|number| {
        create(&store, key(number), entry(10), 0);
    });
    let start = Barrier::new(16);
    let created = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 1..=16 {
            let (store, start, created) = (&store, &start, &created);
            scope.spawn(move || {
                start.wait();
                for number in thread * 1000..thread * 1000 + 20 {
                    match done(store.put(&key(number), Expect::Absent, entry(20), at(10))) {
                        Ok(write) => assert!(matches!(write, Write::Done(_))),
                        Err(error) => {
                            assert!(error.is_full());
                            continue;
                        }
                    }
                    created.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(created.into_inner(), MAX);
    // None of those created is ever removed, so one too many at any time would still be here.
    let counts = counts(&store);
    assert_eq!((counts.sessions, counts.taken), (MAX, MAX));
}

#[test]
fn only_the_expired_are_deleted_and_no_more_than_asked() {
    let store = MemoryStore::new();
    (0..1000).for_each(|number| {
        create(&store, key(number), entry(10 + number % 2), 0);
    });
    assert_eq!(done(store.delete_expired(at(9), usize::MAX)).unwrap(), 0);
    assert_eq!(done(store.delete_expired(at(10), 300)).unwrap(), 300);
    assert_eq!(done(store.delete_expired(at(10), 300)).unwrap(), 200);
    let alive = |number: &u64| load(&store, key(*number)).is_some();
    assert!((0..1000).filter(alive).all(|number| number % 2 == 1));
    assert_eq!(counts(&store).sessions, 500);
    assert_eq!(counts(&store).queued, 500);
}

#[test]
fn a_touched_session_is_queued_once_and_expires_at_its_new_deadline() {
    let store = MemoryStore::new();
    let version = create(&store, key(1), entry(10), 0);
    for deadline in 11..1000 {
        done(store.touch(&key(1), &version, at(deadline), at(0))).unwrap();
    }
    assert_eq!(counts(&store).queued, 1);
    assert_eq!(done(store.delete_expired(at(998), 1)).unwrap(), 0);
    assert_eq!(counts(&store).queued, 1);
    assert_eq!(done(store.delete_expired(at(999), 1)).unwrap(), 1);
    assert_eq!(counts(&store), Counts::default());
}

#[test]
fn an_update_may_shorten_the_deadline() {
    let store = MemoryStore::new();
    let version = create(&store, key(1), entry(u64::MAX), 0);
    update(&store, key(1), version, entry(10));
    assert_eq!(done(store.delete_expired(at(10), 9)).unwrap(), 1);
    assert_eq!(counts(&store), Counts::default());
}

#[test]
fn creating_sessions_evicts_the_expired() {
    let store = MemoryStore::new();
    for now in 0..100_000 {
        create(&store, key(now), entry(now + 100), now);
    }
    // Each shard is left with what expired since its last create.
    let counts = counts(&store);
    assert!(counts.sessions < 2_000, "{counts:?}");
    assert_eq!(counts.queued, counts.sessions);
}

#[test]
fn creating_and_deleting_leaves_nothing_behind() {
    let store = MemoryStore::new();
    for number in 0..100_000 {
        let user = format!("user {}", number % 100);
        let version = create(&store, key(number), entry_of(&user, 10), 0);
        done(store.touch(&key(number), &version, at(20), at(0))).unwrap();
        if number >= 1000 {
            let old = load(&store, key(number - 1000)).unwrap();
            assert_eq!(
                delete(&store, key(number - 1000), &old.version),
                Deletion::Done
            );
        }
    }
    let left = counts(&store);
    assert_eq!(
        (left.sessions, left.queued, left.keys_of_users),
        (1000, 1000, 1000)
    );
    assert_eq!(
        done(store.delete_expired(at(20), usize::MAX)).unwrap(),
        1000
    );
    assert_eq!(counts(&store), Counts::default());
}

#[test]
fn keys_that_end_alike_are_kept_apart() {
    let store = MemoryStore::new();
    let keys: Vec<_> = (0..100).map(key_with_the_same_tail).collect();
    let user = |number: usize| format!("user {}", number % 3);
    for (number, key) in keys.iter().enumerate() {
        create(&store, key.clone(), entry_of(&user(number), 10), 0);
    }
    assert_eq!(keys_of(&store, &user(2)).len(), 33);
    let version = load(&store, keys[50].clone()).unwrap().version;
    done(store.touch(&keys[50], &version, at(11), at(0))).unwrap();
    let deleted = load(&store, keys[20].clone()).unwrap().version;
    assert_eq!(delete(&store, keys[20].clone(), &deleted), Deletion::Done);

    assert_eq!(done(store.delete_expired(at(10), usize::MAX)).unwrap(), 98);
    assert!(load(&store, keys[50].clone()).is_some());
    assert_eq!(done(store.delete_expired(at(11), usize::MAX)).unwrap(), 1);
    assert_eq!(counts(&store), Counts::default());
}

#[test]
fn the_index_follows_the_user_of_an_entry() {
    let store = MemoryStore::new();
    let version = create(&store, key(1), entry_of("ann", 10), 0);
    create(&store, key(2), entry_of("ann", 10), 0);
    let version = update(&store, key(1), version, entry_of("bob", 20));
    assert_eq!(keys_of(&store, "ann"), [key(2)]);
    assert_eq!(keys_of(&store, "bob"), [key(1)]);
    done(store.delete_expired(at(10), 9)).unwrap();
    assert_eq!(keys_of(&store, "ann"), []);
    update(&store, key(1), version, entry(20));
    assert_eq!(keys_of(&store, "bob"), []);
    assert_eq!(counts(&store).users, 0);
}

#[test]
fn the_index_never_misses_a_key_of_a_user_with_many_writers() {
    const THREADS: u64 = 8;
    let store = MemoryStore::new();
    let start = Barrier::new(THREADS as usize);
    let round = |number: u64, user: &str, other: &str| {
        let version = create(&store, key(number), entry_of(user, 10), 0);
        assert!(keys_of(&store, user).contains(&key(number)));
        let version = update(&store, key(number), version, entry_of(other, 10));
        assert!(keys_of(&store, other).contains(&key(number)));
        if !number.is_multiple_of(4) {
            assert_eq!(delete(&store, key(number), &version), Deletion::Done);
        }
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (start, round) = (&start, &round);
            scope.spawn(move || {
                start.wait();
                let (user, other) = if thread % 2 == 0 {
                    ("ann", "bob")
                } else {
                    ("bob", "ann")
                };
                (0..500).for_each(|number| round(thread * 1000 + number, user, other));
            });
        }
    });
    let left = keys_of(&store, "ann").len() + keys_of(&store, "bob").len();
    assert_eq!(left, THREADS as usize * 125);
    assert_eq!(counts(&store).sessions, left);
    done(store.delete_expired(at(10), usize::MAX)).unwrap();
    assert_eq!(counts(&store), Counts::default());
}

#[test]
fn a_url_may_bound_the_store_and_nothing_else() {
    let connect = |url: &str| done((DRIVER.connect)(Location::parse(url)));
    for good in [
        "",
        "memory://",
        "memory://?max_sessions=2",
        "?max_sessions=2",
    ] {
        let store = connect(good).unwrap();
        let bounded = good.ends_with("=2");
        assert_eq!(
            format!("{store:?}").contains("limit: 2 "),
            bounded,
            "{good}"
        );
    }
    for bad in [
        "?max_sessions=0",
        "?max_sessions=-1",
        "?max_sessions=many",
        "?max_sessions=",
    ] {
        let error = connect(bad).unwrap_err();
        assert!(matches!(error, ConnectError::BadOption { .. }), "{error}");
    }
    for path in [
        "sessions",
        "memory://sessions",
        "redis://user:hunter2@host/0",
    ] {
        let error = format!("{:?}", connect(path).unwrap_err());
        assert!(
            error.contains("remove the url") && !error.contains("hunter2"),
            "{error}"
        );
    }
    assert!(matches!(
        connect("?max=2"),
        Err(ConnectError::UnknownOption { .. })
    ));
}
