//! A request: what `Slot` and `Visit::commit` do, one verb at a time.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::changes::Update;
use crate::closing::{self, IdAfter};
use crate::commit::{Commit, Done, Task};
use crate::id::StoreKey;
use crate::lifecycle::{Fate, Outcome, Plan, Reason, Wish, plan};
use crate::payload::Payload;
use crate::record::{Absence, Found};
use crate::slot::CookieDue;

use super::Broken;
use super::browser::Cookie;
use super::ledger::{Ops, Place, Report, Writer, bit};
use super::running::{Fault, Progress, Running, Scene};
use super::shelf::User;
use super::world::{Action, POLICY};

/// What a handler does: in each segment some deeds, then a save, or after the last one the end of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program(
    pub(super) &'static str,
    pub(super) &'static [&'static [Deed]],
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Appends the number of this operation to the session's log.
    Append,
    Regenerate,
    LogIn(&'static str),
    Destroy,
}

impl Program {
    /// Whether its response may carry a new id, even if it finds its session.
    pub(super) fn wants_new_id(self) -> bool {
        let wants = |deed: &Deed| matches!(deed, Regenerate | LogIn(_));
        self.1.iter().copied().flatten().any(wants)
    }
}

use Deed::{Append, Destroy, LogIn, Regenerate};

pub(super) const READ: Program = Program("read", &[&[]]);
pub(super) const DATA: Program = Program("data", &[&[Append]]);
pub(super) const REGENERATE: Program = Program("regenerate", &[&[Regenerate, Append]]);
pub(super) const LOG_IN_U: Program = Program("log in as u", &[&[Append, LogIn("u"), Append]]);
pub(super) const LOG_IN_V: Program = Program("log in as v", &[&[Append, LogIn("v"), Append]]);
pub(super) const DESTROY: Program = Program("destroy", &[&[Destroy]]);
pub(super) const DESTROY_LOG_IN: Program =
    Program("destroy, log in as u", &[&[Destroy, LogIn("u"), Append]]);
pub(super) const SAVE_DATA: Program = Program("data, save, data", &[&[Append], &[Append]]);
pub(super) const SAVE_REGENERATE: Program =
    Program("regenerate, save, data", &[&[Regenerate], &[Append]]);
pub(super) const SAVE_LOG_IN: Program = Program(
    "log in as u, save, data",
    &[&[LogIn("u"), Append], &[Append]],
);

pub(super) const PROGRAMS: [Program; 10] = [
    READ,
    DATA,
    REGENERATE,
    LOG_IN_U,
    LOG_IN_V,
    DESTROY,
    DESTROY_LOG_IN,
    SAVE_DATA,
    SAVE_REGENERATE,
    SAVE_LOG_IN,
];

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
}

impl Hash for Request {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (
            self.program.0,
            self.segment,
            &self.phase,
            &self.found,
            self.id,
            self.due,
        )
            .hash(state);
        (
            (self.cookie, &self.followed),
            &self.allowed,
            &self.place,
            self.operations,
            self.ids,
            self.verbs,
            self.late,
            self.silent,
        )
            .hash(state);
    }
}

