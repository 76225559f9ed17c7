//! Random programs over several keys, interleaved at random, against a sequential reference.
//!
//! The explicit-state model knows one operation, which is exact about loss; here every kind of change is mixed. The
//! reference knows sessions and not stores: a request's changes happen at the moment when its last verb is done, all
//! at once, on the session as it is then, as the table of overlaps says.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::changes::Update;
use crate::closing;
use crate::commit::{Clause, Commit, Done, Reply, Step, Task};
use crate::id::StoreKey;
use crate::layout;
use crate::lifecycle::{Outcome, Plan, Wish, plan};
use crate::payload::Payload;
use crate::record::{Found, Record};
use crate::store::{Expect, Write};

use super::NOON;
use super::shelf::{Shelf, User};
use super::world::{POLICY, key, session_id};

const KEYS: [&str; 3] = ["a", "b", "c"];
const USERS: [&str; 2] = ["u", "v"];

#[derive(Clone, Debug)]
enum Deed {
    Insert(&'static str, u8),
    Remove(&'static str),
    Add(&'static str, u8),
    Clear,
    Regenerate,
    LogIn(&'static str),
    Destroy,
}

type Data = BTreeMap<String, u8>;

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

/// The sessions, each with the one that it went over into.
#[derive(Debug, Default)]
struct Reference {
    sessions: Vec<Session>,
}

#[derive(Clone, Debug)]
struct Session {
    user: Option<&'static str>,
    data: Data,
    state: State,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Live,
    Ended,
    Replaced(usize),
}

/// What a request wishes, apart from all encoding.
#[derive(Default)]
struct Wanted {
    destroy: bool,
    regenerate: bool,
    log_in: Option<&'static str>,
    from_empty: bool,
    /// Changes of data, in their order.
    changes: Vec<Deed>,
}

impl Wanted {
    /// What a request wishes that found this. A removal of what it does not see is none.
    fn of(deeds: &[Deed], user: Option<&'static str>, found: &Data) -> Self {
        let mut wanted = Wanted::default();
        let (mut user, mut seen) = (user, found.clone());
        for deed in deeds {
            match deed {
                Deed::Destroy => {
                    (user, seen) = (None, Data::new());
                    wanted = Wanted {
                        destroy: true,
                        ..Wanted::default()
                    };
                }
                Deed::Regenerate => wanted.regenerate = true,
                Deed::LogIn(name) => {
                    if user.is_some_and(|user| user != *name) {
                        wanted.changes.clear();
                        wanted.from_empty = true;
                        seen.clear();
                    }
                    user = Some(name);
                    wanted.log_in = user;
                }
                Deed::Remove(key) if !seen.contains_key(*key) => {}
                change => {
                    change.apply(&mut seen);
                    wanted.changes.push(change.clone());
                }
            }
        }
        wanted
    }

    fn apply(&self, data: &mut Data) {
        self.changes.iter().for_each(|change| change.apply(data));
    }
}

impl Deed {
    fn apply(&self, data: &mut Data) {
        match self {
            Deed::Insert(key, value) => {
                data.insert((*key).to_owned(), *value);
            }
            Deed::Remove(key) => {
                data.remove(*key);
            }
            Deed::Add(key, more) => *data.entry((*key).to_owned()).or_default() += more,
            Deed::Clear => data.clear(),
            Deed::Regenerate | Deed::LogIn(_) | Deed::Destroy => {}
        }
    }
}

impl Reference {
    fn begin(&mut self, user: Option<&'static str>, data: Data) -> usize {
        self.sessions.push(Session {
            user,
            data,
            state: State::Live,
        });
        self.sessions.len() - 1
    }

    /// Where a session is now for a request that found it as `user`'s.
    fn current(
        &self,
        mut at: usize,
        mut user: Option<&'static str>,
        log_in: Option<&'static str>,
    ) -> Option<usize> {
        loop {
            let session = &self.sessions[at];
            if session.user != user {
                if session.user.is_none() || session.user != log_in {
                    return None;
                }
                user = log_in;
            }
            match session.state {
                State::Live => return Some(at),
                State::Ended => return None,
                State::Replaced(next) => at = next,
            }
        }
    }

    /// The destroy of a request, which comes before the rest of it.
    fn destroy(&mut self, at: usize, user: Option<&'static str>) {
        if let Some(at) = self.current(at, user, None) {
            self.sessions[at].state = State::Ended;
        }
    }

    /// One request, at once, on the session that it found.
    fn carry_out(&mut self, wanted: &Wanted, at: usize, user: Option<&'static str>) {
        if wanted.destroy {
            return self.begin_anew(wanted);
        }
        let current = self.current(at, user, wanted.log_in);
        match (current, wanted.log_in) {
            (Some(current), Some(name)) => {
                let old = &self.sessions[current];
                let keeps = match old.user {
                    Some(user) => user == name,
                    None => !wanted.from_empty,
                };
                let mut data = if keeps { old.data.clone() } else { Data::new() };
                wanted.apply(&mut data);
                let next = self.begin(Some(name), data);
                self.sessions[current].state = State::Replaced(next);
            }
            (None, Some(_)) => self.begin_anew(wanted),
            (Some(current), None) => {
                wanted.apply(&mut self.sessions[current].data);
                // Its id was replaced already if it is not where it was found.
                if wanted.regenerate && current == at {
                    let Session { user, data, .. } = self.sessions[current].clone();
                    let next = self.begin(user, data);
                    self.sessions[current].state = State::Replaced(next);
                }
            }
            (None, None) => {}
        }
    }

    fn begin_anew(&mut self, wanted: &Wanted) {
        let mut data = Data::new();
        wanted.apply(&mut data);
        if wanted.log_in.is_some() || !data.is_empty() {
            self.begin(wanted.log_in, data);
        }
    }

    fn live(&self) -> Vec<(Option<String>, Data)> {
        let live = self
            .sessions
            .iter()
            .filter(|session| session.state == State::Live);
        let mut live: Vec<_> = live
            .map(|session| (session.user.map(str::to_owned), session.data.clone()))
            .collect();
        live.sort();
        live
    }
}

/// A request against the store.
struct Running {
    wish: Wish,
    tasks: Vec<Task>,
    at_work: Option<(Commit, Step)>,
    found: Found,
    who: u8,
    ids: u8,
    /// How many destroys it has carried out.
    destroyed: u8,
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
            destroyed: 0,
            broken,
        };
        running.next_task();
        running
    }

    fn next_task(&mut self) {
        if !self.tasks.is_empty() {
            let task = self.tasks.remove(0);
            let (mut commit, step) = Commit::new(task, &self.found, &self.wish, NOON, POLICY);
            commit.broken = self.broken;
            self.take(commit, step.unwrap());
        }
    }

    fn take(&mut self, mut commit: Commit, mut step: Step) {
        while step == Step::NewId {
            self.ids += 1;
            let id = session_id(32 * (self.who + 1) + self.ids);
            step = commit.resume(Reply::NewId(id)).unwrap();
        }
        self.at_work = Some((commit, step));
        if let Some((_, Step::Finished(done))) = &self.at_work {
            self.destroyed += u8::from(*done == Done::Destroyed);
            self.at_work = None;
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
            let value = update(view(wish, found, key).as_deref()).unwrap();
            wish.changes.update(key, value.as_deref(), update);
        }
        Deed::Clear => wish.changes.clear(),
        Deed::Regenerate => wish.regenerate_id(),
        Deed::LogIn(user) => wish.log_in((*user).into(), found),
        Deed::Destroy => wish.destroy(),
    }
}

fn view(wish: &Wish, found: &Found, key: &str) -> Option<bytes::Bytes> {
    let empty = Payload::empty();
    let base = wish.base(found).map_or(&empty, |record| &record.data);
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
    let entry = layout::encode(&at, &record, NOON + POLICY.lifetime);
    assert!(matches!(
        shelf.put(at, &Expect::Absent, entry, NOON),
        Write::Done(_)
    ));
    Found::judge(at, shelf.load(&at), NOON, POLICY.size_limit)
}

/// What is in the store: users and data.
fn live(shelf: &Shelf) -> Vec<(Option<String>, Data)> {
    let mut live: Vec<_> = shelf
        .records(NOON)
        .map(|(key, user, _)| {
            let Found::Live(live) = Found::judge(*key, shelf.load(key), NOON, POLICY.size_limit)
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
            requests[who] = None;
            reference.carry_out(&Wanted::of(&programs[who], user, &data), first, user);
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
