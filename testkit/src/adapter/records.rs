//! What the store holds and this library did not write so.

use anysession::{Entry, Expect, Store, StoreKey, Write};

use super::browser::Browser;
use super::site::{Site, World, key_of};
use super::{Failure, ensure_eq};
use crate::TestClock;
use crate::suite::ensure;

pub(super) async fn a_corrupt_record_is_no_session_and_stays_as_it_is(
    world: World,
) -> Result<(), Failure> {
    let (site, browser, key) = with_a_session(&world).await?;
    let good = entry(&site, &key).await?;
    for at in 0..good.payload.len() {
        let mut payload = good.payload.to_vec();
        payload[at] ^= 1 << (at % 8);
        let what = format!("a record with a flipped bit in byte {at}");
        is_no_session(&site, &browser, with_payload(&good, payload), &what).await?;
    }
    for foreign in ["", "{}", "{\"user\":\"alice\"}", "aS", "\u{80}\u{1}"] {
        let foreign_entry = with_payload(&good, foreign.as_bytes().to_vec());
        is_no_session(&site, &browser, foreign_entry, foreign).await?;
    }
    replace(&site, &key, good).await?;
    ensure_eq!(browser.ok("/get/k").await?, "v", "the record put back");
    Ok(())
}

pub(super) async fn a_cut_off_record_is_no_session_and_stays_as_it_is(
    world: World,
) -> Result<(), Failure> {
    let (site, browser, key) = with_a_session(&world).await?;
    let good = entry(&site, &key).await?;
    for length in 0..good.payload.len() {
        let cut = with_payload(&good, good.payload[..length].to_vec());
        let what = format!("a record cut off after {length} bytes");
        is_no_session(&site, &browser, cut, &what).await?;
    }
    Ok(())
}

pub(super) async fn a_record_under_anothers_key_is_no_session(world: World) -> Result<(), Failure> {
    let (site, browser, _) = with_a_session(&world).await?;
    let alice = site.visitor(&["/login/alice"]).await?;
    let swapped = entry(&site, &key_of(alice.own_id()?)).await?;
    is_no_session(&site, &browser, swapped, "a record of alice's").await
}

pub(super) async fn a_record_with_anothers_name_is_no_session(world: World) -> Result<(), Failure> {
    let (site, browser, key) = with_a_session(&world).await?;
    let good = entry(&site, &key).await?;
    let renamed = Entry {
        user: Some("alice".into()),
        ..good
    };
    is_no_session(&site, &browser, renamed, "a record that was given to alice").await
}

pub(super) async fn a_record_of_a_newer_format_is_not_overwritten(
    world: World,
) -> Result<(), Failure> {
    let (site, browser, key) = with_a_session(&world).await?;
    let good = entry(&site, &key).await?;
    for newer in [1, 2, 200] {
        let mut payload = good.payload.to_vec();
        // The third byte says the format.
        payload[2] += newer;
        let what = format!("a record that is {newer} formats newer");
        is_no_session(&site, &browser, with_payload(&good, payload), &what).await?;
    }
    Ok(())
}

pub(super) async fn a_value_that_is_too_large_fails_at_insert(world: World) -> Result<(), Failure> {
    let (site, browser, _) = with_a_session(&world).await?;
    let before = site.snapshot().await?;
    for bytes in [64 * 1024, 1024 * 1024] {
        let (cost, response) = site.cost(browser.get(&format!("/big/{bytes}"))).await?;
        ensure_eq!(
            (response.status, response.text().as_str()),
            (413, ""),
            "what the application makes of an insert of {bytes} bytes, which fails at insert"
        );
        ensure_eq!(cost.writes(), 0, "writes of {bytes} bytes");
        ensure!(
            site.snapshot().await? == before,
            "the old record is intact after {bytes} bytes"
        );
    }
    ensure_eq!(
        browser.ok("/big/60000").await?,
        "ok",
        "what fits into 64 KiB"
    );
    Ok(())
}

/// Puts the entry under the visitor's key and looks at what requests make of it.
async fn is_no_session(
    site: &Site,
    browser: &Browser,
    entry: Entry,
    what: &str,
) -> Result<(), Failure> {
    let id = browser.own_id()?;
    let key = key_of(&id);
    replace(site, &key, entry).await?;
    let before = site.ledger.load(&key).await?;
    let shown = browser.twin().ok("/dump").await?;
    ensure_eq!(
        shown,
        r#"{"data":{},"permanent":false,"user":null}"#,
        "{what} is no session"
    );
    for page in ["/logout", "/clear", "/regenerate"] {
        let cookies = browser.twin().get(page).await?.session_cookies();
        ensure_eq!(cookies, [], "cookies of {page} on {what}");
    }
    let cookie = browser.twin().get("/set/k/w").await?.session_cookie()?;
    ensure!(
        cookie.value != id,
        "a write with the id of {what} begins a session under a fresh id"
    );
    ensure!(
        site.ledger.load(&key).await? == before,
        "{what} is byte-identical afterwards"
    );
    Ok(())
}

async fn with_a_session(world: &World) -> Result<(Site, Browser, StoreKey), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let key = key_of(browser.own_id()?);
    Ok((site, browser, key))
}

async fn entry(site: &Site, key: &StoreKey) -> Result<Entry, Failure> {
    let stored = site.ledger.load(key).await?;
    let stored = stored.ok_or_else(|| Failure::new("the session of the cookie is in the store"))?;
    Ok(stored.entry)
}

/// Writes straight into the store.
async fn replace(site: &Site, key: &StoreKey, entry: Entry) -> Result<(), Failure> {
    let stored = site.ledger.load(key).await?;
    let expect = stored.map_or(Expect::Absent, |stored| Expect::Version(stored.version));
    let write = site
        .ledger
        .put(key, expect, entry, TestClock::START)
        .await?;
    ensure!(
        matches!(write, Write::Done(_)),
        "the trial can replace an entry"
    );
    Ok(())
}

fn with_payload(entry: &Entry, payload: Vec<u8>) -> Entry {
    Entry {
        payload: payload.into(),
        ..entry.clone()
    }
}
