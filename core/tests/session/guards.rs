//! Requests in the hands of adapters.

use anysession::{Outcome, Slot, Unattended};
use anysession_testkit::{Fault, Verb};

use crate::site::site;

#[tokio::test]
async fn an_adapter_around_a_route_twice_makes_one_session() {
    let site = site();
    let outer = site.sessions.guard(spawn);
    let inner = site.sessions.guard_inside(Some(&outer.slot()), spawn);
    visit(&outer.slot()).await;
    visit(&inner.slot()).await;
    let headers = inner.close(Outcome::Succeeded).await.unwrap();
    assert_eq!(headers.into_lines().count(), 0);
    assert_eq!(site.store.counts().put, 0, "the outer one ends the request");
    visit(&outer.slot()).await;
    let headers = outer.close(Outcome::Succeeded).await.unwrap();
    assert_eq!(headers.into_lines().count(), 3); // Vary, Cache-Control, Set-Cookie
    assert_eq!(site.store.counts().put, 1);
}

#[tokio::test]
async fn an_inner_guard_that_is_dropped_ends_nothing() {
    let site = site();
    let outer = site.sessions.guard(spawn);
    let inner = site.sessions.guard_inside(Some(&outer.slot()), spawn);
    visit(&inner.slot()).await;
    drop(inner);
    outer.close(Outcome::Succeeded).await.unwrap();
    assert_eq!(site.store.counts().put, 1);
}

#[tokio::test]
async fn other_sessions_further_in_are_sessions_of_their_own() {
    let (site, other) = (site(), site());
    let outer = site.sessions.guard(spawn);
    let inner = other.sessions.guard_inside(Some(&outer.slot()), spawn);
    visit(&inner.slot()).await;
    inner.close(Outcome::Succeeded).await.unwrap();
    let headers = outer.close(Outcome::Succeeded).await.unwrap();
    assert_eq!(headers.into_lines().count(), 0);
    assert_eq!((site.store.counts().put, other.store.counts().put), (0, 1));
}

/// A handler may answer all the same, and what it answers depends on the cookie.
#[tokio::test]
async fn a_response_varies_by_cookie_also_if_its_session_could_not_be_loaded() {
    let site = site();
    let cookie = format!("__Host-id={}", "a".repeat(43));
    for shared in [false, true] {
        let guard = site.sessions.guard(spawn);
        let slot = guard.slot();
        site.store.once(Verb::Load, Fault::FailBefore);
        let claim = slot.open([cookie.as_bytes()].into_iter());
        assert!(slot.load(claim).await.is_err());
        let _kept = shared.then_some(slot);
        let headers = guard.close(Outcome::Succeeded).await.unwrap();
        let names: Vec<_> = headers.into_lines().map(|line| line.name).collect();
        assert_eq!(names, ["vary"], "shared: {shared}");
    }
}

async fn visit(slot: &Slot) {
    let session = slot.load(slot.open([].into_iter())).await.unwrap();
    session
        .update("visits", |visits: &mut u32| *visits += 1)
        .unwrap();
}

fn spawn(_: Unattended) {
    panic!("nothing is left to do")
}
