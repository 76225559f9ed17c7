//! Sessions as an application and an adapter see them, on a store in memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anysession::{Config, Error, Key, MemoryStore, Outcome, Session, Sessions, Slot};
use anysession_testkit::{Fault, FaultyStore, TestClock, Verb};

struct Site {
    sessions: Sessions,
    clock: TestClock,
    store: Arc<FaultyStore>,
}

fn site() -> Site {
    let clock = TestClock::default();
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = Sessions::new(Config::default(), store.clone()).with_clock(clock.clone());
    Site {
        sessions,
        clock,
        store,
    }
}

/// A visitor's cookie.
#[derive(Clone, Default)]
struct Browser(Option<String>);

impl Browser {
    async fn open(&self, site: &Site) -> (Slot, Session) {
        let slot = site.sessions.slot();
        let header = self.0.as_ref().map(|cookie| cookie.clone().into_bytes());
        let claim = slot.open(header.iter().map(Vec::as_slice));
        let session = slot.load(claim).await.unwrap();
        (slot, session)
    }

    /// Takes the response's cookie, as a browser does.
    async fn close(&mut self, slot: &Slot, outcome: Outcome) -> Option<String> {
        let headers = slot.close(outcome).await.unwrap();
        let line = headers
            .into_lines()
            .find(|line| line.name == "set-cookie")?;
        let pair = line.value.split(';').next().unwrap().to_owned();
        self.0 = (!line.value.contains("Max-Age=0")).then_some(pair);
        Some(line.value.into_owned())
    }

    async fn visit<T, F: Future<Output = T>>(
        &mut self,
        site: &Site,
        handler: impl FnOnce(Session) -> F,
    ) -> T {
        let (slot, session) = self.open(site).await;
        let result = handler(session).await;
        self.close(&slot, Outcome::Succeeded).await;
        result
    }
}

#[tokio::test]
async fn what_was_inserted_is_there_in_the_next_request() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 7_u8).unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", "text").unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| {
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 0_u32).unwrap())
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
async fn a_logged_out_session_stays_dead() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("old", 1).unwrap())
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
async fn logging_in_keeps_a_visitors_data_and_clears_another_users() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("cart", 3).unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| {
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
async fn a_flash_is_taken_exactly_once_by_requests_that_save() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| {
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
async fn a_change_after_the_response_is_kept_by_save() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 1).unwrap())
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
async fn expired_sessions_are_deleted() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 1).unwrap())
        .await;
    assert_eq!(site.sessions.delete_expired().await.unwrap(), 0);
    site.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(site.sessions.delete_expired().await.unwrap(), 1);
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
async fn a_clone_that_writes_while_another_saves_loses_nothing() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 0_u32).unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 0_u32).unwrap())
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
async fn after_a_failed_save_nobody_is_told_that_all_is_well() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
async fn a_log_out_is_carried_out_also_after_a_failed_save() {
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        let (site, mut browser) = (site(), Browser::default());
        browser
            .visit(&site, async |session| session.log_in("alice").unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
async fn a_save_that_was_given_up_counts_as_failed() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 0).unwrap())
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
async fn a_request_whose_session_ended_begins_no_other_one() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
async fn after_the_response_no_id_is_made_that_nobody_would_get() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 1).unwrap())
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
async fn a_reload_shows_what_others_have_stored_under_the_changes_of_its_own() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
        let (site, mut browser) = (site(), Browser::default());
        browser
            .visit(&site, async |session| session.log_in("alice").unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 1).unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 1).unwrap())
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
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 1).unwrap())
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
async fn what_is_over_by_a_shorter_lifetime_ends_for_processes_with_a_longer_one_too() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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

#[tokio::test]
async fn a_log_out_that_meets_another_users_login_leaves_their_cookie_alone() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.log_in("alice").unwrap())
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
async fn a_permanent_session_that_cannot_slide_is_still_read() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| {
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
async fn an_error_quotes_no_value() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| {
            session.insert("n", "hunter2").unwrap();
            let error = session.get::<u64>("n").unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        })
        .await;
}

#[tokio::test]
async fn an_update_that_is_computed_anew_may_read_its_session() {
    let (site, mut browser) = (site(), Browser::default());
    browser
        .visit(&site, async |session| session.insert("n", 0_u32).unwrap())
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
async fn a_slot_gives_the_session_without_waiting_once_it_was_loaded() {
    let site = site();
    let slot = site.sessions.slot();
    assert!(slot.loaded().is_none());
    let session = slot.load(slot.open(std::iter::empty())).await.unwrap();
    session.insert("k", "v").unwrap();
    let loaded = slot.loaded().unwrap();
    assert_eq!(loaded.get::<String>("k").unwrap().unwrap(), "v");
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
