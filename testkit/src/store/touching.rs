//! `touch`: the deadline, later, and nothing else.

use anysession::Entry;

use super::subject::{HOUR, NOW, Subject, entry, entry_of, new_key, new_user};
use crate::suite::Failure;

pub(crate) async fn touch_moves_the_deadline(store: Subject) -> Result<(), Failure> {
    let before = entry_of(&new_user(), "payload");
    let (key, version) = store.created(&before).await?;
    for deadline in [
        before.deadline + std::time::Duration::from_millis(1),
        before.deadline + HOUR,
    ] {
        store.touch(&key, &version, deadline, NOW).await?;
        let touched = Entry {
            deadline,
            ..before.clone()
        };
        store
            .expect(
                &key,
                &touched,
                &version,
                "after a touch to a later deadline",
            )
            .await?;
    }
    Ok(())
}

pub(crate) async fn touch_never_shortens(store: Subject) -> Result<(), Failure> {
    let before = entry("payload");
    let (key, version) = store.created(&before).await?;
    let earlier = before.deadline.before(HOUR / 2);
    for deadline in [before.deadline, earlier, NOW] {
        store.touch(&key, &version, deadline, NOW).await?;
        store
            .expect(
                &key,
                &before,
                &version,
                "after a touch to an earlier deadline",
            )
            .await?;
    }
    Ok(())
}

pub(crate) async fn touch_keeps_the_version(store: Subject) -> Result<(), Failure> {
    let before = entry("before");
    let (key, version) = store.created(&before).await?;
    let touched = Entry {
        deadline: before.deadline + HOUR,
        ..before
    };
    store.touch(&key, &version, touched.deadline, NOW).await?;
    store
        .expect(&key, &touched, &version, "after a touch")
        .await?;
    let after = entry("a write that knows nothing of the touch");
    let newest = store.update(&key, &version, &after).await?;
    store
        .expect(&key, &after, &newest, "after touch and update")
        .await?;
    store.touch(&key, &newest, touched.deadline, NOW).await?;
    store.remove(&key, &newest).await
}

pub(crate) async fn touch_never_creates(store: Subject) -> Result<(), Failure> {
    let (deleted, version) = store.created(&entry("payload")).await?;
    store.remove(&deleted, &version).await?;
    for (key, which) in [
        (new_key(), "a key never written"),
        (deleted, "a deleted key"),
    ] {
        store.touch(&key, &version, NOW + HOUR * 2, NOW).await?;
        store
            .expect_absent(&key, &format!("after a touch of {which}"))
            .await?;
    }
    Ok(())
}

pub(crate) async fn touch_has_no_effect_at_another_version(store: Subject) -> Result<(), Failure> {
    let (key, first) = store.created(&entry("first")).await?;
    let newest = entry("second");
    let second = store.update(&key, &first, &newest).await?;
    store.touch(&key, &first, NOW + HOUR * 2, NOW).await?;
    store
        .expect(&key, &newest, &second, "after a touch at an older version")
        .await
}
