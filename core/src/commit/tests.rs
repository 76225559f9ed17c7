//! Each cell of the table of overlaps, on a commit alone: the store's answers are written down here.

#![expect(
    clippy::needless_pass_by_value,
    reason = "keys are made where they are handed over"
)]

use crate::layout::{Decoded, Layout};
use crate::lifecycle::Wish;
use crate::payload::Payload;
use crate::record::Tombstone;
use crate::store::{Entry, Expect, Stored};
use std::time::Duration;

use super::*;
use crate::id::{OsRandom, SessionId};
use crate::record::Absence;

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const POLICY: Policy = Policy {
    lifetime: Duration::from_secs(1000),
    absolute_lifetime: None,
    permanent: false,
    size_limit: 64,
    layout: Layout::Native,
    leaving: false,
};

/// The session's key when the request loaded it, and after it got a new id.
const OLD: u8 = 1;
const NEW: u8 = 2;

fn key(n: u8) -> StoreKey {
    StoreKey::from_digest([n; 32])
}

fn data(pairs: &[(&str, u8)]) -> Payload {
    let mut payload = Payload::empty();
    for (key, value) in pairs {
        payload = payload.with(key, &[*value]);
    }
    payload
}

fn live(at: u8, version: u64, user: Option<&str>, pairs: &[(&str, u8)]) -> Live {
    Live {
        key: key(at),
        version: Version::from(version),
        deadline: NOON + POLICY.lifetime,
        record: Record {
            user: user.map(Into::into),
            data: data(pairs),
            ..POLICY.new_record(NOON)
        },
    }
}

fn stored(live: &Live) -> Option<Stored> {
    Some(Stored {
        entry: Layout::Native.encode(&live.key, &live.record, live.deadline),
        version: live.version.clone(),
    })
}

/// What lies under the old key after the id was replaced.
fn tombstone(user: Option<&str>) -> Option<Stored> {
    let tombstone = Tombstone {
        successor: key(NEW),
        replaced: NOON,
        user: user.map(Into::into),
    };
    Some(Stored {
        entry: Layout::Native.encode_tombstone(&key(OLD), &tombstone, NOON + POLICY.lifetime),
        version: Version::from(2),
    })
}

/// A commit under way, and its next verb.
struct Scripted<'p>(Commit<'p>, Step);

