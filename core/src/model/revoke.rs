//! Somebody who ends all sessions of a user: `Shared::end_all`, one verb at a time.

use std::sync::Arc;

use crate::commit::{Commit, Task};
use crate::id::StoreKey;

use super::Broken;
use super::ledger::{Place, Writer};
use super::running::{Fault, Progress, Running, Scene};
use super::world::{Action, POLICY};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Revoke {
    user: Arc<str>,
    pass: u8,
    left: Vec<StoreKey>,
    running: Option<Running>,
    /// The user's sessions that were there when the first pass ended.
    there: Vec<Place>,
    verbs: u8,
    /// A session could not be ended, or nobody knows whether it was: the others are ended, and the answer is an error.
    failed: bool,
    pub(super) over: bool,
}

impl Revoke {
    pub(super) fn new(user: &str) -> Self {
        Revoke {
            user: user.into(),
            pass: 0,
            left: Vec::new(),
            running: None,
            there: Vec::new(),
            verbs: 0,
            failed: false,
            over: false,
        }
    }

    /// What it does next.
    pub(super) fn tell(&self) -> String {
        match (&self.running, self.over) {
            (_, true) => "over".to_owned(),
            (Some(running), _) => running.tell(),
            (None, _) => "list".to_owned(),
        }
    }

    /// What can go wrong at this point.
    pub(super) fn faults(&self, who: usize, actions: &mut Vec<Action>) {
        let unknown = |carried_out| Action::Fail { who, carried_out };
        actions.extend([Action::Crash(who), unknown(false)]);
        if self.running.as_ref().is_some_and(Running::write_is_next) {
            actions.push(unknown(true));
        }
    }

    pub(super) fn crash(&mut self) {
        *self = Revoke {
            over: true,
            ..Revoke::new(&self.user)
        };
    }

    pub(super) fn verb(&mut self, fault: Fault, scene: &mut Scene<'_>) {
        self.verbs += 1;
        let progress = match &mut self.running {
            // Without the list there is nothing to go on with.
            None if fault != Fault::None => return self.crash(),
            None => {
                self.pass += 1;
                self.left = scene.shelf.keys_of_user(&self.user);
                return self.next(scene);
            }
            Some(running) => {
                let writer = Writer {
                    task: Task::Destroy,
                    own: 0,
                };
                running.verb(fault, writer, scene)
            }
        };
        match progress {
            Progress::Waiting => {}
            Progress::Failed => {
                self.failed = true;
                self.next(scene);
            }
            Progress::Finished(_) => self.next(scene),
        }
    }

    fn next(&mut self, scene: &mut Scene<'_>) {
        self.running = None;
        if let Some(key) = self.left.pop() {
            let mut commit = Commit::revoking(self.user.clone(), None, scene.now, &POLICY);
            let first = commit.load(key);
            match Running::new(commit, first, 0, scene) {
                Ok(running) => self.running = Some(running),
                Err(_) => unreachable!("it begins with a load"),
            }
            return;
        }
        if self.pass == 1 {
            self.there = scene.ledger.of_user(&self.user, scene.shelf, scene.now);
            if scene.broken != Some(Broken::ListedAgain) {
                return;
            }
        }
        if !self.failed || scene.broken == Some(Broken::FailureOfARevokeTold) {
            scene
                .ledger
                .promised_over(&self.there, scene.shelf, scene.now);
        }
        scene.ledger.count_verbs(self.verbs, 40);
        self.crash();
    }
}
