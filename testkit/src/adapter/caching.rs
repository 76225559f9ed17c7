//! What caches on the way are told.

use super::site::{Site, World};
use super::{Failure, ensure_eq};
use crate::suite::ensure;

const READS: [&str; 13] = [
    "/get/k",
    "/dump",
    "/flashes",
    "/read/contains",
    "/read/keys",
    "/read/user",
    "/read/permanent",
    "/read/lifetime",
    "/read/created",
    "/read/last-seen",
    "/read/signed-in",
    "/read/nothing",
    "/sessions",
];

pub(super) async fn a_response_that_read_the_session_varies_by_cookie(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let signed_in = site.visitor(&["/set/k/v", "/login/alice"]).await?;
    for browser in [signed_in, site.browser(), site.browser().with_id("?")] {
        for page in READS {
            let vary = browser.get(page).await?.vary();
            ensure_eq!(
                vary,
                ["cookie"],
                "Vary of {page}, whose handler took the session"
            );
        }
    }
    Ok(())
}

pub(super) async fn error_pages_vary_by_cookie(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for status in [304, 400, 404, 500, 503] {
        let response = browser.get(&format!("/status/{status}")).await?;
        ensure_eq!(response.status, status, "the application's status");
        ensure_eq!(
            response.vary(),
            ["cookie"],
            "Vary of a page of status {status}"
        );
    }
    let failing = browser.get("/fail/k/w").await?;
    ensure_eq!(failing.vary(), ["cookie"], "Vary of a page that failed");
    Ok(())
}

pub(super) async fn vary_is_merged_not_duplicated(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    for (own, expected) in [
        ("Accept-Encoding", &["accept-encoding", "cookie"][..]),
        ("Cookie", &["cookie"]),
        ("accept,COOKIE", &["accept", "cookie"]),
        ("Cookie2", &["cookie", "cookie2"]),
        ("*", &["*"]),
    ] {
        let page = format!("/set/k/v?vary={own}");
        let mut vary = site.browser().get(&page).await?.vary();
        vary.sort_unstable();
        ensure_eq!(vary, expected, "Vary where the application says {own}");
    }
    Ok(())
}

pub(super) async fn the_applications_cache_control_is_kept(world: World) -> Result<(), Failure> {
    let site: Site = world.site().await?;
    let browser = site.browser();
    for page in ["/set/k/v?headers", "/headers", "/logout?headers"] {
        let response = browser.get(page).await?;
        ensure_eq!(
            response.lines("cache-control"),
            ["public, max-age=60"],
            "Cache-Control of {page}, where the application sets its own"
        );
        ensure!(
            response.vary().contains(&"cookie".to_owned()),
            "the response varies by Cookie, but {page}: {response:?}"
        );
    }
    Ok(())
}
