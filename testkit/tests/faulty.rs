//! The store that fails as told does what it is told, and nothing else.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use anysession::{Deletion, Entry, Expect, Store, StoreKey, Version, Write};
use anysession_testkit::{Counts, Fault, FaultyStore, ReferenceStore, TestClock, Verb};

#[tokio::test]
async fn a_verb_that_fails_before_is_not_carried_out_and_one_that_fails_after_is() {
    let store = faulty();
    store.once(Verb::Put, Fault::FailBefore);
    store.once(Verb::Put, Fault::FailAfter);

    let error = put(&store, 1).await.unwrap_err();
    assert_eq!((error.operation(), error.is_full()), ("put", false));
    assert!(store.load(&key(1)).await.unwrap().is_none());

    assert!(put(&store, 1).await.is_err());
    let stored = store.load(&key(1)).await.unwrap().unwrap();
    store.once(Verb::Delete, Fault::FailAfter);
    assert!(store.delete(&key(1), &stored.version).await.is_err());
    assert!(store.load(&key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_spurious_conflict_is_answered_once_and_nothing_is_written() {
    let store = faulty();
    store.once(Verb::Put, Fault::Conflict);
    assert_eq!(put(&store, 1).await.unwrap(), Write::Conflict);
    assert!(store.load(&key(1)).await.unwrap().is_none());

    let version = done(put(&store, 1).await.unwrap());
    store.once(Verb::Delete, Fault::Conflict);
    for answer in [Deletion::Conflict, Deletion::Done] {
        let deleted = store.delete(&key(1), &version).await;
        assert_eq!(deleted.unwrap(), answer);
    }
}

#[test]
#[should_panic(expected = "load has no conflict to answer")]
fn a_verb_without_a_conflict_cannot_be_told_to_answer_one() {
    faulty().once(Verb::Load, Fault::Conflict);
}

#[tokio::test]
async fn scripts_are_followed_in_order_and_before_what_is_always_done() {
    let store = faulty();
    store.after(2, Verb::Put, Fault::Full);
    store.always(Verb::Put, Fault::Conflict);
    assert!(matches!(put(&store, 1).await, Ok(Write::Done(_))));
    assert!(matches!(put(&store, 2).await, Ok(Write::Done(_))));
    assert!(put(&store, 3).await.unwrap_err().is_full());
    assert_eq!(put(&store, 3).await.unwrap(), Write::Conflict);
    store.heal();
    assert!(matches!(put(&store, 3).await, Ok(Write::Done(_))));
}

#[tokio::test]
async fn a_store_that_broke_down_fails_every_verb_until_it_is_healed() {
    let store = faulty();
    store.break_down();
    let version = Version::from(1);
    assert!(store.load(&key(1)).await.is_err());
    assert!(put(&store, 1).await.is_err());
    let later = TestClock::START;
    assert!(store.touch(&key(1), &version, later, later).await.is_err());
    assert!(store.delete(&key(1), &version).await.is_err());
    assert!(store.keys_of_user("ada").await.is_err());
    assert!(store.delete_expired(later, 1).await.is_err());
    let each_once = Counts {
        load: 1,
        put: 1,
        touch: 1,
        delete: 1,
        keys_of_user: 1,
        delete_expired: 1,
    };
    let before = store.counts();
    assert_eq!(before, each_once);
    assert_eq!((before.total(), before.writes()), (6, 4));

    store.heal();
    assert!(store.load(&key(1)).await.is_ok());
    let since = store.counts().since(&before);
    assert_eq!(since.total(), since.load);
}

#[tokio::test]
async fn a_gate_holds_a_verb_before_it_is_carried_out_or_with_its_answer_in_hand() {
    let store = faulty();
    let before = store.pause_before(Verb::Put);
    let after = store.pause_after(Verb::Put);
    let putting = |number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(&store, number).await })
    };

    let first = putting(1);
    let stopped = before.reached().await;
    assert!(store.load(&key(1)).await.unwrap().is_none());
    stopped.release();
    assert!(matches!(first.await.unwrap(), Ok(Write::Done(_))));

    let second = putting(2);
    let stopped = after.reached().await;
    assert!(store.load(&key(2)).await.unwrap().is_some());
    assert!(!second.is_finished());
    stopped.release();
    assert!(matches!(second.await.unwrap(), Ok(Write::Done(_))));
}

#[tokio::test]
async fn a_gate_that_nobody_watches_holds_nobody() {
    let store = faulty();
    drop(store.pause_before(Verb::Put));
    assert!(matches!(put(&store, 1).await, Ok(Write::Done(_))));
}

#[test]
fn a_verb_that_never_answers_is_not_carried_out() {
    let store = faulty();
    store.once(Verb::Put, Fault::NeverAnswer);
    {
        let mut waiting = pin!(put(&store, 1));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
    }
    let key = key(1);
    let mut loading = store.load(&key);
    let answer = loading
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, std::task::Poll::Ready(Ok(None))));
}

#[tokio::test]
async fn every_argument_is_seen_but_a_payload_is_not_printed() {
    let store = faulty();
    let version = done(put(&store, 1).await.unwrap());
    let _removed = store.delete(&key(2), &version).await.unwrap();
    let _none = store.keys_of_user("grace").await.unwrap();
    let second_key = key(2).to_string();
    for seen in ["payload of 1", "ada", "grace", &second_key] {
        assert!(store.has_seen(seen), "{seen}");
    }
    assert!(!store.has_seen("payload of 2"));
    let calls = store.calls();
    assert_eq!(calls[1].verb, Verb::Delete);
    assert!(calls[1].arguments.starts_with(&second_key));
    assert!(!format!("{calls:?}").contains("payload of"));
}

fn faulty() -> Arc<FaultyStore> {
    Arc::new(FaultyStore::new(Arc::new(ReferenceStore::new())))
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes(&[number; 32]).expect("a key has 32 bytes")
}

async fn put(store: &FaultyStore, number: u8) -> Result<Write, anysession::StoreError> {
    let now = TestClock::START;
    let entry = Entry {
        payload: format!("payload of {number}").into(),
        deadline: now + Duration::from_secs(60),
        user: Some("ada".into()),
    };
    store.put(&key(number), Expect::Absent, entry, now).await
}

fn done(write: Write) -> Version {
    match write {
        Write::Done(version) => version,
        Write::Conflict => panic!("expected Done"),
    }
}
