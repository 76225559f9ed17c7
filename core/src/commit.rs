//! Carrying a wish out against a store that others write to as well.
//!
//! [`Commit`] does no I/O: it says which verb comes next and is told what came of it, one at a time. The manager runs it
//! against a real store; the model checker runs the same code through every interleaving.

mod clause;

use std::sync::Arc;

use crate::changes::Changes;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{SessionId, StoreKey};
use crate::layout;
use crate::lifecycle::{Fate, LogIn, Policy};
use crate::payload::{Draft, Payload};
use crate::record::{Found, Live, Record, Tombstone};
use crate::store::{Deletion, Entry, Expect, Stored, Version, Write};

pub(crate) use clause::Clause;

/// How often a commit reads again because others were faster. Each time one of them got its write through, so this
/// many requests of one visitor must overlap to exhaust it.
pub(crate) const MAX_TRIES: u32 = 128;

/// What others have made of a session meanwhile is merged whatever its size; the result is held to the limit.
const ANY_SIZE: usize = usize::MAX / 2;

/// What is to be done, after [`plan`](crate::lifecycle::plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Task {
    Update,
    Regenerate,
    LogIn,
    Destroy,
    Create,
}

/// The next verb.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq))]
pub(crate) enum Step {
    /// Make a new id.
    NewId,
    Load(StoreKey),
    Put(StoreKey, Expect, Entry),
    Delete(StoreKey, Version),
    Finished(Done),
}

