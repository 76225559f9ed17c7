//! A state of the model: what is stored, and how far everybody has come.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{Random, RandomError, SessionId, StoreKey};
use crate::layout;
use crate::lifecycle::Policy;
use crate::record::{Record, Tombstone};
use crate::store::{Entry, Expect, Write};

use super::browser::Browser;
use super::ledger::Ledger;
use super::request::{Request, Sent, first_data};
use super::revoke::Revoke;
use super::running::{Fault, Scene};
use super::shelf::{Shelf, User};
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

/// Which cookies the session that is there from the beginning has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cookies {
    #[default]
    /// They have a Max-Age, and are sent again when the deadline moves.
    Permanent,
    /// They are sent once.
    EndWithTheBrowser,
}

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
    Fail {
        who: usize,
        carried_out: bool,
    },
    /// A tombstone is written, but the store says that it is not.
    LateConflict(usize),
    Crash(usize),
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
        let mut world = World {
            now: NOON,
            shelf: Shelf::new(broken),
            ledger: Ledger::default(),
            browser: Browser::default(),
            actors: Vec::new(),
            faults_left: faults,
            nothing_failed: true,
            lagging: cast.iter().any(|part| matches!(part, Part::Revoke(_))),
            seen_by_the_browser_only: false,
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
            let user: User = user.map(Into::into);
            world.begin(hops, user.clone(), cookies);
            let (old, last) = (key(first_id(0)), key(first_id(hops.len() as u8)));
            world.browser = match start {
                // The response to the log-in is still on the wire.
                Start::LoggedIn => {
                    let mut browser = Browser::new(old, None);
                    browser.answered(true, Sent::Set(last), user, Some(old));
                    browser.entitled = 1;
                    browser
                }
                _ => Browser::new(last, user),
            };
            old
        });
        world.actors = cast
            .iter()
            .map(|part| match part {
                Part::Request(program) => Actor::Request(Box::new(Request::new(*program, cookie))),
                Part::FollowUp(program) => Actor::Request(Box::new(Request::following(*program))),
                Part::Revoke(user) => Actor::Revoke(Box::new(Revoke::new(user))),
            })
            .collect();
        let entitled = cast.iter().filter(|part| match part {
            Part::Request(program) | Part::FollowUp(program) => program.wants_new_id(),
            Part::Revoke(_) => false,
        });
        world.browser.entitled += entitled.count() as u8;
        world
    }

    fn begin(&mut self, hops: &[(Option<&str>, Timestamp)], user: User, cookies: Cookies) {
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
            permanent: (cookies == Cookies::EndWithTheBrowser).then_some(false),
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
                Actor::Revoke(_) => actions.push(Action::Crash(who)),
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
        if let Action::Deliver(at) = action {
            return self.browser.tell(at);
        }
        let (Action::Verb(who)
        | Action::Send(who)
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
        let mut told = format!(
            "{:?}, {:#?}, {:#?}\n",
            self.shelf, self.ledger, self.browser
        );
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
