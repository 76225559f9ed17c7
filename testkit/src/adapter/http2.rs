//! Over HTTP/2, where a browser may send each cookie in a field of its own.

use http::header;

use super::http::COOKIE;
use super::site::World;
use super::{Failure, ensure_eq};
use crate::suite::ensure;

/// RFC 9113, 8.2.3.
pub(super) async fn the_crumbs_of_an_http_2_request_are_all_read(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let id = site.visitor(&["/set/k/v"]).await?.own_id()?;
    let ours = format!("{COOKIE}={id}");
    let unknown = format!("{COOKIE}={}", "0".repeat(43));
    let connection = site.browser().multiplexed().await?;
    for crumbs in [
        [&ours, "a=1", "b=2"],
        ["a=1", &ours, "b=2"],
        ["a=1", "b=2", &ours],
        ["a=1", &unknown, &ours],
    ] {
        let (_, body) = connection
            .request("/get/k", &crumbs)
            .await?
            .answer()
            .await?;
        ensure_eq!(body, "v", "what one of three crumbs shows");
    }
    let login = connection.request("/login/alice", &[&ours]).await?;
    let (headers, _) = login.answer().await?;
    ensure!(
        headers.contains_key(header::SET_COOKIE) && headers.contains_key(header::VARY),
        "a response of HTTP/2 has the lines of one of HTTP/1.1"
    );
    Ok(())
}
