//! Every row of the decision, and its boundaries in time.

use super::*;
use crate::id::StoreKey;
use crate::payload::Payload;
use crate::record::{Absence, Tombstone};
use crate::store::Version;

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const POLICY: Policy = Policy {
    lifetime: Duration::from_secs(1000),
    absolute_lifetime: None,
    permanent: false,
    size_limit: 1 << 16,
    layout: Layout::Native,
    leaving: false,
};

fn key(n: u8) -> StoreKey {
    StoreKey::from_digest([n; 32])
}

/// A session that was last seen at noon.
fn live(user: Option<&str>) -> Live {
    Live {
        key: key(1),
        version: Version::from(1),
        deadline: NOON + POLICY.lifetime,
        record: Record {
            user: user.map(Into::into),
            data: Payload::empty().with("k", &[1]),
            ..POLICY.new_record(NOON)
        },
    }
}

/// The same with a hard end 1,500 seconds after noon.
fn with_a_hard_end() -> (Policy, Live) {
    let policy = Policy {
        absolute_lifetime: Some(SECOND * 1500),
        ..POLICY
    };
    let record = policy.new_record(NOON);
    (
        policy,
        Live {
            record,
            ..live(None)
        },
    )
}

fn found() -> Found {
    Found::Live(live(None))
}

fn replaced() -> Found {
    Found::Replaced(Tombstone {
        successor: key(2),
        replaced: NOON,
        user: None,
    })
}

fn nothing() -> Found {
    Found::Nothing(Absence::Unknown)
}

fn wish(make: impl FnOnce(&mut Wish)) -> Wish {
    let mut wish = Wish::default();
    make(&mut wish);
    wish
}

fn data() -> Wish {
    wish(|wish| wish.changes.set("k", Some(&[2])))
}

fn removal() -> Wish {
    wish(|wish| wish.changes.set("k", None))
}

fn clear() -> Wish {
    wish(|wish| wish.changes.clear())
}

fn settings() -> Wish {
    wish(|wish| wish.changes.permanent = Some(true))
}

fn regenerate() -> Wish {
    wish(Wish::regenerate_id)
}

fn log_in(found: &Found) -> Wish {
    wish(|wish| wish.log_in("u".into(), found))
}

fn destroy() -> Wish {
    wish(Wish::destroy)
}

/// After a destroy, data again.
fn begin_anew() -> Wish {
    let mut wish = destroy();
    wish.changes.set("k", Some(&[2]));
    wish
}

fn planned(found: &Found, wish: &Wish, outcome: Outcome) -> Plan {
    plan(found, wish, outcome, NOON, &POLICY)
}

const GONE: Plan = Plan::Delete { then_create: false };

#[test]
fn on_a_live_session_that_succeeded() {
    let found = found();
    for (wish, expected) in [
        (Wish::default(), Plan::Keep),
        (data(), Plan::Update),
        (removal(), Plan::Update),
        (clear(), Plan::Update),
        (settings(), Plan::Update),
        (regenerate(), Plan::Rotate),
        (log_in(&found), Plan::Rotate),
        (destroy(), GONE),
        (begin_anew(), Plan::Delete { then_create: true }),
    ] {
        assert_eq!(
            planned(&found, &wish, Outcome::Succeeded),
            expected,
            "{wish:?}"
        );
    }
}

#[test]
fn on_a_request_that_failed() {
    for found in [found(), replaced(), nothing()] {
        let forgotten = Plan::Forget(Reason::RequestFailed);
        let there = !matches!(found, Found::Nothing(_));
        for (wish, expected) in [
            (Wish::default(), Plan::Keep),
            (data(), forgotten),
            (regenerate(), forgotten),
            (log_in(&found), forgotten),
            (destroy(), if there { GONE } else { forgotten }),
            (begin_anew(), if there { GONE } else { forgotten }),
        ] {
            assert_eq!(
                planned(&found, &wish, Outcome::Failed),
                expected,
                "{found:?} {wish:?}"
            );
        }
    }
}

#[test]
fn without_a_session() {
    let found = nothing();
    for (wish, expected) in [
        (Wish::default(), Plan::Keep),
        (data(), Plan::Create),
        (log_in(&found), Plan::Create),
        (begin_anew(), Plan::Create),
        // Nothing would be stored, so nothing begins.
        (removal(), Plan::Keep),
        (clear(), Plan::Keep),
        (settings(), Plan::Keep),
        (regenerate(), Plan::Keep),
        (destroy(), Plan::Keep),
    ] {
        assert_eq!(
            planned(&found, &wish, Outcome::Succeeded),
            expected,
            "{wish:?}"
        );
    }
}

