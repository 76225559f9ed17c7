//! What a commit makes of a session that others have changed, replaced or ended meanwhile.

use std::sync::Arc;

use super::{ANY_SIZE, Awaiting, Clause, Commit, End, MAX_TRIES, Next, Step, Task};
use crate::error::Error;
use crate::id::StoreKey;
use crate::layout;
use crate::lifecycle::Policy;
use crate::payload::Payload;
use crate::record::{Absence, Found, Tombstone};
use crate::store::{Expect, Stored};

impl Commit<'_> {
    pub(super) fn load_again(&mut self) -> Result<Step, Error> {
        match self.target().map(|target| target.key.clone()) {
            Some(key) => self.load(key),
            None => self.begin_fresh(),
        }
    }

    pub(crate) fn load(&mut self, key: StoreKey) -> Result<Step, Error> {
        if self.spared == Some(&key) {
            return Ok(Step::Finished(End::Over));
        }
        if self.tries > 0 && !self.holds(Clause::ErrorWhenTriesRunOut) {
            return Ok(Step::Finished(End::Over));
        }
        self.count_try()?;
        self.awaiting = Awaiting::Load(key.clone());
        Ok(Step::Load(key))
    }

    pub(super) fn count_try(&mut self) -> Result<(), Error> {
        self.tries += 1;
        if self.tries > MAX_TRIES {
            return Err(Error::Contended { tries: MAX_TRIES });
        }
        Ok(())
    }

    pub(super) fn loaded(&mut self, key: StoreKey, stored: Option<Stored>) -> Result<Step, Error> {
        let mut policy = Policy {
            size_limit: ANY_SIZE,
            ..*self.policy
        };
        if self.task == Task::Destroy {
            // What is over by our configuration may not be over by that of another process.
            policy.absolute_lifetime = None;
        }
        match Found::judge(&policy, key.clone(), stored, self.now) {
            Found::Nothing(Absence::Unknown) if self.task == Task::Destroy => {
                self.mark_destroyed(key)
            }
            Found::Nothing(_) => self.gone(),
            Found::Live(live) => {
                if !self.accepts(live.record.user.as_ref()) {
                    return self.gone();
                }
                let data = live.record.data.clone();
                self.found = Found::Live(live);
                let base = match self.task {
                    Task::Update | Task::Regenerate | Task::Destroy => data,
                    Task::LogIn | Task::Create => self.base().data,
                };
                // What is wished besides a log-out is for the session that comes after it.
                if self.task != Task::Destroy && self.holds(Clause::Replayed) {
                    self.wish.changes.recompute(&base)?;
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
        let now_signed_in = self.log_in().map(|log_in| &log_in.user);
        if self.task == Task::LogIn && user.is_some() && user == now_signed_in {
            self.user = user.cloned();
            self.joined = true;
            return true;
        }
        false
    }

    /// Goes on at the id by which the one at hand was replaced.
    pub(super) fn follow(&mut self, tombstone: &Tombstone) -> Result<Step, Error> {
        self.followed = true;
        if self.task == Task::Destroy && !self.holds(Clause::DestroyFollows) {
            return Ok(Step::Finished(End::Destroyed));
        }
        if self.task != Task::Destroy && !self.holds(Clause::Followed) {
            return self.gone();
        }
        if self.task == Task::Regenerate && self.holds(Clause::RegeneratedOnce) {
            // Somebody else has done it already; the data goes where the session is now.
            self.task = Task::Update;
            return self.withdraw(Next::Load(tombstone.successor.clone()));
        }
        self.load(tombstone.successor.clone())
    }

    /// A log-out that finds nothing may have come between the end of the old id and the word about the new one: whoever is
    /// about to say it must find out.
    fn mark_destroyed(&mut self, key: StoreKey) -> Result<Step, Error> {
        let Some(grave) = self.policy.layout.grave(&key) else {
            return self.gone();
        };
        let entry = layout::destroyed(Policy::tombstone_deadline(self.now));
        self.awaiting = Awaiting::MarkDestroyed(key);
        Ok(Step::Put(grave, Expect::Absent, entry))
    }

    /// The session was destroyed or revoked, has expired, or is another user's now: for this request it is over.
    pub(super) fn gone(&mut self) -> Result<Step, Error> {
        match self.task {
            Task::LogIn | Task::Create => self.begin_fresh(),
            Task::Update | Task::Regenerate => self.withdraw(Next::Finish),
            Task::Destroy => Ok(Step::Finished(End::Over)),
        }
    }

    /// A log-in is a new authentication: without a session to continue it begins one.
    fn begin_fresh(&mut self) -> Result<Step, Error> {
        self.task = Task::Create;
        self.found = Found::default();
        self.wish.changes.recompute(&Payload::empty())?;
        self.work()
    }

    /// Takes the record under the new id back, of which nobody was told.
    fn withdraw(&mut self, next: Next) -> Result<Step, Error> {
        match (self.leftover(), next) {
            (Some((key, version)), next) if self.holds(Clause::WithdrawnWhenGone) => {
                self.awaiting = Awaiting::Withdraw(next);
                Ok(Step::Delete(key, version))
            }
            (_, Next::Finish) => Ok(Step::Finished(End::Over)),
            (_, Next::Load(key)) => self.load(key),
        }
    }
}
