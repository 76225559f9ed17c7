//! The session's cookie.

use std::time::Duration;

use anysession::{CookiePrefix, SameSite};

use super::cookie::SetCookie;
use super::http::{Request, Response};
use super::site::World;
use super::{Failure, ensure_eq};
use crate::suite::ensure;

/// The default cookie, in alphabetical order.
const SCOPE: [&str; 4] = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"];

pub(super) async fn a_new_session_sets_one_cookie_with_safe_attributes(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    for page in ["/set/k/v", "/incr/k", "/flash/info/hello", "/login/alice"] {
        let response = site.browser().get(page).await?;
        let cookie = response.session_cookie()?;
        ensure_eq!(
            cookie.scope(),
            SCOPE,
            "attributes of the cookie __Host-id set by {page}"
        );
        for lasting in ["Max-Age", "Expires"] {
            ensure!(
                cookie.attribute(lasting).is_none(),
                "a session that is not permanent has no {lasting}, but {page} sets {cookie:?}"
            );
        }
        let alphabet = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ensure!(
            cookie.value.len() == 43 && cookie.value.chars().all(alphabet),
            "an id is 256 bits in base64url, but {page} sets {cookie:?}"
        );
        ensure_eq!(
            response.lines("cache-control"),
            ["private"],
            "Cache-Control of a response that sets the cookie"
        );
        ensure_eq!(
            response.vary(),
            ["cookie"],
            "Vary of a response that sets the cookie"
        );
    }
    Ok(())
}

pub(super) async fn a_write_to_a_known_session_sets_no_cookie(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for page in ["/set/k/w", "/incr/n", "/remove/k", "/clear", "/get/k"] {
        let response = browser.get(page).await?;
        let cookies = response.session_cookies();
        ensure_eq!(cookies, [], "cookies set by {page} in a known session");
        let lines = response.lines("cache-control");
        ensure!(
            lines.is_empty(),
            "only a response that sets the cookie gets Cache-Control, but {page}: {lines:?}"
        );
    }
    Ok(())
}

pub(super) async fn the_cookie_of_a_permanent_session_has_max_age(
    world: World,
) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.permanent(true).lifetime(Duration::from_secs(1000)))
        .await?;
    let cookie = site.browser().get("/set/k/v").await?.session_cookie()?;
    ensure_eq!(
        cookie.max_age(),
        Some("1000"),
        "Max-Age of a permanent session is its lifetime"
    );
    ensure_eq!(cookie.scope(), SCOPE, "its other attributes");
    Ok(())
}

pub(super) async fn a_session_becomes_permanent_and_back(world: World) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.lifetime(Duration::from_secs(1000)))
        .await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let id = browser.own_id()?;
    for (page, expected) in [
        ("/permanent/true", Some("1000")),
        ("/permanent/false", None),
    ] {
        let cookie = browser.get(page).await?.session_cookie()?;
        ensure_eq!(cookie.max_age(), expected, "Max-Age after {page}");
        ensure!(cookie.value == id, "{page} keeps the id");
    }
    Ok(())
}

pub(super) async fn a_touch_sends_a_permanent_cookie_again(world: World) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.permanent(true).lifetime(Duration::from_secs(1000)))
        .await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let id = browser.own_id()?;
    site.clock.advance(Duration::from_secs(99));
    let early = browser.get("/get/k").await?.session_cookies();
    ensure_eq!(early, [], "cookies before a tenth of the lifetime");
    site.clock.advance(Duration::from_secs(1));
    let response = browser.get("/get/k").await?;
    ensure_eq!(
        (response.lines("cache-control"), response.vary()),
        (vec!["private".to_owned()], vec!["cookie".to_owned()]),
        "Cache-Control and Vary of a response that only sends the cookie again"
    );
    let cookie = response.session_cookie()?;
    ensure_eq!(cookie.max_age(), Some("1000"), "Max-Age after a touch");
    ensure_eq!(cookie.scope(), SCOPE, "attributes after a touch");
    ensure!(cookie.value == id, "a touch keeps the id");
    Ok(())
}

