//! Several handles on one backend.

use anysession::{Expect, Write};

use super::Reopen;
use super::increments::{expect_count, increment};
use super::subject::{HOUR, NOW, all_at_once, entry, entry_of, new_user};
use crate::suite::{Failure, ensure};

pub(crate) async fn another_handle_sees_what_is_done(open: Reopen) -> Result<(), Failure> {
    let (one, other) = (open().await?, open().await?);
    let user = new_user();
    let first = entry_of(&user, "first");
    let (key, version) = one.created(&first).await?;
    other
        .expect(&key, &first, &version, "through another handle")
        .await?;
    ensure!(
        other.keys_of_user(&user).await?.contains(&key),
        "what is done is visible from any handle, but keys_of_user of another one does not hold the key"
    );

    let second = entry_of(&user, "second");
    let newest = other.update(&key, &version, &second).await?;
    one.expect(
        &key,
        &second,
        &newest,
        "after an update through another handle",
    )
    .await?;
    let answer = one.try_update(&key, &version, &first, NOW).await?;
    ensure!(
        answer == Write::Conflict,
        "update at a version from before another handle's write is refused, but put answered {answer:?}"
    );

    one.touch(&key, &newest, NOW + HOUR * 2, NOW).await?;
    let touched = other.found(&key).await?.entry.deadline;
    ensure!(
        touched == NOW + HOUR * 2,
        "a touch is visible from any handle, but another one answered {touched:?}"
    );
    other.remove(&key, &newest).await?;
    one.expect_absent(&key, "after a delete through another handle")
        .await?;
    let answer = one.try_update(&key, &newest, &first, NOW).await?;
    ensure!(
        answer == Write::Conflict,
        "update never brings back what another handle deleted, but put answered {answer:?}"
    );
    Ok(())
}

pub(crate) async fn what_is_done_outlives_its_handle(open: Reopen) -> Result<(), Failure> {
    let user = new_user();
    let kept = entry_of(&user, "kept");
    let one = open().await?;
    let (key, version) = one.created(&kept).await?;
    let (deleted, gone) = one.created(&entry("deleted")).await?;
    one.remove(&deleted, &gone).await?;
    drop(one);

    let next = open().await?;
    next.expect(&key, &kept, &version, "after the store was opened again")
        .await?;
    ensure!(
        next.keys_of_user(&user).await?.contains(&key),
        "after the store was opened again keys_of_user holds the key, but it does not"
    );
    next.expect_absent(&deleted, "after the store was opened again")
        .await?;
    let newest = next.update(&key, &version, &entry("newer")).await?;
    ensure!(
        newest != version,
        "every write makes a new version, also after the store was opened again, but it made {newest:?} again"
    );
    // A counter that starts again at each opening would give the new entry a version of the old one.
    next.remove(&key, &newest).await?;
    drop(next);
    let last = open().await?;
    match last.put(&key, Expect::Absent, kept, NOW).await? {
        Write::Done(again) if again != version && again != newest => Ok(()),
        answer => Err(Failure::new(format!(
            "create after delete and opening again makes a new version, but put answered {answer:?} after {version:?} and {newest:?}"
        ))),
    }
}

pub(crate) async fn two_handles_lose_no_increment(open: Reopen) -> Result<(), Failure> {
    let (one, other) = (open().await?, open().await?);
    let (key, _) = one.created(&entry("0")).await?;
    all_at_once(8, |number| {
        let handle = if number % 2 == 0 { &one } else { &other };
        increment(handle.clone(), key.clone(), 20, 8 * 20)
    })
    .await?;
    expect_count(&other, &key, 8 * 20).await
}
