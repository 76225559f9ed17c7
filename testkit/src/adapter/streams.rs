//! Bodies that go on with their session when the headers have left.

use std::time::Duration;

use anysession::Error;

use super::browser::{Browser, reached};
use super::disconnects::let_go;
use super::http::PATIENCE;
use super::site::{Site, World};
use super::streaming::Streaming;
use super::{Failure, ensure_eq, logs};
use crate::gate::Stopped;
use crate::suite::ensure;
use crate::{Fault, Verb, probe};

const ROUTES: [&str; 2] = ["/stream/k/v", "/events/k/v"];

pub(super) async fn the_commit_of_a_stream_is_done_before_its_headers(
    world: World,
) -> Result<(), Failure> {
    for route in ROUTES {
        let site = world.site().await?;
        let commit = site.store.pause_before(Verb::Put);
        let connection = site.browser().connect(route).await?;
        let commit = reached(commit, route).await?;
        ensure!(
            connection.is_silent().await,
            "nothing of {route} leaves before its session is committed"
        );
        commit.release();
        says(&mut Streaming::begin(connection).await?, &["begun"]).await?;
    }
    Ok(())
}

pub(super) async fn a_stream_begins_with_its_cookie_and_goes_on_later(
    world: World,
) -> Result<(), Failure> {
    for route in ROUTES {
        let site = world.site().await?;
        let browser = site.browser();
        let (mut stream, later) = held(&browser, route, "", "&save=/get/k").await?;
        stream.response.session_cookie()?;
        ensure_eq!(
            stream.response.vary(),
            ["cookie"],
            "Vary of a body that goes on"
        );
        ensure_eq!(
            stream.response.lines("cache-control"),
            ["private"],
            "Cache-Control of a body that goes on"
        );
        ensure_eq!(
            browser.ok("/get/k").await?,
            "v",
            "what its cookie shows while {route} goes on"
        );
        later.release();
        says(&mut stream, &["v"]).await?;
        ensure_eq!(stream.next().await?, None, "the end of {route}");
    }
    Ok(())
}

pub(super) async fn a_save_in_a_stream_is_committed(world: World) -> Result<(), Failure> {
    for route in ROUTES {
        let site = world.site().await?;
        let browser = site.browser();
        let begin = "save=/set/a/b&";
        let (mut stream, later) = held(&browser, route, begin, "&save=/incr/n").await?;
        says(&mut stream, &["ok"]).await?;
        ensure_eq!(
            browser.ok("/get/a").await?,
            "b",
            "what was saved while {route} goes on"
        );
        browser.ok("/incr/n").await?;
        later.release();
        says(&mut stream, &["1"]).await?;
        ensure_eq!(
            browser.ok("/get/n").await?,
            "2",
            "the sum of an increment in {route} and another one"
        );
    }
    Ok(())
}

pub(super) async fn a_save_in_a_stream_that_needs_a_cookie_is_an_error(
    world: World,
) -> Result<(), Failure> {
    const ALIVE: &str = r#"{"data":{"k":"v"},"permanent":false,"user":null}"#;
    const DEAD: &str = r#"{"data":{},"permanent":false,"user":null}"#;
    for (steps, begun, shown) in [
        ("save=/regenerate", &["begun"][..], ALIVE),
        ("unsaved=/regenerate", &["begun"], ALIVE),
        ("save=/login/alice", &["begun"], ALIVE),
        ("save=/logout&save=/set/a/b", &["begun", "ok"], DEAD),
        ("save=/logout&save=/login/alice", &["begun", "ok"], DEAD),
    ] {
        let site = world.site().await?;
        let browser = site.browser();
        let mut stream = browser.stream(&format!("/stream/k/v?{steps}")).await?;
        says(&mut stream, begun).await?;
        says_too_late(&stream.next().await?.unwrap_or_default(), steps)?;
        ensure_eq!(
            browser.ok("/dump").await?,
            shown,
            "what the id shows after {steps}"
        );
        ensure!(
            site.snapshot().await?.len() <= 1,
            "no session is begun that nobody can be told of, but {steps} has begun one"
        );
    }
    Ok(())
}

