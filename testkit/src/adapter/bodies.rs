//! Requests that bring a body: what is said before it, and what comes behind it.

use super::http::{COOKIE, Request};
use super::site::World;
use super::{Failure, ensure_eq};
use crate::suite::ensure;

const ROUTE: &str = "/body/k";

/// RFC 9110, 10.1.1 and 15.2.1.
pub(super) async fn an_interim_response_carries_no_header_of_ours(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    let request = Request::upload(ROUTE)
        .line("Expect: 100-continue")
        .line("Content-Length: 1");
    let (interim, wire) = request.send(site.server).await?.head().await?;
    ensure_eq!(
        interim.status,
        100,
        "status before the body, for a client that waits for it"
    );
    ensure_eq!(interim.session_cookies(), [], "cookies of a 100");
    ensure_eq!(interim.vary(), [""; 0], "Vary of a 100");
    let response = wire.go_on(b"v").await?.response().await?;
    let response = response.ok_or_else(|| Failure::new("a 100 is followed by a response"))?;
    ensure_eq!(response.status, 200, "status behind the 100");
    response.session_cookie()?;
    ensure_eq!(
        response.vary(),
        ["cookie"],
        "Vary of the response behind a 100"
    );
    browser.receive(&response);
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "what was stored of a body that came behind a 100"
    );
    Ok(())
}

/// RFC 9110, 6.5.1: a trailer is no header. A server may also refuse the request.
pub(super) async fn a_cookie_in_a_trailer_is_not_read(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let id = browser.own_id()?;
    let request = Request::upload(ROUTE)
        .line("Transfer-Encoding: chunked")
        .line("Trailer: Cookie")
        .body(format!("1\r\nw\r\n0\r\nCookie: {COOKIE}={id}\r\n\r\n"));
    let (cost, response) = site.cost(site.browser().send(request)).await?;
    ensure!(
        matches!(response.status, 200 | 400..500),
        "a request with a trailer is answered or refused, but: {response:?}"
    );
    ensure_eq!(cost.load, 0, "look-ups of an id that came in a trailer");
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "the session whose id came in a trailer"
    );
    Ok(())
}
