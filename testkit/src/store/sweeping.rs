//! `delete_expired`.
//!
//! In 2100, where the other trials keep their deadlines, it would reach others' entries. What it is tried on ends in the
//! first second of 1970. A store that expires entries by itself drops those at once; every trial allows for that.

use anysession::{Entry, StoreKey, Timestamp, Write};
use tokio::sync::{Mutex, MutexGuard};

use super::Work;
use super::subject::{HOUR, NOW, Subject, entry, new_key, race, same_entry};
use crate::suite::{Failure, ensure};

pub(crate) async fn delete_expired_deletes_only_what_is_expired(
    store: Subject,
) -> Result<(), Failure> {
    let swept = Swept::new(&store).await?;
    let (living, _) = store.created(&entry("living")).await?;
    let forever = Entry {
        deadline: Timestamp::MAX,
        ..entry("forever")
    };
    let (forever, _) = store.created(&forever).await?;
    let expired = swept.add(500).await?;
    let at_the_time = swept.add(600).await?;
    let later = swept.add(601).await?;
    let keeps_later = store.load(&later).await?.is_some();

    swept.all(Timestamp::from_millis(600)).await?;
    store
        .expect_absent(&expired, "after delete_expired(600), deadline 500")
        .await?;
    store
        .expect_absent(&at_the_time, "after delete_expired(600), deadline 600")
        .await?;
    if keeps_later {
        let found = store.load(&later).await?;
        ensure!(
            found.is_some(),
            "after delete_expired(600): the entry with deadline 601 is there, load answered None"
        );
    }
    for key in [living, forever] {
        store.found(&key).await?;
    }
    Ok(())
}

pub(crate) async fn delete_expired_keeps_to_its_limit(store: Subject) -> Result<(), Failure> {
    let swept = Swept::new(&store).await?;
    let mut keys = Vec::new();
    for deadline in 100..107 {
        keys.push(swept.add(deadline).await?);
    }
    let before = swept.count(&keys).await?;
    let answer = store.delete_expired(swept.end(), 3).await?;
    let after = swept.count(&keys).await?;
    ensure!(
        answer <= 3 && before - after <= 3,
        "delete_expired deletes at most 3 of {before}: it deleted {} and answered {answer}",
        before - after
    );
    ensure!(
        answer == before - after,
        "delete_expired says how many: it deleted {} and answered {answer}",
        before - after
    );
    Ok(())
}

pub(crate) async fn delete_expired_says_when_none_are_left(store: Subject) -> Result<(), Failure> {
    let swept = Swept::new(&store).await?;
    let mut keys = Vec::new();
    for deadline in 100..107 {
        keys.push(swept.add(deadline).await?);
    }
    // Seven by threes: a store that looks at too few, or counts what it did not delete, stops at the wrong moment.
    for _ in 0..keys.len() {
        let answer = store.delete_expired(swept.end(), 3).await?;
        let left = swept.count(&keys).await?;
        if answer < 3 {
            ensure!(
                left == 0,
                "fewer than the limit means that none are left: delete_expired answered {answer} of 3, {left} are left"
            );
            return Ok(());
        }
    }
    Err(Failure::new(
        "delete_expired answers its limit of 3 again and again, also when none are left",
    ))
}

/// A sweeper that first looks for expired entries and then deletes them by key would delete a living session here.
pub(crate) async fn delete_expired_spares_what_was_just_extended(
    store: Subject,
) -> Result<(), Failure> {
    let swept = Swept::new(&store).await?;
    for round in 0..6 {
        let mut entries = Vec::new();
        for _ in 0..24 {
            let key = new_key();
            let version = store.create(&key, &swept.entry(100), swept.start()).await?;
            entries.push((key, version));
        }
        let (sweeping, end) = (store.clone(), swept.end());
        let sweep: Work<Vec<(StoreKey, Timestamp)>> = Box::pin(async move {
            sweeping.delete_expired(end, 1000).await?;
            Ok(Vec::new())
        });
        let (extending, start) = (store.clone(), swept.start());
        let extend: Work<Vec<(StoreKey, Timestamp)>> = Box::pin(async move {
            let mut extended = Vec::new();
            for (position, (key, version)) in entries.into_iter().enumerate() {
                let longer = entry("extended");
                let deadline = longer.deadline;
                // Whoever was told "done", or has seen the later deadline, relies on the session being there.
                let relies = if position % 2 == 0 {
                    let answer = extending.try_update(&key, &version, &longer, start).await?;
                    matches!(answer, Write::Done(_))
                } else {
                    extending.touch(&key, &version, deadline, start).await?;
                    let found = extending.load(&key).await?;
                    found.is_some_and(|stored| stored.entry.deadline == deadline)
                };
                if relies {
                    extended.push((key, deadline));
                }
            }
            Ok(extended)
        });
        let pieces = if round % 2 == 0 {
            vec![sweep, extend]
        } else {
            vec![extend, sweep]
        };
        for (key, deadline) in race(pieces).await?.into_iter().flatten() {
            let found = store.load(&key).await?;
            ensure!(
                found.is_some_and(|stored| stored.entry.deadline == deadline),
                "delete_expired deletes an entry only if it is still expired at that moment, but it took one that had been extended"
            );
        }
    }
    // And with nothing at the same time: what a sweep finds has to be the newest deadline.
    let key = swept.add(100).await?;
    if let Some(stored) = store.load(&key).await? {
        store
            .touch(&key, &stored.version, NOW + HOUR, swept.start())
            .await?;
        swept.all(swept.end()).await?;
        let extended = Entry {
            deadline: NOW + HOUR,
            ..stored.entry
        };
        let when = "after touch and delete_expired";
        same_entry(&store.found(&key).await?.entry, &extended, when)?;
    }
    Ok(())
}

/// The first second of 1970, where `delete_expired` is tried: one trial at a time.
pub(super) struct Swept<'a> {
    store: &'a Subject,
    _alone: MutexGuard<'static, ()>,
}

/// Trials run in parallel and may share a backend, so that one would sweep away what another one counts.
static ALONE: Mutex<()> = Mutex::const_new(());

impl<'a> Swept<'a> {
    pub(super) async fn new(store: &'a Subject) -> Result<Self, Failure> {
        let swept = Swept {
            store,
            _alone: ALONE.lock().await,
        };
        // What an earlier run left behind.
        swept.all(swept.end()).await?;
        Ok(swept)
    }

    fn start(&self) -> Timestamp {
        Timestamp::from_millis(1)
    }

    pub(super) fn end(&self) -> Timestamp {
        Timestamp::from_millis(1000)
    }

    fn entry(&self, deadline: u64) -> Entry {
        Entry {
            deadline: Timestamp::from_millis(deadline),
            ..entry("to be swept")
        }
    }

    pub(super) async fn add(&self, deadline: u64) -> Result<StoreKey, Failure> {
        let key = new_key();
        let entry = self.entry(deadline);
        self.store.create(&key, &entry, self.start()).await?;
        Ok(key)
    }

    async fn count(&self, keys: &[StoreKey]) -> Result<usize, Failure> {
        let mut count = 0;
        for key in keys {
            count += usize::from(self.store.load(key).await?.is_some());
        }
        Ok(count)
    }

    pub(super) async fn all(&self, before: Timestamp) -> Result<(), Failure> {
        for _ in 0..1000 {
            if self.store.delete_expired(before, 1000).await? < 1000 {
                return Ok(());
            }
        }
        Err(Failure::new(
            "fewer than the limit means that none are left, but delete_expired answered 1000 of 1000 a thousand times",
        ))
    }
}