/// What a response says of the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        matches!(self.phase, Phase::Answered { .. } | Phase::Crashed)
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

    /// What can go wrong at this point.
    pub(super) fn faults(&self, who: usize, actions: &mut Vec<Action>) {
        let Phase::Committing(committing) = &self.phase else {
            return;
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
        let Some(key) = self.cookie else { return };
        if let Some(cookie) = self.followed.take() {
            scene.ledger.saw(&cookie, scene.shelf, scene.now);
        }
        self.found = Found::judge(key, scene.shelf.load(&key), scene.now, POLICY.size_limit);
        self.id = Some(key);
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
        self.count_as_entitled(own, scene);
        if let Found::Replaced(tombstone) = &self.found {
            let ago = scene.now.since(tombstone.replaced);
            let speaks = wish.destroy || matches!(wish.fate, Fate::LogIn(_));
            self.silent = ago < GRACE && !speaks;
        }
        let decided = plan(&self.found, &wish, Outcome::Succeeded, scene.now, &POLICY);
        let decided = match decided {
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

    /// A request that begins a session is entitled to a new id, though not with an id that was just replaced, nor after a
    /// save that found its session gone.
    fn count_as_entitled(&self, own: Ops, scene: &mut Scene<'_>) {
        let begins = match &self.found {
            Found::Nothing(absence) => *absence != Absence::Ended,
            Found::Replaced(tombstone) => scene.now.since(tombstone.replaced) >= GRACE,
            Found::Live(_) => false,
        };
        if begins && own != 0 && !self.program.wants_new_id() {
            scene.browser.entitled += 1;
        }
    }

    fn start(
        &mut self,
        task: Task,
        then: Option<Task>,
        wish: Wish,
        own: Ops,
        scene: &mut Scene<'_>,
    ) {
        let (commit, first) = Commit::begun(task, &self.found, &wish, scene.now, POLICY);
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

    fn go_on(&mut self, progress: Progress, committing: Box<Committing>, scene: &mut Scene<'_>) {
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
        done: Done,
        scene: &mut Scene<'_>,
    ) {
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
        };
        scene.ledger.finished(&report, scene.shelf, scene.now);
        match (&done, &self.place) {
            (Done::Updated { .. }, Some(place)) if scene.ledger.successor(place).is_some() => {
                self.allowed = vec![Sent::Nothing];
            }
            (Done::Updated { live, .. }, _) => self.allowed.push(Sent::Set(live.key)),
            (Done::NewId { live, .. }, Some(place))
                if task == Task::Regenerate && scene.ledger.successor(place) != Some(live.key) =>
            {
                self.allowed = vec![Sent::Nothing];
            }
            (Done::NewId { live, .. }, _) => self.allowed = vec![Sent::Set(live.key)],
            (Done::Destroyed, _) => self.allowed = vec![Sent::Remove],
            (Done::Over, _) => self.allowed = vec![Sent::Nothing],
        }
        if let (Task::Destroy, Some(place)) = (task, &self.place) {
            scene
                .ledger
                .promised_over(std::slice::from_ref(place), scene.shelf, scene.now);
        }

        let done = match done {
            Done::Updated { live, .. } if scene.broken == Some(Broken::NoCookieAfterFollowing) => {
                Done::Updated {
                    live,
                    deadline_moved: true,
                    followed: false,
                }
            }
            done => done,
        };
        let settled = closing::settle(done, &wish.changes, &POLICY, scene.now);
        let kept = scene.broken == Some(Broken::CookieOfSaveDropped);
        match settled.id {
            IdAfter::New(id) => self.id = Some(crate::layout::store_key(&id)),
            IdAfter::Forgotten if !kept => self.id = None,
            IdAfter::Forgotten | IdAfter::Kept => {}
        }
        match (settled.cookie, self.id) {
            (Some(CookieDue::Set(_)), Some(id)) => self.due = Sent::Set(id),
            (Some(CookieDue::Remove), _) => self.due = Sent::Remove,
            (Some(_), _) if !kept => self.due = Sent::Nothing,
            _ => {}
        }
        self.found = settled.found;
        self.place = match &self.found {
            Found::Live(live) => Some((live.key, live.record.user.clone())),
            Found::Nothing(_) | Found::Replaced(_) => None,
        };
        match then {
            // The operations are those of the session that begins now.
            Some(task) => {
                let own = self.operations_wished(&wish);
                self.start(task, None, wish, own, scene);
            }
            None => self.next_segment(scene),
        }
    }

    fn next_segment(&mut self, scene: &mut Scene<'_>) {
        self.segment += 1;
        if self.segment < self.program.1.len() {
            self.phase = Phase::Between;
            // The handler goes on without a verb.
            self.begin(scene);
        } else {
            self.answer(true, scene);
        }
    }

    fn answer(&mut self, ok: bool, scene: &mut Scene<'_>) {
        if self.silent {
            self.allowed = vec![Sent::Nothing];
        }
        scene.ledger.answered(
            ok,
            self.due,
            &self.allowed,
            self.late,
            scene.shelf,
            scene.now,
        );
        let user = self.place.as_ref().and_then(|(_, user)| user.clone());
        scene.browser.answered(ok, self.due, user, self.cookie);
        scene.ledger.count_verbs(self.verbs, 10 + 6 * scene.others);
        self.end(Phase::Answered { ok, sent: self.due });
    }

    /// What nobody needs any more is forgotten, so that states are the same that differ in it only.
    fn end(&mut self, phase: Phase) {
        *self = Request {
            phase,
            ..Request::new(self.program, None)
        };
    }

    /// Does the deeds of a segment, and says which operations of it are to be stored if all goes well.
    fn handle(&mut self, wish: &mut Wish, scene: &mut Scene<'_>) -> Ops {
        let mut own = 0;
        let mut user = self.place.as_ref().and_then(|(_, user)| user.clone());
        for deed in self.program.1[self.segment] {
            match deed {
                Append => {
                    self.operations += 1;
                    let op = 4 * scene.who + self.operations;
                    own |= bit(op);
                    scene.ledger.made(op, user.clone());
                    append(wish, &self.found, op);
                }
                Regenerate => wish.regenerate_id(),
                LogIn(name) => {
                    if user.as_deref().is_some_and(|user| user != *name) {
                        own = 0;
                    }
                    user = Some((*name).into());
                    let before = wish.changes.clone();
                    wish.log_in((*name).into(), &self.found);
                    if scene.broken == Some(Broken::EarlierDataDropped) {
                        wish.changes = before;
                    }
                }
                Destroy => {
                    (own, user) = (0, User::None);
                    wish.destroy();
                }
            }
        }
        own
    }

    /// All operations that a wish would store in an empty session.
    fn operations_wished(&self, wish: &Wish) -> Ops {
        let log = log_of(&wish.changes.applied(&Payload::empty()));
        log.iter().fold(0, |ops, op| ops | bit(*op))
    }
}

const LOG: &str = "log";
const FIRST: &str = "first";

/// Does what `Session::update` does.
fn append(wish: &mut Wish, found: &Found, op: u8) {
    let update: Update = Arc::new(move |old| Ok(Some(appended(old, op))));
    let empty = Payload::empty();
    let base = wish.base(found).map_or(&empty, |record| &record.data);
    let value = update(wish.changes.view(base, LOG).as_deref()).unwrap();
    wish.changes.update(LOG, value.as_deref(), update);
}

/// A MessagePack byte string with one byte more.
fn appended(old: Option<&[u8]>, op: u8) -> Vec<u8> {
    let mut value = old.map_or_else(|| vec![0xc4, 0], <[u8]>::to_vec);
    value[1] += 1;
    value.push(op);
    value
}

/// The operations that were applied to a record, in their order.
pub(super) fn log_of(data: &Payload) -> Vec<u8> {
    let logs = [FIRST, LOG].map(|key| data.find(key));
    logs.iter()
        .flatten()
        .flat_map(|log| log[2..].to_vec())
        .collect()
}

/// The data of the session that is there from the beginning. It lies under a key of its own, which no request changes.
pub(super) fn first_data() -> Payload {
    Payload::empty().with(FIRST, &appended(None, 0))
}
