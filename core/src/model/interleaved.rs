//! Random programs over several keys, interleaved at random, against a sequential reference.
//!
//! The explicit-state model knows one operation, which is exact about loss; here every kind of change is mixed. The
//! reference knows sessions and not stores: a request's changes happen at the moment when its last verb is done, all
//! at once, on the session as it is then, as the table of overlaps says.

mod reference;

use std::sync::Arc;

use proptest::prelude::*;

use crate::changes::Update;
use crate::closing;
use crate::commit::{Clause, Commit, End, Reply, Step, Task};
use crate::id::StoreKey;
use crate::layout::Layout;
use crate::lifecycle::{Outcome, Plan, Wish, plan};
use crate::payload::{EMPTY, Payload};
use crate::record::{Found, Record};
use crate::store::{Expect, Write};

use super::NOON;
use super::shelf::{Shelf, User};
use super::start::{key, session_id};
use super::world::POLICY;
use reference::{Data, Deed, Reference, Wanted};

const KEYS: [&str; 3] = ["a", "b", "c"];
const USERS: [&str; 2] = ["u", "v"];

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let key = || prop::sample::select(&KEYS[..]);
    let deed = prop_oneof![
        6 => (key(), 0..20u8).prop_map(|(key, value)| Deed::Insert(key, value)),
        2 => key().prop_map(Deed::Remove),
        8 => (key(), 1..5u8).prop_map(|(key, value)| Deed::Add(key, value)),
        1 => Just(Deed::Clear),
        2 => Just(Deed::Regenerate),
        1 => prop::sample::select(&USERS[..]).prop_map(Deed::LogIn),
        1 => Just(Deed::Destroy),
    ];
    prop::collection::vec(deed, 1..5)
}

/// A request against the store.
struct Running {
    wish: Wish,
    tasks: Vec<Task>,
    at_work: Option<(Commit<'static>, Step)>,
    found: Found,
    who: u8,
    ids: u8,
    /// Whether it has destroyed the session.
    destroyed: bool,
    broken: Option<Clause>,
}

impl Running {
    fn new(who: u8, deeds: &[Deed], found: &Found, broken: Option<Clause>) -> Self {
        let mut wish = Wish::default();
        for deed in deeds {
            wish_for(&mut wish, deed, found);
        }
        let decided = plan(found, &wish, Outcome::Succeeded, NOON, &POLICY);
        assert!(!matches!(decided, Plan::Touch(_)));
        let mut running = Running {
            tasks: closing::tasks(decided, &wish.fate).to_vec(),
            wish,
            at_work: None,
            found: found.clone(),
            who,
            ids: 0,
            destroyed: false,
            broken,
        };
        running.next_task();
        running
    }

    fn next_task(&mut self) {
        if !self.tasks.is_empty() {
            let task = self.tasks.remove(0);
            let (mut commit, step) = Commit::begun(task, &self.found, &self.wish, NOON, &POLICY);
            commit.broken = self.broken;
            self.take(commit, step.unwrap());
        }
    }

    fn take(&mut self, mut commit: Commit<'static>, mut step: Step) {
        while step == Step::NewId {
            self.ids += 1;
            let id = session_id(32 * (self.who + 1) + self.ids);
            step = commit.resume(Reply::NewId(id)).unwrap();
        }
        let Step::Finished(end) = step else {
            self.at_work = Some((commit, step));
            return;
        };
        self.destroyed |= end == End::Destroyed;
        if closing::goes_on(&commit.done(end), &self.wish.fate) {
            self.next_task();
        }
    }

