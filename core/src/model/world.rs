//! A state of the model: what is stored, and how far everybody has come.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::commit::{Commit, Done, Reply, Step};
use crate::error::Error;
use crate::id::{Random, RandomError, SessionId, StoreKey};
use crate::layout;
use crate::lifecycle::Policy;
use crate::record::{Record, Tombstone};
use crate::store::{Deletion, Entry, Expect, Write};

use super::ledger::{Ledger, Writer};
use super::request::{Request, first_data};
use super::revoke::Revoke;
use super::shelf::{Gist, Shelf, User, gist};
use super::{Broken, NOON, Part, SOON};

/// Cookies outlive the browser, so that they are sent again when the deadline moves: one reason more to send a wrong one.
pub(super) const POLICY: Policy = Policy {
    lifetime: Duration::from_secs(1000),
    absolute_lifetime: None,
    permanent: true,
    size_limit: 1 << 16,
};

/// What there is when the requests arrive, all with the same cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// No cookie, and an empty store.
    Nothing,
    Anonymous,
    SignedIn,
    /// An anonymous session whose id was just replaced when u logged in.
    LoggedIn,
    /// A session of u whose id was replaced a minute ago.
    ReplacedLongAgo,
    /// A session of u whose id was replaced twice.
    ReplacedTwice,
    /// u, then v, then u again.
    BehindAnother,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: Timestamp,
    shelf: Shelf,
    pub(super) ledger: Ledger,
    actors: Vec<Actor>,
    faults_left: u8,
    nothing_failed: bool,
    /// Whether the index of users may lag. It matters to nobody but a revoke.
    lagging: bool,
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
    Fail {
        who: usize,
        carried_out: bool,
    },
    /// A tombstone is written, but the store says that it is not.
    LateConflict(usize),
    Crash(usize),
    /// The deadline of the session that was there from the beginning passes.
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Unknown { carried_out: bool },
    LateConflict,
}

/// What a verb of somebody may touch.
pub(super) struct Scene<'a> {
    pub(super) who: u8,
    pub(super) now: Timestamp,
    pub(super) shelf: &'a mut Shelf,
    pub(super) ledger: &'a mut Ledger,
    pub(super) lagging: bool,
    pub(super) others: u8,
    pub(super) broken: Option<Broken>,
}

impl World {
    pub(super) fn new(start: Start, cast: &[Part], faults: u8, broken: Option<Broken>) -> Self {
        let mut world = World {
            now: NOON,
            shelf: Shelf::new(broken),
            ledger: Ledger::default(),
            actors: Vec::new(),
            faults_left: faults,
            nothing_failed: true,
            lagging: cast.iter().any(|part| matches!(part, Part::Revoke(_))),
            broken,
        };
        let minute = Duration::from_secs(60);
        let (hops, user): (&[_], _) = match start {
            Start::Nothing => (&[], None),
            Start::Anonymous => (&[], None),
            Start::SignedIn => (&[], Some("u")),
            Start::LoggedIn => (&[(None, NOON)], Some("u")),
            Start::ReplacedLongAgo => (&[(Some("u"), NOON.before(minute))], Some("u")),
            Start::ReplacedTwice => (&[(Some("u"), NOON), (Some("u"), NOON)], Some("u")),
            Start::BehindAnother => (&[(Some("u"), NOON), (Some("v"), NOON)], Some("u")),
        };
        let cookie = (start != Start::Nothing).then(|| {
            world.begin(hops, user.map(Into::into));
            key(first_id(0))
        });
        world.actors = cast
            .iter()
            .map(|part| match part {
                Part::Request(program) => Actor::Request(Box::new(Request::new(*program, cookie))),
                Part::Revoke(user) => Actor::Revoke(Box::new(Revoke::new(user))),
            })
            .collect();
        world
    }

    fn begin(&mut self, hops: &[(Option<&str>, Timestamp)], user: User) {
        let ids = 0..=hops.len() as u8;
        let keys: Vec<_> = ids.map(|at| key(first_id(at))).collect();
        for (at, (user, replaced)) in hops.iter().enumerate() {
            let tombstone = Tombstone {
                successor: keys[at + 1],
                replaced: *replaced,
                user: user.map(Into::into),
            };
            let deadline = NOON + Duration::from_secs(600);
            self.put(
                keys[at],
                layout::encode_tombstone(&keys[at], &tombstone, deadline),
            );
            self.ledger.replaced(keys[at], keys[at + 1], tombstone.user);
        }
        let last = keys[hops.len()];
        let record = Record {
            user: user.clone(),
            signed_in: user.as_ref().map(|_| NOON),
            data: first_data(),
            ..POLICY.new_record(NOON)
        };
        self.put(last, layout::encode(&last, &record, NOON + SOON));
        self.ledger.begin(last, user.clone());
        self.ledger.watch((last, user));
    }

