//! Deadlines that pass, and `delete_expired`.
//!
//! The time is an argument, so most trials keep their deadlines in 2100, where no backend's own clock interferes, and
//! hand in a later `now`. `delete_expired` would reach others' entries there, so what it is tried on ends in the first
//! second of 1970. A store that expires entries by itself drops those at once; every trial allows for that.

use std::time::Duration;

use anysession::{Entry, Expect, StoreKey, Timestamp, Write};
use tokio::sync::{Mutex, MutexGuard};

use super::Work;
use super::subject::{HOUR, NOW, Subject, entry, new_key, race, same_entry};
use crate::suite::{Failure, ensure};

const MS: Duration = Duration::from_millis(1);

pub(crate) async fn nothing_revives_an_expired_entry(store: Subject) -> Result<(), Failure> {
    for late in [Duration::ZERO, MS, HOUR, HOUR * 24 * 365] {
        let before = entry("expired");
        let (key, version) = store.created(&before).await?;
        let now = before.deadline + late;
        let when = format!("{late:?} after its deadline");
        let longer = Entry {
            deadline: now + HOUR,
            ..entry("late")
        };

        let answer = store.try_update(&key, &version, &longer, now).await?;
        ensure!(
            answer == Write::Conflict,
            "an update {when} finds nothing: expected Conflict, put answered {answer:?}"
        );
        let what = format!("after an update {when}");
        store.expect_gone(&key, now, &what).await?;

        store.touch(&key, &version, now + HOUR, now).await?;
        let what = format!("after a touch {when}");
        store.expect_gone(&key, now, &what).await?;
    }
    Ok(())
}

pub(crate) async fn an_entry_is_gone_at_its_deadline_and_not_before(
    store: Subject,
) -> Result<(), Failure> {
    let before = entry("payload");
    let last_moment = before.deadline.before(MS);

    let (key, version) = store.created(&before).await?;
    let answer = store.put(&key, Expect::Absent, entry("x"), last_moment);
    ensure!(
        answer.await? == Write::Conflict,
        "a millisecond before its deadline an entry is there, but create was done"
    );
    store
        .touch(&key, &version, before.deadline + MS, last_moment)
        .await?;
    let touched = Entry {
        deadline: before.deadline + MS,
        ..before.clone()
    };
    store
        .expect(
            &key,
            &touched,
            &version,
            "after a touch in the last millisecond",
        )
        .await?;
    let longer = Entry {
        deadline: before.deadline + HOUR,
        ..entry("y")
    };
    let answer = store
        .try_update(&key, &version, &longer, before.deadline)
        .await?;
    ensure!(
        matches!(answer, Write::Done(_)),
        "a millisecond before its deadline an entry is there, but update at its version was refused"
    );

    let (key, version) = store.created(&before).await?;
    let answer = store
        .try_update(&key, &version, &entry("z"), before.deadline)
        .await?;
    ensure!(
        answer == Write::Conflict,
        "at its deadline an entry is gone, but update was done"
    );
    store
        .touch(&key, &version, before.deadline + HOUR, before.deadline)
        .await?;
    store
        .expect_gone(&key, before.deadline, "after a touch at the deadline")
        .await
}

pub(crate) async fn an_expired_key_can_be_created_anew(store: Subject) -> Result<(), Failure> {
    for late in [Duration::ZERO, HOUR] {
        let old = entry("old");
        let (key, old_version) = store.created(&old).await?;
        let now = old.deadline + late;
        let new = Entry {
            deadline: now + HOUR,
            ..entry("new")
        };
        let version = store.create(&key, &new, now).await?;
        store
            .expect(&key, &new, &version, "after create on an expired key")
            .await?;
        let answer = store.try_update(&key, &old_version, &old, NOW).await?;
        ensure!(
            answer == Write::Conflict,
            "update at the expired entry's version is refused once its key was created anew, put answered {answer:?}"
        );
    }
    Ok(())
}

pub(crate) async fn an_entry_written_after_its_deadline_counts_as_absent(
    store: Subject,
) -> Result<(), Failure> {
    let _alone = Swept::new(&store).await?;
    let start = Timestamp::from_millis(0);
    for (deadline, now) in [
        (start, start),
        (start + MS, NOW),
        (NOW.before(MS), NOW),
        (NOW, NOW),
    ] {
        let late = Entry {
            deadline,
            ..entry("late")
        };
        let key = new_key();
        let version = store.create(&key, &late, now).await?;
        let when = format!("after create at {now:?} of an entry that ended at {deadline:?}");
        store.expect_gone(&key, now, &when).await?;
        let answer = store
            .try_update(&key, &version, &entry("later"), now)
            .await?;
        ensure!(
            answer == Write::Conflict,
            "{when}: expected Conflict, an update answered {answer:?}"
        );
        let anew = store.create(&key, &entry("anew"), now).await?;
        store
            .expect(&key, &entry("anew"), &anew, "after create in its place")
            .await?;
    }
    Ok(())
}

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
