//! The protocol for requests that overlap, as an explicit-state model: every interleaving of their store verbs.
//!
//! The requests run the real [`plan`](crate::lifecycle::plan), [`Commit`](crate::commit::Commit) and
//! [`settle`](crate::closing::settle) on real encoded records; only the store, the clock and the handlers are the
//! model's own. One action of the model is one verb, so requests may overlap in any way. Besides, at any point, the
//! session's deadline may pass, and a bounded number of times a request may crash, or a verb may fail although it was,
//! or was not, carried out. A response is on the wire until it is delivered to the browser, in any order.
//!
//! | file | holds |
//! | --- | --- |
//! | `world` | a state, and its actions |
//! | `shelf` | the store |
//! | `request`, `revoke`, `running` | who acts |
//! | `ledger` | what an observer who sees everything writes down, and finds wrong |
//! | `browser` | the cookie, the responses on the wire, and what must hold when they are delivered in any order |
//! | `delivery` | what only shows when responses are delivered, and requests that follow with the browser's cookie |
//! | `clauses` | each clause of the protocol is needed: without it the checker finds a counter-example |
//! | `interleaved` | random programs against a sequential reference |

mod browser;
mod clauses;
mod delivery;
mod interleaved;
mod ledger;
mod request;
mod revoke;
mod running;
mod shelf;
mod world;

use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::clock::Timestamp;
use crate::commit::Clause;
use ledger::Wrong;
use request::{DATA, DESTROY, LOG_IN_U, LOG_IN_V, Program, REGENERATE, SAVE_LOG_IN};
use world::{Action, Cookies, Start, World};

/// When everything begins.
const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The session that is there from the beginning ends so soon after, unless somebody writes to it.
const SOON: Duration = Duration::from_secs(1);

/// What a checker explores.
#[derive(Clone, Debug, Default)]
struct Overlaps {
    starts: Vec<Start>,
    /// Who acts together.
    casts: Vec<Vec<Part>>,
    /// How many crashes and failures there may be.
    faults: u8,
    cookies: Cookies,
    broken: Option<Broken>,
    /// Only what goes wrong in the browser is looked for.
    seen_by_the_browser_only: bool,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Request(Program),
    /// Sent when the browser has got some responses of the others, or all, with the cookie that it has by then.
    FollowUp(Program),
    /// Somebody ends all sessions of a user.
    Revoke(&'static str),
}

/// What is switched off, to show that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Broken {
    /// A clause of the commit.
    Commit(Clause),
    /// A request that arrives with a replaced id goes by the same table.
    ReplacedIsKnown,
    /// Within a short time after the replacement a request with the old id gets no cookie.
    Grace,
    /// What was done before somebody else logged in is dropped.
    EarlierDataDropped,
    /// A verb whose result is unknown is not sent again.
    NeverResent,
    /// Nothing is deleted because of an unknown result.
    NothingDeletedForUnknown,
    /// A revoke lists again after its first pass.
    ListedAgain,
    /// The cookie of a save is not sent if the closing save had to follow or found the session gone.
    CookieOfSaveDropped,
    /// The time of each verb, not that of the beginning of its commit, is handed to the store.
    TimeOfTheVerb,
    /// The store replaces an entry only at the version that was named.
    PutAtTheVersion,
    /// The old record is replaced by the tombstone at the version that was read.
    TombstoneAtTheVersion,
    /// A deletion names the version that was read.
    DeleteAtTheVersion,
    /// A request that had to follow a replaced id sends no cookie.
    NoCookieAfterFollowing,
    /// An expired entry counts as gone in a writing verb.
    ExpiredIsGone,
}

impl Model for Overlaps {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let pairs = |start| self.casts.iter().map(move |cast| (start, cast));
        self.starts
            .iter()
            .flat_map(pairs)
            .map(|(start, cast)| {
                let mut world = World::new(*start, cast, self.faults, self.cookies, self.broken);
                world.seen_by_the_browser_only = self.seen_by_the_browser_only;
                world
            })
            .collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        world.act(action);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! never {
            ($($wrong:ident),*) => {
                vec![$(Property::always(stringify!($wrong), |_, world: &World| {
                    !world.ledger.wrongs.contains(&Wrong::$wrong)
                })),*]
            };
        }
        never![
            Resurrected,
            LostUpdate,
            DoubledUpdate,
            TwoLiveIds,
            Orphan,
            CrossUser,
            OkNotDone,
            BadCookie,
            TooManyVerbs,
            DeadCookie,
            CookieOverwritten,
            AnotherUsersCookie,
            NotSeen
        ]
    }
}

