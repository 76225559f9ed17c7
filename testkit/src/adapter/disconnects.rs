//! Clients that go away in the middle.

use std::time::Duration;

use anysession::{Clock as _, StoreKey};
use tokio::time::timeout;

use super::browser::{Browser, reached};
use super::departure::{Departure, LONG_ENOUGH, Leaving, OVER_HTTP_2};
use super::http::PATIENCE;
use super::site::{Site, World, key_of};
use super::{Failure, ensure_eq};
use crate::gate::Stopped;
use crate::suite::ensure;
use crate::{Gate, Verb, probe};

/// What a visitor does.
struct Deed {
    /// Whether it is one without a session. All others have `k` = `v`.
    of_newcomer: bool,
    page: &'static str,
    /// The deed is done when this verb was carried out.
    last: Verb,
    /// What the id shows then that the visitor came with.
    own: &'static str,
    /// What the id shows then that was made.
    made: &'static str,
}

const DEEDS: [Deed; 8] = [
    deed("/set/k/w", Verb::Put, NEW, NOBODY),
    deed("/incr/n", Verb::Put, COUNTED, NOBODY),
    deed("/regenerate", Verb::Put, NOBODY, OLD),
    deed("/login/alice", Verb::Put, NOBODY, ALICE),
    deed("/logout", Verb::Delete, NOBODY, NOBODY),
    deed("/get/k", Verb::Touch, OLD, NOBODY),
    deed("/save/k/w/200", Verb::Put, NEW, NOBODY),
    Deed {
        of_newcomer: true,
        ..deed("/set/k/w", Verb::Put, NOBODY, NEW)
    },
];
const OLD: &str = r#"{"data":{"k":"v"},"permanent":false,"user":null}"#;
const NEW: &str = r#"{"data":{"k":"w"},"permanent":false,"user":null}"#;
const COUNTED: &str = r#"{"data":{"k":"v","n":1},"permanent":false,"user":null}"#;
const ALICE: &str = r#"{"data":{"k":"v"},"permanent":false,"user":"alice"}"#;
const NOBODY: &str = r#"{"data":{},"permanent":false,"user":null}"#;

const fn deed(page: &'static str, last: Verb, own: &'static str, made: &'static str) -> Deed {
    Deed {
        of_newcomer: false,
        page,
        last,
        own,
        made,
    }
}

pub(super) async fn a_client_that_goes_before_the_commit_changes_nothing_or_all(
    world: World,
) -> Result<(), Failure> {
    goes_before_the_commit(&world, Departure::Http1).await
}

pub(super) async fn a_client_that_goes_over_http_2_before_the_commit_changes_nothing_or_all(
    world: World,
) -> Result<(), Failure> {
    for departure in OVER_HTTP_2 {
        goes_before_the_commit(&world, departure).await?;
    }
    Ok(())
}

