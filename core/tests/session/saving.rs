//! Saves in the middle of a request, its end, and what comes after it.

use std::sync::Arc;

use anysession::{Config, Error, MemoryStore, Outcome, Sessions};
use anysession_testkit::{Fault, Verb};

use crate::site::{Browser, site};

#[tokio::test]
async fn a_clone_that_writes_while_another_saves_loses_nothing() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 0_u32).unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.update("n", |n: &mut u32| *n += 1).unwrap();
    let gate = site.store.pause_before(Verb::Put);
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    let stopped = gate.reached().await;
    // What is being saved is seen meanwhile.
    assert_eq!(session.get::<u32>("n").unwrap(), Some(1));
    assert_eq!(session.update("n", |n: &mut u32| *n += 1).unwrap(), 2);
    stopped.release();
    saving.await.unwrap().unwrap();
    browser.close(&slot, Outcome::Succeeded).await;
    let n = browser
        .visit(&site, async |session| session.get::<u32>("n").unwrap())
        .await;
    assert_eq!(n, Some(2));
}

#[tokio::test]
async fn an_update_made_while_the_request_closes_is_computed_on_what_was_stored() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 0_u32).unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.update("n", |n: &mut u32| *n += 1).unwrap();
    let gate = site.store.pause_before(Verb::Put);
    let closing = tokio::spawn(slot.close(Outcome::Succeeded));
    let stopped = gate.reached().await;
    session.update("n", |n: &mut u32| *n += 1).unwrap();
    stopped.release();
    closing.await.unwrap().unwrap();
    session.save().await.unwrap();
    let n = browser
        .visit(&site, async |session| session.get::<u32>("n").unwrap())
        .await;
    assert_eq!(n, Some(2));
}

#[tokio::test]
async fn the_response_waits_for_a_save_that_is_on_its_way() {
    let (site, browser) = (site(), Browser::default());
    let (slot, session) = browser.open(&site).await;
    session.log_in("alice").unwrap();
    let gate = site.store.pause_before(Verb::Put);
    let saving = tokio::spawn(async move { session.save().await });
    let stopped = gate.reached().await;
    let closing = tokio::spawn(slot.close(Outcome::Succeeded));
    stopped.release();
    saving.await.unwrap().unwrap();
    let headers = closing.await.unwrap().unwrap();
    assert!(headers.into_lines().any(|line| line.name == "set-cookie"));
}

#[tokio::test]
async fn after_a_failed_save_nobody_is_told_that_all_is_well() {
    let site = site();
    let browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.destroy();
    site.store.once(Verb::Delete, Fault::FailBefore);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    assert!(matches!(session.save().await, Err(Error::SaveFailed)));
    assert_eq!(
        slot.close(Outcome::Succeeded).await.unwrap_err().status(),
        503
    );
}

