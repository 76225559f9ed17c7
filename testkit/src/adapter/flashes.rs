//! Messages for the next page.

use super::site::World;
use super::{Failure, ensure_eq};

pub(super) async fn a_flash_is_shown_once(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site
        .visitor(&["/flash/info/one", "/flash/error/two", "/set/k/v"])
        .await?;
    ensure_eq!(
        browser.ok("/flashes").await?,
        r#"[["info","one"],["error","two"]]"#,
        "the messages, oldest first"
    );
    ensure_eq!(
        browser.ok("/flashes").await?,
        "[]",
        "the messages on the next page"
    );
    Ok(())
}

pub(super) async fn flashes_are_taken_by_category(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site
        .visitor(&["/flash/info/one", "/flash/error/two", "/flash/info/three"])
        .await?;
    ensure_eq!(
        browser.ok("/flashes/info").await?,
        r#"[["info","one"],["info","three"]]"#,
        "the messages of one category"
    );
    ensure_eq!(
        browser.ok("/flashes").await?,
        r#"[["error","two"]]"#,
        "the messages that were left"
    );
    Ok(())
}

pub(super) async fn a_flash_is_shown_by_exactly_one_of_two_overlapping_requests(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/flash/info/one"]).await?;
    let first = browser.hold("/flashes?save").await?;
    let second = browser.hold("/flashes?save").await?;
    browser.ok("/flash/info/two").await?;
    ensure_eq!(
        first.finish().await?.text(),
        r#"[["info","one"],["info","two"]]"#,
        "what the request shows that saves first"
    );
    ensure_eq!(
        second.finish().await?.text(),
        "[]",
        "what the request shows that saves second"
    );
    Ok(())
}

pub(super) async fn overlapping_flashes_are_all_kept(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let slow = browser.hold("/flash/info/slow").await?;
    browser.ok("/flash/info/fast").await?;
    slow.finish().await?;
    ensure_eq!(
        browser.ok("/flashes").await?,
        r#"[["info","fast"],["info","slow"]]"#,
        "messages of two overlapping requests"
    );
    Ok(())
}

pub(super) async fn a_failed_request_shows_no_flash_away(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/flash/info/one"]).await?;
    browser.get("/flashes?status=500").await?;
    ensure_eq!(
        browser.ok("/flashes").await?,
        r#"[["info","one"]]"#,
        "the messages after a page that failed"
    );
    Ok(())
}
