//! A dead session stays dead.

use std::time::Duration;

use super::browser::{Browser, Held};
use super::disconnects::is_deleted;
use super::site::{Site, World, key_of};
use super::{Failure, ensure_eq};
use crate::suite::ensure;
use crate::{Fault, Verb};

const LIFETIME: Duration = Duration::from_secs(1000);

pub(super) async fn a_read_in_flight_does_not_bring_back_a_destroyed_session(
    world: World,
) -> Result<(), Failure> {
    after_log_out(&world, "/get/k").await
}

/// A read that moves the deadline of a permanent session would send its cookie again.
pub(super) async fn a_permanent_read_in_flight_does_not_send_the_cookie_of_a_destroyed_session(
    world: World,
) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.permanent(true).lifetime(LIFETIME))
        .await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    site.clock.advance(LIFETIME / 2);
    let late = browser.hold("/get/k").await?;
    browser.twin().ok("/logout").await?;
    stays_dead(&site, &browser, late, "/get/k").await
}

pub(super) async fn a_write_in_flight_does_not_bring_back_a_destroyed_session(
    world: World,
) -> Result<(), Failure> {
    for page in ["/set/late/1", "/incr/late", "/permanent/true", "/clear"] {
        after_log_out(&world, page).await?;
    }
    Ok(())
}

pub(super) async fn a_regenerate_in_flight_does_not_bring_back_a_destroyed_session(
    world: World,
) -> Result<(), Failure> {
    for page in ["/regenerate", "/do/set/regenerate"] {
        after_log_out(&world, page).await?;
    }
    Ok(())
}

pub(super) async fn a_write_in_flight_does_not_bring_back_an_expired_session(
    world: World,
) -> Result<(), Failure> {
    for page in ["/get/k", "/set/late/1", "/lifetime/5000"] {
        after_expiry(&world, page).await?;
    }
    Ok(())
}

pub(super) async fn a_regenerate_in_flight_does_not_bring_back_an_expired_session(
    world: World,
) -> Result<(), Failure> {
    after_expiry(&world, "/do/set/regenerate").await
}

pub(super) async fn a_write_in_flight_does_not_bring_back_a_revoked_session(
    world: World,
) -> Result<(), Failure> {
    for page in ["/get/k", "/set/late/1", "/do/set/regenerate"] {
        let site = world.site().await?;
        let thief = site.visitor(&["/set/k/v", "/login/alice"]).await?;
        let alice = site.visitor(&["/login/alice"]).await?;
        let late = thief.hold(page).await?;
        ensure_eq!(alice.ok("/revoke-others").await?, "1", "sessions revoked");
        stays_dead(&site, &thief, late, page).await?;
    }
    Ok(())
}

pub(super) async fn a_log_in_in_flight_begins_a_fresh_session_after_a_destroy(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v", "/login/alice"]).await?;
    let old = browser.own_id()?;
    let late = browser.hold("/login/alice").await?;
    browser.twin().ok("/logout").await?;
    let cookie = late.finish().await?.session_cookie()?;
    ensure!(
        cookie.value != old,
        "it was a new authentication: its session has a fresh id"
    );
    let fresh = site.browser().with_id(cookie.value);
    ensure_eq!(
        fresh.ok("/dump").await?,
        r#"{"data":{},"permanent":false,"user":"alice"}"#,
        "the fresh session"
    );
    is_dead(&site, &old).await
}

pub(super) async fn a_destroy_in_flight_after_a_destroy_says_nothing(
    world: World,
) -> Result<(), Failure> {
    after_log_out(&world, "/logout").await
}

pub(super) async fn destroy_is_carried_out_on_5xx(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let id = browser.own_id()?;
    let response = browser.get("/logout?status=500").await?;
    ensure_eq!(response.status, 500, "the application's status");
    ensure!(
        response.session_cookie()?.removes(),
        "destroy removes the cookie on a 5xx too"
    );
    is_dead(&site, &id).await
}

