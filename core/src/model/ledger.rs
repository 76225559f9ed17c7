//! What an observer who sees everything writes down: which operations were answered, which sessions were replaced by
//! which, who was promised what. With it the invariants are exact.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::commit::{Done, Task};
use crate::id::StoreKey;

use super::browser::Cookie;
use super::request::Sent;
use super::shelf::{Gist, Shelf, User};

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wrong {
    /// A session that was over, destroyed, revoked, expired or another user's, is there again, or its data is.
    Resurrected,
    /// An operation whose request was answered is in no session, though that session was not ended; or a request was
    /// told that its session is over while it is not.
    LostUpdate,
    /// An operation was applied twice to one session.
    DoubledUpdate,
    /// One session can be reached under two ids.
    TwoLiveIds,
    /// Nobody crashed and nothing failed, but a record is left whose id nobody was told.
    Orphan,
    /// An operation of a request about one user's session is in another's, or in a fresh session that is not its own.
    CrossUser,
    /// A destroy, a revoke or a log-in was answered, but it is not so.
    OkNotDone,
    /// A response sets the cookie of a dead session, or says something about the cookie that it must not say.
    BadCookie,
    /// A request asked the store more often than others can have been in its way.
    TooManyVerbs,
    /// The responses were delivered in the order in which they were answered, nothing failed, and yet the browser is
    /// left with the id of a session that moved on.
    DeadCookie,
    /// At most one request was entitled to a new id, nothing failed, and yet the browser does not have the live id in
    /// the end, in some order of the responses; though no session was ended, or though it has another live one.
    CookieOverwritten,
    /// The browser has an id that leads to another user than the one for whom it was sent.
    AnotherUsersCookie,
    /// A request that follows with the browser's cookie sees another user's data, or does not see what was answered as
    /// done in the one session there is.
    NotSeen,
}