pub(super) async fn a_write_in_a_stream_that_is_not_saved_is_an_event(
    world: World,
) -> Result<(), Failure> {
    const LOST: &str = "a session was changed after its response was sent";
    let site = world.site().await?;
    for route in ROUTES {
        // Of this trial alone, and long enough to be kept with the log.
        let name = format!(
            "a-key-whose-change-nobody-saves-{}-{}",
            site.server.port(),
            &route[1..7]
        );
        let [lost, saved] = ["lost", "saved"].map(|what| format!("{name}-{what}"));
        let browser = site.browser();
        for (step, key) in [("save", &saved), ("unsaved", &lost)] {
            let page = format!("{route}?{step}=/set/{key}/1");
            let mut stream = browser.stream(&page).await?;
            says(&mut stream, &["begun", "ok"]).await?;
            ensure_eq!(stream.next().await?, None, "the end of {page}");
        }
        let told = async {
            while !logs::is_told(LOST, &lost) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        ensure!(
            tokio::time::timeout(PATIENCE, told).await.is_ok(),
            "a change that is lost because the headers had left is an event, not silence"
        );
        ensure!(
            !logs::is_told(LOST, &saved),
            "a change that was saved is not lost, but an event says so"
        );
        for (key, shown) in [(&saved, "1"), (&lost, "-")] {
            let page = format!("/get/{key}");
            ensure_eq!(browser.ok(&page).await?, shown, "what {page} shows");
        }
    }
    Ok(())
}

pub(super) async fn a_stream_whose_session_has_ended_says_so(world: World) -> Result<(), Failure> {
    let ended = Error::SessionEnded.to_string();
    for by_log_out in [true, false] {
        let site = world.site().await?;
        let browser = site.browser();
        let steps = "&save=/set/a/b&save=/incr/n";
        let (mut stream, later) = held(&browser, "/stream/k/v", "", steps).await?;
        match by_log_out {
            true => drop(browser.twin().ok("/logout").await?),
            false => site.clock.advance(site.sessions.config().lifetime()),
        }
        let before = site.snapshot().await?;
        later.release();
        says(&mut stream, &[&ended, &ended]).await?;
        ensure!(
            site.snapshot().await? == before,
            "a stream cannot bring its session back, but it has changed the store"
        );
        ensure_eq!(browser.ok("/get/a").await?, "-", "what the old id shows");
    }
    Ok(())
}

pub(super) async fn a_client_that_leaves_a_stream_keeps_what_was_committed(
    world: World,
) -> Result<(), Failure> {
    for route in ROUTES {
        let site = world.site().await?;
        let browser = site.browser();
        let (stream, waiting) = held(&browser, route, "", "&save=/set/a/b").await?;
        drop(stream);
        let_go(waiting).await;
        goes_on(&site, &browser, route).await?;
        for carried_out in [false, true] {
            let site = world.site().await?;
            let browser = site.browser();
            let (stream, waiting) = held(&browser, route, "", "&save=/set/a/b").await?;
            let save = match carried_out {
                false => site.store.pause_before(Verb::Put),
                true => site.store.pause_after(Verb::Put),
            };
            waiting.release();
            let save = reached(save, route).await?;
            drop(stream);
            let_go(save).await;
            goes_on(&site, &browser, route).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_panic_in_a_stream_keeps_what_was_committed(
    world: World,
) -> Result<(), Failure> {
    for route in ROUTES {
        let site = world.site().await?;
        let browser = site.browser();
        let (first, then) = ("save=/set/a/b&", "&unsaved=/panic/k/w&save=/set/k/w");
        let (mut stream, later) = held(&browser, route, first, then).await?;
        says(&mut stream, &["ok"]).await?;
        later.release();
        ensure_eq!(stream.next().await?, None, "what a panic leaves to say");
        ensure_eq!(
            browser.ok("/dump").await?,
            r#"{"data":{"a":"b","k":"v"},"permanent":false,"user":null}"#,
            "the data after a panic in {route}"
        );
        goes_on(&site, &browser, route).await?;
    }
    Ok(())
}

pub(super) async fn a_stream_that_cannot_be_committed_is_503(world: World) -> Result<(), Failure> {
    for route in ROUTES {
        for verb in [Verb::Load, Verb::Put] {
            let site = world.site().await?;
            let browser = site.visitor(&["/set/k/old"]).await?;
            site.store.once(verb, Fault::FailBefore);
            let response = browser.get(route).await?;
            ensure_eq!(
                (response.status, response.text().as_str()),
                (503, ""),
                "status and body of {route} when its {verb:?} fails"
            );
            ensure_eq!(browser.ok("/get/k").await?, "old", "the data after {route}");
        }
    }
    Ok(())
}

/// Requests a body that says `begun`, takes the first steps, and waits at a gate before the others.
async fn held(
    browser: &Browser,
    route: &str,
    first: &str,
    then: &str,
) -> Result<(Streaming, Stopped), Failure> {
    let (name, gate) = probe::hold();
    let mut stream = browser
        .stream(&format!("{route}?{first}gate={name}{then}"))
        .await?;
    says(&mut stream, &["begun"]).await?;
    Ok((stream, reached(gate, route).await?))
}

async fn says(stream: &mut Streaming, expected: &[&str]) -> Result<(), Failure> {
    for &expected in expected {
        let said = stream.next().await?;
        ensure_eq!(said.as_deref(), Some(expected), "what a stream says next");
    }
    Ok(())
}

/// Whether an error says that a cookie would be needed.
pub(super) fn says_too_late(said: &str, step: &str) -> Result<(), Failure> {
    ensure!(
        said.contains("after the response was sent"),
        "what needs a new cookie when the headers have left is an error, but {step} says {said:?}"
    );
    Ok(())
}

/// What was inserted before the headers is there, what comes after them is there or not, and the next requests work.
pub(super) async fn goes_on(site: &Site, browser: &Browser, step: &str) -> Result<(), Failure> {
    ensure_eq!(browser.ok("/get/k").await?, "v", "the data after {step}");
    let late = browser.ok("/get/a").await?;
    ensure!(
        ["-", "b"].contains(&late.as_str()),
        "a save is done or not, but {step} leaves {late:?}"
    );
    ensure_eq!(
        browser.ok("/set/next/1").await?,
        "ok",
        "the next request after {step}"
    );
    let newcomer = site.visitor(&["/set/k/v"]).await?;
    ensure_eq!(newcomer.ok("/get/k").await?, "v", "others after {step}");
    Ok(())
}
