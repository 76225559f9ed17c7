//! `keys_of_user`: keys too many are allowed, keys too few never.

use std::collections::HashSet;
use std::time::Duration;

use anysession::{Entry, StoreKey, Timestamp};

use super::subject::{HOUR, NOW, Subject, all_at_once, entry, entry_of, new_key, new_user};
use super::sweeping::Swept;
use crate::suite::{Failure, ensure};

pub(crate) async fn keys_of_user_holds_a_key_as_soon_as_put_answers(
    store: Subject,
) -> Result<(), Failure> {
    let user = new_user();
    expect_none(&store, &user, "of a user never named").await?;
    let mut keys = Vec::new();
    for number in 0..10 {
        let (key, version) = store.created(&entry_of(&user, "payload")).await?;
        keys.push(key.clone());
        expect_all(&store, &user, &keys, "as soon as create answers").await?;
        if number % 3 == 0 {
            let version = store
                .update(&key, &version, &entry_of(&user, "more"))
                .await?;
            store.touch(&key, &version, NOW + HOUR * 2, NOW).await?;
            expect_all(&store, &user, &keys, "after update and touch").await?;
        }
    }
    Ok(())
}

pub(crate) async fn keys_of_user_finds_every_one_of_many(store: Subject) -> Result<(), Failure> {
    let user = new_user();
    let mut keys = Vec::new();
    for _ in 0..300 {
        keys.push(store.created(&entry_of(&user, "payload")).await?.0);
    }
    expect_all(&store, &user, &keys, "with 300 entries").await
}

pub(crate) async fn keys_of_user_follows_a_change_of_user(store: Subject) -> Result<(), Failure> {
    let (ada, bob) = (new_user(), new_user());
    let (key, anonymous) = store.created(&entry("payload")).await?;
    let adas = store
        .update(&key, &anonymous, &entry_of(&ada, "payload"))
        .await?;
    expect_all(
        &store,
        &ada,
        std::slice::from_ref(&key),
        "after user None to Some",
    )
    .await?;
    let bobs = store
        .update(&key, &adas, &entry_of(&bob, "payload"))
        .await?;
    expect_all(
        &store,
        &bob,
        std::slice::from_ref(&key),
        "after user Some to another",
    )
    .await?;
    let nobodys = store.update(&key, &bobs, &entry("payload")).await?;
    let adas = store
        .update(&key, &nobodys, &entry_of(&ada, "payload"))
        .await?;
    expect_all(
        &store,
        &ada,
        std::slice::from_ref(&key),
        "after user Some to None to Some",
    )
    .await?;

    // A key that was pruned with its entry comes back with the next one.
    store.remove(&key, &adas).await?;
    store.keys_of_user(&ada).await?;
    let again = store.create(&key, &entry_of(&ada, "again"), NOW).await?;
    expect_all(
        &store,
        &ada,
        std::slice::from_ref(&key),
        "after delete, list and create",
    )
    .await?;
    let late = NOW + HOUR;
    let anew = Entry {
        deadline: late + HOUR,
        ..entry_of(&bob, "on the expired key")
    };
    let version = store.create(&key, &anew, late).await?;
    ensure!(
        version != again,
        "create on an expired key makes a new version, but it made {version:?} again"
    );
    expect_all(&store, &bob, &[key], "after create on an expired key").await
}

pub(crate) async fn keys_of_user_never_mixes_users(store: Subject) -> Result<(), Failure> {
    let users: Vec<String> = (0..5).map(|_| new_user()).collect();
    let mut keys = vec![Vec::new(); users.len()];
    for round in 0..20 {
        let (user, keys) = (&users[round % 5], &mut keys[round % 5]);
        keys.push(store.created(&entry_of(user, "payload")).await?.0);
        store.created(&entry("nobody's")).await?;
    }
    for (user, keys) in users.iter().zip(&keys) {
        expect_exactly(&store, user, keys, "with five users").await?;
    }
    Ok(())
}

