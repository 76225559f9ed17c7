//! Deadlines that pass.
//!
//! The time is an argument, so these trials keep their deadlines in 2100, where no backend's own clock interferes, and
//! hand in a later `now`.

use std::time::Duration;

use anysession::{Entry, Expect, Timestamp, Write};

use super::subject::{HOUR, NOW, Subject, entry, new_key};
use super::sweeping::Swept;
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