impl Scripted<'_> {
    /// A request that loaded the session of `user`, with one datum, and sets another.
    fn new(task: Task, user: Option<&str>) -> Self {
        let found = Found::Live(live(OLD, 1, user, &[("a", 1)]));
        let mut wish = Wish::default();
        match task {
            Task::LogIn => wish.log_in("u".into(), &found),
            Task::Regenerate => wish.regenerate_id(),
            _ => {}
        }
        if task != Task::Destroy {
            wish.changes.set("mine", Some(&[9]));
        }
        let (commit, first) = Commit::begun(task, &found, &wish, NOON, &POLICY);
        Scripted(commit, first.unwrap()).with_id()
    }

    fn with_id(self) -> Self {
        match self.1 {
            Step::NewId => self.answer(Reply::NewId(SessionId::generate(&OsRandom).unwrap())),
            _ => self,
        }
    }

    fn answer(mut self, reply: Reply) -> Self {
        let next = self.0.resume(reply).unwrap();
        Scripted(self.0, next).with_id()
    }

    fn puts(self, expected: StoreKey, pairs: &[(&str, u8)], version: u64) -> Self {
        let Step::Put(key, _, entry) = &self.1 else {
            panic!("{:?} instead of a put", self.1)
        };
        assert_eq!(*key, expected);
        let record = live_in(key.clone(), entry.clone());
        assert_eq!(record.data, data(pairs), "the data that is written");
        self.answer(Reply::Put(Write::Done(Version::from(version))))
    }

    /// Writes the record under the new id.
    fn puts_own(self, pairs: &[(&str, u8)], version: u64) -> Self {
        let key = self.own();
        self.puts(key, pairs, version)
    }

    fn own(&self) -> StoreKey {
        self.0.own.as_ref().unwrap().key.clone()
    }

    fn replaces(self, at: u8, version: u64, write: Write) -> Self {
        let own = self.own();
        let Step::Put(to, expect, entry) = &self.1 else {
            panic!("{:?} instead of a tombstone", self.1)
        };
        assert_eq!(
            (to.clone(), expect),
            (key(at), &Expect::Version(Version::from(version)))
        );
        let Ok(Decoded::Tombstone(tombstone)) = Layout::Native.decode(to, entry.clone(), 1 << 16)
        else {
            panic!("a record instead of a tombstone")
        };
        assert_eq!(tombstone.successor, own);
        self.answer(Reply::Put(write))
    }

    fn conflicts(self) -> Self {
        let reply = match &self.1 {
            Step::Put(..) => Reply::Put(Write::Conflict),
            Step::Delete(..) => Reply::Deleted(Deletion::Conflict),
            step => panic!("{step:?} cannot conflict"),
        };
        self.answer(reply)
    }

    fn loads(self, at: u8, found: Option<Stored>) -> Self {
        assert_eq!(self.1, Step::Load(key(at)));
        self.answer(Reply::Loaded(found))
    }

    fn deletes(self, expected: StoreKey, version: u64) -> Self {
        assert_eq!(self.1, Step::Delete(expected, Version::from(version)));
        self.answer(Reply::Deleted(Deletion::Done))
    }

    /// Up to the answer that the old record is not any more what was read.
    fn up_to_the_conflict(self, own: &[(&str, u8)]) -> Self {
        match self.0.task {
            Task::Update | Task::Destroy => self.conflicts(),
            _ => self.puts_own(own, 1).replaces(OLD, 1, Write::Conflict),
        }
    }

    fn ends(&mut self) -> Done {
        match &self.1 {
            Step::Finished(end) => self.0.done(*end),
            step => panic!("{step:?} instead of the end"),
        }
    }

    fn ends_under_a_new_id(mut self, user: Option<&str>, pairs: &[(&str, u8)]) {
        let Done::NewId(id) = self.ends() else {
            panic!("no new id")
        };
        let live = self.0.target().unwrap();
        assert_eq!(live.key, Layout::Native.store_key(&id));
        assert_eq!(live.record.user.as_deref(), user);
        assert_eq!(live.record.data, data(pairs));
    }

    fn ends_updated(mut self, at: u8, must_have_followed: bool) {
        let Done::Updated { followed, .. } = self.ends() else {
            panic!("not updated")
        };
        let live = self.0.target().unwrap();
        assert_eq!((&live.key, followed), (&key(at), must_have_followed));
    }
}

fn live_in(key: StoreKey, entry: Entry) -> Record {
    match Layout::Native.decode(&key, entry, 1 << 16) {
        Ok(Decoded::Record(record)) => record,
        _ => panic!("no record"),
    }
}

const BEFORE: &[(&str, u8)] = &[("a", 1), ("mine", 9)];
const MERGED: &[(&str, u8)] = &[("a", 2), ("b", 3), ("mine", 9)];

/// What another request made of the session.
fn faster(at: u8, user: Option<&str>) -> Live {
    live(at, 2, user, &[("a", 2), ("b", 3)])
}

// Wanted: data operations.

#[test]
fn data_and_meanwhile_data_written() {
    Scripted::new(Task::Update, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, stored(&faster(OLD, None)))
        .puts(key(OLD), MERGED, 3)
        .ends_updated(OLD, false);
}

#[test]
fn data_and_meanwhile_id_regenerated() {
    Scripted::new(Task::Update, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, None)))
        .puts(key(NEW), MERGED, 3)
        .ends_updated(NEW, true);
}

#[test]
fn data_and_meanwhile_user_changed() {
    let done = Scripted::new(Task::Update, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, Some("u"))))
        .ends();
    assert_eq!(done, Done::Over);
}

#[test]
fn data_and_meanwhile_destroyed() {
    let done = Scripted::new(Task::Update, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, None)
        .ends();
    assert_eq!(done, Done::Over);
}

// Wanted: a new id.

#[test]
fn regenerate_and_meanwhile_data_written() {
    Scripted::new(Task::Regenerate, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, stored(&faster(OLD, None)))
        .puts_own(MERGED, 2)
        .replaces(OLD, 2, Write::Done(Version::from(3)))
        .ends_under_a_new_id(None, MERGED);
}

