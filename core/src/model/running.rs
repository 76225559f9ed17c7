//! A commit that is run against the store of the model, as `Shared::run` does it, one verb at a time.

use crate::clock::Timestamp;
use crate::commit::{Commit, Done, Reply, Step};
use crate::error::Error;
use crate::record::Found;
use crate::store::{Deletion, Write};

use super::Broken;
use super::browser::Browser;
use super::ledger::{Ledger, Writer};
use super::shelf::{Gist, Shelf, gist};
use super::start::{key, session_id};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Unknown {
        carried_out: bool,
    },
    LateConflict,
    /// Nobody waits for the response any more.
    Left,
}

/// What a verb of somebody may touch.
pub(super) struct Scene<'a> {
    pub(super) who: u8,
    pub(super) now: Timestamp,
    pub(super) shelf: &'a mut Shelf,
    pub(super) ledger: &'a mut Ledger,
    pub(super) browser: &'a mut Browser,
    pub(super) lagging: bool,
    pub(super) others: u8,
    pub(super) broken: Option<Broken>,
}

/// A commit on its way, and the verb that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    commit: Commit<'static>,
    step: Step,
    /// The record was written; the index of users is to follow before the store answers this.
    indexing: Option<Write>,
    tombstone_is_next: bool,
    /// How many ids its request has made.
    pub(super) ids: u8,
}

/// The step follows from the commit.
impl std::hash::Hash for Running {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.commit, self.indexing.is_some(), self.ids).hash(state);
    }
}

#[derive(Debug)]
pub(super) enum Progress {
    Waiting,
    /// How, and what it left.
    Finished(Box<(Done, Found)>),
    Failed,
}

impl Running {
    /// Takes a commit up to its first verb; without any, to its end.
    pub(super) fn new(
        mut commit: Commit<'static>,
        first: Result<Step, Error>,
        ids: u8,
        scene: &Scene<'_>,
    ) -> Result<Self, Progress> {
        if let Some(Broken::Commit(clause)) = scene.broken {
            commit.broken = Some(clause);
        }
        let mut running = Running {
            commit,
            step: Step::NewId,
            indexing: None,
            tombstone_is_next: false,
            ids,
        };
        match running.take(first, scene) {
            Progress::Waiting => Ok(running),
            end => Err(end),
        }
    }

    pub(super) fn tell(&self) -> String {
        let mut told = match &self.step {
            Step::Put(key, expect, entry) => {
                format!("put {key:?} if {expect:?}: {:?}", gist(key, entry))
            }
            step => format!("{step:?}"),
        };
        for number in (0..64).chain(200..204) {
            told = told.replace(&format!("{:?}", key(number)), &format!("key {number}"));
        }
        if self.indexing.is_some() {
            told += " (its index)";
        }
        told
    }

    pub(super) fn tombstone_is_next(&self) -> bool {
        self.tombstone_is_next
    }

    pub(super) fn write_is_next(&self) -> bool {
        matches!(self.step, Step::Put(..) | Step::Delete(..))
    }

    /// Has the next verb carried out, and goes on to the one after it.
    pub(super) fn verb(&mut self, fault: Fault, by: Writer, scene: &mut Scene<'_>) -> Progress {
        let carried_out = fault != Fault::Unknown { carried_out: false };
        let reply = match carried_out {
            true => self.carry_out(fault, by, scene),
            false => None,
        };
        let reply = match (fault, reply) {
            (Fault::Unknown { .. }, _) if scene.broken == Some(Broken::NeverResent) => {
                self.carry_out(Fault::LateConflict, by, scene)
            }
            (Fault::Unknown { .. }, _) => {
                if scene.broken == Some(Broken::NothingDeletedForUnknown)
                    && let Some((key, version)) = self.commit.leftover()
                {
                    let _ = scene.shelf.delete(&key, &version);
                }
                return Progress::Failed;
            }
            (Fault::LateConflict, Some(Reply::Put(Write::Done(_)))) => {
                Some(Reply::Put(Write::Conflict))
            }
            (_, reply) => reply,
        };
        let Some(reply) = reply else {
            return Progress::Waiting;
        };
        if scene.broken != Some(Broken::TimeOfTheVerb) {
            self.commit.at(scene.now);
        }
        let next = self.commit.resume(reply);
        self.take(next, scene)
    }

    /// `None` if the record was written, and the index is to follow.
    fn carry_out(&mut self, fault: Fault, by: Writer, scene: &mut Scene<'_>) -> Option<Reply> {
        let now = match scene.broken {
            Some(Broken::TimeOfTheVerb) => self.commit.now(),
            _ => scene.now,
        };
        match &self.step {
            Step::NewId | Step::Finished(_) => unreachable!("these are no verbs"),
            Step::Load(key) => Some(Reply::Loaded(scene.shelf.load(key))),
            Step::Put(key, expect, entry) => {
                let named = entry.user.clone().map(|user| (user, key.clone()));
                if let Some(write) = self.indexing.take() {
                    scene.shelf.index.extend(named);
                    return Some(Reply::Put(write));
                }
                let before = scene.shelf.gist(key, now).cloned();
                let write = scene.shelf.put(key.clone(), expect, entry.clone(), now);
                if write != Write::Conflict {
                    let after = gist(key, entry);
                    scene
                        .ledger
                        .wrote(key.clone(), before.as_ref(), &after, by, scene.shelf, now);
                    let lags = named
                        .as_ref()
                        .is_some_and(|named| !scene.shelf.index.contains(named));
                    if lags && scene.lagging && fault == Fault::None {
                        self.indexing = Some(write);
                        return None;
                    }
                    scene.shelf.index.extend(named);
                }
                Some(Reply::Put(write))
            }
            Step::Delete(key, version) => {
                let before = scene.shelf.gist(key, now).cloned();
                let deletion = scene.shelf.delete(key, version);
                if deletion == Deletion::Done {
                    scene.ledger.deleted(key, before.as_ref(), by.task);
                }
                Some(Reply::Deleted(deletion))
            }
        }
    }

    fn take(&mut self, step: Result<Step, Error>, scene: &Scene<'_>) -> Progress {
        let mut step = step;
        loop {
            match step {
                Ok(Step::NewId) => {
                    self.ids += 1;
                    let id = session_id(16 * (scene.who + 1) + self.ids);
                    step = self.commit.resume(Reply::NewId(id));
                }
                Ok(Step::Finished(end)) => {
                    let done = self.commit.done(end);
                    return Progress::Finished(Box::new((done, self.commit.take_found())));
                }
                Ok(verb) => {
                    self.tombstone_is_next = matches!(
                        &verb,
                        Step::Put(key, _, entry) if matches!(gist(key, entry), Gist::Tombstone { .. })
                    );
                    self.step = verb;
                    return Progress::Waiting;
                }
                Err(_) => return Progress::Failed,
            }
        }
    }
}
