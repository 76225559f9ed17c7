//! What happens when requests overlap, by what the later one wanted and what was done since it loaded.

use std::time::Duration;

use super::site::World;
use super::{Failure, ensure_eq};
use crate::suite::ensure;

pub(super) async fn a_write_in_flight_follows_a_regenerated_id(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/set/b/2").await?;
    browser.ok("/regenerate").await?;
    let made = site.dice.ids().len();
    let response = late.finish().await?;
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies of the late response"
    );
    ensure_eq!(site.dice.ids().len(), made, "ids made by then");
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","b":"2"},"permanent":false,"user":null}"#,
        "the session under its new id, with what the late request wrote"
    );
    Ok(())
}

/// A read that moves the deadline of a permanent session would send its cookie again, over the new one.
pub(super) async fn a_permanent_read_in_flight_does_not_send_the_replaced_id_again(
    world: World,
) -> Result<(), Failure> {
    for page in ["/regenerate", "/login/alice"] {
        let lifetime = Duration::from_secs(1000);
        let site = world
            .site_with(|config| config.permanent(true).lifetime(lifetime))
            .await?;
        let browser = site.visitor(&["/set/a/1"]).await?;
        site.clock.advance(lifetime / 2);
        let late = browser.hold("/get/a").await?;
        browser.ok(page).await?;
        browser.receive(&late.finish().await?);
        ensure_eq!(
            browser.ok("/get/a").await?,
            "1",
            "what the browser sees after {page} and a late response"
        );
    }
    Ok(())
}

pub(super) async fn a_write_in_flight_is_dropped_when_the_user_has_changed(
    world: World,
) -> Result<(), Failure> {
    for page in ["/set/late/1", "/get/late"] {
        is_dropped_when_the_user_has_changed(&world, page).await?;
    }
    Ok(())
}

pub(super) async fn a_regenerate_in_flight_keeps_what_others_wrote(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/regenerate").await?;
    browser.ok("/set/b/2").await?;
    browser.receive(&late.finish().await?);
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","b":"2"},"permanent":false,"user":null}"#,
        "what was written before the id was replaced"
    );
    Ok(())
}

pub(super) async fn a_regenerate_in_flight_leaves_a_regenerated_id_alone(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/do/set/regenerate").await?;
    browser.ok("/regenerate").await?;
    let entries = site.snapshot().await?.len();
    let response = late.finish().await?;
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies of the late response: it is already done"
    );
    ensure_eq!(
        site.snapshot().await?.len(),
        entries,
        "records in the store"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","k":"v"},"permanent":false,"user":null}"#,
        "the session under the first new id, with what the late request wrote"
    );
    Ok(())
}

pub(super) async fn a_regenerate_in_flight_is_dropped_when_the_user_has_changed(
    world: World,
) -> Result<(), Failure> {
    is_dropped_when_the_user_has_changed(&world, "/do/set/regenerate").await
}

pub(super) async fn a_log_in_in_flight_keeps_what_others_wrote(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/login/alice").await?;
    browser.ok("/set/b/2").await?;
    browser.receive(&late.finish().await?);
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","b":"2"},"permanent":false,"user":"alice"}"#,
        "what was written before the log-in was stored"
    );
    Ok(())
}

pub(super) async fn a_log_in_in_flight_follows_the_same_user(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/login/alice").await?;
    browser.ok("/login/alice").await?;
    let first = browser.own_id()?;
    browser.receive(&late.finish().await?);
    ensure!(
        browser.own_id()? != first,
        "a log-in in flight follows to where the same user has signed in, and gets a new id"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1"},"permanent":false,"user":"alice"}"#,
        "the session after both"
    );
    ensure_eq!(
        site.browser().with_id(first).ok("/get/a").await?,
        "-",
        "what the first new id shows: there is one live id"
    );
    Ok(())
}

pub(super) async fn a_log_in_in_flight_leaves_somebody_elses_session_alone(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/login/alice").await?;
    let bob = browser.twin();
    bob.ok("/login/bob").await?;
    browser.receive(&late.finish().await?);
    let alice = browser.ok("/dump").await?;
    ensure!(
        alice.contains(r#""user":"alice""#),
        "the late log-in begins a fresh session for its user, but: {alice}"
    );
    ensure_eq!(
        bob.ok("/dump").await?,
        r#"{"data":{"a":"1"},"permanent":false,"user":"bob"}"#,
        "the other user's session"
    );
    Ok(())
}

pub(super) async fn a_destroy_in_flight_takes_what_others_wrote_with_it(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let late = browser.hold("/logout").await?;
    browser.ok("/set/b/2").await?;
    let response = late.finish().await?;
    ensure!(
        response.session_cookie()?.removes(),
        "destroy removes the cookie"
    );
    ensure!(
        site.snapshot().await?.is_empty(),
        "a destroy reloads on a conflict: nothing is left of the session"
    );
    Ok(())
}

pub(super) async fn a_destroy_in_flight_follows_a_regenerated_id(
    world: World,
) -> Result<(), Failure> {
    for hops in [1, 3] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/a/1", "/login/alice"]).await?;
        let late = browser.hold("/logout").await?;
        for _ in 0..hops {
            browser.ok("/regenerate").await?;
        }
        late.finish().await?;
        ensure_eq!(
            browser.ok("/dump").await?,
            r#"{"data":{},"permanent":false,"user":null}"#,
            "what the newest id shows: the successor dies too, {hops} ids later"
        );
    }
    Ok(())
}

pub(super) async fn a_destroy_in_flight_leaves_somebody_elses_session_alone(
    world: World,
) -> Result<(), Failure> {
    is_dropped_when_the_user_has_changed(&world, "/logout").await
}

pub(super) async fn a_cookie_saved_in_mid_request_is_not_sent_when_the_session_has_ended(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let alice = site.visitor(&["/login/alice"]).await?;
    let other = site.visitor(&["/login/alice"]).await?;
    let late = other.hold_at("then", "/renew/k/v").await?;
    ensure_eq!(alice.ok("/revoke-others").await?, "1", "sessions revoked");
    let before = site.snapshot().await?;
    let response = late.finish().await?;
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies of a request whose session ended after its save"
    );
    ensure!(
        site.snapshot().await? == before,
        "a request still in flight cannot bring a revoked session back"
    );
    Ok(())
}

/// Alice's request comes late: bob has signed in meanwhile.
async fn is_dropped_when_the_user_has_changed(world: &World, page: &str) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/login/alice", "/set/a/1"]).await?;
    let late = browser.hold(page).await?;
    browser.ok("/login/bob").await?;
    browser.ok("/set/b/2").await?;
    let before = site.snapshot().await?;
    let response = late.finish().await?;
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies on the late response of {page}, after the user has changed"
    );
    ensure!(
        site.snapshot().await? == before,
        "when the user has changed {page} is dropped, but it has changed the store"
    );
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"b":"2"},"permanent":false,"user":"bob"}"#,
        "the other user's session after {page}"
    );
    Ok(())
}
