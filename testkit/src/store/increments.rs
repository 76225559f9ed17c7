//! Read, change and write back, as sessions do it, from many tasks.

use anysession::{Entry, StoreKey, Write};

use super::subject::{NOW, Subject, all_at_once, entry};
use crate::suite::{Failure, ensure};

pub(crate) async fn no_increment_is_lost(store: Subject) -> Result<(), Failure> {
    let (key, _) = store.created(&entry("0")).await?;
    all_at_once(16, |_| increment(store.clone(), key.clone(), 50, 16 * 50)).await?;
    expect_count(&store, &key, 16 * 50).await
}

/// Adds one, `times` over, as a session does it: load, write at the version read, and again on a conflict.
///
/// A conflict means that another writer was faster, so there are never more of them than `writes` of all together.
pub(super) async fn increment(
    store: Subject,
    key: StoreKey,
    times: usize,
    writes: usize,
) -> Result<(), Failure> {
    let mut conflicts = 0;
    for _ in 0..times {
        loop {
            let stored = store.found(&key).await?;
            let next = entry((count(&stored.entry)? + 1).to_string());
            if let Write::Done(_) = store.try_update(&key, &stored.version, &next, NOW).await? {
                break;
            }
            conflicts += 1;
            ensure!(
                conflicts <= writes,
                "update at the version just loaded is refused only if another write was done in between, but it was refused {conflicts} times with {writes} writes in all"
            );
        }
    }
    Ok(())
}

pub(super) async fn expect_count(
    store: &Subject,
    key: &StoreKey,
    expected: usize,
) -> Result<(), Failure> {
    let got = count(&store.found(key).await?.entry)?;
    ensure!(
        got == expected,
        "{expected} increments were done and all are kept, but the count is {got}"
    );
    Ok(())
}

fn count(entry: &Entry) -> Result<usize, Failure> {
    std::str::from_utf8(&entry.payload)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Failure::new(format!("expected a number, load answered {entry:?}")))
}
