//! Removals and settings under overlapping requests.

use super::site::World;
use super::{Failure, ensure_eq};

pub(super) async fn overlapping_removals_leave_other_keys_alone(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1", "/set/b/2"]).await?;
    let slow = browser.hold("/remove/a").await?;
    browser.ok("/set/c/3").await?;
    browser.ok("/remove/b").await?;
    slow.finish().await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"c":"3"},"permanent":false,"user":null}"#,
        "what is left"
    );
    Ok(())
}

pub(super) async fn a_clear_in_flight_is_replayed_on_the_newest_data(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let slow = browser.hold("/do/clear/set").await?;
    browser.ok("/set/b/2").await?;
    slow.finish().await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"k":"v"},"permanent":false,"user":null}"#,
        "what was inserted after the clear, and nothing else"
    );
    Ok(())
}

pub(super) async fn settings_and_data_of_overlapping_requests_are_both_kept(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/a/1"]).await?;
    let slow = browser.hold("/permanent/true").await?;
    browser.ok("/set/b/2").await?;
    slow.finish().await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"a":"1","b":"2"},"permanent":true,"user":null}"#,
        "a setting and a value of two overlapping requests"
    );
    Ok(())
}
