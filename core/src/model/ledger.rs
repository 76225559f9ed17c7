//! What an observer who sees everything writes down: which operations were answered, which sessions were replaced by
//! which, who was promised what. With it the invariants are exact.

mod audit;

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::commit::{Done, Task};
use crate::id::StoreKey;
use crate::record::Live;

use super::browser::Cookie;
use super::shelf::{Gist, Shelf, User};
use super::wrong::Wrong;

/// A session as somebody knows it: the key at which they found it, and its user then.
pub(super) type Place = (StoreKey, User);

/// Operations by their numbers, as bits.
pub(super) type Ops = u32;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ledger {
    pub(super) wrongs: BTreeSet<Wrong>,
    /// Every replacement there ever was: the successor, and the user who was replaced. Tombstones expire; this does not.
    links: BTreeMap<StoreKey, (StoreKey, User)>,
    /// Keys of sessions, apart from records under new ids that have come to nothing yet.
    official: BTreeSet<StoreKey>,
    /// For whom an operation was made, unless its request failed.
    made_for: BTreeMap<u8, User>,
    /// Operations that were answered as done.
    acked: Ops,
    /// Operations whose session was ended.
    ended: Ops,
    /// The ids under which they were when they were ended.
    ended_at: BTreeSet<StoreKey>,
    /// Records under new ids that a revoke ended before they replaced anything: the session that they replace ends with
    /// them, as if the revoke had come a little later.
    revoked: BTreeSet<StoreKey>,
    /// Sessions that are looked at, and whether they were seen to be over.
    watched: BTreeMap<Place, bool>,
}

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) task: Task,
    /// The operations of its own.
    pub(super) own: Ops,
}

impl Ledger {
    pub(super) fn begin(&mut self, key: StoreKey, user: User) {
        self.official.insert(key);
        self.acked |= bit(0);
        self.made_for.insert(0, user);
    }

    /// Notes a replacement that was there from the beginning.
    pub(super) fn replaced(&mut self, key: StoreKey, successor: StoreKey, user: User) {
        self.links.insert(key, (successor, user));
    }

    pub(super) fn made(&mut self, op: u8, user: User) {
        self.made_for.insert(op, user);
    }

    pub(super) fn watch(&mut self, place: Place) {
        self.watched.entry(place).or_insert(false);
    }

    fn wrong(&mut self, wrong: Wrong) {
        self.wrongs.insert(wrong);
    }

    /// Notes a write that was carried out.
    pub(super) fn wrote(
        &mut self,
        key: StoreKey,
        before: Option<&Gist>,
        after: &Gist,
        by: Writer,
        shelf: &Shelf,
        now: Timestamp,
    ) {
        match after {
            Gist::Record { user, log } => {
                for op in log {
                    let logs_in = matches!(by.task, Task::LogIn | Task::Create);
                    match self.made_for.get(op) {
                        Some(for_user) if for_user == user => {}
                        // What an anonymous visitor did is kept when they log in; but a request that knows of no log-in
                        // does not write it there.
                        Some(None) if by.own & bit(*op) == 0 || logs_in => {}
                        Some(_) => self.wrong(Wrong::CrossUser),
                        None => self.wrong(Wrong::NotDropped),
                    }
                }
            }
            Gist::Tombstone { successor, user } => {
                self.links.insert(key, (successor.clone(), user.clone()));
                self.official.insert(successor.clone());
                if self.revoked.contains(successor) {
                    self.ended |= by.own;
                    if let Some(Gist::Record { log, .. }) = before {
                        self.ended |= ops(log);
                    }
                }
                // A log-in as another user ends the session of the one before.
                if let Some(Gist::Record {
                    user: Some(user),
                    log,
                }) = before
                    && let Some(Gist::Record { user: next, .. }) = shelf.gist(successor, now)
                    && next.as_ref() != Some(user)
                {
                    self.ended |= ops(log);
                }
            }
        }
    }

