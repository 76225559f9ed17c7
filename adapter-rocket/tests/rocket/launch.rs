//! From ignition to shutdown.

use std::time::Duration;

use anysession_rocket::SessionFairing;
use anysession_rocket::anysession::{Config, MemoryStore, Sessions};
use anysession_testkit::{Call, Verb};
use rocket::error::ErrorKind;
use rocket::routes;

use super::{Arc, body, heard, quiet, run, visitor, visits, with_store};

#[test]
fn an_application_that_takes_a_session_does_not_launch_without_the_fairing() {
    let (launched, log) = heard(quiet().mount("/", routes![visits]).ignite());
    let error = launched.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)));
    assert!(
        log.contains("add .attach(SessionFairing::connect("),
        "{log}"
    );
}

#[test]
fn sessions_that_are_ready_are_managed_state() {
    let sessions = Sessions::new(
        Config::from_pairs([("lifetime", "7m")]).unwrap(),
        Arc::new(MemoryStore::new()),
    );
    let rocket = run(quiet().attach(SessionFairing::new(sessions)).ignite()).unwrap();
    let managed: &Sessions = rocket.state().unwrap();
    assert_eq!(managed.config().lifetime(), Duration::from_secs(7 * 60));
}

#[test]
fn sessions_that_the_application_manages_itself_are_left_alone() {
    let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    let rocket = quiet().manage(sessions.clone());
    run(rocket.attach(SessionFairing::new(sessions)).ignite()).unwrap();
}

#[test]
fn of_two_fairings_the_last_one_counts() {
    let (rocket, first) = with_store();
    let (_, second) = with_store();
    let sessions = Sessions::new(Config::default(), second.clone());
    let rocket = rocket.attach(SessionFairing::new(sessions));
    run(async {
        let client = visitor(rocket.mount("/", routes![visits])).await;
        assert_eq!(body(&client, "/visits").await, "1");
    });
    assert_eq!((first.calls().len(), second.calls().len()), (0, 1));
}

#[test]
fn two_mounts_share_one_session() {
    let (rocket, _) = with_store();
    let rocket = rocket.mount("/", routes![visits]);
    run(async {
        let client = visitor(rocket.mount("/shop", routes![visits])).await;
        assert_eq!(body(&client, "/visits").await, "1");
        assert_eq!(body(&client, "/shop/visits").await, "2");
    });
}

#[test]
fn expired_sessions_are_deleted_from_liftoff_to_shutdown() {
    let (_, store) = with_store();
    let sessions = Sessions::new(Config::default(), store.clone());
    let fairing = SessionFairing::new(sessions).cleanup_every(Duration::from_millis(1));
    run(async {
        let client = visitor(quiet().attach(fairing)).await;
        store
            .pause_before(Verb::DeleteExpired)
            .reached()
            .await
            .release();
        let landed = client.terminate().await;
        let calls = store.calls().len();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(store.calls().len(), calls);
        drop(landed); // which holds the fairing until here
    });
    assert!(
        store
            .calls()
            .iter()
            .all(|call: &Call| call.verb == Verb::DeleteExpired)
    );
}

#[test]
fn without_a_period_nothing_is_deleted() {
    let (_, store) = with_store();
    let sessions = Sessions::new(Config::default(), store.clone());
    let fairing = SessionFairing::new(sessions)
        .cleanup_every(Duration::from_millis(1))
        .cleanup_every(None);
    run(async {
        let client = visitor(quiet().attach(fairing)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.terminate().await;
    });
    assert_eq!(store.calls().len(), 0);
}
