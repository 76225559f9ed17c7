//! WebSockets that go on with their session when the 101 has left.

use anysession::Error;

use super::browser::{Browser, reached};
use super::disconnects::let_go;
use super::site::{Site, World};
use super::streams::{goes_on, says_too_late};
use super::websocket::WebSocket;
use super::{Failure, ensure_eq};
use crate::suite::ensure;
use crate::{Fault, Verb};

const ROUTE: &str = "/socket/k/v";

pub(super) async fn the_commit_of_a_socket_is_done_before_its_101(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let commit = site.store.pause_before(Verb::Put);
    let connection = site.browser().upgrade(ROUTE).await?;
    let commit = reached(commit, ROUTE).await?;
    ensure!(
        connection.is_silent().await,
        "no 101 leaves before its session is committed"
    );
    commit.release();
    let mut socket = WebSocket::open(connection).await?;
    replies(&mut socket, &[("/get/k", "v")]).await
}

pub(super) async fn the_101_of_a_socket_carries_the_cookie(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    let socket = browser.socket(ROUTE).await?;
    socket.response.session_cookie()?;
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "what the cookie of a 101 shows"
    );
    let again = browser.socket(ROUTE).await?;
    ensure_eq!(
        again.response.session_cookies(),
        [],
        "cookies of a 101 in a known session"
    );
    Ok(())
}

pub(super) async fn a_message_is_saved_before_its_reply(world: World) -> Result<(), Failure> {
    let (_site, browser, mut socket) = open(&world).await?;
    for n in ["1", "2", "3"] {
        replies(&mut socket, &[("/incr/n", n)]).await?;
        ensure_eq!(
            browser.ok("/get/n").await?,
            n,
            "what others see after the reply"
        );
    }
    replies(&mut socket, &[("/remove/n", "ok"), ("/get/n", "-")]).await?;
    ensure_eq!(browser.ok("/get/n").await?, "-", "a value that was removed");
    Ok(())
}

pub(super) async fn a_socket_that_is_open_for_long_keeps_what_others_wrote(
    world: World,
) -> Result<(), Failure> {
    let (_site, browser, mut socket) = open(&world).await?;
    for n in 0..5 {
        browser.ok("/incr/n").await?;
        browser.ok(&format!("/set/other/{n}")).await?;
    }
    replies(
        &mut socket,
        &[("/incr/n", "1"), ("/get/n", "6"), ("/get/other", "4")],
    )
    .await?;
    browser.ok("/incr/n").await?;
    replies(&mut socket, &[("/incr/n", "7"), ("/get/n", "8")]).await?;
    ensure_eq!(browser.ok("/get/n").await?, "8", "the sum of all");
    Ok(())
}

pub(super) async fn a_socket_cannot_get_a_new_id(world: World) -> Result<(), Failure> {
    let (site, browser, mut socket) = open(&world).await?;
    for message in ["/regenerate", "/login/alice", "/relogin/alice"] {
        says_too_late(&socket.ask(message).await?, message)?;
    }
    ensure_eq!(site.snapshot().await?.len(), 1, "records in the store");
    ensure_eq!(
        browser.ok("/read/user").await?,
        "null",
        "who is signed in after a log-in that no cookie could tell"
    );
    Ok(())
}

pub(super) async fn a_log_out_elsewhere_ends_what_a_socket_may_write(
    world: World,
) -> Result<(), Failure> {
    let ended = Error::SessionEnded.to_string();
    let (site, browser, mut socket) = open(&world).await?;
    browser.twin().ok("/logout").await?;
    for message in ["/set/a/b", "/incr/n", "/permanent/true"] {
        replies(&mut socket, &[(message, &ended)]).await?;
        ensure!(
            site.snapshot().await?.is_empty(),
            "a socket cannot bring its session back, but {message} has"
        );
    }
    ensure_eq!(browser.ok("/get/a").await?, "-", "what the old id shows");
    Ok(())
}