pub(super) async fn the_cookie_never_outlives_the_session(world: World) -> Result<(), Failure> {
    let site = world
        .site_with(|config| {
            config
                .permanent(true)
                .lifetime(Duration::from_secs(1000))
                .absolute_lifetime(Duration::from_secs(1500))
        })
        .await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for (advance, rest) in [(600, "900"), (800, "100")] {
        site.clock.advance(Duration::from_secs(advance));
        let response = browser.get("/set/k/w").await?;
        for cookie in response.session_cookies() {
            ensure_eq!(
                cookie.max_age(),
                Some(rest),
                "Max-Age of a session that ends for good in {rest} s"
            );
        }
    }
    Ok(())
}

pub(super) async fn the_removal_cookie_has_the_same_attributes(
    world: World,
) -> Result<(), Failure> {
    let site = world
        .site_with(|config| config.cookie_partitioned(true))
        .await?;
    let browser = site.browser();
    let set = browser.get("/set/k/v").await?.session_cookie()?;
    let response = browser.get("/logout").await?;
    let removal = response.session_cookie()?;
    ensure_eq!(removal.value, "", "value of the removal cookie");
    ensure_eq!(
        removal.max_age(),
        Some("0"),
        "Max-Age of the removal cookie"
    );
    ensure_eq!(
        removal.attribute("Expires"),
        Some("Thu, 01 Jan 1970 00:00:00 GMT"),
        "Expires of the removal cookie"
    );
    ensure_eq!(
        removal.scope(),
        set.scope(),
        "attributes of the removal cookie"
    );
    ensure_eq!(
        response.lines("cache-control"),
        ["private"],
        "Cache-Control of a response that removes the cookie"
    );
    Ok(())
}

pub(super) async fn a_cookie_that_is_configured_otherwise_is_set_read_and_removed(
    world: World,
) -> Result<(), Failure> {
    const NAME: &str = "__Secure-sid";
    const SCOPE: [&str; 5] = [
        "Domain=example.org",
        "HttpOnly",
        "Path=/shop",
        "SameSite=Strict",
        "Secure",
    ];
    let site = world
        .site_with(|config| {
            config
                .cookie_name("sid")
                .cookie_prefix(CookiePrefix::Secure)
                .cookie_domain("example.org")
                .cookie_path("/shop")
                .cookie_same_site(SameSite::Strict)
        })
        .await?;
    let get = async |page: &str, cookie: &str| {
        let request = Request::get(page).cookies(cookie);
        site.browser().send(request).await
    };
    let mut cookie = only_cookie(&site.browser().get("/set/k/v").await?)?;
    for page in ["/regenerate", "/login/alice", "/permanent/true", "/logout"] {
        ensure_eq!(
            (cookie.name.as_str(), cookie.scope()),
            (NAME, SCOPE.to_vec()),
            "name and attributes of the cookie before {page}"
        );
        let id = &cookie.value;
        for (name, expected) in [(NAME, "v"), ("sid", "-"), ("__Host-id", "-")] {
            let response = get("/get/k", &format!("{name}={id}")).await?;
            ensure_eq!(response.text(), expected, "what the cookie {name} shows");
        }
        cookie = only_cookie(&get(page, &format!("{NAME}={id}")).await?)?;
    }
    ensure_eq!(
        (cookie.name.as_str(), cookie.scope()),
        (NAME, SCOPE.to_vec()),
        "name and attributes of the removal cookie"
    );
    ensure!(
        cookie.removes() && cookie.value.is_empty(),
        "a log-out removes the cookie, but sets {cookie:?}"
    );
    Ok(())
}

/// The one cookie of a response, whatever its name.
fn only_cookie(response: &Response) -> Result<SetCookie, Failure> {
    match response.lines("set-cookie").as_slice() {
        [line] => Ok(SetCookie::parse(line)),
        _ => Err(Failure::new(format!(
            "the response sets exactly one cookie, but it is {response:?}"
        ))),
    }
}
