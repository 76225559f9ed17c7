//! When sessions end by themselves.

use std::time::Duration;

use anysession::{Config, Outcome, Sessions};
use anysession_testkit::{Fault, Verb};

use crate::site::{Browser, Site, site};

#[tokio::test]
async fn expired_sessions_are_deleted() {
    let site = site();
    site.visitor(async |session| session.insert("n", 1).unwrap())
        .await;
    assert_eq!(site.sessions.delete_expired().await.unwrap(), 0);
    site.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(site.sessions.delete_expired().await.unwrap(), 1);
}

#[tokio::test]
async fn a_permanent_session_that_cannot_slide_is_still_read() {
    let site = site();
    let mut browser = site
        .visitor(async |session| {
            session.insert("n", 1).unwrap();
            session.set_permanent(true);
        })
        .await;
    site.clock.advance(Duration::from_secs(10 * 86_400));
    site.store.once(Verb::Put, Fault::FailBefore);
    let (slot, session) = browser.open(&site).await;
    assert_eq!(session.get::<u8>("n").unwrap(), Some(1));
    assert_eq!(browser.close(&slot, Outcome::Succeeded).await, None);
    assert!(
        browser
            .visit(&site, async |session| session.contains("n"))
            .await
    );
}

#[tokio::test]
async fn shorter_lifetimes_reach_sessions_that_are_there() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (mut site, mut browser) = (site(), Browser::default());
    let mut idle = Browser::default();
    for browser in [&mut browser, &mut idle] {
        browser
            .visit(&site, async |session| session.log_in("alice").unwrap())
            .await;
    }
    let config = Config::builder()
        .lifetime(HOUR)
        .absolute_lifetime(24 * HOUR)
        .build()
        .unwrap();
    site.sessions = Sessions::new(config, site.store.clone()).with_clock(site.clock.clone());
    let user =
        async |browser: &mut Browser| browser.visit(&site, async |session| session.user()).await;
    for _ in 0..48 {
        assert!(user(&mut browser).await.is_some());
        site.clock.advance(HOUR / 2);
    }
    assert!(
        user(&mut browser).await.is_none(),
        "24 hours after the log-in"
    );
    assert!(user(&mut idle).await.is_none(), "also if it was not used");

    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
        .await;
    site.clock.advance(HOUR);
    assert!(
        user(&mut browser).await.is_none(),
        "an hour without a request"
    );
}

#[tokio::test]
async fn what_is_over_by_a_shorter_lifetime_ends_for_processes_with_a_longer_one_too() {
    const HOUR: Duration = Duration::from_secs(3600);
    let site = site();
    let mut browser = site
        .visitor(async |session| session.log_in("alice").unwrap())
        .await;
    let config = Config::builder().absolute_lifetime(HOUR).build().unwrap();
    let shorter = Site {
        sessions: Sessions::new(config, site.store.clone()).with_clock(site.clock.clone()),
        clock: site.clock.clone(),
        store: site.store.clone(),
    };
    // A write on either side of the end, by a request that has begun before it.
    let (slot, session) = browser.open(&shorter).await;
    session.insert("n", 1).unwrap();
    session.regenerate_id().unwrap();
    site.clock.advance(HOUR);
    assert_eq!(browser.clone().close(&slot, Outcome::Succeeded).await, None);
    let signed_in = browser.visit(&site, async |session| session.user()).await;
    assert!(signed_in.is_some(), "there it goes on");

    assert_eq!(shorter.sessions.end_all("alice").await.unwrap(), 1);
    let signed_in = browser.visit(&site, async |session| session.user()).await;
    assert_eq!(signed_in, None);
}