impl Overlaps {
    /// Asserts that nothing is ever wrong, and says how much there was to see.
    fn hold(self, what: &str) {
        #[expect(
            clippy::disallowed_methods,
            reason = "how long the checker took, for who reads the output"
        )]
        let begun = std::time::Instant::now();
        let checker = self
            .checker()
            .threads(2)
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        println!(
            "{what}: {} states, {} of them different, at most {} actions deep, {:.1?}",
            checker.state_count(),
            checker.unique_state_count(),
            checker.max_depth(),
            begun.elapsed(),
        );
        if let Some((wrong, path)) = checker.discoveries().into_iter().next() {
            panic!("{wrong} in {what}:\n{}", story(path));
        }
    }
}

/// What happened on a path, in words.
fn story(path: stateright::Path<World, Action>) -> String {
    let steps = path.into_vec();
    let mut told = steps
        .first()
        .map_or_else(String::new, |(world, _)| world.tell_cast());
    for (world, action) in &steps {
        match action {
            Some(action) => told += &format!("{}\n", world.tell(*action)),
            None => told += &world.tell_end(),
        }
    }
    told
}

fn pairs(parts: &[Part]) -> Vec<Vec<Part>> {
    let later = |at: usize| {
        parts[at..]
            .iter()
            .map(move |second| vec![parts[at], *second])
    };
    (0..parts.len()).flat_map(later).collect()
}

fn requests() -> Vec<Part> {
    request::PROGRAMS.map(Part::Request).to_vec()
}

fn with_revoke() -> Vec<Vec<Part>> {
    requests()
        .into_iter()
        .map(|request| vec![request, Part::Revoke("u")])
        .collect()
}

fn check(start: Start) {
    let casts = [pairs(&requests()), with_revoke()].concat();
    Overlaps {
        starts: vec![start],
        casts,
        faults: 1,
        ..Overlaps::default()
    }
    .hold(&format!("two requests, {start:?}"));
}

/// Three requests, and two with a revoke. Each of the programs is here without its variants, or it takes hours.
fn check_deep(start: Start, faults: u8) {
    let programs = [DATA, REGENERATE, LOG_IN_U, LOG_IN_V, DESTROY, SAVE_LOG_IN].map(Part::Request);
    let mut casts = Vec::new();
    for pair in pairs(&programs) {
        let later = programs.iter().skip_while(|part| **part != pair[1]);
        for third in later.chain([&Part::Revoke("u")]) {
            casts.push([&pair[..], &[*third]].concat());
        }
    }
    Overlaps {
        starts: vec![start],
        casts,
        faults,
        ..Overlaps::default()
    }
    .hold(&format!("three requests, {faults} faults, {start:?}"));
}

#[test]
fn two_requests_on_an_anonymous_session() {
    check(Start::Anonymous);
}

#[test]
fn two_requests_on_the_session_of_a_user() {
    check(Start::SignedIn);
}

#[test]
fn two_requests_with_an_id_that_a_login_replaced() {
    check(Start::LoggedIn);
}

#[test]
fn two_requests_with_an_id_that_was_replaced_long_ago() {
    check(Start::ReplacedLongAgo);
}

#[test]
fn two_requests_with_an_id_that_was_replaced_twice() {
    check(Start::ReplacedTwice);
}

#[test]
fn two_requests_with_an_id_behind_another_users_session() {
    check(Start::BehindAnother);
}

#[test]
fn two_requests_without_a_session() {
    check(Start::Nothing);
}

#[test]
#[ignore = "three requests: run by cargo xtask test --deep"]
fn three_requests_on_an_anonymous_session() {
    check_deep(Start::Anonymous, 0);
}

#[test]
#[ignore = "three requests: run by cargo xtask test --deep"]
fn three_requests_on_the_session_of_a_user() {
    check_deep(Start::SignedIn, 0);
}

#[test]
#[ignore = "two faults: run by cargo xtask test --deep"]
fn two_requests_and_two_faults() {
    let starts = vec![Start::Anonymous, Start::SignedIn, Start::LoggedIn];
    Overlaps {
        starts,
        casts: [pairs(&requests()), with_revoke()].concat(),
        faults: 2,
        ..Overlaps::default()
    }
    .hold("two requests, two faults");
}
