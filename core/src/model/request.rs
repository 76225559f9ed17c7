//! A request: what `Slot` and `Turn::commit` do, one verb at a time.

mod commits;
mod handler;

use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::closing;
use crate::commit::Task;
use crate::id::StoreKey;
use crate::lifecycle::{Fate, Outcome, Plan, Reason, Wish, plan};
use crate::record::{Absence, Found};

use super::Broken;
use super::browser::Cookie;
use super::ledger::{Ops, Place, Writer, bit};
use super::program::Program;
use super::running::{Fault, Running, Scene};
use super::world::{Action, POLICY};

/// How long after the replacement a request with the old id gets no cookie.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    program: Program,
    segment: usize,
    phase: Phase,
    cookie: Option<StoreKey>,
    /// It followed others, with the cookie that the browser had by then.
    followed: Option<Cookie>,
    /// What it knows of its session, as `State` has it.
    found: Found,
    id: Option<StoreKey>,
    due: Sent,
    /// What its response may say of the cookie.
    allowed: Vec<Sent>,
    /// The session that it is about.
    place: Option<Place>,
    operations: u8,
    ids: u8,
    verbs: u8,
    /// A replacement was carried out, and the store said that it was not.
    late: bool,
    /// It arrived with an id that was just replaced, and has no business with the cookie.
    silent: bool,
    /// Its client left while the handler was at work, so it is closed as a failed one.
    left: bool,
}

impl Hash for Request {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (
            self.program.0,
            self.segment,
            &self.phase,
            &self.found,
            self.id.clone(),
            self.due.clone(),
        )
            .hash(state);
        (
            (self.cookie.clone(), &self.followed),
            &self.allowed,
            &self.place,
            self.operations,
            self.ids,
            self.verbs,
            self.late,
            (self.silent, self.left),
        )
            .hash(state);
    }
}

/// What a response says of the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    Nothing,
    Set(StoreKey),
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// It follows others, and is not sent yet.
    Unsent,
    Arriving,
    /// Nothing is under way; the next segment follows.
    Between,
    Committing(Box<Committing>),
    Answered {
        ok: bool,
        sent: Sent,
    },
    Crashed,
    /// It was closed, and nobody was there for its response.
    Left,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Committing {
    running: Running,
    task: Task,
    then: Option<Task>,
    wish: Wish,
    own: Ops,
}

impl Request {
    pub(super) fn new(program: Program, cookie: Option<StoreKey>) -> Self {
        Request {
            program,
            segment: 0,
            phase: if cookie.is_some() {
                Phase::Arriving
            } else {
                Phase::Between
            },
            cookie,
            followed: None,
            found: Found::Nothing(Absence::NoCookie),
            id: None,
            due: Sent::Nothing,
            allowed: vec![Sent::Nothing],
            place: None,
            operations: 0,
            ids: 0,
            verbs: 0,
            late: false,
            silent: false,
            left: false,
        }
    }

    /// A request that is sent with whatever cookie the browser has by then.
    pub(super) fn following(program: Program) -> Self {
        Request {
            phase: Phase::Unsent,
            ..Request::new(program, None)
        }
    }

    pub(super) fn is_unsent(&self) -> bool {
        self.phase == Phase::Unsent
    }