async fn goes_before_the_commit(world: &World, departure: Departure) -> Result<(), Failure> {
    for deed in DEEDS {
        for place in ["gate", "after"] {
            let (site, browser) = deed.begin(world).await?;
            let (name, gate) = probe::hold();
            let page = format!("{}?{place}={name}", deed.page);
            let step = format!("{} and {departure:?} at its {place}", deed.page);
            break_off(&browser, departure, &page, gate, &step).await?;
            deed.is_done_or_not(&site, &browser, false, &step).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_client_that_goes_at_any_verb_leaves_the_old_session_or_the_new_one(
    world: World,
) -> Result<(), Failure> {
    goes_at_any_verb(&world, Departure::Http1).await
}

pub(super) async fn a_client_that_goes_over_http_2_at_any_verb_leaves_the_old_session_or_the_new_one(
    world: World,
) -> Result<(), Failure> {
    for departure in OVER_HTTP_2 {
        goes_at_any_verb(&world, departure).await?;
    }
    Ok(())
}

async fn goes_at_any_verb(world: &World, departure: Departure) -> Result<(), Failure> {
    for deed in DEEDS {
        let page = deed.page;
        let verbs = deed.verbs(world).await?;
        ensure_eq!(verbs.last(), Some(&deed.last), "the last verb of {page}");
        for (at, &verb) in verbs.iter().enumerate() {
            let earlier = verbs[..at].iter().filter(|&&other| other == verb).count();
            for carried_out in [false, true] {
                let (site, browser) = deed.begin(world).await?;
                site.store.let_pass(earlier, verb);
                let gate = match carried_out {
                    false => site.store.pause_before(verb),
                    true => site.store.pause_after(verb),
                };
                let step = format!(
                    "{page} and {departure:?} at {verb:?} {at}, carried out: {carried_out}"
                );
                break_off(&browser, departure, page, gate, &step).await?;
                let done = carried_out && at + 1 == verbs.len();
                deed.is_done_or_not(&site, &browser, done, &step).await?;
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
        break_off(&browser, Departure::Http1, "/logout", gate, "/logout").await?;
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
    goes_during_a_log_out(&world, Departure::Http1).await
}

pub(super) async fn a_log_out_is_carried_out_when_its_client_over_http_2_has_gone(
    world: World,
) -> Result<(), Failure> {
    for departure in OVER_HTTP_2 {
        goes_during_a_log_out(&world, departure).await?;
    }
    Ok(())
}

async fn goes_during_a_log_out(world: &World, departure: Departure) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let (name, gate) = probe::hold();
    let page = format!("/logout?after={name}");
    break_off(&browser, departure, &page, gate, &page).await?;
    let deed = format!("a log-out whose client has left the handler: {departure:?}");
    is_deleted(&site, &key_of(browser.own_id()?), &deed).await?;

    let browser = site.visitor(&["/set/k/v"]).await?;
    let gate = site.store.pause_before(Verb::Delete);
    let client = Leaving::begin(&browser, departure, "/logout").await?;
    let mut stopped = reached(gate, "/logout").await?;
    let left = client.go();
    let given_up = timeout(LONG_ENOUGH, stopped.given_up()).await;
    ensure!(
        given_up.is_err(),
        "a log-out was given up with its client: {departure:?}"
    );
    stopped.release();
    let deed = format!("a log-out whose client has left: {departure:?}");
    is_deleted(&site, &key_of(browser.own_id()?), &deed).await?;
    left.serves_others().await
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

/// Requests a page and goes away when the request has come to the gate.
async fn break_off(
    browser: &Browser,
    departure: Departure,
    page: &str,
    gate: Gate,
    step: &str,
) -> Result<(), Failure> {
    let client = Leaving::begin(browser, departure, page).await?;
    let stopped = reached(gate, step).await?;
    let left = client.go();
    let_go(stopped).await;
    left.serves_others().await
}

/// Lets a request go on whose client has gone, if the server has not given it up by itself: some do, some do not.
pub(super) async fn let_go(mut stopped: Stopped) {
    let _given_up = timeout(Duration::from_millis(50), stopped.given_up()).await;
    stopped.release();
}

impl Deed {
    /// The visitor just before it, when so much time has passed that a read touches.
    async fn begin(&self, world: &World) -> Result<(Site, Browser), Failure> {
        let site = world.site().await?;
        let pages: &[&str] = if self.of_newcomer { &[] } else { &["/set/k/v"] };
        let browser = site.visitor(pages).await?;
        site.clock.advance(site.sessions.config().lifetime() / 2);
        Ok((site, browser))
    }

    /// Which verbs it costs, in order.
    async fn verbs(&self, world: &World) -> Result<Vec<Verb>, Failure> {
        let (site, browser) = self.begin(world).await?;
        let before = site.store.calls().len();
        browser.ok(self.page).await?;
        let calls = site.store.calls();
        Ok(calls[before..].iter().map(|call| call.verb).collect())
    }

    /// It is done, or nothing has happened and it was not `done` for certain; and everything goes on.
    async fn is_done_or_not(
        &self,
        site: &Site,
        browser: &Browser,
        done: bool,
        step: &str,
    ) -> Result<(), Failure> {
        if done && self.last == Verb::Touch {
            let stored = site.snapshot().await?;
            let later = site.clock.now() + site.sessions.config().lifetime();
            let deadline = stored.get(&key_of(browser.own_id()?));
            let deadline = deadline.map(|stored| stored.entry.deadline);
            ensure_eq!(deadline, Some(later), "the deadline after {step}");
        }
        let came = browser.twin();
        let before = if self.of_newcomer { NOBODY } else { OLD };
        let own = came.ok("/dump").await?;
        if done || own != before {
            ensure_eq!(own, self.own, "what the old id shows after {step}");
        }
        // The response that tells the id found nobody.
        let ids = site.dice.ids().into_iter();
        let made = match ids.filter(|id| came.id().as_ref() != Some(id)).last() {
            Some(id) => site.browser().with_id(id).ok("/dump").await?,
            None => NOBODY.to_owned(),
        };
        if done || own != before || made != NOBODY {
            ensure_eq!(made, self.made, "what the new id shows after {step}");
        }
        ensure_eq!(
            came.ok("/set/next/1").await?,
            "ok",
            "the next request after {step}"
        );
        let newcomer = site.visitor(&["/set/k/v"]).await?;
        ensure_eq!(newcomer.ok("/get/k").await?, "v", "others after {step}");
        Ok(())
    }
}