pub(super) async fn a_log_out_in_a_socket_is_final(world: World) -> Result<(), Failure> {
    let (site, browser, mut socket) = open(&world).await?;
    let late = browser.hold("/set/a/b").await?;
    replies(&mut socket, &[("/logout", "ok"), ("/get/k", "-")]).await?;
    ensure!(
        site.snapshot().await?.is_empty(),
        "a log-out is done when its reply is sent"
    );
    says_too_late(&socket.ask("/set/a/b").await?, "an insert after it")?;
    ensure_eq!(
        late.finish().await?.session_cookies(),
        [],
        "cookies of a late request"
    );
    ensure!(
        site.snapshot().await?.is_empty(),
        "a dead session stays dead"
    );
    Ok(())
}

pub(super) async fn a_socket_follows_a_regenerated_id(world: World) -> Result<(), Failure> {
    let (_site, browser, mut socket) = open(&world).await?;
    browser.ok("/regenerate").await?;
    replies(&mut socket, &[("/set/a/b", "ok"), ("/get/a", "b")]).await?;
    ensure_eq!(
        browser.ok("/get/a").await?,
        "b",
        "what the successor shows of a socket that was opened under the old id"
    );
    Ok(())
}

pub(super) async fn a_socket_does_not_write_into_another_users_session(
    world: World,
) -> Result<(), Failure> {
    let (_site, browser, mut socket) = open(&world).await?;
    browser.ok("/login/alice").await?;
    let ended = Error::SessionEnded.to_string();
    replies(&mut socket, &[("/set/a/b", &ended)]).await?;
    ensure_eq!(
        browser.ok("/dump").await?,
        r#"{"data":{"k":"v"},"permanent":false,"user":"alice"}"#,
        "the session of the user who has signed in meanwhile"
    );
    Ok(())
}

pub(super) async fn a_socket_that_cannot_be_committed_is_503(world: World) -> Result<(), Failure> {
    for verb in [Verb::Load, Verb::Put] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/old"]).await?;
        site.store.once(verb, Fault::FailBefore);
        let (response, _wire) = browser.upgrade(ROUTE).await?.head().await?;
        ensure_eq!(
            response.status,
            503,
            "status of an upgrade whose {verb:?} fails"
        );
        ensure_eq!(browser.ok("/get/k").await?, "old", "the data after it");
    }
    Ok(())
}

pub(super) async fn a_save_that_fails_in_a_socket_is_told(world: World) -> Result<(), Failure> {
    let (site, browser, mut socket) = open(&world).await?;
    let before = site.snapshot().await?;
    site.store.once(Verb::Put, Fault::FailBefore);
    for message in ["/set/a/b", "/set/a/c"] {
        let reply = socket.ask(message).await?;
        ensure!(
            reply != "ok",
            "a save that fails is told, and so is every later one, but {message} is said to be done"
        );
    }
    ensure!(
        site.snapshot().await? == before,
        "nothing is stored after a save that failed"
    );
    goes_on(&site, &browser, "a save that failed").await
}

pub(super) async fn a_client_that_leaves_a_socket_keeps_what_was_committed(
    world: World,
) -> Result<(), Failure> {
    for carried_out in [false, true] {
        let (site, browser, mut socket) = open(&world).await?;
        let save = match carried_out {
            false => site.store.pause_before(Verb::Put),
            true => site.store.pause_after(Verb::Put),
        };
        socket.tell("/set/a/b").await?;
        let save = reached(save, ROUTE).await?;
        drop(socket);
        let_go(save).await;
        goes_on(&site, &browser, "a socket whose client has left").await?;
    }
    Ok(())
}

async fn open(world: &World) -> Result<(Site, Browser, WebSocket), Failure> {
    let site = world.site().await?;
    let browser = site.browser();
    let socket = browser.socket(ROUTE).await?;
    Ok((site, browser, socket))
}

async fn replies(socket: &mut WebSocket, expected: &[(&str, &str)]) -> Result<(), Failure> {
    for &(message, expected) in expected {
        let reply = socket.ask(message).await?;
        ensure_eq!(reply, expected, "the reply to {message}");
    }
    Ok(())
}
