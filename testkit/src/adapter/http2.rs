//! Over HTTP/2, where a browser may send each cookie in a field of its own.

use std::net::SocketAddr;

use http::{HeaderMap, Request, Version, header};
use tokio::net::TcpStream;

use super::http::{COOKIE, PATIENCE};
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
    for crumbs in [
        [&ours, "a=1", "b=2"],
        ["a=1", &ours, "b=2"],
        ["a=1", "b=2", &ours],
        ["a=1", &unknown, &ours],
    ] {
        let (_, body) = get(site.server, "/get/k", &crumbs).await?;
        ensure_eq!(body, "v", "what one of three crumbs shows");
    }
    let (headers, _) = get(site.server, "/login/alice", &[&ours]).await?;
    ensure!(
        headers.contains_key(header::SET_COOKIE) && headers.contains_key(header::VARY),
        "a response of HTTP/2 has the lines of one of HTTP/1.1"
    );
    Ok(())
}

async fn get(
    server: SocketAddr,
    path: &str,
    crumbs: &[&str],
) -> Result<(HeaderMap, String), Failure> {
    let answered = tokio::time::timeout(PATIENCE, request(server, path, crumbs)).await;
    answered.unwrap_or_else(|_| Err(broken("no answer")))
}

/// Requests a page on a connection of its own, which begins with HTTP/2 (RFC 9113, 3.3).
async fn request(
    server: SocketAddr,
    path: &str,
    crumbs: &[&str],
) -> Result<(HeaderMap, String), Failure> {
    let stream = TcpStream::connect(server).await.map_err(broken)?;
    let (mut client, connection) = h2::client::handshake(stream).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(format!("http://localhost{path}")).version(Version::HTTP_2);
    for crumb in crumbs {
        request = request.header(header::COOKIE, *crumb);
    }
    let request = request.body(()).map_err(broken)?;
    let (response, _) = client.send_request(request, true).map_err(broken)?;
    let (head, mut body) = response.await.map_err(broken)?.into_parts();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        text.extend_from_slice(&piece.map_err(broken)?);
    }
    connection.abort();
    Ok((head.headers, String::from_utf8_lossy(&text).into_owned()))
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the server does not speak HTTP/2: {error}"))
}
