//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Duration;

use anysession::{Entry, Expect, Store, StoreKey, Stored, Timestamp, Version, Write};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const LATER: Timestamp = Timestamp::from_millis(1_700_000_600_000);

/// Evenly spread, like the hashes that keys are.
pub(crate) fn key(number: u64) -> StoreKey {
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

pub(crate) fn of_user(user: &str, payload: impl Into<Vec<u8>>) -> Entry {
    Entry {
        user: Some(user.into()),
        ..entry(payload)
    }
}

pub(crate) async fn create(store: &dyn Store, key: &StoreKey, entry: Entry) -> Version {
    done(store.put(key, Expect::Absent, entry, NOW).await.unwrap())
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

/// The text of an error and of all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Does the work and says how long it took.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = tokio::time::Instant::now();
    let done = work.await;
    (done, start.elapsed())
}