pub(crate) async fn keys_of_user_tells_similar_users_apart(store: Subject) -> Result<(), Failure> {
    let user = new_user();
    let long = user.clone() + &"x".repeat(254 - user.len());
    let users = [
        user.clone(),
        user.to_uppercase(),
        format!("{user} "),
        format!(" {user}"),
        format!("{user}%"),
        format!("{user}*"),
        format!("{user}:"),
        format!("{user}e\u{301}"),
        format!("{user}\u{e9}"),
        format!("{user}e"),
        format!("{user}\u{df}"),
        format!("{user}ss"),
        format!("{user}\u{1F980}"),
        format!("{user}\u{1F981}"),
        format!("{long}1"),
        format!("{long}2"),
    ];
    let mut keys = Vec::new();
    for user in &users {
        keys.push(store.created(&entry_of(user, "payload")).await?.0);
    }
    for (user, key) in users.iter().zip(&keys) {
        expect_exactly(
            &store,
            user,
            std::slice::from_ref(key),
            "with users much like each other",
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn keys_of_user_forgets_what_was_deleted(store: Subject) -> Result<(), Failure> {
    let user = new_user();
    let mut kept = Vec::new();
    for number in 0..6 {
        let (key, version) = store.created(&entry_of(&user, "payload")).await?;
        if number % 2 == 0 {
            store.remove(&key, &version).await?;
        } else {
            kept.push(key);
        }
    }
    // The first list may still hold the deleted ones: whoever reads it loads them.
    expect_all(&store, &user, &kept, "after three of six were deleted").await?;
    let when = "in the second list after three of six were deleted";
    expect_exactly(&store, &user, &kept, when).await
}

pub(crate) async fn keys_of_user_forgets_what_expired(store: Subject) -> Result<(), Failure> {
    let swept = Swept::new(&store).await?;
    let user = new_user();
    let (kept, _) = store.created(&entry_of(&user, "payload")).await?;
    for deadline in 100..105 {
        let expired = Entry {
            deadline: Timestamp::from_millis(deadline),
            ..entry_of(&user, "expired")
        };
        let now = expired.deadline.before(Duration::from_millis(1));
        store.create(&new_key(), &expired, now).await?;
    }
    swept.all(swept.end()).await?;
    expect_all(
        &store,
        &user,
        std::slice::from_ref(&kept),
        "after delete_expired",
    )
    .await?;
    let when = "in the second list after delete_expired";
    expect_exactly(&store, &user, &[kept], when).await
}

/// Listing prunes, and while one task lists, others create under the keys that it takes for absent.
pub(crate) async fn keys_of_user_never_holds_too_few_while_entries_come_and_go(
    store: Subject,
) -> Result<(), Failure> {
    let user = new_user();
    let survivors = all_at_once(8, |_| {
        let (store, user) = (store.clone(), user.clone());
        async move {
            let key = new_key();
            for round in 0..15 {
                let version = store.create(&key, &entry_of(&user, "here"), NOW).await?;
                expect_all(
                    &store,
                    &user,
                    std::slice::from_ref(&key),
                    "as soon as create answers",
                )
                .await?;
                store.remove(&key, &version).await?;
                if round % 2 == 0 {
                    store.keys_of_user(&user).await?;
                }
            }
            store.create(&key, &entry_of(&user, "stays"), NOW).await?;
            Ok(key)
        }
    })
    .await?;
    for _ in 0..2 {
        expect_all(&store, &user, &survivors, "after entries came and went").await?;
    }
    Ok(())
}

async fn expect_all(
    store: &Subject,
    user: &str,
    keys: &[StoreKey],
    when: &str,
) -> Result<(), Failure> {
    let listed: HashSet<StoreKey> = store.keys_of_user(user).await?.into_iter().collect();
    let missing = keys.iter().filter(|key| !listed.contains(key)).count();
    ensure!(
        missing == 0,
        "{when}: keys_of_user holds never too few, but {missing} of {} are missing among {}",
        keys.len(),
        listed.len()
    );
    Ok(())
}

async fn expect_exactly(
    store: &Subject,
    user: &str,
    keys: &[StoreKey],
    when: &str,
) -> Result<(), Failure> {
    expect_all(store, user, keys, when).await?;
    let listed: HashSet<StoreKey> = store.keys_of_user(user).await?.into_iter().collect();
    ensure!(
        listed.len() == keys.len(),
        "{when}: {user:?} has {} keys and no one else's, keys_of_user answered {}",
        keys.len(),
        listed.len()
    );
    Ok(())
}

async fn expect_none(store: &Subject, user: &str, when: &str) -> Result<(), Failure> {
    expect_exactly(store, user, &[], when).await
}