impl Wrong {
    /// The name of the property that it breaks.
    pub(super) fn name(self) -> &'static str {
        match self {
            Wrong::Resurrected => "Resurrected",
            Wrong::LostUpdate => "LostUpdate",
            Wrong::DoubledUpdate => "DoubledUpdate",
            Wrong::TwoLiveIds => "TwoLiveIds",
            Wrong::Orphan => "Orphan",
            Wrong::CrossUser => "CrossUser",
            Wrong::OkNotDone => "OkNotDone",
            Wrong::BadCookie => "BadCookie",
            Wrong::TooManyVerbs => "TooManyVerbs",
            Wrong::DeadCookie => "DeadCookie",
            Wrong::CookieOverwritten => "CookieOverwritten",
            Wrong::AnotherUsersCookie => "AnotherUsersCookie",
            Wrong::NotSeen => "NotSeen",
        }
    }

    /// Whether it is found when responses are delivered.
    pub(super) fn is_the_browsers(self) -> bool {
        use Wrong::{AnotherUsersCookie, CookieOverwritten, DeadCookie, NotSeen};
        matches!(
            self,
            DeadCookie | CookieOverwritten | AnotherUsersCookie | NotSeen
        )
    }
}

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
    /// For whom an operation was made.
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
                    let fits = match self.made_for.get(op) {
                        Some(for_user) if for_user == user => true,
                        // What an anonymous visitor did is kept when they log in; but a request that knows of no log-in
                        // does not write it there.
                        Some(None) => {
                            by.own & bit(*op) == 0 || matches!(by.task, Task::LogIn | Task::Create)
                        }
                        _ => false,
                    };
                    if !fits {
                        self.wrong(Wrong::CrossUser);
                    }
                }
            }
            Gist::Tombstone { successor, user } => {
                self.links.insert(key, (*successor, user.clone()));
                self.official.insert(*successor);
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
                self.ended_at.insert(*key);
            }
            (Task::Destroy, false) => {
                self.revoked.insert(*key);
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
                self.ended_at.insert(*key);
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
            key = *successor;
        }
        match shelf.gist(&key, now)? {
            Gist::Record { user, .. } if accepts(user) => Some(key),
            _ => None,
        }
    }

    /// By what a place's id was replaced.
    pub(super) fn successor(&self, place: &Place) -> Option<StoreKey> {
        self.links.get(&place.0).map(|(successor, _)| *successor)
    }

    /// The sessions of a user.
    pub(super) fn of_user(&self, user: &str, shelf: &Shelf, now: Timestamp) -> Vec<Place> {
        shelf
            .records(now)
            .filter(|(key, of, _)| of.as_deref() == Some(user) && self.official.contains(key))
            .map(|(key, of, _)| (*key, of.clone()))
            .collect()
    }

    /// A commit ended, and so did its last verb: is it as it says?
    pub(super) fn finished(&mut self, report: &Report<'_>, shelf: &Shelf, now: Timestamp) {
        let walk = |log_in| {
            let place = report.place?;
            self.walk(place, log_in, shelf, now)
        };
        let wrong = match (report.task, report.done) {
            (_, Done::NewId { live, .. }) if self.revoked.contains(&live.key) => {
                self.ended |= report.own;
                None
            }
            (
                Task::Update | Task::Regenerate,
                Done::Updated { live, .. } | Done::NewId { live, .. },
            ) => (walk(None) != Some(live.key) && !report.late).then_some(Wrong::LostUpdate),
            (Task::Update | Task::Regenerate, _) => {
                walk(None).is_some().then_some(Wrong::LostUpdate)
            }
            (Task::Destroy, _) => walk(None).is_some().then_some(Wrong::OkNotDone),
            (Task::LogIn | Task::Create, Done::NewId { live, .. }) => {
                let there = shelf.gist(&live.key, now);
                let continued = match report.task {
                    Task::LogIn => walk(report.log_in),
                    _ => None,
                };
                match (there, continued) {
                    _ if report.late => None,
                    (Some(Gist::Record { user, .. }), _) if user.as_deref() != report.log_in => {
                        Some(Wrong::OkNotDone)
                    }
                    (Some(Gist::Record { log, .. }), None) => {
                        (ops(log) != report.own).then_some(Wrong::CrossUser)
                    }
                    (Some(Gist::Record { .. }), Some(key)) => {
                        (key != live.key).then_some(Wrong::TwoLiveIds)
                    }
                    _ => Some(Wrong::OkNotDone),
                }
            }
            (Task::LogIn | Task::Create, _) => Some(Wrong::OkNotDone),
        };
        self.wrongs.extend(wrong);
        match report.done {
            Done::Updated { live, .. } | Done::NewId { live, .. } => {
                self.acked |= report.own;
                self.official.insert(live.key);
                self.watch((live.key, live.record.user.clone()));
            }
            Done::Destroyed | Done::Over => {}
        }
    }

    /// These are over, and it was said so.
    pub(super) fn promised_over(&mut self, places: &[Place], shelf: &Shelf, now: Timestamp) {
        for place in places {
            if self.walk(place, None, shelf, now).is_some() {
                self.wrong(Wrong::OkNotDone);
            }
            self.watch(place.clone());
        }
    }

    /// A request is answered.
    pub(super) fn answered(
        &mut self,
        ok: bool,
        cookie: Sent,
        allowed: &[Sent],
        late: bool,
        shelf: &Shelf,
        now: Timestamp,
    ) {
        let dead = match cookie {
            Sent::Set(key) => {
                let there = matches!(shelf.gist(&key, now), Some(Gist::Record { .. }));
                !there && !late && !self.revoked.contains(&key)
            }
            Sent::Nothing | Sent::Remove => false,
        };
        if ok && (dead || !allowed.contains(&cookie)) {
            self.wrong(Wrong::BadCookie);
        }
    }

    pub(super) fn count_verbs(&mut self, verbs: u8, bound: u8) {
        if verbs > bound {
            self.wrong(Wrong::TooManyVerbs);
        }
    }

    /// Looks at everything, after an action.
    pub(super) fn audit(&mut self, shelf: &Shelf, now: Timestamp) {
        let watched = std::mem::take(&mut self.watched);
        self.watched = watched
            .into_iter()
            .map(|(place, over)| {
                let alive = self.walk(&place, None, shelf, now).is_some();
                if over && alive {
                    self.wrong(Wrong::Resurrected);
                }
                (place, over || !alive)
            })
            .collect();
        let mut seen: Ops = 0;
        let mut wrongs = Vec::new();
        for (key, _, log) in shelf.records(now) {
            let these = ops(log);
            if these.count_ones() as usize != log.len() {
                wrongs.push(Wrong::DoubledUpdate);
            }
            if self.official.contains(key) {
                if these & self.ended != 0 {
                    wrongs.push(Wrong::Resurrected);
                }
                if these & seen != 0 {
                    wrongs.push(Wrong::TwoLiveIds);
                }
                seen |= these;
            }
        }
        self.wrongs.extend(wrongs);
    }

    /// Looks at what is left when nobody does anything any more.
    pub(super) fn audit_the_end(&mut self, shelf: &Shelf, now: Timestamp, nothing_failed: bool) {
        let mut there: Ops = 0;
        let mut orphan = false;
        for (key, _, log) in shelf.records(now) {
            match self.official.contains(key) {
                true => there |= ops(log),
                false => orphan = true,
            }
        }
        if orphan && nothing_failed {
            self.wrong(Wrong::Orphan);
        }
        if self.acked & !self.ended & !there != 0 {
            self.wrong(Wrong::LostUpdate);
        }
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
}

pub(super) fn bit(op: u8) -> Ops {
    1 << op
}

fn ops(log: &[u8]) -> Ops {
    log.iter().fold(0, |ops, op| ops | bit(*op))
}
