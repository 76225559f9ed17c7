//! A store error is not "no session".

use super::browser::{Browser, reached};
use super::http::Response;
use super::site::{World, key_of};
use super::{Failure, ensure_eq};
use crate::suite::ensure;
use crate::{Fault, Verb};

pub(super) async fn a_store_that_is_down_at_load_is_503_and_nothing_is_written(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let before = site.snapshot().await?;
    for page in ["/get/k", "/set/k/w", "/logout", "/login/alice"] {
        // Down at load, up again by the time of the save.
        site.store.once(Verb::Load, Fault::FailBefore);
        let (cost, response) = site.cost(browser.get(page)).await?;
        is_unavailable(&response, page)?;
        ensure_eq!(cost.writes(), 0, "writes of {page} after its load failed");
        ensure!(
            site.snapshot().await? == before,
            "the stored record is byte-identical after {page}"
        );
    }
    site.store.break_down();
    is_unavailable(&browser.get("/get/k").await?, "/get/k")?;
    ensure_eq!(
        browser.ok("/none").await?,
        "ok",
        "a route without a session, while the store is down"
    );
    site.store.heal();
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "the data after the outage"
    );
    Ok(())
}

pub(super) async fn a_store_that_is_down_at_save_is_503_without_a_cookie(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let before = site.snapshot().await?;
    let known = ["/set/k/w", "/regenerate", "/login/alice", "/permanent/true"];
    let new = ["/set/k/w", "/login/alice", "/save/k/w/200"];
    for (visitors, pages) in [(true, &known[..]), (false, &new[..])] {
        for page in pages {
            let visitor = if visitors {
                browser.twin()
            } else {
                site.browser()
            };
            site.store.once(Verb::Put, Fault::FailBefore);
            is_unavailable(&visitor.get(page).await?, page)?;
            ensure!(
                site.snapshot().await? == before,
                "the stored record is byte-identical after {page}"
            );
        }
    }
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "the data after the outage"
    );
    Ok(())
}

pub(super) async fn a_write_of_unknown_result_is_never_sent_again(
    world: World,
) -> Result<(), Failure> {
    for (page, puts) in [("/set/k/w", 1), ("/regenerate", 1), ("/regenerate", 2)] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/v"]).await?;
        site.store.after(puts - 1, Verb::Put, Fault::FailAfter);
        let (cost, response) = site.cost(browser.get(page)).await?;
        is_unavailable(&response, page)?;
        ensure_eq!(
            (cost.put, cost.delete),
            (puts, 0),
            "puts and deletes of {page}: nobody sends it again, and nothing is deleted because of it"
        );
    }
    Ok(())
}

pub(super) async fn a_store_that_is_full_is_503(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    for visitor in [browser.twin(), site.browser()] {
        site.store.once(Verb::Put, Fault::Full);
        is_unavailable(&visitor.get("/set/k/w").await?, "/set/k/w")?;
    }
    ensure_eq!(browser.ok("/get/k").await?, "v", "the data as it was");
    Ok(())
}

pub(super) async fn a_session_that_stays_contended_is_503(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let before = site.snapshot().await?;
    site.store.always(Verb::Put, Fault::Conflict);
    for page in ["/set/k/w", "/regenerate", "/login/alice", "/save/k/w/200"] {
        is_unavailable(&browser.get(page).await?, page)?;
    }
    site.store.heal();
    ensure!(
        site.snapshot().await? == before,
        "when tries run out the answer is an error, and nothing was changed"
    );
    Ok(())
}

pub(super) async fn a_touch_that_fails_does_not_fail_the_request(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    site.clock.advance(site.sessions.config().lifetime() / 2);
    site.store.once(Verb::Touch, Fault::FailBefore);
    ensure_eq!(
        browser.ok("/get/k").await?,
        "v",
        "a read whose touch failed"
    );
    Ok(())
}

pub(super) async fn a_verb_that_never_answers_hurts_only_its_own_request(
    world: World,
) -> Result<(), Failure> {
    for verb in [Verb::Load, Verb::Put] {
        let site = world.site().await?;
        let browser = site.visitor(&["/set/k/v"]).await?;
        let stuck = site.store.pause_before(verb);
        let connection = browser.connect("/set/k/w").await?;
        let stuck = reached(stuck, "/set/k/w").await?;
        let others = site.visitor(&["/set/k/v"]).await?;
        for visitor in [&others, &browser] {
            ensure_eq!(
                visitor.ok("/get/k").await?,
                "v",
                "while a {verb:?} does not answer"
            );
            ensure_eq!(
                visitor.ok("/set/n/1").await?,
                "ok",
                "while a {verb:?} does not answer"
            );
        }
        drop(connection);
        ensure_eq!(
            browser.ok("/get/n").await?,
            "1",
            "after its client has gone"
        );
        stuck.release();
    }
    Ok(())
}

pub(super) async fn a_random_source_that_fails_is_503_and_stores_nothing(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let before = site.snapshot().await?;
    site.dice.break_down();
    let attempts: [(Browser, &str); 4] = [
        (site.browser(), "/set/k/w"),
        (site.browser(), "/login/alice"),
        (browser.twin(), "/regenerate"),
        (browser.twin(), "/login/alice"),
    ];
    for (visitor, page) in attempts {
        is_unavailable(&visitor.get(page).await?, page)?;
        ensure!(
            site.snapshot().await? == before,
            "without randomness nothing is stored, but {page} has changed the store"
        );
    }
    ensure_eq!(browser.ok("/get/k").await?, "v", "what needs no new id");
    site.dice.heal();
    site.visitor(&["/set/k/w"]).await?;
    Ok(())
}

pub(super) async fn an_id_that_is_taken_is_not_given_out(world: World) -> Result<(), Failure> {
    for page in ["/set/k/mine", "/login/mallory"] {
        let site = world.site().await?;
        let owner = site.visitor(&["/set/k/v"]).await?;
        let key = key_of(owner.own_id()?);
        let before = site.snapshot().await?.remove(&key);
        site.dice.repeat_itself();
        let other = site.visitor(&[page]).await?;
        ensure!(
            other.own_id()? != owner.own_id()?,
            "an id that another session has is not given out by {page}"
        );
        ensure!(
            site.snapshot().await?.remove(&key) == before,
            "the other session is untouched by {page}"
        );
    }
    Ok(())
}

fn is_unavailable(response: &Response, page: &str) -> Result<(), Failure> {
    ensure_eq!(
        (response.status, response.text().as_str()),
        (503, ""),
        "status and body of {page} when the store or the random source fails"
    );
    ensure_eq!(
        response.session_cookies(),
        [],
        "cookies of {page} when it fails"
    );
    Ok(())
}
