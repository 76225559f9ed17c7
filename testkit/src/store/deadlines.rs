//! What deadlines a store can hold.

use std::time::Duration;

use anysession::{Entry, Timestamp};

use super::LAST_EXACT_DEADLINE;
use super::subject::{NOW, Subject, entry};
use crate::suite::{Failure, ensure};

pub(crate) async fn deadlines_are_kept_to_the_millisecond(store: Subject) -> Result<(), Failure> {
    let millis = Duration::from_millis;
    let deadlines = [
        NOW + millis(1),
        NOW + millis(999),
        NOW + millis(1_001),
        // Above 2^53 a float loses milliseconds; seconds above 2^32 and a year of five digits come sooner.
        Timestamp::from_millis((1 << 32) * 1000 + 123),
        LAST_EXACT_DEADLINE.before(millis(1)),
        LAST_EXACT_DEADLINE,
    ];
    for deadline in deadlines {
        let written = Entry {
            deadline,
            ..entry("payload")
        };
        let (key, version) = store.created(&written).await?;
        let when = format!("after create with {deadline:?}");
        store.expect(&key, &written, &version, &when).await?;

        let (key, version) = store.created(&entry("payload")).await?;
        if deadline > entry("").deadline {
            store.touch(&key, &version, deadline, NOW).await?;
            let when = format!("after a touch to {deadline:?}");
            store.expect(&key, &written, &version, &when).await?;
        }
        let version = store.update(&key, &version, &written).await?;
        let when = format!("after update to {deadline:?}");
        store.expect(&key, &written, &version, &when).await?;
    }
    Ok(())
}

pub(crate) async fn a_deadline_beyond_the_year_9999_stays_in_the_future(
    store: Subject,
) -> Result<(), Failure> {
    let signed_max = i64::MAX.unsigned_abs();
    for deadline in [
        LAST_EXACT_DEADLINE + Duration::from_millis(1),
        Timestamp::from_millis(signed_max / 1000),
        Timestamp::from_millis(signed_max),
        Timestamp::from_millis(signed_max + 1),
        Timestamp::MAX,
    ] {
        let far = Entry {
            deadline,
            ..entry("payload")
        };
        let (key, version) = store.created(&far).await?;
        let got = store.found(&key).await?.entry.deadline;
        ensure!(
            got >= LAST_EXACT_DEADLINE,
            "a deadline beyond the year 9999 stays there: create with {deadline:?}, load answered {got:?}"
        );
        // A clamped deadline must not look like one that can still be moved later, nor be moved back.
        store.touch(&key, &version, deadline, NOW).await?;
        store.update(&key, &version, &far).await?;

        let (key, version) = store.created(&entry("payload")).await?;
        store.touch(&key, &version, deadline, NOW).await?;
        let got = store.found(&key).await?.entry.deadline;
        ensure!(
            got >= LAST_EXACT_DEADLINE,
            "a deadline beyond the year 9999 stays there: touch to {deadline:?}, load answered {got:?}"
        );
    }
    // Time beyond the range is no error either: an application's clock may be wrong.
    let (key, version) = store.created(&entry("payload")).await?;
    let late = store
        .try_update(&key, &version, &entry("late"), Timestamp::MAX)
        .await?;
    ensure!(
        late == anysession::Write::Conflict,
        "at Timestamp::MAX every deadline of this suite has passed, but update was done"
    );
    let late = store.touch(&key, &version, Timestamp::MAX, Timestamp::MAX);
    Ok(late.await?)
}
