//! Finding what is wrong.

use crate::clock::Timestamp;
use crate::commit::{Done, Task};

use super::super::request::Sent;
use super::super::shelf::{Gist, Shelf};
use super::super::wrong::Wrong;
use super::{Ledger, Ops, Place, Report, ops};

impl Ledger {
    /// A commit ended, and so did its last verb: is it as it says?
    pub(in crate::model) fn finished(
        &mut self,
        report: &Report<'_>,
        shelf: &Shelf,
        now: Timestamp,
    ) {
        let walk = |log_in| {
            let place = report.place?;
            self.walk(place, log_in, shelf, now)
        };
        let wrong = match (report.task, report.done, report.live) {
            (_, Done::NewId(_), Some(live)) if self.revoked.contains(&live.key) => {
                self.ended |= report.own;
                None
            }
            (
                Task::Update | Task::Regenerate,
                Done::Updated { .. } | Done::NewId(_),
                Some(live),
            ) => {
                (walk(None) != Some(live.key.clone()) && !report.late).then_some(Wrong::LostUpdate)
            }
            (Task::Update | Task::Regenerate, _, _) => {
                walk(None).is_some().then_some(Wrong::LostUpdate)
            }
            (Task::Destroy, _, _) => walk(None).is_some().then_some(Wrong::OkNotDone),
            (Task::LogIn | Task::Create, Done::NewId(_), Some(live)) => {
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
            (Task::LogIn | Task::Create, _, _) => Some(Wrong::OkNotDone),
        };
        self.wrongs.extend(wrong);
        if let (Done::Updated { .. } | Done::NewId(_), Some(live)) = (report.done, report.live) {
            self.acked |= report.own;
            self.official.insert(live.key.clone());
            self.watch((live.key.clone(), live.record.user.clone()));
        }
    }

    /// These are over, and it was said so.
    pub(in crate::model) fn promised_over(
        &mut self,
        places: &[Place],
        shelf: &Shelf,
        now: Timestamp,
    ) {
        for place in places {
            if self.walk(place, None, shelf, now).is_some() {
                self.wrong(Wrong::OkNotDone);
            }
            self.watch(place.clone());
        }
    }

    /// A request is answered.
    pub(in crate::model) fn answered(
        &mut self,
        ok: bool,
        cookie: Sent,
        allowed: &[Sent],
        late: bool,
        shelf: &Shelf,
        now: Timestamp,
    ) {
        let dead = match &cookie {
            Sent::Set(key) => {
                let there = matches!(shelf.gist(key, now), Some(Gist::Record { .. }));
                !there && !late && !self.revoked.contains(key)
            }
            Sent::Nothing | Sent::Remove => false,
        };
        if ok && (dead || !allowed.contains(&cookie)) {
            self.wrong(Wrong::BadCookie);
        }
    }

    pub(in crate::model) fn count_verbs(&mut self, verbs: u8, bound: u8) {
        if verbs > bound {
            self.wrong(Wrong::TooManyVerbs);
        }
    }

    /// Looks at everything, after an action.
    pub(in crate::model) fn audit(&mut self, shelf: &Shelf, now: Timestamp) {
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
    pub(in crate::model) fn audit_the_end(
        &mut self,
        shelf: &Shelf,
        now: Timestamp,
        nothing_failed: bool,
    ) {
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
