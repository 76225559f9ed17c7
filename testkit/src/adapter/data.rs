//! Data, alone and under overlapping requests.

use super::site::World;
use super::{Failure, ensure_eq};

pub(super) async fn data_comes_back_until_it_is_removed(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1", "/set/b/2", "/incr/n"]).await?;
    ensure_eq!(browser.ok("/get/a").await?, "1", "what was inserted");
    ensure_eq!(
        browser.ok("/incr/n").await?,
        "2",
        "what an update makes of 1"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","b":"2","n":2},"permanent":false,"user":null}"#,
        "all of it"
    );
    browser.ok("/remove/a").await?;
    ensure_eq!(browser.ok("/get/a").await?, "-", "what was removed");
    ensure_eq!(browser.ok("/get/b").await?, "2", "what was not removed");
    Ok(())
}

pub(super) async fn clear_removes_the_data_and_keeps_the_user(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/login/alice", "/set/a/1"]).await?;
    let id = browser.id();
    browser.ok("/clear").await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{},"permanent":false,"user":"alice"}"#,
        "what is left after clear"
    );
    crate::suite::ensure!(browser.id() == id, "clear keeps the id");
    Ok(())
}

pub(super) async fn text_comes_back_character_by_character(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    for (written, read) in [
        ("%F0%9F%98%80", "\u{1f600}"),
        ("a%00b", "a\0b"),
        ("%22%3B%2C%5C", "\";,\\"),
        ("%20", " "),
    ] {
        browser.ok(&format!("/set/k/{written}")).await?;
        ensure_eq!(browser.ok("/get/k").await?, read, "what was inserted");
    }
    Ok(())
}

pub(super) async fn overlapping_writes_to_different_keys_are_both_kept(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/0"]).await?;
    let slow = browser.hold("/set/a/1").await?;
    let slower = browser.hold("/set/b/2").await?;
    browser.ok("/set/c/3").await?;
    slow.finish().await?;
    slower.finish().await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","b":"2","c":"3"},"permanent":false,"user":null}"#,
        "three overlapping requests that set different keys"
    );
    Ok(())
}

pub(super) async fn fifty_overlapping_increments_are_fifty(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(browser.hold("/incr/n").await?);
    }
    let mut finishing = tokio::task::JoinSet::new();
    for request in held {
        finishing.spawn(request.finish());
    }
    while let Some(response) = finishing.join_next().await {
        ensure_eq!(response??.status, 200, "status of an increment");
    }
    ensure_eq!(
        browser.ok("/get/n").await?,
        "50",
        "the count after 50 overlapping increments"
    );
    Ok(())
}

pub(super) async fn of_two_inserts_of_one_key_the_later_save_wins(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/old"]).await?;
    let slow = browser.hold("/set/k/slow").await?;
    browser.ok("/set/k/fast").await?;
    slow.finish().await?;
    ensure_eq!(browser.ok("/get/k").await?, "slow", "what was saved later");
    Ok(())
}

pub(super) async fn a_client_error_keeps_the_changes(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/failures/0"]).await?;
    let response = browser.get("/set/failures/1?status=403").await?;
    ensure_eq!(response.status, 403, "the application's status");
    ensure_eq!(
        browser.ok("/get/failures").await?,
        "1",
        "what a request that ended with 403 has counted"
    );
    Ok(())
}
