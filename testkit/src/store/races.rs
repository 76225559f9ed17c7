//! Several writers at one moment. Barriers start them; nothing waits for time to pass.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anysession::{Deletion, Entry, Expect, StoreKey, Version, Write};
use tokio::sync::Semaphore;

use super::Work;
use super::subject::{HOUR, NOW, Subject, all_at_once, entry, entry_of, new_key, race};
use crate::suite::{Failure, ensure};

pub(crate) async fn one_of_many_writers_wins(store: Subject) -> Result<(), Failure> {
    for _ in 0..4 {
        let (key, version) = store.created(&entry("before")).await?;
        let answers = all_at_once(32, |number| {
            let (store, key, version) = (store.clone(), key.clone(), version.clone());
            async move {
                let entry = entry(number.to_string());
                store.try_update(&key, &version, &entry, NOW).await
            }
        })
        .await?;
        one_winner(&store, &key, &answers, "writers that name one version").await?;
    }
    Ok(())
}

pub(crate) async fn one_of_many_creators_wins(store: Subject) -> Result<(), Failure> {
    for round in 0..4 {
        // In every second round on a key whose entry has expired.
        let (key, now) = if round % 2 == 0 {
            (new_key(), NOW)
        } else {
            (store.created(&entry("expired")).await?.0, NOW + HOUR)
        };
        let answers = all_at_once(32, |number| {
            let (store, key) = (store.clone(), key.clone());
            async move {
                let entry = Entry {
                    deadline: now + HOUR,
                    ..entry(number.to_string())
                };
                Ok(store.put(&key, Expect::Absent, entry, now).await?)
            }
        })
        .await?;
        one_winner(&store, &key, &answers, "creators of one key").await?;
    }
    Ok(())
}

async fn one_winner(
    store: &Subject,
    key: &StoreKey,
    answers: &[Write],
    who: &str,
) -> Result<(), Failure> {
    let done: Vec<(usize, &Version)> = answers
        .iter()
        .enumerate()
        .filter_map(|(number, answer)| match answer {
            Write::Done(version) => Some((number, version)),
            Write::Conflict => None,
        })
        .collect();
    let &[(number, version)] = done.as_slice() else {
        return Err(Failure::new(format!(
            "of {} {who} exactly one is done, but {} were",
            answers.len(),
            done.len()
        )));
    };
    let stored = store.found(key).await?;
    ensure!(
        stored.version == *version && stored.entry.payload == number.to_string(),
        "of {} {who} the one that was done is there: expected payload \"{number}\" at {version:?}, load answered {stored:?}",
        answers.len()
    );
    Ok(())
}

pub(crate) async fn update_and_delete_of_one_version_exclude_each_other(
    store: Subject,
) -> Result<(), Failure> {
    for round in 0..24 {
        let (key, version) = store.created(&entry("before")).await?;
        let winners = all_at_once(4, |number| {
            let (store, key, version) = (store.clone(), key.clone(), version.clone());
            async move {
                Ok(if (number + round) % 2 == 0 {
                    let answer = store
                        .try_update(&key, &version, &entry("after"), NOW)
                        .await?;
                    matches!(answer, Write::Done(_)).then_some("update")
                } else {
                    let answer = store.delete(&key, &version).await?;
                    (answer == Deletion::Done).then_some("delete")
                })
            }
        })
        .await?;
        let winners: Vec<&str> = winners.into_iter().flatten().collect();
        ensure!(
            winners.len() == 1,
            "of two updates and two deletes that name one version exactly one is done, but {winners:?} were"
        );
        let is_there = store.load(&key).await?.is_some();
        ensure!(
            is_there == (winners == ["update"]),
            "only {winners:?} was done, but then load found {}",
            if is_there { "an entry" } else { "none" }
        );
    }
    Ok(())
}

