//! What becomes of a handler, which each framework decides for itself: one of two ways, and each adapter says which.

use std::time::Duration;

use tokio::time::timeout;

use super::browser::{Browser, reached};
use super::departure::{Departure, LONG_ENOUGH, Leaving, Left, OVER_HTTP_2};
use super::http::PATIENCE;
use super::site::{Site, World};
use super::{Failure, ensure_eq};
use crate::gate::Stopped;
use crate::probe;
use crate::suite::ensure;

pub(super) async fn a_panic_closes_the_connection(world: World) -> Result<(), Failure> {
    let status = status_of_a_panic(&world).await?;
    ensure_eq!(status, None, "status of a page that panics");
    Ok(())
}

pub(super) async fn a_panic_is_answered_with_500(world: World) -> Result<(), Failure> {
    let status = status_of_a_panic(&world).await?;
    ensure_eq!(status, Some(500), "status of a page that panics");
    Ok(())
}

async fn status_of_a_panic(world: &World) -> Result<Option<u16>, Failure> {
    let site = world.site().await?;
    let connection = site.browser().connect("/panic/k/w").await?;
    Ok(connection.response().await?.map(|response| response.status))
}

pub(super) async fn a_handler_is_dropped_when_its_client_leaves(
    world: World,
) -> Result<(), Failure> {
    is_dropped(&world, Departure::Http1).await
}

pub(super) async fn a_handler_is_dropped_when_its_client_leaves_over_http_2(
    world: World,
) -> Result<(), Failure> {
    for departure in OVER_HTTP_2 {
        is_dropped(&world, departure).await?;
    }
    Ok(())
}

async fn is_dropped(world: &World, departure: Departure) -> Result<(), Failure> {
    let (_site, browser, mut stopped, left) = leave_a_handler(world, departure).await?;
    ensure!(
        timeout(PATIENCE, stopped.given_up()).await.is_ok(),
        "a handler whose client leaves is dropped, but it goes on: {departure:?}"
    );
    ensure_eq!(browser.ok("/get/k").await?, "v", "the data after it");
    left.serves_others().await
}

pub(super) async fn a_handler_goes_on_when_its_client_leaves(world: World) -> Result<(), Failure> {
    goes_on(&world, Departure::Http1).await
}

pub(super) async fn a_handler_goes_on_when_its_client_leaves_over_http_2(
    world: World,
) -> Result<(), Failure> {
    for departure in OVER_HTTP_2 {
        goes_on(&world, departure).await?;
    }
    Ok(())
}

/// To its end, and what it changed is stored.
async fn goes_on(world: &World, departure: Departure) -> Result<(), Failure> {
    let (_site, browser, mut stopped, left) = leave_a_handler(world, departure).await?;
    let given_up = timeout(LONG_ENOUGH, stopped.given_up()).await;
    ensure!(
        given_up.is_err(),
        "a handler whose client leaves goes on, but it is dropped: {departure:?}"
    );
    stopped.release();
    let stored = async {
        while browser.ok("/get/k").await? != "w" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    let never = Failure::new("what a handler changed that went on is not stored");
    timeout(PATIENCE, stored).await.unwrap_or(Err(never))?;
    left.serves_others().await
}

/// A visitor's handler that is about to change `k` from `v` to `w`, and its client has gone.
async fn leave_a_handler(
    world: &World,
    departure: Departure,
) -> Result<(Site, Browser, Stopped, Left), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let (name, gate) = probe::hold();
    let page = format!("/set/k/w?gate={name}");
    let client = Leaving::begin(&browser, departure, &page).await?;
    let stopped = reached(gate, &page).await?;
    Ok((site, browser, stopped, client.go()))
}
