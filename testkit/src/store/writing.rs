//! `put`: conditions, versions, and what it replaces.

use anysession::{Entry, Expect, Version, Write};

use super::subject::{HOUR, NOW, Subject, entry, entry_of, new_key, new_user};
use crate::suite::{Failure, ensure};

pub(crate) async fn what_is_done_is_visible_to_every_later_load(
    store: Subject,
) -> Result<(), Failure> {
    let key = new_key();
    store.expect_absent(&key, "of a key never written").await?;
    let mut newest = entry("0");
    let mut version = store.create(&key, &newest, NOW).await?;
    for number in 1..10 {
        let when = format!("after write {number}");
        store.expect(&key, &newest, &version, &when).await?;
        newest = entry(number.to_string());
        version = store.update(&key, &version, &newest).await?;
    }
    store
        .expect(&key, &newest, &version, "after the last write")
        .await
}

pub(crate) async fn create_is_refused_if_the_key_is_taken(store: Subject) -> Result<(), Failure> {
    let first = entry("first");
    let (key, version) = store.created(&first).await?;
    let answer = store.put(&key, Expect::Absent, entry("second"), NOW);
    conflict(&answer.await?, "create of a taken key")?;
    store
        .expect(&key, &first, &version, "after the refused create")
        .await
}

pub(crate) async fn update_is_refused_at_another_version(store: Subject) -> Result<(), Failure> {
    let (key, first) = store.created(&entry("first")).await?;
    let (_, foreign) = store.created(&entry("another key")).await?;
    let newest = entry("second");
    let second = store.update(&key, &first, &newest).await?;

    for (version, whose) in [(first, "an older"), (foreign, "another key's")] {
        if version == second {
            continue; // Versions are compared within one key, so two keys may well have the same.
        }
        let answer = store
            .try_update(&key, &version, &entry("third"), NOW)
            .await?;
        conflict(&answer, &format!("update at {whose} version"))?;
        let when = format!("after the refused update at {whose} version");
        store.expect(&key, &newest, &second, &when).await?;
    }
    Ok(())
}

pub(crate) async fn update_is_refused_if_the_key_is_absent(store: Subject) -> Result<(), Failure> {
    let (_, version) = store.created(&entry("another key")).await?;
    let key = new_key();
    for version in [version, Version::from(0), Version::from(1)] {
        let answer = store.try_update(&key, &version, &entry("x"), NOW).await?;
        conflict(&answer, "update of a key never written")?;
        store
            .expect_absent(&key, "after the refused update")
            .await?;
    }
    Ok(())
}

pub(crate) async fn update_never_brings_a_deleted_key_back(store: Subject) -> Result<(), Failure> {
    let (key, first) = store.created(&entry("first")).await?;
    let second = store.update(&key, &first, &entry("second")).await?;
    store.remove(&key, &second).await?;
    for version in [second, first] {
        let answer = store
            .try_update(&key, &version, &entry("late"), NOW)
            .await?;
        conflict(&answer, "update of a deleted key")?;
        store
            .expect_absent(&key, "after an update of a deleted key")
            .await?;
    }
    Ok(())
}

pub(crate) async fn update_replaces_payload_deadline_and_user(
    store: Subject,
) -> Result<(), Failure> {
    let (ada, bob) = (new_user(), new_user());
    let (key, mut version) = store.created(&entry("a long first payload")).await?;
    let states = [
        ("user None to Some", entry_of(&ada, "b")),
        ("user Some to another", entry_of(&bob, "")),
        (
            "an earlier deadline",
            Entry {
                deadline: NOW + HOUR / 2,
                ..entry_of(&bob, "c")
            },
        ),
        (
            "a later deadline",
            Entry {
                deadline: NOW + HOUR * 2,
                ..entry_of(&bob, "d")
            },
        ),
        ("user Some to None", entry("a longer last payload")),
    ];
    for (what, entry) in &states {
        version = store.update(&key, &version, entry).await?;
        let when = format!("after an update of {what}");
        store.expect(&key, entry, &version, &when).await?;
    }
    Ok(())
}

pub(crate) async fn every_write_makes_a_new_version(store: Subject) -> Result<(), Failure> {
    let same = entry("the same bytes each time");
    let (key, first) = store.created(&same).await?;
    let mut versions = vec![first.clone()];
    let mut newest = first;
    for round in 0..5 {
        newest = store.update(&key, &newest, &same).await?;
        never_seen(&versions, &newest, "an update with the same entry")?;
        versions.push(newest.clone());

        if round % 2 == 0 {
            store.remove(&key, &newest).await?;
            newest = store.create(&key, &same, NOW).await?;
            never_seen(&versions, &newest, "delete and create")?;
        } else {
            // The entry ends at `NOW + HOUR`, so at this time its key is free.
            let longer = Entry {
                deadline: NOW + HOUR * 2,
                ..same.clone()
            };
            newest = store.create(&key, &longer, NOW + HOUR).await?;
            never_seen(&versions, &newest, "create on an expired key")?;
        }
        versions.push(newest.clone());
    }
    Ok(())
}

fn never_seen(versions: &[Version], version: &Version, how: &str) -> Result<(), Failure> {
    ensure!(
        !versions.contains(version),
        "every write makes a version that the entry never had before, but {how} made {version:?} again"
    );
    Ok(())
}

fn conflict(answer: &Write, what: &str) -> Result<(), Failure> {
    ensure!(
        *answer == Write::Conflict,
        "{what} is refused: expected Conflict, put answered {answer:?}"
    );
    Ok(())
}
