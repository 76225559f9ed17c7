//! What is said of the cookie, for every end of a commit.

use std::time::Duration;

use super::*;
use crate::id::{OsRandom, StoreKey};
use crate::layout::Layout;
use crate::record::Live;
use crate::store::Version;

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const POLICY: Policy = Policy {
    lifetime: Duration::from_secs(1000),
    absolute_lifetime: None,
    permanent: false,
    size_limit: 1 << 16,
    layout: Layout::Native,
    leaving: false,
};

fn live() -> Live {
    Live {
        key: StoreKey::from_digest([1; 32]),
        version: Version::from(1),
        deadline: NOON + POLICY.lifetime,
        record: POLICY.new_record(NOON),
    }
}

fn updated(deadline_moved: bool, followed: bool) -> Done {
    Done::Updated {
        deadline_moved,
        followed,
    }
}

fn settled(done: Done, changes: &Changes, policy: &Policy) -> Settled {
    settle(done, &Found::Live(live()), changes, policy, NOON)
}

fn cookie(done: Done, changes: &Changes, policy: &Policy) -> Option<CookieDue> {
    settled(done, changes, policy).cookie
}

#[test]
fn a_new_id_is_told() {
    let id = SessionId::generate(&OsRandom).unwrap();
    let settled = settled(Done::NewId(id.clone()), &Changes::default(), &POLICY);
    assert_eq!(settled.cookie, Some(CookieDue::Set(None)));
    assert_eq!(settled.id, IdAfter::New(id));
}

#[test]
fn who_had_to_follow_or_found_the_session_gone_says_nothing_any_more() {
    let none = Changes::default();
    for done in [updated(true, true), Done::Over] {
        let settled = settled(done, &none, &POLICY);
        assert_eq!(settled.cookie, Some(CookieDue::Nothing));
        assert_eq!(settled.id, IdAfter::Forgotten);
    }
    let destroyed = settle(Done::Destroyed, &Found::default(), &none, &POLICY, NOON);
    assert_eq!(destroyed.cookie, Some(CookieDue::Remove));
    assert_eq!(destroyed.id, IdAfter::Forgotten);
}

#[test]
fn the_cookie_is_sent_again_when_its_end_moves() {
    let permanent = Policy {
        permanent: true,
        ..POLICY
    };
    let end = Some(CookieDue::Set(Some(POLICY.lifetime)));
    let none = Changes::default();
    assert_eq!(cookie(updated(true, false), &none, &POLICY), None);
    assert_eq!(cookie(updated(false, false), &none, &permanent), None);
    assert_eq!(cookie(updated(true, false), &none, &permanent), end);
    let mut longer = Changes::default();
    longer.lifetime = Some(POLICY.lifetime);
    assert_eq!(cookie(updated(false, false), &longer, &permanent), end);
    assert_eq!(cookie(updated(false, false), &longer, &POLICY), None);
    // It becomes one that ends with the browser.
    let mut brief = Changes::default();
    brief.permanent = Some(false);
    assert_eq!(
        cookie(updated(false, false), &brief, &POLICY),
        Some(CookieDue::Set(None))
    );
}

#[test]
fn a_destroy_comes_before_the_session_that_follows_it() {
    let plan = Plan::Delete { then_create: true };
    assert_eq!(tasks(plan, &Fate::Stay), [Task::Destroy, Task::Create]);
    assert_eq!(tasks(Plan::Rotate, &Fate::Regenerate), [Task::Regenerate]);
    assert_eq!(tasks(Plan::Keep, &Fate::Stay), []);
}
