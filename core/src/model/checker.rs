//! What is explored, and what is looked for in it.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::broken::Broken;
use super::program::Program;
use super::start::{Cookies, Start};
use super::world::{Action, World};
use super::wrong::Wrong;

/// What a checker explores.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlaps {
    pub(super) starts: Vec<Start>,
    /// Who acts together.
    pub(super) casts: Vec<Vec<Part>>,
    /// How many crashes and failures there may be.
    pub(super) faults: u8,
    pub(super) cookies: Cookies,
    pub(super) broken: Option<Broken>,
    /// Only what goes wrong in the browser is looked for.
    pub(super) seen_by_the_browser_only: bool,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Request(Program),
    /// Sent when the browser has got some responses of the others, or all, with the cookie that it has by then.
    FollowUp(Program),
    /// Somebody ends all sessions of a user.
    Revoke(&'static str),
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
            NotDropped,
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
    /// Asserts that nothing is ever wrong, and says how much there was to see. Each cast is checked by itself, as no state
    /// of one is a state of another: so only its own states need room.
    pub(super) fn hold(self, what: &str) {
        #[expect(
            clippy::disallowed_methods,
            reason = "how long the checker took, for who reads the output"
        )]
        let begun = std::time::Instant::now();
        let next_cast = AtomicUsize::new(0);
        let (states, different, depth) = std::thread::scope(|scope| {
            let work = || {
                let mut seen = (0, 0, 0);
                while let Some(cast) = self.casts.get(next_cast.fetch_add(1, Ordering::Relaxed)) {
                    let (states, different, depth) = self.with(cast).hold_alone(what);
                    seen = (seen.0 + states, seen.1 + different, depth.max(seen.2));
                }
                seen
            };
            [scope.spawn(work), scope.spawn(work)]
                .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .into_iter()
                .fold((0, 0, 0), |all, seen| {
                    (all.0 + seen.0, all.1 + seen.1, seen.2.max(all.2))
                })
        });
        println!(
            "{what}: {} casts, {states} states, {different} of them different, at most {depth} actions deep, {:.1?}",
            self.casts.len(),
            begun.elapsed(),
        );
    }

    fn with(&self, cast: &[Part]) -> Self {
        Overlaps {
            casts: vec![cast.to_vec()],
            ..self.clone()
        }
    }

    /// How many states there were, how many of them different, and how deep.
    fn hold_alone(self, what: &str) -> (usize, usize, usize) {
        let options = || {
            self.clone()
                .checker()
                .finish_when(HasDiscoveries::AnyFailures)
        };
        // Depth first needs room for one path at a time; breadth first finds the shortest story.
        let checker = options().spawn_dfs().join();
        if !checker.discoveries().is_empty() {
            let found = options().spawn_bfs().join().discoveries();
            let stories = found
                .into_iter()
                .map(|(wrong, path)| format!("{wrong}:\n{}", story(path)));
            panic!("in {what}: {}", stories.collect::<String>());
        }
        (
            checker.state_count(),
            checker.unique_state_count(),
            checker.max_depth(),
        )
    }
}

/// What happened on a path, in words.
pub(super) fn story(path: stateright::Path<World, Action>) -> String {
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
