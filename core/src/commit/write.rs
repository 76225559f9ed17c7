//! What a commit writes: the session at hand, or the record under a new id and the tombstone of the old one.

use super::{Awaiting, Clause, Commit, Done, Own, Step, Task};
use crate::error::Error;
use crate::id::SessionId;
use crate::layout;
use crate::lifecycle::Policy;
use crate::payload::{Draft, Payload};
use crate::record::{Live, Record, Tombstone};
use crate::store::{Expect, Write};

impl Commit {
    /// The next verb on a target that is as it was when it was loaded.
    pub(super) fn work(&mut self) -> Result<Step, Error> {
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

    pub(super) fn new_id(&mut self) -> Result<Step, Error> {
        self.awaiting = Awaiting::NewId;
        Ok(Step::NewId)
    }

    pub(super) fn take_id(&mut self, id: SessionId) -> Result<Step, Error> {
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
    pub(super) fn write_own(&mut self) -> Result<Step, Error> {
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
    pub(super) fn base(&self) -> Record {
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

    pub(super) fn own_written(&mut self, write: Write) -> Result<Step, Error> {
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

    pub(super) fn finish_with_own(&mut self) -> Step {
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
}
