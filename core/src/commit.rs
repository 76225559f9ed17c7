//! Carrying a wish out against a store that others write to as well.
//!
//! [`Commit`] does no I/O: it says which verb comes next and is told what came of it, one at a time. The manager runs it
//! against a real store; the model checker runs the same code through every interleaving.

mod clause;
mod follow;
mod step;
mod write;

use std::sync::Arc;

use crate::changes::Changes;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{SessionId, StoreKey};
use crate::lifecycle::{Fate, LogIn, Policy};
use crate::record::{Found, Live, Record};
use crate::store::{Deletion, Version, Write};

pub(crate) use clause::Clause;
pub(crate) use step::{Done, End, Reply, Step, Task};

/// How often a commit reads again because others were faster. Each time one of them got its write through, so this
/// many requests of one visitor must overlap to exhaust it.
pub(crate) const MAX_TRIES: u32 = 128;

/// What others have made of a session meanwhile is merged whatever its size; the result is held to the limit.
const ANY_SIZE: usize = usize::MAX / 2;

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
    own: Option<Box<Own>>,
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

impl Own {
    /// The session and its id, `None` if it is not in the store.
    fn told(self) -> Option<(Live, SessionId)> {
        let live = Live {
            key: self.key,
            version: self.version?,
            deadline: self.deadline,
            record: self.record,
        };
        Some((live, self.id))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
enum Awaiting {
    Nothing,
    NewId,
    Load(StoreKey),
    Update { deadline_moved: bool },
    WriteOwn,
    Replace,
    Bury,
    MarkDestroyed(StoreKey),
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
            (Awaiting::Update { deadline_moved }, Reply::Put(Write::Done(version))) => {
                if let Some(target) = &mut self.target {
                    target.version = version;
                }
                Ok(Step::Finished(End::Updated { deadline_moved }))
            }
            (Awaiting::WriteOwn, Reply::Put(write)) => self.own_written(write),
            (Awaiting::Replace, Reply::Put(Write::Done(_))) => {
                if !self.holds(Clause::NewRecordFirst) {
                    return self.write_own();
                }
                Ok(self.finish_with_own())
            }
            // Here the tombstone has a place of its own, and it tells whether somebody was faster to end the session.
            (Awaiting::Replace, Reply::Deleted(Deletion::Done)) => self.bury(),
            (Awaiting::Bury, Reply::Put(Write::Done(_))) => Ok(self.finish_with_own()),
            (Awaiting::Bury, Reply::Put(Write::Conflict)) => self.gone(),
            (Awaiting::MarkDestroyed(_), Reply::Put(Write::Done(_))) => {
                Ok(Step::Finished(End::Over))
            }
            (Awaiting::MarkDestroyed(key), Reply::Put(Write::Conflict)) => self.load(key),
            (Awaiting::Destroy, Reply::Deleted(Deletion::Done)) => {
                Ok(Step::Finished(End::Destroyed))
            }
            (Awaiting::Destroy, Reply::Deleted(Deletion::Conflict))
                if !self.holds(Clause::DestroyReloads) =>
            {
                Ok(Step::Finished(End::Destroyed))
            }
            (Awaiting::Update { .. } | Awaiting::Replace, Reply::Put(Write::Conflict))
            | (Awaiting::Replace | Awaiting::Destroy, Reply::Deleted(Deletion::Conflict)) => {
                self.load_again()
            }
            (Awaiting::Withdraw(next), Reply::Deleted(_)) => match next {
                Next::Finish => Ok(Step::Finished(End::Over)),
                Next::Load(key) => self.load(key),
            },
            (awaiting, reply) => unreachable!("{awaiting:?} was answered with {reply:?}"),
        }
    }

    /// What an end comes to; to be asked once.
    pub(crate) fn done(&mut self, end: End) -> Done {
        match (
            end,
            self.target.take(),
            self.own.take().and_then(|own| own.told()),
        ) {
            (End::Updated { deadline_moved }, Some(live), _) => Done::Updated {
                live,
                deadline_moved,
                followed: self.followed,
            },
            (End::NewId, _, Some((live, id))) => Done::NewId { live, id },
            (End::Destroyed, ..) => Done::Destroyed,
            (End::Over | End::Updated { .. } | End::NewId, ..) => Done::Over,
        }
    }

    /// The changes as they were carried out.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
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
                Awaiting::Update { .. } | Awaiting::Replace | Awaiting::Bury,
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