#[tokio::test]
async fn a_save_that_was_given_up_counts_as_failed() {
    let site = site();
    let browser = site
        .visitor(async |session| session.insert("n", 0).unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.insert("n", 1).unwrap();
    let gate = site.store.pause_before(Verb::Put);
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    let stopped = gate.reached().await;
    saving.abort();
    assert!(saving.await.unwrap_err().is_cancelled());
    drop(stopped);
    assert!(matches!(session.save().await, Err(Error::SaveFailed)));
    assert_eq!(
        slot.close(Outcome::Succeeded).await.unwrap_err().status(),
        503
    );
}

#[tokio::test]
async fn a_log_out_is_carried_out_also_after_a_failed_save() {
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        let site = site();
        let mut browser = site
            .visitor(async |session| session.log_in("alice").unwrap())
            .await;
        let (slot, session) = browser.open(&site).await;
        session.insert("n", 1).unwrap();
        site.store.once(Verb::Put, Fault::FailBefore);
        assert!(matches!(session.save().await, Err(Error::Store(_))));
        session.destroy();
        let line = browser.close(&slot, outcome).await.unwrap();
        assert!(line.contains("Max-Age=0"), "{line}");
        assert_eq!(site.sessions.of_user("alice").await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_log_out_that_is_saved_after_a_failed_save_is_final() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.regenerate_id().unwrap();
    site.store.once(Verb::Put, Fault::FailBefore);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    session.destroy();
    site.store.once(Verb::Delete, Fault::FailBefore);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    assert!(matches!(session.save().await, Err(Error::SaveFailed)));
    session.destroy();
    session.save().await.unwrap();
    session.save().await.unwrap();
    assert_eq!(site.sessions.of_user("alice").await.unwrap(), []);
    browser.close(&slot, Outcome::Succeeded).await.unwrap();
    assert_eq!(browser.0, None);
}

#[tokio::test]
async fn a_request_that_failed_after_a_failed_save_keeps_its_own_answer() {
    let (site, mut browser) = (site(), Browser::default());
    let (slot, session) = browser.open(&site).await;
    session.insert("n", 1).unwrap();
    site.store.once(Verb::Put, Fault::FailBefore);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    assert_eq!(browser.close(&slot, Outcome::Failed).await, None);
}

#[tokio::test]
async fn why_a_session_could_not_be_stored_is_in_the_source_of_the_error() {
    let store = Arc::new(MemoryStore::with_limit(1));
    let sessions = Sessions::new(Config::default(), store);
    let mut closed = Vec::new();
    for _ in 0..2 {
        let slot = sessions.slot();
        let session = slot.load(slot.open(std::iter::empty())).await.unwrap();
        session.insert("n", 1).unwrap();
        drop(session);
        closed.push(slot.close(Outcome::Succeeded).await);
    }
    let error = closed.remove(1).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    let Some(Error::Store(source)) = source.downcast_ref::<Error>() else {
        panic!("{source:?}")
    };
    assert!(source.is_full());
}

#[tokio::test]
async fn a_change_after_the_response_is_kept_by_save() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    browser.close(&slot, Outcome::Succeeded).await;
    session.insert("n", 2).unwrap();
    session.save().await.unwrap();
    assert!(matches!(
        session.log_in("alice"),
        Err(Error::AfterResponse { .. })
    ));
    assert_eq!(
        browser
            .visit(&site, async |session| session.get::<u8>("n").unwrap())
            .await,
        Some(2)
    );

    let (slot, session) = Browser::default().open(&site).await;
    browser.close(&slot, Outcome::Succeeded).await;
    session.insert("n", 1).unwrap();
    assert!(matches!(
        session.save().await,
        Err(Error::AfterResponse { .. })
    ));
}

#[tokio::test]
async fn after_the_response_no_id_is_made_that_nobody_would_get() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    browser.close(&slot, Outcome::Succeeded).await;
    session.destroy();
    session.insert("n", 1).unwrap();
    assert!(matches!(
        session.save().await,
        Err(Error::AfterResponse { .. })
    ));
    let user = browser.visit(&site, async |session| session.user()).await;
    assert_eq!(user, None, "the log-out is carried out all the same");
}

#[tokio::test]
async fn a_session_that_is_loaded_after_the_response_gets_no_new_id() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    let slot = site.sessions.slot();
    browser.close(&slot, Outcome::Succeeded).await;
    let header = browser.0.clone().unwrap().into_bytes();
    let claim = slot.open(std::iter::once(header.as_slice()));
    let session = slot.load(claim).await.unwrap();
    assert!(matches!(
        session.log_in("alice"),
        Err(Error::AfterResponse { .. })
    ));
    session.insert("n", 2).unwrap();
    session.save().await.unwrap();
    let n = browser
        .visit(&site, async |session| session.get::<u8>("n").unwrap())
        .await;
    assert_eq!(n, Some(2));
}

#[tokio::test]
async fn a_slot_gives_the_session_without_waiting_once_it_was_loaded() {
    let site = site();
    let slot = site.sessions.slot();
    assert!(slot.loaded().is_none());
    let session = slot.load(slot.open(std::iter::empty())).await.unwrap();
    session.insert("k", "v").unwrap();
    let loaded = slot.loaded().unwrap();
    assert_eq!(loaded.get::<String>("k").unwrap().unwrap(), "v");
}
