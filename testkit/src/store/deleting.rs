//! `delete`: exactly the version that it names.

use anysession::{Deletion, Version};

use super::subject::{NOW, Subject, entry, new_key};
use crate::suite::{Failure, ensure};

pub(crate) async fn delete_removes_the_version_that_it_names(
    store: Subject,
) -> Result<(), Failure> {
    let (neighbour, other) = store.created(&entry("neighbour")).await?;
    let (key, first) = store.created(&entry("first")).await?;
    let second = store.update(&key, &first, &entry("second")).await?;
    store.remove(&key, &second).await?;
    store.expect_absent(&key, "after a delete").await?;
    store
        .expect(
            &neighbour,
            &entry("neighbour"),
            &other,
            "after a delete of another key",
        )
        .await?;

    let again = store.create(&key, &entry("again"), NOW).await?;
    store
        .expect(&key, &entry("again"), &again, "after delete and create")
        .await
}

pub(crate) async fn delete_is_refused_at_another_version(store: Subject) -> Result<(), Failure> {
    let (key, first) = store.created(&entry("first")).await?;
    let newest = entry("second");
    let second = store.update(&key, &first, &newest).await?;
    refused(store.delete(&key, &first).await?, "at an older version")?;
    store
        .expect(&key, &newest, &second, "after the refused delete")
        .await?;

    store.remove(&key, &second).await?;
    let third = store.create(&key, &entry("third"), NOW).await?;
    refused(
        store.delete(&key, &second).await?,
        "at a version from before the key was created anew",
    )?;
    store
        .expect(&key, &entry("third"), &third, "after the refused delete")
        .await
}

pub(crate) async fn delete_is_refused_if_the_key_is_absent(store: Subject) -> Result<(), Failure> {
    let (key, version) = store.created(&entry("payload")).await?;
    store.remove(&key, &version).await?;
    refused(store.delete(&key, &version).await?, "of a deleted key")?;
    for version in [version, Version::from(0), Version::from(1)] {
        let answer = store.delete(&new_key(), &version).await?;
        refused(answer, "of a key never written")?;
    }
    Ok(())
}

fn refused(answer: Deletion, what: &str) -> Result<(), Failure> {
    ensure!(
        answer == Deletion::Conflict,
        "delete {what} is refused: expected Conflict, it answered {answer:?}"
    );
    Ok(())
}
