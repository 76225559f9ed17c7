//! Header lines of the application's and of ours on one response.

use super::http::{COOKIE, Request};
use super::site::World;
use super::{Failure, ensure_eq};
use crate::probe::OWN_COOKIES;
use crate::suite::ensure;

pub(super) async fn the_applications_cookies_are_untouched(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    for (page, of_ours) in [
        ("/set/k/v?headers", 1),
        ("/get/k?headers", 0),
        ("/regenerate?headers", 1),
        ("/fail/k/w?headers", 0),
        ("/logout?headers", 1),
    ] {
        let response = browser.get(page).await?;
        let (ours, own): (Vec<_>, Vec<_>) =
            (response.lines("set-cookie").into_iter()).partition(|line| line.starts_with(COOKIE));
        // Not shown if it fails: where lines are folded an id may be among them.
        ensure!(
            own == OWN_COOKIES,
            "the application's own Set-Cookie lines are untouched byte for byte, but not on {page}"
        );
        ensure_eq!(
            ours.len(),
            of_ours,
            "lines of the session's cookie on {page}"
        );
    }
    Ok(())
}

pub(super) async fn no_response_has_two_session_cookies(world: World) -> Result<(), Failure> {
    let site = world.site_with(|config| config.permanent(true)).await?;
    let browser = site.browser();
    for page in [
        "/save/k/v/200",
        "/save/k/w/200",
        "/renew/k/x",
        "/do/regenerate/login/set/regenerate",
        "/do/logout/set",
        "/do/logout/login/set",
        "/relogin/alice",
        "/do/set/logout",
    ] {
        let response = browser.get(page).await?;
        ensure!(
            response.session_cookies().len() <= 1,
            "a response never has two cookies of one name, but {page}: {response:?}"
        );
    }
    Ok(())
}

pub(super) async fn head_does_what_get_does(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    let response = browser.send(Request::head("/set/k/v")).await?;
    ensure_eq!(response.status, 200, "status of HEAD");
    response.session_cookie()?;
    ensure_eq!(response.vary(), ["cookie"], "Vary of HEAD");
    ensure_eq!(browser.ok("/get/k").await?, "v", "what HEAD has stored");
    Ok(())
}

pub(super) async fn responses_without_a_body_carry_the_cookie(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    for status in [204, 303, 304, 404] {
        let browser = site.browser();
        for page in ["/set/k/v", "/login/alice", "/logout"] {
            let response = browser.get(&format!("{page}?status={status}")).await?;
            ensure_eq!(response.status, status, "the application's status");
            let removes = response.session_cookie()?.removes();
            ensure_eq!(
                removes,
                page == "/logout",
                "removal of the cookie by {page}"
            );
            ensure_eq!(response.vary(), ["cookie"], "Vary of {page} as a {status}");
            let stored = match page {
                "/logout" => "-",
                _ => "v",
            };
            ensure_eq!(
                browser.ok("/get/k").await?,
                stored,
                "what {page} as a response of status {status} has stored"
            );
        }
    }
    Ok(())
}

/// Of a method that the route does not have.
pub(super) async fn what_the_framework_answers_by_itself_costs_nothing(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let request = browser.with_cookie(Request::post("/set/k/w"));
    let (cost, response) = site.cost(browser.send(request)).await?;
    ensure!(
        (400..500).contains(&response.status),
        "a route that is GET has no POST, but: {response:?}"
    );
    ensure_eq!(
        cost.total(),
        0,
        "round trips of an error of the framework's"
    );
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies of an error of the framework's"
    );
    ensure_eq!(browser.ok("/get/k").await?, "v", "the session after it");
    Ok(())
}
