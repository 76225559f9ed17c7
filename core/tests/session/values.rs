//! What a handler puts into its session and takes out of it.

use anysession::{Error, Key, Outcome, Session};
use anysession_testkit::Verb;

use crate::site::{Browser, site};

#[tokio::test]
async fn what_was_inserted_is_there_in_the_next_request() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 7_u8).unwrap())
        .await;
    let n = browser
        .visit(&site, async |session| session.get::<u8>("n").unwrap())
        .await;
    assert_eq!(n, Some(7));
}

#[tokio::test]
async fn a_typed_key_carries_its_type() {
    const COLOURS: Key<Vec<String>> = Key::new("colours");
    let (site, mut browser) = (site(), Browser::default());
    let add = async |session: Session| {
        session
            .update(COLOURS, |colours| colours.push("green".to_owned()))
            .unwrap()
            .len()
    };
    assert_eq!(browser.visit(&site, add).await, 1);
    assert_eq!(browser.visit(&site, add).await, 2);
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_and_stays() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", "text").unwrap())
        .await;
    browser
        .visit(&site, async |session| {
            assert!(matches!(session.get::<u8>("n"), Err(Error::Decode { .. })));
            assert!(matches!(
                session.update("n", |n: &mut u8| *n += 1),
                Err(Error::Decode { .. })
            ));
        })
        .await;
    let text = browser
        .visit(&site, async |session| session.get::<String>("n").unwrap())
        .await;
    assert_eq!(text.as_deref(), Some("text"));
}

#[tokio::test]
async fn a_value_that_is_too_large_fails_at_insert() {
    let site = site();
    let mut browser = site
        .visitor(async |session| {
            session.insert("small", 1).unwrap();
            let error = session.insert("large", "x".repeat(70_000)).unwrap_err();
            assert!(
                matches!(error, Error::TooLarge { limit: 65_536, .. }),
                "{error}"
            );
            // Replacing counts what it replaces.
            for _ in 0..3 {
                session.insert("half", "x".repeat(40_000)).unwrap();
            }
        })
        .await;
    let keys = browser.visit(&site, async |session| session.keys()).await;
    assert_eq!(keys, ["small", "half"]);
}

#[tokio::test]
async fn an_update_may_use_the_session_it_changes() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| {
            session.insert("step", 5_u32).unwrap();
            let inner = session.clone();
            let n = session.update("n", move |n: &mut u32| {
                *n += inner.get::<u32>("step").unwrap().unwrap_or_default();
            });
            assert_eq!(n.unwrap(), 5);
        })
        .await;
}

#[tokio::test]
async fn overlapping_updates_are_all_kept() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 0_u32).unwrap())
        .await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let (slot, session) = browser.open(&site).await;
        session.update("n", |n: &mut u32| *n += 1).unwrap();
        open.push(slot);
    }
    for slot in &open {
        browser.close(slot, Outcome::Succeeded).await;
    }
    let n = browser
        .visit(&site, async |session| session.get::<u32>("n").unwrap())
        .await;
    assert_eq!(n, Some(20));
}

#[tokio::test]
async fn an_update_that_is_computed_anew_may_read_its_session() {
    let site = site();
    let mut browser = site
        .visitor(async |session| session.insert("n", 0_u32).unwrap())
        .await;
    let (slot, session) = browser.open(&site).await;
    session.update("n", |n: &mut u32| *n += 1).unwrap();
    let gate = site.store.pause_before(Verb::Put);
    let closing = tokio::spawn(slot.close(Outcome::Succeeded));
    let stopped = gate.reached().await;
    let inner = session.clone();
    session
        .update("n", move |n: &mut u32| *n += u32::from(inner.contains("n")))
        .unwrap();
    stopped.release();
    closing.await.unwrap().unwrap();
    session.save().await.unwrap();
    let n = browser
        .visit(&site, async |session| session.get::<u32>("n").unwrap())
        .await;
    assert_eq!(n, Some(2));
}

#[tokio::test]
async fn a_flash_is_taken_exactly_once_by_requests_that_save() {
    let site = site();
    let mut browser = site
        .visitor(async |session| {
            session.flash("info", "saved").unwrap();
            session.flash("error", "failed").unwrap();
        })
        .await;
    let (first_slot, first) = browser.open(&site).await;
    let (second_slot, second) = browser.open(&site).await;
    let first_taken = first.take_flashes_of("info").unwrap();
    let second_taken = second.take_flashes().unwrap();
    assert_eq!(
        (first_taken.to_vec().len(), second_taken.to_vec().len()),
        (1, 2)
    );
    first.save().await.unwrap();
    second.save().await.unwrap();
    let messages = |flashes: anysession::Flashes| {
        flashes
            .into_iter()
            .map(|flash| flash.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(messages(first_taken), ["saved"]);
    assert_eq!(messages(second_taken), ["failed"]);
    browser.close(&first_slot, Outcome::Succeeded).await;
    browser.close(&second_slot, Outcome::Succeeded).await;
    let left = browser
        .visit(&site, async |session| session.take_flashes().unwrap())
        .await;
    assert!(left.is_empty());
}

#[tokio::test]
async fn an_error_quotes_no_value() {
    let site = site();
    site.visitor(async |session| {
        session.insert("n", "hunter2").unwrap();
        let error = session.get::<u64>("n").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    })
    .await;
}
