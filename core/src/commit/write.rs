//! What a commit writes: the session at hand, or the record under a new id and the tombstone of the old one.

use super::{Awaiting, Clause, Commit, End, Own, Step, Task};
use crate::changes::Changes;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::SessionId;
use crate::layout;
use crate::lifecycle::Policy;
use crate::payload::Draft;
use crate::record::{Found, Live, Record, Tombstone};
use crate::store::{Expect, Write};

impl Commit<'_> {
    /// The next verb on a target that is as it was when it was loaded.
    #[inline]
    pub(super) fn work(&mut self) -> Result<Step, Error> {
        // The store does not refuse it where the hard end was later when the record was written.
        let is_over = |target: &Live| target.record.ends <= self.now;
        if self.task != Task::Destroy && self.target().is_some_and(is_over) {
            return self.gone();
        }
        match (self.task, self.target()) {
            (Task::Update, Some(_)) => self.update(),
            (Task::Destroy, Some(target)) => {
                let (key, version) = (target.key.clone(), target.version.clone());
                self.awaiting = Awaiting::Destroy;
                if !self.policy.leaving {
                    return Ok(Step::Delete(key, version));
                }
                // It may still lie where it is moved from, and must not come here again: by then it has expired there.
                let deadline = self.now + self.policy.lifetime;
                let mark = layout::ended(&key, self.now, deadline);
                Ok(Step::Put(key, Expect::Version(version), mark))
            }
            (Task::Update | Task::Destroy, None) => Ok(Step::Finished(End::Over)),
            (Task::Regenerate | Task::LogIn | Task::Create, _) => match &self.own {
                Some(own) if own.version.is_some() && !self.holds(Clause::MergedBeforeReplaced) => {
                    self.replace()
                }
                Some(_) => self.write_own(),
                None => self.new_id(),
            },
        }
    }

    /// Writes the target. It becomes what is written: after a conflict it is loaded again before anything else is asked
    /// of it.
    #[inline]
    fn update(&mut self) -> Result<Step, Error> {
        let Found::Live(target) = &mut self.found else {
            return Ok(Step::Finished(End::Over));
        };
        let changes = &self.wish.changes;
        let before = target.deadline;
        let data = change(&mut target.record, changes, self.policy, self.now)?;
        if changes.lifetime.is_some() {
            target.deadline = self.policy.deadline(&target.record, self.now);
        } else if let Some(slid) = self.policy.slid_deadline(target, self.now) {
            target.deadline = slid;
        }
        let layout = self.policy.layout;
        let Live {
            key,
            record,
            deadline,
            ..
        } = target;
        let entry = layout.seal(key, record, data, *deadline, self.watched);
        if layout.ends_with(&record.data) {
            self.awaiting = Awaiting::Destroy;
            return Ok(Step::Delete(key.clone(), target.version.clone()));
        }
        self.awaiting = Awaiting::Update {
            deadline_moved: target.deadline != before,
        };
        Ok(Step::Put(
            target.key.clone(),
            Expect::Version(target.version.clone()),
            entry,
        ))
    }

    pub(super) fn new_id(&mut self) -> Result<Step, Error> {
        self.awaiting = Awaiting::NewId;
        Ok(Step::NewId)
    }

    pub(super) fn take_id(&mut self, id: SessionId) -> Result<Step, Error> {
        let record = self.policy.new_record(self.now);
        let key = self.policy.layout.store_key(&id);
        self.own = Some(Box::new(Own {
            id,
            key,
            record,
            deadline: self.now,
            version: None,
        }));
        if self.target().is_some() && !self.holds(Clause::NewRecordFirst) {
            return self.replace();
        }
        self.write_own()
    }

    /// Writes the record under the new id: first of all, so that a crash leaves the old session as it was, and again
    /// whenever the old one has changed.
    pub(super) fn write_own(&mut self) -> Result<Step, Error> {
        let mut record = self.base();
        let data = change(&mut record, &self.wish.changes, self.policy, self.now)?;
        let deadline = self.policy.deadline(&record, self.now);
        let Some(own) = &mut self.own else {
            return self.new_id();
        };
        let layout = self.policy.layout;
        let entry = layout.seal(&own.key, &mut record, data, deadline, self.watched);
        let expect = own.version.clone().map_or(Expect::Absent, Expect::Version);
        (own.record, own.deadline) = (record, deadline);
        let key = own.key.clone();
        self.awaiting = Awaiting::WriteOwn;
        Ok(Step::Put(key, expect, entry))
    }

    /// The record that the one under the new id continues.
    pub(super) fn base(&self) -> Record {
        let fresh = self.policy.new_record(self.now);
        let target = self.target().map(|target| &target.record);
        match (self.log_in(), target) {
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
                    data: continued
                        .map_or_else(|| fresh.data.clone(), |target| target.data.clone()),
                    lifetime: continued.and_then(|target| target.lifetime),
                    permanent: continued.and_then(|target| target.permanent),
                    user: Some(log_in.user.clone()),
                    signed_in: Some(self.now),
                    ..fresh
                }
            }
        }
    }

    pub(super) fn own_written(&mut self, write: Write) -> Result<Step, Error> {
        match (write, &mut self.own) {
            (Write::Done(version), Some(own)) => {
                own.version = Some(version);
                if !self.holds(Clause::NewRecordFirst) {
                    return Ok(self.finish_with_own());
                }
                self.replace()
            }
            (Write::Done(_), None) => Ok(Step::Finished(End::Over)),
            // The record was revoked before anybody was told of it: another look at the session.
            (Write::Conflict, Some(own)) if own.version.is_some() => {
                self.own = None;
                self.load_again()
            }
            // The new id is taken: another one.
            (Write::Conflict, _) => {
                self.own = None;
                self.count_try()?;
                self.new_id()
            }
        }
    }

    /// Turns the old record into a tombstone, if there is an old one. It must be as it was read, or a faster write
    /// would be lost. Where the tombstone has another place, the old record goes first: so there is one who decides.
    fn replace(&mut self) -> Result<Step, Error> {
        let Some(target) = self.target().filter(|_| self.own.is_some()) else {
            return Ok(self.finish_with_own());
        };
        if self.policy.layout.grave(&target.key).is_some() {
            let step = Step::Delete(target.key.clone(), target.version.clone());
            self.awaiting = Awaiting::Replace;
            return Ok(step);
        }
        self.bury()
    }

    /// Says where the session went.
    pub(super) fn bury(&mut self) -> Result<Step, Error> {
        let (Some(own), Some(target)) = (&self.own, self.target()) else {
            return Ok(self.finish_with_own());
        };
        let layout = self.policy.layout;
        let tombstone = Tombstone {
            successor: own.key.clone(),
            replaced: self.now,
            user: target.record.user.clone(),
        };
        let deadline = Policy::tombstone_deadline(self.now);
        let entry = layout.encode_tombstone(&target.key, &tombstone, deadline);
        let (key, expect) = match layout.grave(&target.key) {
            Some(grave) => (grave, Expect::Absent),
            None => (target.key.clone(), Expect::Version(target.version.clone())),
        };
        self.awaiting = match expect {
            Expect::Absent => Awaiting::Bury,
            Expect::Version(_) => Awaiting::Replace,
        };
        Ok(Step::Put(key, expect, entry))
    }

    pub(super) fn finish_with_own(&self) -> Step {
        match &self.own {
            Some(own) if own.version.is_some() => Step::Finished(End::NewId),
            _ => Step::Finished(End::Over),
        }
    }
}

/// Makes the changes on a record, apart from its data, which it gets when it is sealed.
#[inline]
fn change(
    record: &mut Record,
    changes: &Changes,
    policy: &Policy,
    now: Timestamp,
) -> Result<Draft, Error> {
    let data = changes.draft(&record.data, policy.layout);
    policy.check_size(data.size(), record.data.size())?;
    record.written = now;
    record.lifetime = changes.lifetime.or(record.lifetime);
    record.permanent = changes.permanent.or(record.permanent);
    Ok(data)
}
