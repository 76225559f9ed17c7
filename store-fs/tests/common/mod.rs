//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "tests only")]

use std::path::{Path, PathBuf};

use anysession::{Entry, Expect, Store, StoreKey, Stored, Timestamp, Version, Write};
use anysession_fs::FsStore;

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

pub(crate) fn of_user(user: &str, payload: &str) -> Entry {
    Entry {
        user: Some(user.into()),
        ..entry(payload)
    }
}

/// A directory that is not there yet, inside one that is removed with the guard.
pub(crate) fn fresh() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("sessions");
    (parent, path)
}

pub(crate) async fn create(store: &FsStore, key: &StoreKey, entry: Entry) -> Version {
    done(store.put(key, Expect::Absent, entry, NOW).await.unwrap())
}

pub(crate) async fn update(
    store: &FsStore,
    key: &StoreKey,
    version: &Version,
    entry: Entry,
) -> Version {
    let expect = Expect::Version(version.clone());
    done(store.put(key, expect, entry, NOW).await.unwrap())
}

pub(crate) async fn load(store: &FsStore, key: &StoreKey) -> Stored {
    store.load(key).await.unwrap().unwrap()
}

pub(crate) fn done(write: Write) -> Version {
    match write {
        Write::Done(version) => version,
        Write::Conflict => panic!("a conflict where none can be"),
    }
}

pub(crate) fn record_file(root: &Path, key: &StoreKey) -> PathBuf {
    let name = key.to_string();
    root.join("records").join(&name[..2]).join(name)
}

/// Every file, link and folder below `root`, with its permissions and kind.
pub(crate) fn tree(root: &Path) -> Vec<(PathBuf, std::fs::Metadata)> {
    let mut found = Vec::new();
    for listed in std::fs::read_dir(root).unwrap() {
        let path = listed.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.extend(tree(&path));
        }
        found.push((path, metadata));
    }
    found
}

pub(crate) fn temp_files(root: &Path) -> Vec<PathBuf> {
    let files = tree(root).into_iter().map(|(path, _)| path);
    files
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("tmp-")
        })
        .collect()
}

/// The text of an error and of all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
