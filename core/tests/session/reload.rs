//! A second look at the session.

use anysession::{Error, Outcome, Session};
use anysession_testkit::{Fault, Verb};

use crate::site::{Browser, site};

#[tokio::test]
async fn a_reload_shows_what_others_have_stored_under_the_changes_of_its_own() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let (slot, session) = browser.clone().open(&site).await;
    session.update("n", |n: &mut u32| *n += 1).unwrap();
    browser
        .visit(&site, async |session| {
            session.insert("n", 10_u32).unwrap();
            session.insert("other", true).unwrap();
            // Under another id, too.
            session.regenerate_id().unwrap();
        })
        .await;
    assert!(!session.contains("other"));
    session.reload().await.unwrap();
    assert!(session.contains("other"));
    assert_eq!(session.user().as_deref(), Some("alice"));
    session.save().await.unwrap();
    assert_eq!(session.get::<u32>("n").unwrap(), Some(11));
    let cookie = browser.clone().close(&slot, Outcome::Succeeded).await;
    assert_eq!(cookie, None, "that is for the other request to set");
    let n = browser
        .visit(&site, async |session| session.get::<u32>("n").unwrap())
        .await;
    assert_eq!(n, Some(11));
}

#[tokio::test]
async fn a_reload_says_that_the_session_is_over() {
    let log_out: fn(&Session) = Session::destroy;
    let log_in: fn(&Session) = |session| session.log_in("bob").unwrap();
    for end in [log_out, log_in] {
        let site = site();
        let mut browser = site
            .visitor(async |session| session.log_in("alice").unwrap())
            .await;
        let (slot, session) = browser.clone().open(&site).await;
        session.reload().await.unwrap();
        browser.visit(&site, async |session| end(&session)).await;
        assert!(session.user().is_some(), "it has not looked");
        for _ in 0..2 {
            assert!(matches!(session.reload().await, Err(Error::SessionEnded)));
        }
        assert_eq!(session.user(), None);
        session.insert("late", 1).unwrap();
        assert!(matches!(session.save().await, Err(Error::SessionEnded)));
        // The next thing that handlers do, and its cookie would replace that of the log-in.
        session.destroy();
        session.flash("info", "signed out").unwrap();
        let cookie = browser.clone().close(&slot, Outcome::Succeeded).await;
        assert_eq!(cookie, None);
    }
}

#[tokio::test]
async fn after_a_failed_save_a_reload_finds_out_how_things_stand() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.insert("n", 2).unwrap();
    // It was carried out, and nobody was told.
    site.store.once(Verb::Put, Fault::FailAfter);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    assert_eq!(session.get::<u8>("n").unwrap(), Some(1));
    site.store.once(Verb::Load, Fault::FailBefore);
    assert!(matches!(session.reload().await, Err(Error::Store(_))));
    assert!(matches!(session.save().await, Err(Error::SaveFailed)));
    session.reload().await.unwrap();
    assert_eq!(session.get::<u8>("n").unwrap(), Some(2));
    session.insert("m", 3).unwrap();
    session.save().await.unwrap();
    browser.close(&slot, Outcome::Succeeded).await;
    let m = browser
        .visit(&site, async |session| session.get::<u8>("m").unwrap())
        .await;
    assert_eq!(m, Some(3));
}

#[tokio::test]
async fn after_a_failed_save_of_a_new_session_a_reload_lets_it_begin_again() {
    let (site, mut browser) = (site(), Browser::default());
    let (slot, session) = browser.open(&site).await;
    session.reload().await.unwrap();
    session.insert("n", 1).unwrap();
    site.store.once(Verb::Put, Fault::FailBefore);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    session.reload().await.unwrap();
    session.insert("n", 2).unwrap();
    session.save().await.unwrap();
    browser.close(&slot, Outcome::Succeeded).await.unwrap();
    let n = browser
        .visit(&site, async |session| session.get::<u8>("n").unwrap())
        .await;
    assert_eq!(n, Some(2));
}

#[tokio::test]
async fn a_reload_does_not_go_on_under_an_id_that_nobody_was_told() {
    let site = site();
    let browser = site
        .visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    let (_, session) = browser.open(&site).await;
    session.regenerate_id().unwrap();
    let gate = site.store.pause_after(Verb::Put);
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    let stopped = gate.reached().await;
    // The record is there; the tombstone of the old one will be, and its answer is lost.
    site.store.once(Verb::Put, Fault::FailAfter);
    stopped.release();
    assert!(matches!(saving.await.unwrap(), Err(Error::Store(_))));
    assert!(matches!(session.reload().await, Err(Error::SessionEnded)));
}

#[tokio::test]
async fn a_reload_that_finds_the_id_replaced_replaces_it_no_more() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    let (slot, session) = browser.clone().open(&site).await;
    session.regenerate_id().unwrap();
    browser
        .visit(&site, async |session| session.regenerate_id().unwrap())
        .await;
    session.reload().await.unwrap();
    let cookie = browser.clone().close(&slot, Outcome::Succeeded).await;
    assert_eq!(cookie, None);
    assert!(
        browser
            .visit(&site, async |session| session.contains("n"))
            .await
    );
}

#[tokio::test]
async fn a_reload_that_finds_the_id_replaced_sends_the_old_one_no_more() {
    for remember_again in [false, true] {
        let site = site();
        let mut browser = site
            .visitor(async |session| session.insert("n", 1).unwrap())
            .await;
        let mut late = browser.clone();
        let (slot, session) = late.open(&site).await;
        session.set_permanent(true);
        session.save().await.unwrap();
        browser
            .visit(&site, async |session| session.regenerate_id().unwrap())
            .await;
        session.reload().await.unwrap();
        if remember_again {
            session.set_permanent(true);
        }
        assert_eq!(late.close(&slot, Outcome::Succeeded).await, None);
    }
}

#[tokio::test]
async fn after_a_failed_log_out_a_reload_leaves_the_cookie_of_others_alone() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    let mut late = browser.clone();
    let (slot, session) = late.open(&site).await;
    session.destroy();
    site.store.once(Verb::Delete, Fault::FailBefore);
    assert!(matches!(session.save().await, Err(Error::Store(_))));
    browser
        .visit(&site, async |session| session.regenerate_id().unwrap())
        .await;
    assert!(matches!(session.reload().await, Err(Error::SessionEnded)));
    assert_eq!(late.close(&slot, Outcome::Succeeded).await, None);
}
