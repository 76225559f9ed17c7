//! Clients that go away in the middle.

use std::time::Duration;

use anysession::StoreKey;
use tokio::time::timeout;

use super::browser::{Browser, reached};
use super::http::PATIENCE;
use super::site::{Site, World, key_of};
use super::{Failure, ensure_eq};
use crate::gate::Stopped;
use crate::suite::ensure;
use crate::{Gate, Verb};

/// What a visitor with `k` = `v` does, and the session when it is done.
const DEEDS: [(&str, &str); 5] = [
    (
        "/set/k/w",
        r#"{"data":{"k":"w"},"permanent":false,"user":null}"#,
    ),
    (
        "/incr/n",
        r#"{"data":{"k":"v","n":1},"permanent":false,"user":null}"#,
    ),
    ("/regenerate", OLD),
    (
        "/login/alice",
        r#"{"data":{"k":"v"},"permanent":false,"user":"alice"}"#,
    ),
    ("/logout", NOBODY),
];
const OLD: &str = r#"{"data":{"k":"v"},"permanent":false,"user":null}"#;
const NOBODY: &str = r#"{"data":{},"permanent":false,"user":null}"#;

pub(super) async fn a_client_that_goes_before_the_commit_changes_nothing_or_all(
    world: World,
) -> Result<(), Failure> {
    for (page, new) in DEEDS {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/v"]).await?;
        let stopped = browser.hold(page).await?.disconnect();
        let_go(stopped).await;
        is_old_or_new(&site, &browser, new, page).await?;
    }
    Ok(())
}

pub(super) async fn a_client_that_goes_at_any_verb_leaves_the_old_session_or_the_new_one(
    world: World,
) -> Result<(), Failure> {
    for (page, new) in DEEDS {
        let verbs = verbs_of(&world, page).await?;
        for (at, &verb) in verbs.iter().enumerate() {
            let earlier = verbs[..at].iter().filter(|&&other| other == verb).count();
            for carried_out in [false, true] {
                let site = world.site().await?;
                let browser = site.visitor(&["/set/k/v"]).await?;
                site.store.let_pass(earlier, verb);
                let gate = match carried_out {
                    false => site.store.pause_before(verb),
                    true => site.store.pause_after(verb),
                };
                let step = format!("{page} at {verb:?} {at}, carried out: {carried_out}");
                break_off(&browser, page, gate, &step).await?;
                is_old_or_new(&site, &browser, new, &step).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn a_client_that_goes_during_a_destroy_can_destroy_again(
    world: World,
) -> Result<(), Failure> {
    for carried_out in [false, true] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/v"]).await?;
        let id = browser.own_id()?;
        let gate = match carried_out {
            false => site.store.pause_before(Verb::Delete),
            true => site.store.pause_after(Verb::Delete),
        };
        break_off(&browser, "/logout", gate, "/logout").await?;
        browser.twin().ok("/logout").await?;
        ensure!(
            !site.snapshot().await?.contains_key(&key_of(id)),
            "Ok from a destroy is final"
        );
        ensure_eq!(browser.ok("/dump").await?, NOBODY, "what the old id shows");
    }
    Ok(())
}

/// A log-out whose client leaves goes on without it, from wherever it was; other changes are dropped before the commit.
pub(super) async fn a_log_out_is_carried_out_when_its_client_has_gone(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let gate = site.store.pause_before(Verb::Delete);
    let connection = browser.connect("/logout").await?;
    let mut stopped = reached(gate, "/logout").await?;
    drop(connection);
    // Long enough for a server to hear of it on a machine that is busy.
    let given_up = timeout(Duration::from_secs(1), stopped.given_up()).await;
    ensure!(given_up.is_err(), "a log-out was given up with its client");
    stopped.release();
    is_deleted(
        &site,
        &key_of(browser.own_id()?),
        "a log-out whose client has gone",
    )
    .await
}

/// Waits until a log-out that nobody waits for is carried out.
pub(super) async fn is_deleted(site: &Site, key: &StoreKey, deed: &str) -> Result<(), Failure> {
    let gone = async {
        while site.snapshot().await?.contains_key(key) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    let never = Failure::new(format!("{deed} is not carried out"));
    timeout(PATIENCE, gone).await.unwrap_or(Err(never))
}

/// Which verbs a page costs, in order.
async fn verbs_of(world: &World, page: &str) -> Result<Vec<Verb>, Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let before = site.store.calls().len();
    browser.ok(page).await?;
    let calls = site.store.calls();
    Ok(calls[before..].iter().map(|call| call.verb).collect())
}

/// Requests a page and goes away when the request has come to the gate.
async fn break_off(browser: &Browser, page: &str, gate: Gate, step: &str) -> Result<(), Failure> {
    let connection = browser.connect(page).await?;
    let stopped = reached(gate, step).await?;
    drop(connection);
    let_go(stopped).await;
    Ok(())
}

/// Lets a request go on whose client has gone, if the server has not given it up by itself: some do, some do not.
pub(super) async fn let_go(mut stopped: Stopped) {
    let _given_up = timeout(Duration::from_millis(50), stopped.given_up()).await;
    stopped.release();
}

async fn is_old_or_new(
    site: &Site,
    browser: &Browser,
    new: &str,
    step: &str,
) -> Result<(), Failure> {
    let old_id = browser.twin();
    let seen = old_id.ok("/dump").await?;
    if seen != OLD && seen != new {
        // The id was replaced, and the response that told the new one found nobody.
        ensure_eq!(seen, NOBODY, "what the old id shows after {step}");
        let made = site.dice.ids();
        let successor = made.last().cloned().unwrap_or_default();
        let seen = site.browser().with_id(successor).ok("/dump").await?;
        ensure_eq!(seen, new, "what the new id shows after {step}");
    }
    ensure_eq!(
        old_id.ok("/set/next/1").await?,
        "ok",
        "the next request after {step}"
    );
    let newcomer = site.visitor(&["/set/k/v"]).await?;
    ensure_eq!(newcomer.ok("/get/k").await?, "v", "others after {step}");
    Ok(())
}
