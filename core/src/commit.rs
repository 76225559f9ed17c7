//! Carrying a wish out against a store that others write to as well.
//!
//! [`Commit`] does no I/O: it says which verb comes next and is told what came of it, one at a time. The manager runs it
//! against a real store; the model checker runs the same code through every interleaving.

mod clause;
mod follow;
mod step;
mod write;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{SessionId, StoreKey};
use crate::lifecycle::{Fate, LogIn, Policy, Wish};
use crate::payload::EMPTY;
use crate::record::{Absence, Found, Live, Record};
use crate::store::{Deletion, Version, Write};

pub(crate) use clause::Clause;
pub(crate) use step::{Done, End, Reply, Step, Task};

/// How often a commit reads again because others were faster. Each time one of them got its write through, so this
/// many requests of one visitor must overlap to exhaust it.
pub(crate) const MAX_TRIES: u32 = 128;

/// What others have made of a session meanwhile is merged whatever its size; the result is held to the limit.
const ANY_SIZE: usize = usize::MAX / 2;

/// A wish on its way into the store. It is large: it is built where it stays and borrowed by whoever runs it, so that it is
/// not copied from future to future.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq, Eq, Hash))]
pub(crate) struct Commit<'p> {
    policy: &'p Policy,
    now: Timestamp,
    task: Task,
    /// To be given before it begins; swapped in, as it is large.
    pub(crate) wish: Wish,
    /// What the request had found; from then on the session to work on, if there is one.
    found: Found,
    /// Whether anybody can look at the session afterwards. If not, what is written is not kept.
    watched: bool,
    /// Whose session it is, as far as this request knows.
    user: Option<Arc<str>>,
    /// The record under the new id, which nobody knows yet.
    own: Option<Box<Own>>,
    /// Whether the session at hand is one to which the same user has signed in meanwhile, not the one that was found.
    joined: bool,
    /// A session that a revoke must not reach.
    spared: Option<&'p StoreKey>,
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

impl<'p> Commit<'p> {
    /// For a request that gives it its wish and what it has [found](Self::swap_found). Nothing is asked before it
    /// [begins](Self::begin).
    #[inline]
    pub(crate) fn new(now: Timestamp, policy: &'p Policy, watched: bool) -> Self {
        Commit {
            policy,
            now,
            task: Task::Update,
            wish: Wish::default(),
            found: Found::default(),
            watched,
            user: None,
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

    /// Gives it what the request had found, which is swapped in, as it is large.
    #[inline]
    pub(crate) fn swap_found(&mut self, found: &mut Found) {
        std::mem::swap(&mut self.found, found);
    }

    /// Forgets what came of a task, before the next one of the same wish.
    pub(crate) fn renew(&mut self) {
        *self = Commit {
            wish: std::mem::take(&mut self.wish),
            ..Commit::new(self.now, self.policy, self.watched)
        };
    }

    /// Computes the wish anew on what was found, because it was computed on an older record.
    pub(crate) fn rebase(&mut self) -> Result<(), Error> {
        let base = self.wish.base(&self.found);
        let base = base.map_or(&EMPTY, |record| &record.data);
        self.wish.changes.recompute(base)
    }

    /// Says the first verb of this task.
    #[inline]
    pub(crate) fn begin(&mut self, task: Task) -> Result<Step, Error> {
        self.task = task;
        match &self.found {
            Found::Live(live) if task != Task::Create => {
                self.user.clone_from(&live.record.user);
                self.work()
            }
            Found::Replaced(tombstone) if task != Task::Create => {
                let tombstone = tombstone.clone();
                self.user.clone_from(&tombstone.user);
                self.follow(&tombstone)
            }
            _ => {
                self.found = Found::default();
                self.new_id()
            }
        }
    }

    /// For whoever revokes a session of `user` from outside; it begins with [`load`](Self::load). The session under
    /// `spared` is left alone, also if the one that is revoked was replaced by it.
    pub(crate) fn revoking(
        user: Arc<str>,
        spared: Option<&'p StoreKey>,
        now: Timestamp,
        policy: &'p Policy,
    ) -> Self {
        let mut commit = Commit::new(now, policy, false);
        commit.task = Task::Destroy;
        (commit.user, commit.spared) = (Some(user), spared);
        commit
    }

    #[cfg(test)]
    pub(crate) fn begun(
        task: Task,
        found: &Found,
        wish: &Wish,
        now: Timestamp,
        policy: &'p Policy,
    ) -> (Self, Result<Step, Error>) {
        let mut commit = Commit::new(now, policy, true);
        commit.found = found.clone();
        commit.wish = wish.clone();
        let step = commit.begin(task);
        (commit, step)
    }

    /// Takes what came of the last step and says the next one. After an error of the store nothing is to be asked any
    /// more: whatever became of that verb, nobody sends it again and nothing is deleted because of it.
    #[inline]
    pub(crate) fn resume(&mut self, reply: Reply) -> Result<Step, Error> {
        match (
            std::mem::replace(&mut self.awaiting, Awaiting::Nothing),
            reply,
        ) {
            (Awaiting::NewId, Reply::NewId(id)) => self.take_id(id),
            (Awaiting::Load(key), Reply::Loaded(stored)) => self.loaded(key, stored),
            (Awaiting::Update { deadline_moved }, Reply::Put(Write::Done(version))) => {
                if let Found::Live(target) = &mut self.found {
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
            (Awaiting::Destroy, Reply::Deleted(Deletion::Done) | Reply::Put(Write::Done(_))) => {
                Ok(Step::Finished(End::Destroyed))
            }
            (Awaiting::Destroy, Reply::Deleted(Deletion::Conflict))
                if !self.holds(Clause::DestroyReloads) =>
            {
                Ok(Step::Finished(End::Destroyed))
            }
            (
                Awaiting::Update { .. } | Awaiting::Replace | Awaiting::Destroy,
                Reply::Put(Write::Conflict),
            )
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

    /// What an end comes to; to be asked once. From then on [`found`](Self::found) is what it left.
    #[inline]
    pub(crate) fn done(&mut self, end: End) -> Done {
        match end {
            End::Updated { deadline_moved } if self.target().is_some() => {
                return Done::Updated {
                    deadline_moved,
                    followed: self.followed,
                };
            }
            End::NewId => {
                if let Some((live, id)) = self.own.take().and_then(|own| own.told()) {
                    self.found = Found::Live(live);
                    return Done::NewId(id);
                }
            }
            End::Destroyed => {
                self.found = Found::default();
                return Done::Destroyed;
            }
            End::Over | End::Updated { .. } => {}
        }
        self.found = Found::Nothing(Absence::Ended);
        Done::Over
    }

    /// What the request had found, or what is left of it.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// The same, for who goes on with it.
    pub(crate) fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// The session to work on.
    pub(crate) fn target(&self) -> Option<&Live> {
        match &self.found {
            Found::Live(live) => Some(live),
            Found::Nothing(_) | Found::Replaced(_) => None,
        }
    }

    /// Who is to be signed in.
    fn log_in(&self) -> Option<&LogIn> {
        match &self.wish.fate {
            Fate::LogIn(log_in) => Some(log_in),
            Fate::Stay | Fate::Regenerate => None,
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