#[test]
fn regenerate_and_meanwhile_id_regenerated() {
    let commit = Scripted::new(Task::Regenerate, None).up_to_the_conflict(BEFORE);
    let own = commit.own();
    commit
        .loads(OLD, tombstone(None))
        .deletes(own, 1)
        .loads(NEW, stored(&faster(NEW, None)))
        .puts(key(NEW), MERGED, 3)
        .ends_updated(NEW, true);
}

#[test]
fn regenerate_and_meanwhile_user_changed() {
    let commit = Scripted::new(Task::Regenerate, Some("v")).up_to_the_conflict(BEFORE);
    let own = commit.own();
    let done = commit
        .loads(OLD, tombstone(Some("v")))
        .deletes(own, 1)
        .loads(NEW, stored(&faster(NEW, Some("u"))))
        .ends();
    assert_eq!(done, Done::Over);
}

#[test]
fn regenerate_and_meanwhile_destroyed() {
    let commit = Scripted::new(Task::Regenerate, None).up_to_the_conflict(BEFORE);
    let own = commit.own();
    assert_eq!(commit.loads(OLD, None).deletes(own, 1).ends(), Done::Over);
}

// Wanted: a log-in as u.

#[test]
fn log_in_and_meanwhile_data_written() {
    Scripted::new(Task::LogIn, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, stored(&faster(OLD, None)))
        .puts_own(MERGED, 2)
        .replaces(OLD, 2, Write::Done(Version::from(3)))
        .ends_under_a_new_id(Some("u"), MERGED);
}

#[test]
fn log_in_and_meanwhile_id_regenerated() {
    Scripted::new(Task::LogIn, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, None)))
        .puts_own(MERGED, 2)
        .replaces(NEW, 2, Write::Done(Version::from(3)))
        .ends_under_a_new_id(Some("u"), MERGED);
}

#[test]
fn log_in_and_meanwhile_signed_in_as_the_same_user() {
    Scripted::new(Task::LogIn, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, Some("u"))))
        .puts_own(MERGED, 2)
        .replaces(NEW, 2, Write::Done(Version::from(3)))
        .ends_under_a_new_id(Some("u"), MERGED);
}

#[test]
fn log_in_and_meanwhile_signed_in_as_somebody_else() {
    let fresh = &[("mine", 9)];
    Scripted::new(Task::LogIn, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, Some("v"))))
        .puts_own(fresh, 2)
        .ends_under_a_new_id(Some("u"), fresh);
}

#[test]
fn log_in_and_meanwhile_destroyed() {
    let fresh = &[("mine", 9)];
    Scripted::new(Task::LogIn, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, None)
        .puts_own(fresh, 2)
        .ends_under_a_new_id(Some("u"), fresh);
}

#[test]
fn log_in_in_another_users_session_begins_empty() {
    let fresh = &[("mine", 9)];
    Scripted::new(Task::LogIn, Some("v"))
        .puts_own(fresh, 1)
        .replaces(OLD, 1, Write::Done(Version::from(2)))
        .ends_under_a_new_id(Some("u"), fresh);
}

// Wanted: the end.

#[test]
fn destroy_and_meanwhile_data_written() {
    let done = Scripted::new(Task::Destroy, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, stored(&faster(OLD, None)))
        .deletes(key(OLD), 2)
        .ends();
    assert_eq!(done, Done::Destroyed);
}

#[test]
fn destroy_and_meanwhile_id_regenerated() {
    let done = Scripted::new(Task::Destroy, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, None)))
        .deletes(key(NEW), 2)
        .ends();
    assert_eq!(done, Done::Destroyed);
}

#[test]
fn destroy_and_meanwhile_user_changed() {
    let done = Scripted::new(Task::Destroy, None)
        .up_to_the_conflict(BEFORE)
        .loads(OLD, tombstone(None))
        .loads(NEW, stored(&faster(NEW, Some("u"))))
        .ends();
    assert_eq!(done, Done::Over);
}

