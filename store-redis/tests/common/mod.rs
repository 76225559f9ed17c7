//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anysession::{
    Deletion, Entry, Expect, Location, Store, StoreKey, Stored, Timestamp, Version, Write,
};
use anysession_redis::DRIVER;
use anysession_testkit::Suite;
use anysession_testkit::servers::find;
use libtest_mimic::{Arguments, Trial};

/// A time that a real clock has passed, so that Redis does not remove anything in a test.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(4_102_444_800_000);
pub(crate) const LATER: Timestamp = Timestamp::from_millis(4_102_448_400_000);

/// Far more than any time that is configured in a test, for a machine that is busy, and far less than for ever.
pub(crate) const BOUNDED: Duration = Duration::from_secs(10);

/// Runs tests under their names, or says that Redis is not here.
pub(crate) fn run(tests: Vec<(&'static str, fn())>) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match find("redis-server", "redis-server") {
        Err(absent) => Suite::absent("redis", absent.to_string()).into_trials(),
        Ok(_) => tests
            .into_iter()
            .map(|(name, test)| {
                Trial::test(name, move || {
                    test();
                    Ok(())
                })
            })
            .collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A list of async tests under their names, for [`run`].
macro_rules! tests {
    ($($group:ident: $($test:ident),+;)+) => {
        vec![$($((stringify!($test), || $crate::common::block_on($group::$test()))),+),+]
    };
}
pub(crate) use tests;

/// On several threads, so that a test may wait for a server while its requests go on.
pub(crate) fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

pub(crate) async fn open(url: &str) -> Arc<dyn Store> {
    let opened = (DRIVER.connect)(Location::parse(url)).await;
    opened.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// A key that no other has.
pub(crate) fn new_key() -> StoreKey {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 32];
    for (place, chunk) in (1u64..).zip(bytes.chunks_exact_mut(8)) {
        let mixed = (number.wrapping_mul(4) + place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    StoreKey::from_bytes(&bytes).unwrap()
}

pub(crate) fn entry(payload: impl Into<Vec<u8>>) -> Entry {
    Entry {
        payload: payload.into().into(),
        deadline: LATER,
        user: None,
    }
}

pub(crate) fn of_user(user: &str, payload: &str) -> Entry {
    Entry {
        user: Some(user.into()),
        ..entry(payload)
    }
}

pub(crate) async fn create(store: &dyn Store, entry: Entry) -> (StoreKey, Version) {
    let key = new_key();
    let write = store.put(&key, Expect::Absent, entry, NOW).await.unwrap();
    (key, done(write))
}

pub(crate) async fn update(
    store: &dyn Store,
    key: &StoreKey,
    version: &Version,
    entry: Entry,
) -> Version {
    let expect = Expect::Version(version.clone());
    done(store.put(key, expect, entry, NOW).await.unwrap())
}

pub(crate) async fn delete(store: &dyn Store, key: &StoreKey, version: &Version) {
    assert_eq!(store.delete(key, version).await.unwrap(), Deletion::Done);
}

pub(crate) async fn load(store: &dyn Store, key: &StoreKey) -> Stored {
    store.load(key).await.unwrap().unwrap()
}

pub(crate) fn done(write: Write) -> Version {
    match write {
        Write::Done(version) => version,
        Write::Conflict => panic!("a conflict where none can be"),
    }
}

/// An error with its causes, as a log would print it, and as `Debug` does.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error:?}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error} ({error:?})"));
        cause = error.source();
    }
    text
}
