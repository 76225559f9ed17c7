//! A state of the model: what is stored, and how far everybody has come.

mod tell;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::layout::Layout;
use crate::lifecycle::Policy;

use super::browser::Browser;
use super::ledger::Ledger;
use super::request::Request;
use super::revoke::Revoke;
use super::running::{Fault, Scene};
use super::shelf::Shelf;
use super::start::{Beginning, Cookies, Start};
use super::{Broken, NOON, Part, SOON};

/// Cookies outlive the browser, so that they are sent again when the deadline moves: one reason more to send a wrong one.
pub(super) const POLICY: Policy = Policy {
    lifetime: Duration::from_secs(1000),
    absolute_lifetime: None,
    permanent: true,
    size_limit: 1 << 16,
    layout: Layout::Native,
    leaving: false,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: Timestamp,
    shelf: Shelf,
    pub(super) ledger: Ledger,
    pub(super) browser: Browser,
    actors: Vec<Actor>,
    faults_left: u8,
    nothing_failed: bool,
    /// Whether the index of users may lag. It matters to nobody but a revoke.
    lagging: bool,
    /// Only what goes wrong in the browser is held against anybody.
    pub(super) seen_by_the_browser_only: bool,
    broken: Option<Broken>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Request(Box<Request>),
    Revoke(Box<Revoke>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The next verb of somebody.
    Verb(usize),
    /// The same, but its result is unknown.
    Fail { who: usize, carried_out: bool },
    /// A tombstone is written, but the store says that it is not.
    LateConflict(usize),
    /// It is given up: its process dies, or the runtime ends.
    Crash(usize),
    /// The client of a request leaves while the handler is at work, and what must happen all the same does, unattended. One
    /// that leaves later changes nothing: the request is closed to its end, and only its response gets lost.
    Leave(usize),
    /// The browser gets one of the responses that are on the wire.
    Deliver(usize),
    /// A request that follows others is sent, with the cookie that the browser has.
    Send(usize),
    /// The deadline of the session that was there from the beginning passes.
    Tick,
}

impl World {
    pub(super) fn new(
        start: Start,
        cast: &[Part],
        faults: u8,
        cookies: Cookies,
        broken: Option<Broken>,
    ) -> Self {
        let Beginning {
            shelf,
            ledger,
            mut browser,
            cookie,
        } = start.set_up(cookies, broken);
        let actors = cast
            .iter()
            .map(|part| match part {
                Part::Request(program) => {
                    Actor::Request(Box::new(Request::new(*program, cookie.clone())))
                }
                Part::FollowUp(program) => Actor::Request(Box::new(Request::following(*program))),
                Part::Revoke(user) => Actor::Revoke(Box::new(Revoke::new(user))),
            })
            .collect();
        let entitled = cast.iter().filter(|part| match part {
            Part::Request(program) | Part::FollowUp(program) => program.wants_new_id(),
            Part::Revoke(_) => false,
        });
        browser.entitled += entitled.count() as u8;
        World {
            now: NOON,
            shelf,
            ledger,
            browser,
            actors,
            faults_left: faults,
            nothing_failed: true,
            lagging: cast.iter().any(|part| matches!(part, Part::Revoke(_))),
            seen_by_the_browser_only: false,
            broken,
        }
    }

    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        if !self.ledger.wrongs.is_empty() {
            return;
        }
        let open = |actor: &Actor| match actor {
            Actor::Request(request) => !request.is_over(),
            Actor::Revoke(revoke) => !revoke.over,
        };
        for (who, actor) in self
            .actors
            .iter()
            .enumerate()
            .filter(|(_, actor)| open(actor))
        {
            if is_unsent(actor) {
                actions.push(Action::Send(who));
                continue;
            }
            actions.push(Action::Verb(who));
            if self.faults_left == 0 {
                continue;
            }
            match actor {
                Actor::Request(request) => request.faults(who, actions),
                Actor::Revoke(revoke) => revoke.faults(who, actions),
            }
        }
        if self.now == NOON && self.actors.iter().any(open) {
            actions.push(Action::Tick);
        }
        // What the browser has matters to nobody else until it sends a request: so it is enough to deliver before that,
        // and at the end. After a failure nothing is promised about what the browser is left with.
        let at_the_end =
            !self.actors.iter().any(open) && self.nothing_failed && !self.browser.failed;
        if self.actors.iter().any(is_unsent) || at_the_end {
            actions.extend((0..self.browser.awaited()).map(Action::Deliver));
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        let (who, fault) = match action {
            Action::Deliver(at) => {
                self.browser.deliver(at);
                return self.audit();
            }
            Action::Send(who) => {
                if let Actor::Request(request) = &mut self.actors[who] {
                    request.send(self.browser.cookie.clone());
                }
                return self.audit();
            }
            Action::Tick => {
                self.now = NOON + SOON * 2;
                self.ledger.ticked(&self.shelf, NOON, self.now);
                return self.audit();
            }
            Action::Crash(who) => {
                self.failed();
                match &mut self.actors[who] {
                    Actor::Request(request) => request.crash(),
                    Actor::Revoke(revoke) => revoke.crash(),
                }
                return self.audit();
            }
            Action::Verb(who) => (who, Fault::None),
            Action::Leave(who) => {
                self.failed();
                (who, Fault::Left)
            }
            Action::Fail { who, carried_out } => {
                self.failed();
                (who, Fault::Unknown { carried_out })
            }
            Action::LateConflict(who) => {
                self.failed();
                (who, Fault::LateConflict)
            }
        };
        let mut scene = Scene {
            who: who as u8,
            now: self.now,
            shelf: &mut self.shelf,
            ledger: &mut self.ledger,
            browser: &mut self.browser,
            lagging: self.lagging,
            others: self.actors.len() as u8 - 1,
            broken: self.broken,
        };
        match &mut self.actors[who] {
            Actor::Request(request) if fault == Fault::Left => request.leave(&mut scene),
            Actor::Request(request) => request.verb(fault, &mut scene),
            Actor::Revoke(revoke) => revoke.verb(fault, &mut scene),
        }
        self.audit();
    }

    fn failed(&mut self) {
        self.faults_left -= 1;
        self.nothing_failed = false;
    }

    fn audit(&mut self) {
        self.ledger.audit(&self.shelf, self.now);
        let wrong = self.browser.audit(&self.ledger, &self.shelf, self.now);
        self.ledger.wrongs.extend(wrong);
        let over = |actor: &Actor| match actor {
            Actor::Request(request) => request.is_over(),
            Actor::Revoke(revoke) => revoke.over,
        };
        if self.actors.iter().all(over) {
            self.ledger
                .audit_the_end(&self.shelf, self.now, self.nothing_failed);
            if self.browser.awaited() == 0 && self.nothing_failed {
                let wrong = self
                    .browser
                    .audit_the_end(&self.ledger, &self.shelf, self.now);
                self.ledger.wrongs.extend(wrong);
            }
        }
        if self.seen_by_the_browser_only {
            self.ledger.wrongs.retain(|wrong| wrong.is_the_browsers());
        }
    }
}

fn is_unsent(actor: &Actor) -> bool {
    matches!(actor, Actor::Request(request) if request.is_unsent())
}

/// For what cannot be helped.
impl World {
    /// Whether all is over and delivered, nothing failed, and the browser has the id of a session that moved on.
    pub(super) fn leaves_a_dead_id(&self) -> bool {
        let over = |actor: &Actor| match actor {
            Actor::Request(request) => request.is_over(),
            Actor::Revoke(revoke) => revoke.over,
        };
        self.actors.iter().all(over)
            && self.nothing_failed
            && self.browser.awaited() == 0
            && self
                .browser
                .is_left_behind(&self.ledger, &self.shelf, self.now)
    }
}