#[test]
fn with_a_replaced_id() {
    let found = replaced();
    for (wish, expected) in [
        (Wish::default(), Plan::Keep),
        (data(), Plan::Forget(Reason::IdReplaced)),
        (removal(), Plan::Keep),
        (regenerate(), Plan::Keep),
        (log_in(&found), Plan::Rotate),
        (destroy(), GONE),
        (begin_anew(), Plan::Delete { then_create: true }),
    ] {
        assert_eq!(
            planned(&found, &wish, Outcome::Succeeded),
            expected,
            "{wish:?}"
        );
    }
}

#[test]
fn the_grace_lasts_thirty_seconds() {
    let last = NOON + SECOND * 30;
    for (now, expected) in [
        (NOON, Plan::Forget(Reason::IdReplaced)),
        (
            last.before(Duration::from_millis(1)),
            Plan::Forget(Reason::IdReplaced),
        ),
        (last, Plan::Create),
        // A clock that went back does not end it.
        (NOON.before(SECOND), Plan::Forget(Reason::IdReplaced)),
    ] {
        let plan = plan(&replaced(), &data(), Outcome::Succeeded, now, &POLICY);
        assert_eq!(plan, expected, "{now:?}");
    }
}

#[test]
fn the_deadline_moves_when_a_tenth_of_the_lifetime_is_gained() {
    let tenth = NOON + SECOND * 100;
    let at =
        |now, policy: &Policy| plan(&found(), &Wish::default(), Outcome::Succeeded, now, policy);
    let before = tenth.before(Duration::from_millis(1));
    assert_eq!(at(before, &POLICY), Plan::Keep);
    assert_eq!(at(tenth, &POLICY), Plan::Touch(tenth + POLICY.lifetime));
    assert_eq!(at(NOON.before(SECOND), &POLICY), Plan::Keep);

    // The cookie of a permanent session is sent again, so the write must say whether it was there.
    let permanent = Policy {
        permanent: true,
        ..POLICY
    };
    assert_eq!(at(before, &permanent), Plan::Keep);
    assert_eq!(at(tenth, &permanent), Plan::Update);
}

#[test]
fn a_failed_request_does_not_move_the_deadline() {
    let later = NOON + SECOND * 500;
    let plan = plan(&found(), &Wish::default(), Outcome::Failed, later, &POLICY);
    assert_eq!(plan, Plan::Keep);
}

#[test]
fn the_deadline_never_passes_the_hard_end() {
    let (policy, mut live) = with_a_hard_end();
    let end = live.record.ends;
    assert_eq!(end, NOON + SECOND * 1500);
    assert_eq!(policy.deadline(&live.record, NOON), NOON + SECOND * 1000);
    assert_eq!(policy.deadline(&live.record, NOON + SECOND * 900), end);
    assert_eq!(policy.slid_deadline(&live, NOON + SECOND * 900), Some(end));
    live.deadline = end;
    assert_eq!(policy.slid_deadline(&live, NOON + SECOND * 1400), None);
    assert_eq!(policy.last_seen(&live, end), live.record.written);
}

#[test]
fn a_session_in_use_is_kept_up_to_its_hard_end() {
    let (policy, mut live) = with_a_hard_end();
    let end = live.record.ends;
    // Less than a tenth is missing, and nothing will ever be missing more.
    live.deadline = NOON + SECOND * 1450;
    assert_eq!(policy.slid_deadline(&live, NOON + SECOND * 499), None);
    assert_eq!(policy.slid_deadline(&live, NOON + SECOND * 500), Some(end));
}

#[test]
fn a_shorter_absolute_lifetime_reaches_sessions_that_were_begun_before() {
    let shorter = Policy {
        absolute_lifetime: Some(SECOND * 100),
        ..POLICY
    };
    let mut live = live(None);
    assert_eq!(shorter.hard_end(&live.record), NOON + SECOND * 100);
    live.record.ends = NOON + SECOND * 50;
    assert_eq!(shorter.hard_end(&live.record), live.record.ends);
    live.record.created = Timestamp::from_millis(0);
    live.record.ends = Timestamp::MAX;
    assert_eq!(shorter.hard_end(&live.record), Timestamp::MAX);
}

