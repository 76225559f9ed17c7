//! Rotation keeps one live id.

use std::time::Duration;

use super::browser::Browser;
use super::site::{Site, World};
use super::{Failure, ensure_eq};
use crate::suite::ensure;

const NOBODY: &str = r#"{"data":{},"permanent":false,"user":null}"#;

pub(super) async fn the_old_id_is_dead_at_once_after_regenerate(
    world: World,
) -> Result<(), Failure> {
    let (_site, browser, old) = regenerated(&world).await?;
    ensure_eq!(old.ok("/dump").await?, NOBODY, "what the old id shows");
    ensure_eq!(browser.ok("/get/k").await?, "v", "what the new id shows");
    Ok(())
}

pub(super) async fn regenerate_keeps_data_and_absolute_deadline(
    world: World,
) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.absolute_lifetime(Duration::from_secs(3000)))
        .await?;
    let browser = site.visitor(&["/login/alice", "/set/k/v"]).await?;
    site.clock.advance(Duration::from_secs(2000));
    browser.ok("/regenerate").await?;
    let kept = r#"{"data":{"k":"v"},"permanent":false,"user":"alice"}"#;
    ensure_eq!(browser.ok("/dump").await?, kept, "data under the new id");
    site.clock.advance(Duration::from_millis(999_999));
    ensure_eq!(browser.ok("/dump").await?, kept, "just before the deadline");
    site.clock.advance(Duration::from_millis(1));
    ensure_eq!(
        browser.ok("/dump").await?,
        NOBODY,
        "at the absolute deadline, which regenerate does not move"
    );
    Ok(())
}

pub(super) async fn regenerate_without_a_session_does_nothing(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let (cost, response) = site.cost(site.browser().get("/regenerate")).await?;
    ensure_eq!(
        cost.total(),
        0,
        "round trips of regenerate without a session"
    );
    ensure_eq!(response.session_cookies(), [], "cookies without a session");
    Ok(())
}

pub(super) async fn a_write_with_the_old_id_within_the_grace_is_dropped_without_a_cookie(
    world: World,
) -> Result<(), Failure> {
    let (site, browser, old) = regenerated(&world).await?;
    site.clock.advance(Duration::from_millis(29_999));
    let before = site.snapshot().await?;
    for page in ["/get/k", "/set/k/w", "/incr/n", "/clear", "/regenerate"] {
        let response = old.get(page).await?;
        ensure_eq!(response.status, 200, "{page} with the old id");
        ensure_eq!(
            response.session_cookies(),
            [],
            "cookies of {page} with the old id, within 30 s: the browser is about to learn the new one"
        );
    }
    ensure!(
        site.snapshot().await? == before,
        "what a request writes that arrives with the old id is dropped"
    );
    ensure_eq!(browser.ok("/get/k").await?, "v", "what the new id shows");
    Ok(())
}

pub(super) async fn after_the_grace_the_old_id_is_like_an_unknown_one(
    world: World,
) -> Result<(), Failure> {
    let (site, browser, old) = regenerated(&world).await?;
    let old_id = old.own_id()?;
    site.clock.advance(Duration::from_secs(30));
    ensure_eq!(old.ok("/dump").await?, NOBODY, "what the old id shows");
    let cookie = old.get("/set/k/w").await?.session_cookie()?;
    ensure!(
        cookie.value != old_id && Some(cookie.value) != browser.id(),
        "30 s after regenerate a write with the old id begins a session under a fresh id"
    );
    ensure_eq!(old.ok("/get/k").await?, "w", "what the fresh session holds");
    ensure_eq!(browser.ok("/get/k").await?, "v", "what the new id shows");
    Ok(())
}

pub(super) async fn destroy_with_the_old_id_ends_the_successor(
    world: World,
) -> Result<(), Failure> {
    for seconds in [0, 29, 30, 3599] {
        let (site, browser, old) = regenerated(&world).await?;
        site.clock.advance(Duration::from_secs(seconds));
        old.ok("/logout").await?;
        ensure_eq!(
            browser.ok("/dump").await?,
            NOBODY,
            "what the new id shows after a destroy with the old one, {seconds} s later"
        );
    }
    Ok(())
}

pub(super) async fn destroy_with_the_old_id_leaves_another_users_session_alone(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/login/alice"]).await?;
    let old = browser.twin();
    browser.ok("/login/bob").await?;
    let response = old.get("/logout").await?;
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies of a destroy whose session is another user's now"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{},"permanent":false,"user":"bob"}"#,
        "the other user's session"
    );
    Ok(())
}

pub(super) async fn log_in_with_the_old_id_of_an_anonymous_session_keeps_nothing_of_the_successor(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let old = browser.twin();
    browser.ok("/login/alice").await?;
    browser.ok("/set/secret/1").await?;
    old.ok("/login/mallory").await?;
    let shown = old.ok("/dump").await?;
    ensure!(
        shown.contains(r#""user":"mallory""#) && !shown.contains("secret"),
        "a log-in with an old id begins a fresh session if somebody else has signed in, but: {shown}"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"k":"v","secret":"1"},"permanent":false,"user":"alice"}"#,
        "the session of who signed in first"
    );
    Ok(())
}

/// A visitor whose id was just regenerated, and one who still has the old one.
async fn regenerated(world: &World) -> Result<(Site, Browser, Browser), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v", "/login/alice"]).await?;
    let old = browser.twin();
    browser.ok("/regenerate").await?;
    ensure!(
        browser.own_id()? != old.own_id()?,
        "regenerate gives the session a new id"
    );
    Ok((site, browser, old))
}
