//! Idle and absolute lifetime, by the clock.

use std::time::Duration;

use super::site::{Site, World};
use super::{Failure, ensure_eq};
use crate::TestClock;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const ONE_MS: Duration = Duration::from_millis(1);
const LIFETIME: Duration = Duration::from_secs(1000);
const ABSOLUTE: Duration = Duration::from_secs(3000);

pub(super) async fn an_idle_session_ends_at_its_deadline_and_not_before(
    world: World,
) -> Result<(), Failure> {
    let site = site(&world).await?;
    let early = site.visitor(&["/set/k/v"]).await?;
    let late = site.visitor(&["/set/k/v"]).await?;
    site.clock
        .set(TestClock::START + LIFETIME.saturating_sub(ONE_MS));
    ensure_eq!(early.ok("/get/k").await?, "v", "1 ms before the deadline");
    site.clock.advance(ONE_MS);
    let (cost, response) = site.cost(late.get("/get/k")).await?;
    ensure_eq!(response.text(), "-", "at the deadline");
    ensure_eq!(response.session_cookies(), [], "cookies at the deadline");
    ensure_eq!(cost.writes(), 0, "writes of a read of an expired session");
    Ok(())
}

pub(super) async fn reading_keeps_a_session_alive(world: World) -> Result<(), Failure> {
    let site = world.site_with(|config| config.lifetime(LIFETIME)).await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for _ in 0..10 {
        site.clock.advance(LIFETIME * 9 / 10);
        ensure_eq!(
            browser.ok("/get/k").await?,
            "v",
            "a session that is read once in 9/10 of its lifetime"
        );
    }
    site.clock.advance(LIFETIME);
    ensure_eq!(
        browser.ok("/get/k").await?,
        "-",
        "a lifetime after the last read"
    );
    Ok(())
}

pub(super) async fn the_absolute_lifetime_never_slides(world: World) -> Result<(), Failure> {
    let site = site(&world).await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for page in [
        "/get/k",
        "/set/k/v",
        "/permanent/true",
        "/lifetime/9000",
        "/get/k",
    ] {
        site.clock.advance(ABSOLUTE / 6);
        browser.ok(page).await?;
    }
    site.clock
        .set(TestClock::START + ABSOLUTE.saturating_sub(ONE_MS));
    ensure_eq!(browser.ok("/get/k").await?, "v", "1 ms before the hard end");
    site.clock.advance(ONE_MS);
    ensure_eq!(browser.ok("/get/k").await?, "-", "at the hard end");
    Ok(())
}

pub(super) async fn set_lifetime_is_for_one_session(world: World) -> Result<(), Failure> {
    let site = site(&world).await?;
    let shorter = site.visitor(&["/set/k/v", "/lifetime/60"]).await?;
    let longer = site.visitor(&["/set/k/v", "/lifetime/2000"]).await?;
    let usual = site.visitor(&["/set/k/v"]).await?;
    for (seconds, browser) in [(60, &shorter), (1000, &usual), (2000, &longer)] {
        let end = TestClock::START + Duration::from_secs(seconds);
        site.clock.set(end.before(ONE_MS));
        let unread = browser.twin();
        ensure_eq!(
            unread.ok("/read/nothing").await?,
            "null",
            "1 ms before the deadline"
        );
    }
    // Each was read 1 ms before its end and so lives on; after as long again it is gone.
    site.clock.set(TestClock::START + Duration::from_secs(2000));
    ensure_eq!(shorter.ok("/get/k").await?, "-", "a lifetime of 60 s");
    ensure_eq!(usual.ok("/get/k").await?, "-", "a lifetime of 1000 s");
    ensure_eq!(longer.ok("/get/k").await?, "v", "a lifetime of 2000 s");
    Ok(())
}

pub(super) async fn a_clock_that_was_set_back_extends_nothing(world: World) -> Result<(), Failure> {
    let site = site(&world).await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    site.clock.set(TestClock::START.before(YEAR));
    ensure_eq!(browser.ok("/get/k").await?, "v", "a year before it began");
    browser.ok("/set/k/w").await?;
    ensure_eq!(browser.ok("/get/k").await?, "w", "what was written then");
    site.clock.set(TestClock::START + LIFETIME);
    ensure_eq!(
        browser.ok("/get/k").await?,
        "-",
        "at the deadline that it had"
    );
    Ok(())
}

pub(super) async fn a_clock_that_was_set_forward_ends_the_session(
    world: World,
) -> Result<(), Failure> {
    let site = site(&world).await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let late = browser.hold("/set/k/w").await?;
    site.clock.advance(YEAR);
    ensure_eq!(
        late.finish().await?.session_cookies(),
        [],
        "cookies of a request during which the clock was set forward"
    );
    ensure_eq!(browser.ok("/get/k").await?, "-", "a year later");
    browser.ok("/set/k/new").await?;
    ensure_eq!(browser.ok("/get/k").await?, "new", "the next session");
    Ok(())
}

async fn site(world: &World) -> Result<Site, Failure> {
    world
        .site_with(|config| config.lifetime(LIFETIME).absolute_lifetime(ABSOLUTE))
        .await
}
