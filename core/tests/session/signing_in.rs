//! Signing in and out.

use std::time::Duration;

use anysession::{Error, Outcome};

use crate::site::{Browser, site};

#[tokio::test]
async fn logging_in_keeps_a_visitors_data_and_clears_another_users() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("cart", 3).unwrap())
        .await;
    let anonymous = browser.0.clone();
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
        .await;
    assert_ne!(browser.0, anonymous);
    browser
        .visit(&site, async |session| {
            assert_eq!(session.get::<u8>("cart").unwrap(), Some(3));
            session.insert("before", 1).unwrap();
            session.log_in("bob").unwrap();
            assert_eq!(session.user().as_deref(), Some("bob"));
            assert!(session.keys().is_empty());
            session.insert("after", 1).unwrap();
        })
        .await;
    browser
        .visit(&site, async |session| {
            assert_eq!(session.user().as_deref(), Some("bob"));
            assert_eq!(session.keys(), ["after"]);
        })
        .await;
}

#[tokio::test]
async fn passing_through_another_user_clears_the_data_for_good() {
    let site = site();
    let mut browser = site
        .visitor(async |session| {
            session.log_in("alice").unwrap();
            session.insert("secret", 1).unwrap();
        })
        .await;
    browser
        .visit(&site, async |session| {
            session.log_in("bob").unwrap();
            session.log_in("alice").unwrap();
            assert!(session.keys().is_empty());
        })
        .await;
    assert!(
        browser
            .visit(&site, async |session| session.keys())
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_sign_in_grows_old() {
    let (site, mut browser) = (site(), Browser::default());
    let hour = Duration::from_secs(3600);
    browser
        .visit(&site, async |session| {
            assert!(matches!(
                session.require_recent(hour),
                Err(Error::NotSignedIn)
            ));
            session.log_in(42).unwrap();
            session.require_recent(hour).unwrap();
        })
        .await;
    site.clock.advance(hour + Duration::from_millis(1));
    let recent = browser
        .visit(&site, async |session| session.require_recent(hour))
        .await;
    assert!(matches!(recent, Err(Error::SignInTooOld { .. })));
}

#[tokio::test]
async fn a_user_ends_the_other_sessions() {
    let site = site();
    let (mut phone, mut laptop) = (Browser::default(), Browser::default());
    phone
        .visit(&site, async |session| session.log_in("alice").unwrap())
        .await;
    laptop
        .visit(&site, async |session| session.log_in("alice").unwrap())
        .await;
    // A tombstone of this very session is in the index too, and must not lead to its end.
    laptop
        .visit(&site, async |session| session.regenerate_id().unwrap())
        .await;
    let ended = laptop
        .visit(&site, async |session| {
            session.set_label("laptop").unwrap();
            session.save().await.unwrap();
            let list = session.sessions().await.unwrap();
            assert_eq!(list.iter().filter(|info| info.current).count(), 1);
            assert_eq!(
                (list[0].current, list[0].label.as_deref()),
                (true, Some("laptop"))
            );
            assert_eq!(list.len(), 2);
            session.end_other_sessions().await.unwrap()
        })
        .await;
    assert_eq!(ended, 1);
    assert_eq!(
        phone.visit(&site, async |session| session.user()).await,
        None
    );
    assert_eq!(
        laptop
            .visit(&site, async |session| session.user())
            .await
            .as_deref(),
        Some("alice")
    );
}

#[tokio::test]
async fn a_logged_out_session_stays_dead() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let stale = browser.clone();
    let (slot, session) = browser.open(&site).await;
    session.insert("late", true).unwrap();
    let mut other_tab = browser.clone();
    other_tab
        .visit(&site, async |session| session.destroy())
        .await;
    assert_eq!(other_tab.0, None);

    assert_eq!(browser.close(&slot, Outcome::Succeeded).await, None);
    let (_, session) = stale.open(&site).await;
    assert_eq!((session.user(), session.contains("late")), (None, false));
}

#[tokio::test]
async fn destroy_and_insert_in_one_request_begin_a_fresh_session() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("old", 1).unwrap())
        .await;
    let before = browser.0.clone();
    browser
        .visit(&site, async |session| {
            session.destroy();
            assert!(!session.contains("old"));
            session.insert("new", 2).unwrap();
        })
        .await;
    assert_ne!(browser.0, before);
    let keys = browser.visit(&site, async |session| session.keys()).await;
    assert_eq!(keys, ["new"]);
}

#[tokio::test]
async fn a_log_out_that_meets_another_users_login_leaves_their_cookie_alone() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let mut late = browser.clone();
    let (slot, session) = late.open(&site).await;
    session.destroy();
    session.flash("info", "signed out").unwrap();
    browser
        .visit(&site, async |session| session.log_in("bob").unwrap())
        .await;
    assert_eq!(late.close(&slot, Outcome::Succeeded).await, None);
    assert_eq!(site.sessions.of_user("bob").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_whose_session_ended_begins_no_other_one() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.insert("late", 1).unwrap();
    browser
        .clone()
        .visit(&site, async |session| session.destroy())
        .await;
    assert!(matches!(session.save().await, Err(Error::SessionEnded)));
    session.insert("later", 2).unwrap();
    assert_eq!(browser.close(&slot, Outcome::Succeeded).await, None);
    assert_eq!(site.sessions.of_user("alice").await.unwrap(), []);
}
