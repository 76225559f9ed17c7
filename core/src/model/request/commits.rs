//! A request's commits, and its answer.

use crate::closing::{self, IdAfter};
use crate::commit::{Commit, Done, Task};
use crate::lifecycle::{Fate, Wish};
use crate::record::Found;
use crate::slot::CookieDue;

use super::super::Broken;
use super::super::ledger::{Ops, Report};
use super::super::running::{Progress, Running, Scene};
use super::super::world::POLICY;
use super::{Committing, Phase, Request, Sent};

impl Request {
    pub(super) fn start(
        &mut self,
        task: Task,
        then: Option<Task>,
        wish: Wish,
        own: Ops,
        scene: &mut Scene<'_>,
    ) {
        let (commit, first) = Commit::begun(task, &self.found, &wish, scene.now, &POLICY);
        let begun = Running::new(commit, first, self.ids, scene);
        match begun {
            Ok(running) => {
                self.ids = running.ids;
                self.phase = Phase::Committing(Box::new(Committing {
                    running,
                    task,
                    then,
                    wish,
                    own,
                }));
            }
            Err(Progress::Finished(done)) => self.settle(task, then, wish, own, *done, scene),
            Err(_) => self.answer(false, scene),
        }
    }

    pub(super) fn go_on(
        &mut self,
        progress: Progress,
        committing: Box<Committing>,
        scene: &mut Scene<'_>,
    ) {
        match progress {
            Progress::Waiting => self.phase = Phase::Committing(committing),
            Progress::Failed => self.answer(false, scene),
            Progress::Finished(done) => {
                let Committing {
                    task,
                    then,
                    wish,
                    own,
                    ..
                } = *committing;
                self.settle(task, then, wish, own, *done, scene);
            }
        }
    }

    fn settle(
        &mut self,
        task: Task,
        then: Option<Task>,
        wish: Wish,
        own: Ops,
        (done, left): (Done, Found),
        scene: &mut Scene<'_>,
    ) {
        let live = match &left {
            Found::Live(live) => Some(live),
            Found::Nothing(_) | Found::Replaced(_) => None,
        };
        let log_in = match &wish.fate {
            Fate::LogIn(log_in) => Some(&*log_in.user),
            Fate::Stay | Fate::Regenerate => None,
        };
        let report = Report {
            task,
            place: self.place.as_ref(),
            log_in,
            own,
            late: self.late,
            done: &done,
            live,
        };
        scene.ledger.finished(&report, scene.shelf, scene.now);
        match (&done, &self.place, live) {
            (Done::Updated { .. }, Some(place), _) if scene.ledger.successor(place).is_some() => {
                self.allowed = vec![Sent::Nothing];
            }
            (Done::Updated { .. }, _, Some(live)) => {
                self.allowed.push(Sent::Set(live.key.clone()));
            }
            (Done::NewId(_), Some(place), Some(live))
                if task == Task::Regenerate
                    && scene.ledger.successor(place) != Some(live.key.clone()) =>
            {
                self.allowed = vec![Sent::Nothing];
            }
            (Done::NewId(_), _, Some(live)) => {
                self.allowed = vec![Sent::Set(live.key.clone())];
            }
            (Done::Destroyed, _, _) => self.allowed = vec![Sent::Remove],
            (Done::Over, _, _) => self.allowed = vec![Sent::Nothing],
            (Done::Updated { .. } | Done::NewId(_), _, None) => {
                unreachable!("{done:?} leaves a session")
            }
        }
        if let (Task::Destroy, Some(place)) = (task, &self.place) {
            scene
                .ledger
                .promised_over(std::slice::from_ref(place), scene.shelf, scene.now);
        }

        let done = match done {
            Done::Updated { .. } if scene.broken == Some(Broken::NoCookieAfterFollowing) => {
                Done::Updated {
                    deadline_moved: true,
                    followed: false,
                }
            }
            done => done,
        };
        let goes_on = closing::goes_on(&done, &wish.fate)
            || scene.broken == Some(Broken::NothingBeginsAfterOver);
        let begins_after_destroy = then.is_some() && done == Done::Destroyed;
        if begins_after_destroy && !self.program.wants_new_id() {
            scene.browser.entitled += 1;
        }
        let settled = closing::settle(done, &left, &wish.changes, &POLICY, scene.now);
        let kept = scene.broken == Some(Broken::CookieOfSaveDropped);
        match settled.id {
            IdAfter::New(id) => self.id = Some(crate::layout::Layout::Native.store_key(&id)),
            IdAfter::Forgotten if !kept => self.id = None,
            IdAfter::Forgotten | IdAfter::Kept => {}
        }
        match (settled.cookie, self.id.clone()) {
            (Some(CookieDue::Set(_)), Some(id)) => self.due = Sent::Set(id),
            (Some(CookieDue::Remove), _) => self.due = Sent::Remove,
            (Some(_), _) if !kept => self.due = Sent::Nothing,
            _ => {}
        }
        self.found = left;
        self.place = match &self.found {
            Found::Live(live) => Some((live.key.clone(), live.record.user.clone())),
            Found::Nothing(_) | Found::Replaced(_) => None,
        };
        match then {
            // The operations are those of the session that begins now.
            Some(task) if goes_on => {
                let own = self.operations_wished(&wish);
                self.start(task, None, wish, own, scene);
            }
            _ => self.next_segment(scene),
        }
    }

    pub(super) fn next_segment(&mut self, scene: &mut Scene<'_>) {
        self.segment += 1;
        if self.segment < self.program.1.len() && !self.left {
            self.phase = Phase::Between;
            // The handler goes on without a verb.
            self.begin(scene);
        } else {
            self.answer(true, scene);
        }
    }

    fn answer(&mut self, ok: bool, scene: &mut Scene<'_>) {
        scene.ledger.count_verbs(self.verbs, 10 + 6 * scene.others);
        if self.left {
            scene.browser.failed = true;
            return self.end(Phase::Left);
        }
        if self.silent {
            self.allowed = vec![Sent::Nothing];
        }
        scene.ledger.answered(
            ok,
            self.due.clone(),
            &self.allowed,
            self.late,
            scene.shelf,
            scene.now,
        );
        let user = self.place.as_ref().and_then(|(_, user)| user.clone());
        scene
            .browser
            .answered(ok, self.due.clone(), user, self.cookie.clone());
        self.end(Phase::Answered {
            ok,
            sent: self.due.clone(),
        });
    }

    /// What nobody needs any more is forgotten, so that states are the same that differ in it only.
    pub(super) fn end(&mut self, phase: Phase) {
        *self = Request {
            phase,
            ..Request::new(self.program, None)
        };
    }
}
