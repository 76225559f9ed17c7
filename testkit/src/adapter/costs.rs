//! What requests cost in round trips to the store.

use std::time::Duration;

use super::site::World;
use super::{Failure, ensure_eq};
use crate::Counts;
use crate::suite::ensure;

pub(super) async fn a_route_that_ignores_the_session_costs_nothing(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let with_cookie = site.visitor(&["/set/k/v"]).await?;
    for browser in [with_cookie, site.browser()] {
        let (cost, response) = site.cost(browser.get("/none")).await?;
        ensure_eq!(cost.total(), 0, "round trips of a route that does not ask");
        ensure_eq!(response.text(), "ok", "the route's own answer");
        for name in ["set-cookie", "vary", "cache-control"] {
            let lines = response.lines(name);
            ensure!(
                lines.is_empty(),
                "a response whose handler did not take the session gets no header, but: {name}"
            );
        }
    }
    Ok(())
}

pub(super) async fn reading_costs_one_round_trip(world: World) -> Result<(), Failure> {
    let expected = Counts {
        load: 1,
        ..Counts::default()
    };
    costs(&world, &["/set/k/v"], "/get/k", expected).await
}

pub(super) async fn reading_and_writing_costs_two_round_trips(world: World) -> Result<(), Failure> {
    let expected = Counts {
        load: 1,
        put: 1,
        ..Counts::default()
    };
    costs(&world, &["/set/k/v"], "/set/k/w", expected).await
}

pub(super) async fn a_new_session_costs_one_round_trip(world: World) -> Result<(), Failure> {
    let expected = Counts {
        put: 1,
        ..Counts::default()
    };
    costs(&world, &[], "/set/k/v", expected).await
}

pub(super) async fn regenerating_the_id_costs_three_round_trips(
    world: World,
) -> Result<(), Failure> {
    let expected = Counts {
        load: 1,
        put: 2,
        ..Counts::default()
    };
    costs(&world, &["/set/k/v"], "/regenerate", expected).await
}

pub(super) async fn log_in_on_a_new_session_costs_at_most_two_round_trips(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let (cost, _) = site.cost(site.browser().ok("/login/alice")).await?;
    ensure!(
        cost.total() <= 2,
        "log_in on a new session costs 1 or 2 round trips, but: {cost:?}"
    );
    Ok(())
}

pub(super) async fn reading_without_a_cookie_writes_nothing_and_sets_no_cookie(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    for page in ["/get/k", "/dump", "/flashes", "/remove/k", "/clear"] {
        let (cost, response) = site.cost(browser.get(page)).await?;
        ensure_eq!(response.status, 200, "{page} without a session");
        ensure_eq!(
            cost.total(),
            0,
            "round trips of {page} without a cookie, and nothing to store"
        );
        let cookies = response.session_cookies();
        ensure_eq!(cookies, [], "cookies set by {page} without a session");
    }
    Ok(())
}

pub(super) async fn a_session_that_is_only_read_is_touched_once_in_a_tenth_of_its_lifetime(
    world: World,
) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.lifetime(Duration::from_secs(1000)))
        .await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let reading = Counts {
        load: 1,
        ..Counts::default()
    };
    let touching = Counts {
        touch: 1,
        ..reading
    };
    for (seconds, expected) in [(99, reading), (1, touching), (0, reading), (99, reading)] {
        site.clock.advance(Duration::from_secs(seconds));
        let (cost, response) = site.cost(browser.get("/get/k")).await?;
        ensure_eq!(
            cost,
            expected,
            "cost of a read {seconds} s after the one before, with a lifetime of 1000 s"
        );
        let cookies = response.session_cookies();
        ensure_eq!(
            cookies,
            [],
            "cookies set by a touch of a session that is not permanent"
        );
    }
    Ok(())
}

async fn costs(
    world: &World,
    before: &[&str],
    page: &str,
    expected: Counts,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(before).await?;
    let (cost, _) = site.cost(browser.ok(page)).await?;
    ensure_eq!(cost, expected, "round trips of {page} after {before:?}");
    Ok(())
}