    pub(super) fn send(&mut self, cookie: Option<Cookie>) {
        *self = Request {
            followed: cookie.clone(),
            ..Request::new(self.program, cookie.map(|cookie| cookie.key))
        };
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.phase,
            Phase::Answered { .. } | Phase::Crashed | Phase::Left
        )
    }

    pub(super) fn name(&self) -> &'static str {
        self.program.0
    }

    /// What it does next, or what it was answered.
    pub(super) fn tell(&self) -> String {
        match &self.phase {
            Phase::Arriving => "load".to_owned(),
            Phase::Committing(committing) => committing.running.tell(),
            phase => format!("{phase:?}"),
        }
    }

    pub(super) fn crash(&mut self) {
        self.end(Phase::Crashed);
    }

    /// The client leaves, and the framework drops the handler.
    pub(super) fn leave(&mut self, scene: &mut Scene<'_>) {
        self.left = true;
        self.begin(scene);
    }

    /// What can go wrong at this point.
    pub(super) fn faults(&self, who: usize, actions: &mut Vec<Action>) {
        let committing = match &self.phase {
            Phase::Between => return actions.push(Action::Leave(who)),
            Phase::Committing(committing) => committing,
            _ => return,
        };
        let unknown = |carried_out| Action::Fail { who, carried_out };
        actions.push(Action::Crash(who));
        actions.push(unknown(false));
        if committing.running.write_is_next() {
            actions.push(unknown(true));
        }
        if committing.running.tombstone_is_next() {
            actions.push(Action::LateConflict(who));
        }
    }

    /// Has the next verb carried out. What needs no verb happens at once.
    pub(super) fn verb(&mut self, fault: Fault, scene: &mut Scene<'_>) {
        self.verbs += 1;
        match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Unsent => unreachable!("it is sent first"),
            Phase::Arriving => self.arrive(scene),
            Phase::Between => {
                self.verbs -= 1;
                self.begin(scene);
            }
            Phase::Committing(mut committing) => {
                self.late |= fault == Fault::LateConflict;
                let writer = Writer {
                    task: committing.task,
                    own: committing.own,
                };
                let progress = committing.running.verb(fault, writer, scene);
                self.ids = committing.running.ids;
                self.go_on(progress, committing, scene);
            }
            over => self.phase = over,
        }
    }

    fn arrive(&mut self, scene: &mut Scene<'_>) {
        let Some(key) = self.cookie.clone() else {
            return;
        };
        if let Some(cookie) = self.followed.take() {
            scene.ledger.saw(&cookie, scene.shelf, scene.now);
        }
        self.found = Found::judge(&POLICY, key.clone(), scene.shelf.load(&key), scene.now);
        self.id = Some(key.clone());
        self.place = match &self.found {
            Found::Live(live) => Some((key, live.record.user.clone())),
            Found::Replaced(tombstone) => Some((key, tombstone.user.clone())),
            Found::Nothing(_) => None,
        };
        if scene.broken == Some(Broken::ReplacedIsKnown) && matches!(self.found, Found::Replaced(_))
        {
            self.found = Found::Nothing(Absence::Unknown);
        }
    }

    /// Runs the handler up to the next save, or to its end, and begins to carry out what it wished.
    fn begin(&mut self, scene: &mut Scene<'_>) {
        let mut wish = Wish::default();
        let mut own = self.handle(&mut wish, scene);
        self.count_as_entitled(&wish, own, scene);
        if let Found::Replaced(tombstone) = &self.found {
            let ago = scene.now.since(tombstone.replaced);
            let speaks = wish.destroy || matches!(wish.fate, Fate::LogIn(_));
            self.silent = ago < GRACE && !speaks;
        }
        let outcome = match self.left && scene.broken != Some(Broken::DroppedWhenFailed) {
            true => Outcome::Failed,
            false => Outcome::Succeeded,
        };
        let decided = plan(&self.found, &wish, outcome, scene.now, &POLICY);
        let decided = match decided {
            Plan::Delete { .. } if self.left && scene.broken == Some(Broken::LogOutFinished) => {
                Plan::Keep
            }
            Plan::Forget(Reason::IdReplaced) if scene.broken == Some(Broken::Grace) => Plan::Create,
            Plan::Create => {
                if !matches!(wish.fate, Fate::LogIn(_)) {
                    // What arrived with an id that nobody knows any more is an anonymous visitor's.
                    (0..32)
                        .filter(|op| own & bit(*op) != 0)
                        .for_each(|op| scene.ledger.made(op, None));
                }
                Plan::Create
            }
            Plan::Touch(deadline) => {
                if let Found::Live(live) = &mut self.found {
                    self.verbs += 1;
                    scene
                        .shelf
                        .touch(&live.key, &live.version, deadline, scene.now);
                    live.deadline = deadline;
                }
                Plan::Touch(deadline)
            }
            decided => decided,
        };
        let mut tasks = closing::tasks(decided, &wish.fate).iter().copied();
        match tasks.next() {
            None => {
                if let (true, Some(place)) = (wish.destroy, &self.place) {
                    scene
                        .ledger
                        .promised_over(std::slice::from_ref(place), scene.shelf, scene.now);
                }
                self.next_segment(scene);
            }
            Some(task) => {
                if matches!(decided, Plan::Delete { .. }) {
                    self.due = Sent::Remove;
                    own = 0;
                }
                self.start(task, tasks.next(), wish, own, scene);
            }
        }
    }
}