    /// The next verb, if there is one.
    fn verb(&mut self, shelf: &mut Shelf) {
        let Some((mut commit, step)) = self.at_work.take() else {
            return;
        };
        let reply = match step {
            Step::Load(key) => Reply::Loaded(shelf.load(&key)),
            Step::Put(key, expect, entry) => Reply::Put(shelf.put(key, &expect, entry, NOON)),
            Step::Delete(key, version) => Reply::Deleted(shelf.delete(&key, &version)),
            Step::NewId | Step::Finished(_) => unreachable!("these are no verbs"),
        };
        let next = commit.resume(reply).unwrap();
        self.take(commit, next);
    }
}

fn wish_for(wish: &mut Wish, deed: &Deed, found: &Found) {
    match deed {
        Deed::Insert(key, value) => wish.changes.set(key, Some(&[*value])),
        // As `Session::remove`, which leaves an absent key alone.
        Deed::Remove(key) => {
            if view(wish, found, key).is_some() {
                wish.changes.set(key, None);
            }
        }
        Deed::Add(key, more) => {
            let more = *more;
            let update: Update =
                Arc::new(move |old| Ok(Some(vec![old.map_or(0, |old| old[0]) + more])));
            let value = update(view(wish, found, key)).unwrap();
            wish.changes.update(key, value.as_deref(), update);
        }
        Deed::Clear => wish.changes.clear(),
        Deed::Regenerate => wish.regenerate_id(),
        Deed::LogIn(user) => wish.log_in((*user).into(), found),
        Deed::Destroy => wish.destroy(),
    }
}

fn view<'a>(wish: &'a Wish, found: &'a Found, key: &str) -> Option<&'a [u8]> {
    let base = wish.base(found).map_or(&EMPTY, |record| &record.data);
    wish.changes.view(base, key)
}

fn begin(shelf: &mut Shelf, at: StoreKey, user: User, data: &Data) -> Found {
    let mut wish = Wish::default();
    for (key, value) in data {
        wish.changes.set(key, Some(&[*value]));
    }
    let record = Record {
        user,
        data: wish.changes.applied(&Payload::empty()),
        ..POLICY.new_record(NOON)
    };
    let entry = Layout::Native.encode(&at, &record, NOON + POLICY.lifetime);
    assert!(matches!(
        shelf.put(at.clone(), &Expect::Absent, entry, NOON),
        Write::Done(_)
    ));
    Found::judge(&POLICY, at.clone(), shelf.load(&at), NOON)
}

/// What is in the store: users and data.
fn live(shelf: &Shelf) -> Vec<(Option<String>, Data)> {
    let mut live: Vec<_> = shelf
        .records(NOON)
        .map(|(key, user, _)| {
            let Found::Live(live) = Found::judge(&POLICY, key.clone(), shelf.load(key), NOON)
            else {
                panic!("it is a live record")
            };
            let data = &live.record.data;
            let pairs = data
                .keys()
                .map(|key| (key.to_owned(), data.find(key).unwrap()[0]));
            (user.as_deref().map(str::to_owned), pairs.collect())
        })
        .collect();
    live.sort();
    live
}

/// What there is in the beginning, what each request does, and whose turn it is.
type Scenario = (
    Option<&'static str>,
    Data,
    Vec<Vec<Deed>>,
    Vec<prop::sample::Index>,
);

fn scenarios() -> impl Strategy<Value = Scenario> {
    let key = prop::sample::select(&KEYS[..]).prop_map(str::to_owned);
    (
        prop::option::of(prop::sample::select(&USERS[..])),
        prop::collection::btree_map(key, 0..20u8, 0..3),
        prop::collection::vec(deeds(), 2..5),
        prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    )
}

/// Runs the requests of a scenario against the store and by the reference; both must come to the same sessions.
fn compare(
    (user, data, programs, turns): Scenario,
    broken: Option<Clause>,
) -> Result<(), TestCaseError> {
    let mut shelf = Shelf::default();
    let at = key(200);
    let found = begin(&mut shelf, at, user.map(Into::into), &data);
    let mut reference = Reference::default();
    let first = reference.begin(user, data.clone());

    let mut requests: Vec<_> = programs
        .iter()
        .enumerate()
        .map(|(who, deeds)| Some(Running::new(who as u8, deeds, &found, broken)))
        .collect();
    let mut turns = turns.into_iter();
    while requests.iter().any(Option::is_some) {
        let open: Vec<_> = (0..requests.len())
            .filter(|who| requests[*who].is_some())
            .collect();
        let who = turns.next().map_or(open[0], |turn| *turn.get(&open));
        let request = requests[who].as_mut().unwrap();
        let before = request.destroyed;
        request.verb(&mut shelf);
        if request.destroyed != before {
            reference.destroy(first, user);
        }
        if request.at_work.is_none() {
            let wanted = Wanted::of(&programs[who], user, &data);
            reference.carry_out(&wanted, first, user, request.destroyed);
            requests[who] = None;
        }
    }
    prop_assert_eq!(live(&shelf), reference.live());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn overlapping_requests_do_what_one_after_the_other_would(scenario in scenarios()) {
        compare(scenario, None)?;
    }
}

#[test]
fn the_comparison_finds_what_is_missing() {
    use proptest::test_runner::TestRunner;

    for clause in [
        Clause::Replayed,
        Clause::MergedBeforeReplaced,
        Clause::Followed,
        Clause::UserCompared,
    ] {
        let config = ProptestConfig {
            cases: 3000,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let found =
            TestRunner::new(config).run(&scenarios(), |scenario| compare(scenario, Some(clause)));
        assert!(found.is_err(), "{clause:?}");
    }
}