    fn put(&mut self, key: StoreKey, entry: Entry) {
        let user = entry.user.clone();
        self.shelf.index.extend(user.map(|user| (user, key)));
        assert!(matches!(
            self.shelf.put(key, &Expect::Absent, entry, NOON),
            Write::Done(_)
        ));
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
            actions.push(Action::Verb(who));
            if self.faults_left == 0 {
                continue;
            }
            match actor {
                Actor::Request(request) => request.faults(who, actions),
                Actor::Revoke(_) => actions.push(Action::Crash(who)),
            }
        }
        if self.now == NOON && self.actors.iter().any(open) {
            actions.push(Action::Tick);
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        let (who, fault) = match action {
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
            lagging: self.lagging,
            others: self.actors.len() as u8 - 1,
            broken: self.broken,
        };
        match &mut self.actors[who] {
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
        let over = |actor: &Actor| match actor {
            Actor::Request(request) => request.is_over(),
            Actor::Revoke(revoke) => revoke.over,
        };
        if self.actors.iter().all(over) {
            self.ledger
                .audit_the_end(&self.shelf, self.now, self.nothing_failed);
        }
    }
}

/// For whoever reads a counter-example.
impl World {
    pub(super) fn tell_cast(&self) -> String {
        let name = |actor: &Actor| match actor {
            Actor::Request(request) => request.name(),
            Actor::Revoke(_) => "revoke",
        };
        let names = self.actors.iter().map(name).enumerate();
        names
            .map(|(who, name)| format!("{who}: {name}\n"))
            .collect()
    }

    pub(super) fn tell(&self, action: Action) -> String {
        let (Action::Verb(who)
        | Action::Fail { who, .. }
        | Action::LateConflict(who)
        | Action::Crash(who)) = action
        else {
            return "the deadline passes".to_owned();
        };
        let next = match &self.actors[who] {
            Actor::Request(request) => request.tell(),
            Actor::Revoke(revoke) => revoke.tell(),
        };
        format!("{action:?}: {next}")
    }

    pub(super) fn tell_end(&self) -> String {
        let mut told = format!("{:?}, {:#?}\n", self.shelf, self.ledger);
        for actor in &self.actors {
            told += &match actor {
                Actor::Request(request) => format!("{}\n", request.tell()),
                Actor::Revoke(revoke) => format!("{}\n", revoke.tell()),
            };
        }
        for number in (0..64).chain(200..204) {
            told = told.replace(&format!("{:?}", key(number)), &format!("key {number}"));
        }
        told
    }
}

/// A commit on its way, and the verb that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    commit: Commit,
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
    Finished(Box<Done>),
    Failed,
}

impl Running {
    /// Takes a commit up to its first verb; without any, to its end.
    pub(super) fn new(
        mut commit: Commit,
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
                let named = entry.user.clone().map(|user| (user, *key));
                if let Some(write) = self.indexing.take() {
                    scene.shelf.index.extend(named);
                    return Some(Reply::Put(write));
                }
                let before = scene.shelf.gist(key, now).cloned();
                let write = scene.shelf.put(*key, expect, entry.clone(), now);
                if write != Write::Conflict {
                    let after = gist(key, entry);
                    scene
                        .ledger
                        .wrote(*key, before.as_ref(), &after, by, scene.shelf, now);
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
                Ok(Step::Finished(done)) => return Progress::Finished(Box::new(done)),
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

/// The ids of the sessions that are there from the beginning.
fn first_id(at: u8) -> u8 {
    200 + at
}

pub(super) fn key(number: u8) -> StoreKey {
    layout::store_key(&session_id(number))
}

pub(super) fn session_id(number: u8) -> SessionId {
    #[derive(Debug)]
    struct Numbered(u8);
    impl Random for Numbered {
        fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError> {
            *bytes = [self.0; 32];
            Ok(())
        }
    }
    SessionId::generate(&Numbered(number)).unwrap()
}