#[test]
fn a_shorter_lifetime_reaches_sessions_that_are_used() {
    let shorter = Policy {
        lifetime: SECOND * 100,
        ..POLICY
    };
    let live = live(None);
    let found = Found::Live(live.clone());
    let plan = |wish: &Wish| plan(&found, wish, Outcome::Succeeded, NOON, &shorter);
    let nearer = NOON + SECOND * 100;
    assert_eq!(shorter.slid_deadline(&live, NOON), Some(nearer));
    // A touch would leave the later one.
    assert_eq!(plan(&Wish::default()), Plan::Update);
    // When it was seen the deadline does not tell any more.
    assert_eq!(shorter.last_seen(&live, NOON + SECOND * 500), NOON);
    // Clocks that differ do not move it to and fro, and where Flask sets it, it is Flask's.
    let before = Live {
        deadline: nearer + SECOND * 99,
        ..live.clone()
    };
    assert_eq!(shorter.slid_deadline(&before, NOON), None);
    let shared = Policy {
        layout: Layout::Flask(crate::flask::Format::MessagePack),
        ..shorter
    };
    assert_eq!(shared.slid_deadline(&live, NOON), None);
}

#[test]
fn a_request_whose_session_ended_begins_another_only_for_a_log_in() {
    let ended = Found::Nothing(Absence::Ended);
    let forgotten = Plan::Forget(Reason::SessionEnded);
    for (wish, expected) in [
        (Wish::default(), Plan::Keep),
        (destroy(), Plan::Keep),
        (data(), forgotten),
        (begin_anew(), forgotten),
        (log_in(&ended), Plan::Create),
    ] {
        assert_eq!(
            planned(&ended, &wish, Outcome::Succeeded),
            expected,
            "{wish:?}"
        );
    }
}

#[test]
fn a_session_s_own_lifetime_counts() {
    let mut live = live(None);
    live.record.lifetime = Some(SECOND * 10);
    live.deadline = NOON + SECOND * 10;
    assert_eq!(
        POLICY.slid_deadline(&live, NOON + Duration::from_millis(999)),
        None
    );
    let second = NOON + SECOND;
    assert_eq!(
        POLICY.slid_deadline(&live, second),
        Some(NOON + SECOND * 11)
    );
    assert_eq!(POLICY.last_seen(&live, second), NOON);
}

#[test]
fn a_tombstone_lasts_an_hour_whatever_the_old_deadline_was() {
    assert_eq!(Policy::tombstone_deadline(NOON), NOON + SECOND * 3600);
}

#[test]
fn a_login_as_another_user_drops_what_was_done_before() {
    let somebody = |user| Found::Live(live(user));
    for (found, kept) in [
        (somebody(None), true),
        (somebody(Some("u")), true),
        (somebody(Some("v")), false),
        (nothing(), true),
    ] {
        let mut wish = data();
        wish.log_in("u".into(), &found);
        assert_eq!(!wish.changes.is_empty(), kept, "{found:?}");
        let log_in = LogIn {
            user: "u".into(),
            from_empty: !kept,
        };
        assert_eq!(wish.fate, Fate::LogIn(log_in));
    }
}

#[test]
fn a_second_login_in_one_request_begins_from_empty() {
    let mut wish = log_in(&found());
    wish.changes.set("k", Some(&[3]));
    wish.log_in("v".into(), &found());
    let log_in = LogIn {
        user: "v".into(),
        from_empty: true,
    };
    assert_eq!(wish.fate, Fate::LogIn(log_in));
    assert!(wish.changes.is_empty());
    assert_eq!(wish.base(&found()), None);
    // Coming back does not bring the data back.
    wish.log_in("u".into(), &found());
    assert_eq!(wish.base(&found()), None);
}

#[test]
fn a_destroy_forgets_everything_wished_before() {
    let mut wish = data();
    wish.log_in("u".into(), &found());
    wish.destroy();
    assert_eq!(wish, destroy());
    wish.regenerate_id();
    assert_eq!(wish, destroy(), "a fresh session has a new id anyway");
    assert_eq!(wish.base(&found()), None);
}

#[test]
fn regenerating_after_a_login_changes_nothing() {
    let mut wish = log_in(&found());
    wish.regenerate_id();
    assert_eq!(wish, log_in(&found()));
}
