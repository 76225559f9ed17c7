//! A failed request changes nothing.

use super::browser::Browser;
use super::site::{Site, World};
use super::{Failure, ensure_eq};
use crate::suite::ensure;
use crate::{Fault, Verb};

const FAILING: [&str; 8] = [
    "/fail/k/w",
    "/incr/n?status=500",
    "/incr/n?status=408",
    "/clear?status=502",
    "/remove/k?status=503",
    "/flash/info/hello?status=599",
    "/permanent/true?status=500",
    "/lifetime/5?status=500",
];

pub(super) async fn a_5xx_or_408_changes_nothing(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for page in FAILING {
        changes_nothing(&site, &browser, page).await?;
        changes_nothing(&site, &site.browser(), page).await?;
    }
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "the data after all of them"
    );
    Ok(())
}

pub(super) async fn a_5xx_leaves_the_id_as_it_was(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for page in [
        "/regenerate?status=500",
        "/login/alice?status=500",
        "/do/set/regenerate/login?status=503",
    ] {
        changes_nothing(&site, &browser, page).await?;
        ensure_eq!(
            browser.ok("/dump").await?,
            r#"{"data":{"k":"v"},"permanent":false,"user":null}"#,
            "what the old id shows after {page}"
        );
    }
    Ok(())
}

pub(super) async fn a_panic_changes_nothing(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let before = site.snapshot().await?;
    for page in [
        "/panic/k/w",
        "/regenerate?panic",
        "/login/alice?panic",
        "/clear?panic",
    ] {
        for visitor in [browser.twin(), site.browser()] {
            // A framework answers a panic with a 500, or not at all.
            if let Some(response) = visitor.connect(page).await?.response().await? {
                ensure_eq!(response.status, 500, "status of a page that panics");
                ensure_eq!(response.session_cookies(), [], "cookies of {page}");
            }
            ensure!(
                site.snapshot().await? == before,
                "a handler that panics changes nothing, but {page} has changed the store"
            );
        }
        ensure_eq!(browser.ok("/get/k").await?, "v", "the data after {page}");
    }
    Ok(())
}

/// Of the framework's own kind, by a middleware between the adapter and the handler where there is such a thing.
pub(super) async fn an_error_from_further_in_counts_by_its_status(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for (status, stored) in [(500, "v"), (503, "v"), (409, "w")] {
        let response = browser.get(&format!("/error/k/w/{status}")).await?;
        ensure_eq!(
            response.status,
            status,
            "status of an error from further in"
        );
        ensure_eq!(
            browser.ok("/get/k").await?,
            stored,
            "what is stored behind an error of status {status}"
        );
    }
    for (status, cookies) in [(500, 0), (409, 1)] {
        let response = site.browser().get(&format!("/error/k/w/{status}")).await?;
        ensure_eq!(
            response.session_cookies().len(),
            cookies,
            "cookies of an error of status {status}"
        );
        ensure!(
            response.vary().contains(&"cookie".to_owned()),
            "an error of status {status} varies by cookie, but: {response:?}"
        );
    }
    Ok(())
}

pub(super) async fn what_save_has_committed_stays_on_5xx(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let response = browser.get("/save/k/saved/500").await?;
    ensure_eq!(response.status, 500, "the application's status");
    ensure_eq!(
        browser.ok("/get/k").await?,
        "saved",
        "what save() has committed"
    );
    Ok(())
}

pub(super) async fn what_save_has_committed_stays_after_a_panic(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    browser
        .connect("/save/k/saved/200?panic")
        .await?
        .response()
        .await?;
    ensure_eq!(
        browser.ok("/get/k").await?,
        "saved",
        "what save() has committed"
    );
    Ok(())
}

pub(super) async fn a_cookie_that_save_called_for_is_sent_on_5xx(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    let response = browser.get("/save/k/saved/500").await?;
    ensure_eq!(response.status, 500, "the application's status");
    response.session_cookie()?;
    ensure_eq!(
        browser.ok("/get/k").await?,
        "saved",
        "what save() has committed"
    );
    Ok(())
}

pub(super) async fn a_cookie_that_save_called_for_is_sent_when_the_closing_save_fails(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let old = browser.twin();
    let renewed = browser.hold_at("then", "/renew/k/w").await?;
    site.store.once(Verb::Put, Fault::FailBefore);
    let response = renewed.finish().await?;
    ensure_eq!(
        (response.status, response.text().as_str()),
        (503, ""),
        "status and body when the closing save fails"
    );
    browser.receive(&response);
    ensure!(
        browser.own_id()? != old.own_id()?,
        "the id that save() has replaced is dead, so the new one has to be sent on a 503 too"
    );
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "the session under its new id"
    );
    Ok(())
}

async fn changes_nothing(site: &Site, browser: &Browser, page: &str) -> Result<(), Failure> {
    let before = site.snapshot().await?;
    let (cost, response) = site.cost(browser.get(page)).await?;
    ensure!(
        (response.status >= 500 && response.body.is_empty()) || response.status == 408,
        "{page} is answered as the application says, but: {response:?}"
    );
    ensure_eq!(
        cost.writes(),
        0,
        "writes of {page}: a failed request changes nothing"
    );
    ensure_eq!(response.session_cookies(), [], "cookies of {page}");
    ensure!(
        site.snapshot().await? == before,
        "a failed request changes nothing, but {page} has changed the store"
    );
    Ok(())
}