/// The handler logs out, then fails, while another request of the same visitor is still in flight.
pub(super) async fn a_destroy_before_a_panic_or_a_5xx_is_final(
    world: World,
) -> Result<(), Failure> {
    for page in [
        "/logout?panic",
        "/do/set/logout?panic",
        "/logout?status=500",
        "/do/set/logout?status=503",
    ] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/v", "/login/alice"]).await?;
        let late = browser.hold("/do/set/regenerate").await?;
        // A framework answers a panic with a 500, or not at all, and goes on with the log-out behind it.
        browser.connect(page).await?.response().await?;
        let id = browser.own_id()?;
        is_deleted(&site, &key_of(&id), page).await?;
        stays_dead(&site, &browser, late, page).await?;
        is_dead(&site, &id).await?;
    }
    Ok(())
}

pub(super) async fn a_destroy_that_the_store_refuses_is_503_and_removes_the_cookie(
    world: World,
) -> Result<(), Failure> {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/v"]).await?;
        site.store.once(Verb::Delete, fault);
        let (cost, response) = site.cost(browser.get("/logout")).await?;
        ensure_eq!(
            (response.status, response.text().as_str()),
            (503, ""),
            "a destroy that may not have been done claims nothing: status and body"
        );
        ensure!(
            response.session_cookie()?.removes(),
            "a log-out that fails must at least not stay in the browser"
        );
        ensure_eq!(
            cost.delete,
            1,
            "a delete of unknown result is not sent again"
        );
    }
    Ok(())
}

pub(super) async fn a_destroy_reaches_the_store_after_a_sibling_request_was_aborted(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let id = browser.own_id()?;
    let mut aborted = browser.hold("/set/k/w").await?.disconnect();
    // Not every server gives up a handler; neither may be in the way of the log-out.
    let _given_up = tokio::time::timeout(Duration::from_millis(100), aborted.given_up()).await;
    browser.ok("/logout").await?;
    aborted.release();
    is_dead(&site, &id).await
}

pub(super) async fn destroy_then_insert_begins_a_session_under_a_fresh_id(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/old/1", "/login/alice"]).await?;
    let id = browser.own_id()?;
    let cookie = browser.get("/do/logout/set").await?.session_cookie()?;
    ensure!(
        cookie.value != id && !cookie.removes(),
        "what is inserted after destroy begins a session under a fresh id"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"k":"v"},"permanent":false,"user":null}"#,
        "nothing of the destroyed session is in it"
    );
    is_dead(&site, &id).await
}

/// Holds a request while its visitor logs out, and lets it go on.
async fn after_log_out(world: &World, page: &str) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let late = browser.hold(page).await?;
    browser.twin().ok("/logout").await?;
    stays_dead(&site, &browser, late, page).await
}

/// Holds a request until its session has expired, and lets it go on.
async fn after_expiry(world: &World, page: &str) -> Result<(), Failure> {
    let site = world.site_with(|config| config.lifetime(LIFETIME)).await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let late = browser.hold(page).await?;
    site.clock.advance(LIFETIME);
    stays_dead(&site, &browser, late, page).await
}

async fn stays_dead(site: &Site, browser: &Browser, late: Held, page: &str) -> Result<(), Failure> {
    let mut before = site.snapshot().await?;
    let response = late.finish().await?;
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies on the late response of {page}, whose session had ended"
    );
    let (after, now) = (site.snapshot().await?, site.sessions.now());
    // A store may drop what has expired whenever it likes.
    before.retain(|key, stored| after.contains_key(key) || stored.entry.deadline > now);
    ensure!(
        after == before,
        "a request still in flight cannot bring a session back under its old id or a new one, \
         but {page} has changed the store"
    );
    ensure_eq!(
        browser.twin().ok("/get/k").await?,
        "-",
        "what the old id shows after {page}"
    );
    Ok(())
}

async fn is_dead(site: &Site, id: &str) -> Result<(), Failure> {
    ensure!(
        !site.snapshot().await?.contains_key(&key_of(id)),
        "the record of a destroyed session is deleted"
    );
    let shown = site.browser().with_id(id).ok("/dump").await?;
    ensure_eq!(
        shown,
        r#"{"data":{},"permanent":false,"user":null}"#,
        "what the old id shows after destroy"
    );
    Ok(())
}