    /// Notes a deletion that was carried out.
    pub(super) fn deleted(&mut self, key: &StoreKey, before: Option<&Gist>, task: Task) {
        let Some(Gist::Record { log, .. }) = before else {
            return;
        };
        match (task, self.official.contains(key)) {
            (Task::Destroy, true) => {
                self.ended |= ops(log);
                self.ended_at.insert(key.clone());
            }
            (Task::Destroy, false) => {
                self.revoked.insert(key.clone());
            }
            _ => {}
        }
    }

    /// Notes that the clock went on.
    pub(super) fn ticked(&mut self, shelf: &Shelf, before: Timestamp, now: Timestamp) {
        let alive: BTreeSet<_> = shelf.records(now).map(|(key, ..)| key).collect();
        for (key, _, log) in shelf.records(before) {
            if self.official.contains(key) && !alive.contains(key) {
                self.ended |= ops(log);
                self.ended_at.insert(key.clone());
            }
        }
    }

    /// Whether the session that had this id was destroyed, revoked or expired, here or after it moved on.
    pub(super) fn was_ended(&self, key: &StoreKey) -> bool {
        let mut key = key;
        while let Some((successor, _)) = self.links.get(key) {
            key = successor;
        }
        self.ended_at.contains(key) || self.revoked.contains(key)
    }

    pub(super) fn any_ended(&self) -> bool {
        !self.ended_at.is_empty() || !self.revoked.is_empty()
    }

    /// A request that follows with the browser's cookie was loaded: does it see what is the visitor's, and all of it?
    pub(super) fn saw(&mut self, cookie: &Cookie, shelf: &Shelf, now: Timestamp) {
        let Some(Gist::Record { user, log }) = shelf.gist(&cookie.key, now) else {
            return;
        };
        let anothers = |op: &u8| match self.made_for.get(op) {
            Some(Some(of)) => Some(of) != user.as_ref(),
            Some(None) => false,
            None => true,
        };
        let sessions = shelf
            .records(now)
            .filter(|(key, ..)| self.official.contains(*key));
        let missing = sessions.count() == 1 && self.acked & !self.ended & !ops(log) != 0;
        if *user != cookie.user || log.iter().any(anothers) || missing {
            self.wrong(Wrong::NotSeen);
        }
    }

    /// Where the session of a place is now, by all the replacements there were; `None` if it is over. For a log-in it
    /// may have become that user's on the way.
    pub(super) fn walk(
        &self,
        place: &Place,
        log_in: Option<&str>,
        shelf: &Shelf,
        now: Timestamp,
    ) -> Option<StoreKey> {
        let (mut key, mut user) = place.clone();
        let mut accepts = |then: &User| {
            if then.is_some() && then.as_deref() == log_in {
                user.clone_from(then);
            }
            *then == user
        };
        while let Some((successor, replaced)) = self.links.get(&key) {
            if !accepts(replaced) {
                return None;
            }
            key = successor.clone();
        }
        match shelf.gist(&key, now)? {
            Gist::Record { user, .. } if accepts(user) => Some(key),
            _ => None,
        }
    }

    /// By what a place's id was replaced.
    pub(super) fn successor(&self, place: &Place) -> Option<StoreKey> {
        self.links
            .get(&place.0)
            .map(|(successor, _)| successor.clone())
    }

    /// The sessions of a user.
    pub(super) fn of_user(&self, user: &str, shelf: &Shelf, now: Timestamp) -> Vec<Place> {
        shelf
            .records(now)
            .filter(|(key, of, _)| of.as_deref() == Some(user) && self.official.contains(key))
            .map(|(key, of, _)| (key.clone(), of.clone()))
            .collect()
    }
}

/// How a commit ended.
pub(super) struct Report<'a> {
    pub(super) task: Task,
    pub(super) place: Option<&'a Place>,
    pub(super) log_in: Option<&'a str>,
    pub(super) own: Ops,
    /// The store said that a replacement was refused, though it was carried out: others may have followed it meanwhile.
    pub(super) late: bool,
    pub(super) done: &'a Done,
    /// The session that it left.
    pub(super) live: Option<&'a Live>,
}

pub(super) fn bit(op: u8) -> Ops {
    1 << op
}

fn ops(log: &[u8]) -> Ops {
    log.iter().fold(0, |ops, op| ops | bit(*op))
}