#[test]
fn destroy_and_meanwhile_destroyed() {
    let commit = Scripted::new(Task::Destroy, None).up_to_the_conflict(BEFORE);
    assert_eq!(commit.loads(OLD, None).ends(), Done::Over);
}

// Revoked from outside.

#[test]
fn a_revoke_leaves_the_session_that_is_spared() {
    let spared = key(NEW);
    let mut commit = Commit::revoking("u".into(), Some(&spared), NOON, &POLICY);
    let first = commit.load(key(OLD));
    let done = Scripted(commit, first.unwrap())
        .loads(OLD, tombstone(Some("u")))
        .ends();
    assert_eq!(done, Done::Over);
}

#[test]
fn a_revoke_leaves_what_is_another_users() {
    let mut commit = Commit::revoking("u".into(), None, NOON, &POLICY);
    let first = commit.load(key(OLD));
    let done = Scripted(commit, first.unwrap())
        .loads(OLD, stored(&live(OLD, 1, Some("v"), &[])))
        .ends();
    assert_eq!(done, Done::Over);
}

// What is not in the table.

#[test]
fn a_new_id_that_is_taken_is_not_adopted() {
    let commit = Scripted::new(Task::Create, None);
    let taken = commit.own();
    let commit = commit.conflicts();
    assert_ne!(commit.own(), taken);
    commit
        .puts_own(&[("mine", 9)], 1)
        .ends_under_a_new_id(None, &[("mine", 9)]);
}

#[test]
fn a_session_that_expires_during_the_commit_is_over() {
    let mut commit = Scripted::new(Task::Update, None).conflicts();
    commit.0.at(NOON + POLICY.lifetime);
    let done = commit
        .loads(OLD, stored(&live(OLD, 1, None, &[("a", 1)])))
        .ends();
    assert_eq!(done, Done::Over);
}

#[test]
fn when_the_tries_run_out_the_answer_is_an_error() {
    for task in [Task::Update, Task::Regenerate, Task::LogIn, Task::Destroy] {
        let mut commit = Scripted::new(task, None);
        let mut version = 1;
        let error = loop {
            version += 1;
            let reply = match &commit.1 {
                Step::Load(_) => Reply::Loaded(stored(&live(OLD, version, None, &[("a", 1)]))),
                Step::Put(to, ..) if *to == key(OLD) => Reply::Put(Write::Conflict),
                Step::Put(..) => Reply::Put(Write::Done(Version::from(version))),
                Step::Delete(..) => Reply::Deleted(Deletion::Conflict),
                step => panic!("{step:?}"),
            };
            match commit.0.resume(reply) {
                Ok(step) => commit.1 = step,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, Error::Contended { tries: MAX_TRIES }),
            "{task:?}: {error}"
        );
        let leaves = matches!(task, Task::Regenerate | Task::LogIn);
        assert_eq!(commit.0.leftover().is_some(), leaves, "{task:?}");
    }
}

#[test]
fn a_merge_that_is_too_large_is_an_error() {
    let mut commit = Scripted::new(Task::Update, None).conflicts();
    let pairs: Vec<_> = [
        "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
        "t", "u",
    ]
    .map(|key| (key, 1))
    .to_vec();
    let reply = Reply::Loaded(stored(&live(OLD, 2, None, &pairs)));
    assert!(matches!(
        commit.0.resume(reply),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn a_session_of_a_newer_format_is_left_alone() {
    let mut newer = stored(&live(OLD, 2, None, &[])).unwrap();
    let mut payload = newer.entry.payload.to_vec();
    payload[2] += 1;
    newer.entry.payload = payload.into();
    let done = Scripted::new(Task::Update, None)
        .conflicts()
        .loads(OLD, Some(newer))
        .ends();
    assert_eq!(done, Done::Over);
}

#[test]
fn without_a_session_a_login_begins_one() {
    let found = Found::Nothing(Absence::NoCookie);
    let mut wish = Wish::default();
    wish.log_in("u".into(), &found);
    let (commit, first) = Commit::begun(Task::Create, &found, &wish, NOON, &POLICY);
    Scripted(commit, first.unwrap())
        .with_id()
        .puts_own(&[], 1)
        .ends_under_a_new_id(Some("u"), &[]);
}