/// Writers that were late, whatever they do, do not bring back what was logged out.
pub(crate) async fn nothing_is_loaded_after_a_delete_is_done(
    store: Subject,
) -> Result<(), Failure> {
    for _ in 0..24 {
        let (key, _) = store.created(&entry("alive")).await?;
        let dead = Arc::new(AtomicBool::new(false));
        let at_work = Arc::new(Semaphore::new(0));
        let (deleting, at, done) = (store.clone(), key.clone(), Arc::clone(&dead));
        let all_are_at_work = Arc::clone(&at_work);
        let mut pieces: Vec<Work> = vec![Box::pin(async move {
            // A delete before the writers have begun would meet none that is late.
            let _permits = all_are_at_work.acquire_many(LATE_WRITERS).await;
            // Each conflict is one of the late writes.
            for _ in 0..=LATE_WRITERS * LATE_WRITES {
                let stored = deleting.found(&at).await?;
                if deleting.delete(&at, &stored.version).await? == Deletion::Done {
                    done.store(true, Ordering::SeqCst);
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
            Err(Failure::new(
                "delete at the version just loaded is refused only if a write was done in between, but it was refused more often than there were writes",
            ))
        })];
        for number in 0..LATE_WRITERS {
            pieces.push(Box::pin(write_until_gone(
                store.clone(),
                key.clone(),
                number,
                Arc::clone(&at_work),
                Arc::clone(&dead),
            )));
        }
        race(pieces).await?;
        store
            .expect_absent(
                &key,
                "after a delete was done and every late writer had tried",
            )
            .await?;
    }
    Ok(())
}

const LATE_WRITERS: u32 = 5;

/// The most that one late writer tries, so that the deleter gets its turn in the end.
const LATE_WRITES: u32 = 200;

async fn write_until_gone(
    store: Subject,
    key: StoreKey,
    number: u32,
    at_work: Arc<Semaphore>,
    dead: Arc<AtomicBool>,
) -> Result<(), Failure> {
    for write in 0..LATE_WRITES {
        let was_dead = dead.load(Ordering::SeqCst);
        let Some(stored) = store.load(&key).await? else {
            return Ok(());
        };
        ensure!(
            !was_dead,
            "a deleted key stays deleted, but a load that began after delete was done found it"
        );
        tokio::task::yield_now().await;
        let late = entry(format!("late {number}"));
        if number > 0 {
            let _either = store.try_update(&key, &stored.version, &late, NOW).await?;
        } else {
            store
                .touch(&key, &stored.version, NOW + HOUR * 2, NOW)
                .await?;
        }
        if write == 0 {
            at_work.add_permits(1);
        }
    }
    Ok(())
}

pub(crate) async fn touch_never_undoes_a_write(store: Subject) -> Result<(), Failure> {
    for round in 0..24 {
        let (key, version) = store.created(&entry("before")).await?;
        let written = Entry {
            deadline: NOW + HOUR / 2,
            ..entry_of("somebody", "after")
        };
        let answers = all_at_once(4, |number| {
            let (store, key, written) = (store.clone(), key.clone(), written.clone());
            let version = version.clone();
            async move {
                Ok(if number == round % 4 {
                    let answer = store.try_update(&key, &version, &written, NOW).await?;
                    Some(answer)
                } else {
                    store.touch(&key, &version, NOW + HOUR * 2, NOW).await?;
                    None
                })
            }
        })
        .await?;
        let Some(Write::Done(newest)) = answers.into_iter().flatten().next() else {
            return Err(Failure::new(
                "touch does not change the version, but an update that raced touches was refused",
            ));
        };
        // The deadline too: a touch before the write was overwritten, one after it names a version that has moved on.
        store
            .expect(&key, &written, &newest, "after a write raced touches")
            .await?;
    }
    Ok(())
}

pub(crate) async fn load_never_mixes_two_writes(store: Subject) -> Result<(), Failure> {
    const WRITES: usize = 60;
    let (key, first) = store.created(&telling(0)).await?;
    let written = Arc::new(AtomicBool::new(false));

    let (writing, at, over) = (store.clone(), key.clone(), Arc::clone(&written));
    let mut pieces: Vec<Work<Vec<(Version, u8)>>> = vec![Box::pin(async move {
        let mut writes = vec![(first.clone(), 0)];
        let mut version = first;
        for number in 1..=WRITES {
            let letter = u8::try_from(number % 251).unwrap_or_default();
            version = writing.update(&at, &version, &telling(letter)).await?;
            writes.push((version.clone(), letter));
        }
        over.store(true, Ordering::SeqCst);
        Ok(writes)
    })];
    for _ in 0..3 {
        let (reading, key, over) = (store.clone(), key.clone(), Arc::clone(&written));
        pieces.push(Box::pin(async move {
            let mut reads = Vec::new();
            loop {
                let last = over.load(Ordering::SeqCst);
                let stored = reading.found(&key).await?;
                let letter = stored.entry.payload.first().copied().unwrap_or_default();
                ensure!(
                    stored.entry == telling(letter),
                    "load answers one write, but it mixed two: {} bytes beginning with {letter}, {:?}",
                    stored.entry.payload.len(),
                    stored.entry
                );
                reads.push((stored.version, letter));
                if last || reads.len() == 100_000 {
                    return Ok(reads);
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    let mut results = race(pieces).await?.into_iter();
    let writes: HashMap<Version, u8> = results.next().into_iter().flatten().collect();
    for (version, letter) in results.flatten() {
        ensure!(
            writes.get(&version) == Some(&letter),
            "load answers one write, but {version:?} came with the payload of another: {letter}, not {:?}",
            writes.get(&version)
        );
    }
    Ok(())
}

/// An entry whose every part tells which write it is from.
fn telling(letter: u8) -> Entry {
    Entry {
        deadline: NOW + HOUR + Duration::from_millis(letter.into()),
        ..entry_of(
            &format!("user {letter}"),
            vec![letter; 1 + usize::from(letter) * 257],
        )
    }
}