/// What came of a verb.
#[derive(Debug)]
pub(crate) enum Reply {
    NewId(SessionId),
    Loaded(Option<Stored>),
    Put(Write),
    Deleted(Deletion),
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Done {
    /// The changes are in the session; `followed` if its id was replaced meanwhile, so that this request may say
    /// nothing about cookies any more.
    Updated {
        live: Live,
        deadline_moved: bool,
        followed: bool,
    },
    /// The session, with the changes, is under a new id.
    NewId { live: Live, id: SessionId },
    /// The session is gone for good.
    Destroyed,
    /// The session of this request had ended before, or is another user's now. Nothing was changed.
    Over,
}

/// A wish on its way into the store. It is large: whoever runs it borrows it, so that it is not copied from future to future.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq, Eq, Hash))]
pub(crate) struct Commit {
    policy: Policy,
    now: Timestamp,
    task: Task,
    log_in: Option<LogIn>,
    changes: Changes,
    /// Whose session it is, as far as this request knows.
    user: Option<Arc<str>>,
    /// The record to work on.
    target: Option<Live>,
    /// The record under the new id, which nobody knows yet.
    own: Option<Own>,
    /// Whether the session at hand is one to which the same user has signed in meanwhile, not the one that was found.
    joined: bool,
    /// A session that a revoke must not reach.
    spared: Option<StoreKey>,
    followed: bool,
    tries: u32,
    awaiting: Awaiting,
    #[cfg(test)]
    pub(crate) broken: Option<Clause>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Own {
    id: SessionId,
    key: StoreKey,
    record: Record,
    deadline: Timestamp,
    /// Once it is in the store.
    version: Option<Version>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
enum Awaiting {
    Nothing,
    NewId,
    Load(StoreKey),
    Update(Live),
    WriteOwn,
    Replace,
    Destroy,
    Withdraw(Next),
}

/// What comes after the record under the new id was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
enum Next {
    Finish,
    Load(StoreKey),
}

impl Commit {
    /// A wish at rest: nothing is asked before it [begins](Self::begin).
    pub(crate) fn new(
        task: Task,
        fate: &Fate,
        changes: Changes,
        now: Timestamp,
        policy: Policy,
    ) -> Self {
        let log_in = match fate {
            Fate::LogIn(log_in) => Some(log_in.clone()),
            Fate::Stay | Fate::Regenerate => None,
        };
        Commit {
            policy,
            now,
            task,
            log_in,
            changes,
            user: None,
            target: None,
            own: None,
            joined: false,
            spared: None,
            followed: false,
            tries: 0,
            awaiting: Awaiting::Nothing,
            #[cfg(test)]
            broken: None,
        }
    }

    /// Begins with what the request had found.
    pub(crate) fn begin(&mut self, found: Found) -> Result<Step, Error> {
        match (self.task, found) {
            (Task::Create, _) | (_, Found::Nothing(_)) => self.new_id(),
            (_, Found::Live(live)) => {
                self.user.clone_from(&live.record.user);
                self.target = Some(live);
                self.work()
            }
            (_, Found::Replaced(tombstone)) => {
                self.user.clone_from(&tombstone.user);
                self.follow(&tombstone)
            }
        }
    }

    /// Begins to end the session under `key` if it is `user`'s, for whoever revokes it from outside. The session under
    /// `spared` is left alone, also if `key` was replaced by it.
    pub(crate) fn revoke(
        key: StoreKey,
        user: Arc<str>,
        spared: Option<StoreKey>,
        now: Timestamp,
        policy: Policy,
    ) -> (Self, Result<Step, Error>) {
        let mut commit = Commit::new(Task::Destroy, &Fate::Stay, Changes::default(), now, policy);
        (commit.user, commit.spared) = (Some(user), spared);
        let step = commit.load(key);
        (commit, step)
    }

    #[cfg(test)]
    pub(crate) fn begun(
        task: Task,
        found: &Found,
        wish: &crate::lifecycle::Wish,
        now: Timestamp,
        policy: Policy,
    ) -> (Self, Result<Step, Error>) {
        let mut commit = Commit::new(task, &wish.fate, wish.changes.clone(), now, policy);
        let step = commit.begin(found.clone());
        (commit, step)
    }

    /// Takes what came of the last step and says the next one. After an error of the store nothing is to be asked any
    /// more: whatever became of that verb, nobody sends it again and nothing is deleted because of it.
    pub(crate) fn resume(&mut self, reply: Reply) -> Result<Step, Error> {
        match (
            std::mem::replace(&mut self.awaiting, Awaiting::Nothing),
            reply,
        ) {
            (Awaiting::NewId, Reply::NewId(id)) => self.take_id(id),
            (Awaiting::Load(key), Reply::Loaded(stored)) => self.loaded(key, stored),
            (Awaiting::Update(live), Reply::Put(Write::Done(version))) => {
                let before = self.target.take();
                let moved = before.is_none_or(|before| before.deadline != live.deadline);
                Ok(Step::Finished(Done::Updated {
                    live: Live { version, ..live },
                    deadline_moved: moved,
                    followed: self.followed,
                }))
            }
            (Awaiting::WriteOwn, Reply::Put(write)) => self.own_written(write),
            (Awaiting::Replace, Reply::Put(Write::Done(_))) => {
                if !self.holds(Clause::NewRecordFirst) {
                    return self.write_own();
                }
                Ok(self.finish_with_own())
            }
            (Awaiting::Destroy, Reply::Deleted(Deletion::Done)) => {
                Ok(Step::Finished(Done::Destroyed))
            }
            (Awaiting::Destroy, Reply::Deleted(Deletion::Conflict))
                if !self.holds(Clause::DestroyReloads) =>
            {
                Ok(Step::Finished(Done::Destroyed))
            }
            (Awaiting::Update(_) | Awaiting::Replace, Reply::Put(Write::Conflict))
            | (Awaiting::Destroy, Reply::Deleted(Deletion::Conflict)) => self.load_again(),
            (Awaiting::Withdraw(next), Reply::Deleted(_)) => match next {
                Next::Finish => Ok(Step::Finished(Done::Over)),
                Next::Load(key) => self.load(key),
            },
            (awaiting, reply) => unreachable!("{awaiting:?} was answered with {reply:?}"),
        }
    }

    /// The time by which the commit judges deadlines.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Says what time it has become, before a reply is handed in: a commit that takes long must not judge a deadline by
    /// the time of its beginning, or it revives a session that others have seen expired.
    pub(crate) fn at(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Whether nothing comes after this reply, so that the time does not matter any more.
    pub(crate) fn ends_with(&self, reply: &Reply) -> bool {
        matches!(
            (&self.awaiting, reply),
            (
                Awaiting::Update(_) | Awaiting::Replace,
                Reply::Put(Write::Done(_))
            ) | (Awaiting::Destroy, Reply::Deleted(Deletion::Done))
        )
    }

    /// The record under the new id, if it was written and is known to have come to nothing: after an error of
    /// [`resume`](Self::resume) itself it is to be deleted.
    pub(crate) fn leftover(&mut self) -> Option<(StoreKey, Version)> {
        let own = self.own.take()?;
        Some((own.key, own.version?))
    }

    /// The next verb on a target that is as it was when it was loaded.
    fn work(&mut self) -> Result<Step, Error> {
        match (self.task, &self.target) {
            (Task::Update, Some(target)) => {
                let (mut record, data) = self.changed(&target.record)?;
                let deadline = if self.changes.lifetime.is_some() {
                    self.policy.deadline(&record, self.now)
                } else {
                    self.policy
                        .slid_deadline(target, self.now)
                        .unwrap_or(target.deadline)
                };
                let (key, version) = (target.key, target.version.clone());
                let entry = layout::seal(&key, &mut record, data, deadline);
                self.awaiting = Awaiting::Update(Live {
                    key,
                    version: version.clone(),
                    deadline,
                    record,
                });
                Ok(Step::Put(key, Expect::Version(version), entry))
            }
            (Task::Destroy, Some(target)) => {
                self.awaiting = Awaiting::Destroy;
                Ok(Step::Delete(target.key, target.version.clone()))
            }
            (Task::Update | Task::Destroy, None) => Ok(Step::Finished(Done::Over)),
            (Task::Regenerate | Task::LogIn | Task::Create, _) => match &self.own {
                Some(own) if own.version.is_some() && !self.holds(Clause::MergedBeforeReplaced) => {
                    self.replace()
                }
                Some(_) => self.write_own(),
                None => self.new_id(),
            },
        }
    }

    fn new_id(&mut self) -> Result<Step, Error> {
        self.awaiting = Awaiting::NewId;
        Ok(Step::NewId)
    }

    fn take_id(&mut self, id: SessionId) -> Result<Step, Error> {
        let record = self.policy.new_record(self.now);
        let key = layout::store_key(&id);
        self.own = Some(Own {
            id,
            key,
            record,
            deadline: self.now,
            version: None,
        });
        if self.target.is_some() && !self.holds(Clause::NewRecordFirst) {
            return self.replace();
        }
        self.write_own()
    }

    /// Writes the record under the new id: first of all, so that a crash leaves the old session as it was, and again
    /// whenever the old one has changed.
    fn write_own(&mut self) -> Result<Step, Error> {
        let (mut record, data) = self.changed(&self.base())?;
        let deadline = self.policy.deadline(&record, self.now);
        let Some(own) = &mut self.own else {
            return self.new_id();
        };
        let entry = layout::seal(&own.key, &mut record, data, deadline);
        let expect = own.version.clone().map_or(Expect::Absent, Expect::Version);
        (own.record, own.deadline) = (record, deadline);
        let key = own.key;
        self.awaiting = Awaiting::WriteOwn;
        Ok(Step::Put(key, expect, entry))
    }

    /// The record that the one under the new id continues.
    fn base(&self) -> Record {
        let fresh = self.policy.new_record(self.now);
        let target = self.target.as_ref().map(|target| &target.record);
        match (&self.log_in, target) {
            (None, Some(target)) => target.clone(),
            (None, None) => fresh,
            (Some(log_in), target) => {
                let continued = target.filter(|target| match &target.user {
                    // What this request found was dropped if somebody else was signed in between.
                    Some(user) if *user == log_in.user => self.joined || !log_in.from_empty,
                    Some(_) => !self.holds(Clause::AnotherUsersDataDropped),
                    None => !log_in.from_empty,
                });
                Record {
                    data: continued.map_or_else(Payload::empty, |target| target.data.clone()),
                    lifetime: continued.and_then(|target| target.lifetime),
                    permanent: continued.and_then(|target| target.permanent),
                    user: Some(log_in.user.clone()),
                    signed_in: Some(self.now),
                    ..fresh
                }
            }
        }
    }

    /// A record after the changes, and its data, with which it is to be sealed.
    fn changed(&self, record: &Record) -> Result<(Record, Draft), Error> {
        let data = self.changes.draft(&record.data);
        let (size, limit) = (data.size(), self.policy.size_limit);
        if size > limit {
            return Err(Error::TooLarge { size, limit });
        }
        let record = Record {
            data: Payload::empty(),
            written: self.now,
            lifetime: self.changes.lifetime.or(record.lifetime),
            permanent: self.changes.permanent.or(record.permanent),
            created: record.created,
            ends: record.ends,
            user: record.user.clone(),
            signed_in: record.signed_in,
        };
        Ok((record, data))
    }

    fn own_written(&mut self, write: Write) -> Result<Step, Error> {
        match (write, &mut self.own) {
            (Write::Done(version), Some(own)) => {
                own.version = Some(version);
                if !self.holds(Clause::NewRecordFirst) {
                    return Ok(self.finish_with_own());
                }
                self.replace()
            }
            (Write::Done(_), None) => Ok(Step::Finished(Done::Over)),
            // The new id is taken: another one.
            (Write::Conflict, Some(Own { version: None, .. }) | None) => {
                self.own = None;
                self.count_try()?;
                self.new_id()
            }
            // The record was revoked before anybody was told of it: another look at the session.
            (
                Write::Conflict,
                Some(Own {
                    version: Some(_), ..
                }),
            ) => {
                self.own = None;
                self.load_again()
            }
        }
    }

    /// Turns the old record into a tombstone, if there is an old one. It must be as it was read, or a faster write
    /// would be lost.
    fn replace(&mut self) -> Result<Step, Error> {
        let (Some(own), Some(target)) = (&self.own, &self.target) else {
            return Ok(self.finish_with_own());
        };
        let tombstone = Tombstone {
            successor: own.key,
            replaced: self.now,
            user: target.record.user.clone(),
        };
        let deadline = Policy::tombstone_deadline(self.now);
        let entry = layout::encode_tombstone(&target.key, &tombstone, deadline);
        self.awaiting = Awaiting::Replace;
        Ok(Step::Put(
            target.key,
            Expect::Version(target.version.clone()),
            entry,
        ))
    }

    fn finish_with_own(&mut self) -> Step {
        match self.own.take() {
            Some(Own {
                id,
                key,
                record,
                deadline,
                version: Some(version),
            }) => Step::Finished(Done::NewId {
                live: Live {
                    key,
                    version,
                    deadline,
                    record,
                },
                id,
            }),
            _ => Step::Finished(Done::Over),
        }
    }

    fn load_again(&mut self) -> Result<Step, Error> {
        match &self.target {
            Some(target) => self.load(target.key),
            None => self.begin_fresh(),
        }
    }

    fn load(&mut self, key: StoreKey) -> Result<Step, Error> {
        if self.spared == Some(key) {
            return Ok(Step::Finished(Done::Over));
        }
        if self.tries > 0 && !self.holds(Clause::ErrorWhenTriesRunOut) {
            return Ok(Step::Finished(Done::Over));
        }
        self.count_try()?;
        self.awaiting = Awaiting::Load(key);
        Ok(Step::Load(key))
    }

    fn count_try(&mut self) -> Result<(), Error> {
        self.tries += 1;
        if self.tries > MAX_TRIES {
            return Err(Error::Contended { tries: MAX_TRIES });
        }
        Ok(())
    }

    fn loaded(&mut self, key: StoreKey, stored: Option<Stored>) -> Result<Step, Error> {
        match Found::judge(key, stored, self.now, ANY_SIZE) {
            Found::Nothing(_) => self.gone(),
            Found::Live(live) => {
                if !self.accepts(live.record.user.as_ref()) {
                    return self.gone();
                }
                let base = match self.task {
                    Task::Update | Task::Regenerate => live.record.data.clone(),
                    _ => {
                        self.target = Some(live.clone());
                        self.base().data
                    }
                };
                self.target = Some(live);
                if self.holds(Clause::Replayed) {
                    self.changes.recompute(&base)?;
                }
                self.work()
            }
            Found::Replaced(tombstone) => {
                // A replacement that was carried out although the store said otherwise.
                if self
                    .own
                    .as_ref()
                    .is_some_and(|own| own.key == tombstone.successor)
                    && self.holds(Clause::OwnSuccessorIsDone)
                {
                    return Ok(self.finish_with_own());
                }
                if self.holds(Clause::UserComparedAtEveryHop)
                    && !self.accepts(tombstone.user.as_ref())
                {
                    return self.gone();
                }
                self.follow(&tombstone)
            }
        }
    }

    /// Whether a session of `user` is still the one that this request is about. A log-in goes on where the same user
    /// has signed in meanwhile; from there on it is that user's session only.
    fn accepts(&mut self, user: Option<&Arc<str>>) -> bool {
        if self.user.as_ref() == user || !self.holds(Clause::UserCompared) {
            return true;
        }
        let now_signed_in = self.log_in.as_ref().map(|log_in| &log_in.user);
        if self.task == Task::LogIn && user.is_some() && user == now_signed_in {
            self.user = user.cloned();
            self.joined = true;
            return true;
        }
        false
    }

    /// Goes on at the id by which the one at hand was replaced.
    fn follow(&mut self, tombstone: &Tombstone) -> Result<Step, Error> {
        self.followed = true;
        if self.task == Task::Destroy && !self.holds(Clause::DestroyFollows) {
            return Ok(Step::Finished(Done::Destroyed));
        }
        if self.task != Task::Destroy && !self.holds(Clause::Followed) {
            return self.gone();
        }
        if self.task == Task::Regenerate && self.holds(Clause::RegeneratedOnce) {
            // Somebody else has done it already; the data goes where the session is now.
            self.task = Task::Update;
            return self.withdraw(Next::Load(tombstone.successor));
        }
        self.load(tombstone.successor)
    }

    /// The session was destroyed or revoked, has expired, or is another user's now: for this request it is over.
    fn gone(&mut self) -> Result<Step, Error> {
        match self.task {
            Task::LogIn | Task::Create => self.begin_fresh(),
            Task::Update | Task::Regenerate => self.withdraw(Next::Finish),
            Task::Destroy => Ok(Step::Finished(Done::Over)),
        }
    }

    /// A log-in is a new authentication: without a session to continue it begins one.
    fn begin_fresh(&mut self) -> Result<Step, Error> {
        self.task = Task::Create;
        self.target = None;
        self.changes.recompute(&Payload::empty())?;
        self.work()
    }

    /// Takes the record under the new id back, of which nobody was told.
    fn withdraw(&mut self, next: Next) -> Result<Step, Error> {
        match (self.leftover(), next) {
            (Some((key, version)), next) if self.holds(Clause::WithdrawnWhenGone) => {
                self.awaiting = Awaiting::Withdraw(next);
                Ok(Step::Delete(key, version))
            }
            (_, Next::Finish) => Ok(Step::Finished(Done::Over)),
            (_, Next::Load(key)) => self.load(key),
        }
    }

    /// Whether a clause of the protocol is in force. They all are, except one at a time in the model checker, which
    /// shows for each what goes wrong without it.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "the model checker asks the commit")
    )]
    fn holds(&self, clause: Clause) -> bool {
        #[cfg(test)]
        return self.broken != Some(clause);
        #[cfg(not(test))]
        {
            let _ = clause;
            true
        }
    }
}

#[cfg(test)]
mod tests;
