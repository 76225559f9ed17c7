//! What a log-in does to the session.

use std::time::Duration;

use super::site::World;
use super::{Failure, ensure_eq};
use crate::suite::ensure;

const NOBODY: &str = r#"{"data":{},"permanent":false,"user":null}"#;

pub(super) async fn log_in_gives_a_new_id_and_the_old_one_is_dead_at_once(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    // Once from an anonymous session, once again as the same user.
    for _ in 0..2 {
        let old = browser.twin();
        browser.ok("/login/alice").await?;
        ensure!(
            browser.own_id()? != old.own_id()?,
            "log_in gives the session a new id"
        );
        ensure_eq!(old.ok("/dump").await?, NOBODY, "what the old id shows");
    }
    Ok(())
}

pub(super) async fn log_in_keeps_the_data_of_an_anonymous_session(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/cart/3", "/login/alice"]).await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"cart":"3"},"permanent":false,"user":"alice"}"#,
        "what an anonymous visitor had, after log_in"
    );
    Ok(())
}

pub(super) async fn log_in_as_the_same_user_keeps_the_data(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site
        .visitor(&["/login/alice", "/set/k/v", "/login/alice"])
        .await?;
    ensure_eq!(browser.ok("/get/k").await?, "v", "what the user had");
    Ok(())
}

pub(super) async fn log_in_as_another_user_clears_the_data(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site
        .visitor(&["/login/alice", "/set/secret/1", "/login/bob"])
        .await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{},"permanent":false,"user":"bob"}"#,
        "what the next user sees"
    );
    // What was done before the log-in, in the same request, was done for bob.
    browser.ok("/do/set/login").await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{},"permanent":false,"user":"somebody"}"#,
        "what is left of a request that inserts and then signs somebody else in"
    );
    Ok(())
}

pub(super) async fn log_in_resets_the_absolute_deadline(world: World) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.absolute_lifetime(Duration::from_secs(3000)))
        .await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    site.clock.advance(Duration::from_secs(2000));
    browser.ok("/login/alice").await?;
    site.clock.advance(Duration::from_millis(2_999_999));
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "just before the absolute lifetime, counted from the log-in, has passed"
    );
    site.clock.advance(Duration::from_millis(1));
    ensure_eq!(browser.ok("/dump").await?, NOBODY, "when it has passed");
    Ok(())
}

pub(super) async fn log_in_while_twenty_requests_run_leaves_one_new_id(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/cart/3"]).await?;
    let old = browser.twin();
    let mut running = Vec::new();
    for n in 0..10 {
        running.push(old.hold("/get/cart").await?);
        running.push(old.hold(&format!("/set/late{n}/1")).await?);
    }
    let made = site.dice.ids().len();
    browser.ok("/login/alice").await?;
    ensure_eq!(
        old.ok("/dump").await?,
        NOBODY,
        "what the old id shows at once"
    );
    let mut finishing = tokio::task::JoinSet::new();
    for request in running {
        finishing.spawn(request.finish());
    }
    while let Some(response) = finishing.join_next().await {
        let response = response??;
        ensure_eq!(response.status, 200, "status of a late response");
        ensure_eq!(response.session_cookies(), [], "cookies of a late response");
    }
    ensure_eq!(site.dice.ids().len() - made, 1, "new ids");
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"cart":"3"},"permanent":false,"user":"alice"}"#,
        "the session after log_in: no anonymous request has written into it"
    );
    ensure_eq!(
        old.ok("/dump").await?,
        NOBODY,
        "what the old id shows in the end"
    );
    Ok(())
}

pub(super) async fn destroy_then_log_in_begins_a_fresh_session(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/login/alice", "/set/k/v"]).await?;
    let old = browser.twin();
    browser.ok("/relogin/alice").await?;
    ensure!(
        browser.own_id()? != old.own_id()?,
        "a fresh session has a fresh id"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{},"permanent":false,"user":"alice"}"#,
        "the fresh session"
    );
    ensure_eq!(old.ok("/dump").await?, NOBODY, "what the old id shows");
    Ok(())
}
