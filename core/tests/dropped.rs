//! Requests that are dropped after any number of polls, as a framework does whose client has left.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use anysession::{
    Config, Deletion, Entry, Expect, MemoryStore, Outcome, Random, RandomError, Session, Sessions,
    Slot, Store, StoreError, StoreKey, Stored, Timestamp, Unattended, Version, Write,
};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What `k` is, and who is signed in.
type Shown = Option<(&'static str, Option<&'static str>)>;

/// What a visitor with `k` = `v` does, and what the old id and a new one show then.
type Deed = (&'static str, fn(&Session), Shown, Shown);

const OLD: Shown = Some(("v", None));
const DEEDS: [Deed; 4] = [
    (
        "set",
        |session| session.insert("k", "w").unwrap(),
        Some(("w", None)),
        None,
    ),
    (
        "regenerate",
        |session| session.regenerate_id().unwrap(),
        None,
        OLD,
    ),
    (
        "log in",
        |session| session.log_in("alice").unwrap(),
        None,
        Some(("v", Some("alice"))),
    ),
    ("destroy", Session::destroy, None, None),
];

#[test]
fn a_request_that_is_dropped_while_it_is_closed_is_closed_to_its_end() {
    for (name, deed, old_id, new_id) in DEEDS {
        for polls in 0.. {
            let (site, step) = (
                Site::with_a_session(),
                format!("{name} after {polls} polls"),
            );
            let guard = site.sessions.guard(unattended::spawn);
            deed(&site.session(&guard.slot(), 0));
            let ended = poll(guard.close(Outcome::Succeeded), polls).is_some();
            let tasks = unattended::run();
            assert_eq!(tasks, usize::from(!ended), "tasks of {step}");
            assert_eq!(site.shown(), [old_id, new_id], "{step}");
            site.goes_on(&step);
            if ended {
                break;
            }
        }
    }
}

#[test]
fn a_request_that_is_dropped_before_it_is_closed_changes_nothing_but_ends_its_session_if_asked() {
    for (name, deed, ..) in DEEDS {
        let site = Site::with_a_session();
        let guard = site.sessions.guard(unattended::spawn);
        deed(&site.session(&guard.slot(), 0));
        drop(guard);
        unattended::run();
        let kept = OLD.filter(|_| name != "destroy");
        assert_eq!(site.shown(), [kept, None], "{name}");
        site.goes_on(name);
    }
}

#[test]
fn a_request_that_never_asked_for_its_session_leaves_no_task() {
    let site = Site::with_a_session();
    drop(site.sessions.guard(unattended::spawn));
    drop(
        site.sessions
            .guard(unattended::spawn)
            .close(Outcome::Succeeded),
    );
    assert_eq!(unattended::run(), 0);
}

/// Without a guard, or where the process ends in the middle.
#[test]
fn a_close_that_nobody_finishes_leaves_the_old_session_or_the_new_one() {
    for (name, deed, old_id, new_id) in DEEDS {
        for polls in 0.. {
            let (site, step) = (
                Site::with_a_session(),
                format!("{name} after {polls} polls"),
            );
            let slot = site.sessions.slot();
            deed(&site.session(&slot, 0));
            let ended = poll(slot.close(Outcome::Succeeded), polls).is_some();
            match ended {
                true => assert_eq!(site.shown(), [old_id, new_id], "{step}"),
                false => site.is_old_or([old_id, new_id], &step),
            }
            site.goes_on(&step);
            if ended {
                break;
            }
        }
    }
}

#[test]
fn a_save_that_is_dropped_leaves_the_old_session_or_the_new_one_and_the_close_says_so() {
    for (name, deed, old_id, new_id) in DEEDS {
        for polls in 0.. {
            let (site, step) = (
                Site::with_a_session(),
                format!("{name} after {polls} polls"),
            );
            let guard = site.sessions.guard(unattended::spawn);
            let session = site.session(&guard.slot(), 0);
            deed(&session);
            let saved = poll(session.save(), polls);
            let closed = run(guard.close(Outcome::Succeeded));
            let unknown = polls > 0 && saved.is_none();
            assert_eq!(
                closed.is_err(),
                unknown,
                "whether the close of {step} fails"
            );
            match unknown {
                true => site.is_old_or([old_id, new_id], &step),
                false => assert_eq!(site.shown(), [old_id, new_id], "{step}"),
            }
            site.goes_on(&step);
            if saved.is_some() {
                break;
            }
        }
    }
}

struct Site {
    sessions: Sessions,
    ids: Ids,
}

impl Site {
    /// One session, with `k` = `v`.
    fn with_a_session() -> Self {
        let ids = Ids::default();
        let store = Arc::new(Halting(MemoryStore::new()));
        let sessions = Sessions::new(Config::default(), store).with_random(ids.clone());
        let site = Site { sessions, ids };
        site.visit(0, |session| session.insert("k", "v").unwrap());
        site
    }

    /// The session of a request with the cookie of the id that was made as the nth.
    fn session(&self, slot: &Slot, nth: usize) -> Session {
        let cookie = self.ids.cookie(nth);
        let header = cookie.as_deref().map(str::as_bytes);
        run(slot.load(slot.open(header.into_iter()))).unwrap()
    }

    fn visit<T>(&self, nth: usize, handler: impl FnOnce(&Session) -> T) -> T {
        let slot = self.sessions.slot();
        let result = handler(&self.session(&slot, nth));
        run(slot.close(Outcome::Succeeded)).unwrap();
        result
    }

    /// What the old id shows, and what the new one does if there is one.
    fn shown(&self) -> [Shown; 2] {
        [0, 1].map(|nth| {
            self.ids.cookie(nth)?;
            self.visit(nth, |session| {
                let value: String = session.get("k").unwrap()?;
                let value = ["v", "w"].into_iter().find(|known| *known == value);
                Some((
                    value.unwrap(),
                    session.user().map(|user| {
                        assert_eq!(&*user, "alice");
                        "alice"
                    }),
                ))
            })
        })
    }

    fn is_old_or(&self, new: [Shown; 2], step: &str) {
        let shown = self.shown();
        // A record under an id that nobody was told of may stay behind the old session, and runs out.
        let old = shown[0] == OLD && (shown[1].is_none() || shown[1] == new[1]);
        assert!(old || shown == new, "{step} leaves {shown:?}");
    }

    /// The next request on what is left works, and so does a newcomer's.
    fn goes_on(&self, step: &str) {
        let [old_id, new_id] = self.shown();
        let alive = usize::from(old_id.is_none() && new_id.is_some());
        if old_id.or(new_id).is_some() {
            self.visit(alive, |session| session.insert("next", 1).unwrap());
            let next: Option<i32> = self.visit(alive, |session| session.get("next").unwrap());
            assert_eq!(next, Some(1), "the request after {step}");
        }
        let newcomer = self.ids.count();
        self.visit(newcomer, |session| session.insert("k", "v").unwrap());
        let value: Option<String> = self.visit(newcomer, |session| session.get("k").unwrap());
        assert_eq!(value.as_deref(), Some("v"), "a newcomer after {step}");
    }
}

/// Polls a future at most this often, and drops it.
fn poll<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Polls a future until it is ready. Nothing here takes long.
fn run<F: Future>(future: F) -> F::Output {
    poll(future, 1000).unwrap()
}

/// What nobody waits for, in the order in which it was left.
mod unattended {
    use super::{RefCell, Unattended};

    thread_local! {
        static TASKS: RefCell<Vec<Unattended>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn spawn(rest: Unattended) {
        TASKS.with_borrow_mut(|tasks| tasks.push(rest));
    }

    /// Runs all of it, and says how many there were.
    pub(super) fn run() -> usize {
        let tasks = TASKS.take();
        let count = tasks.len();
        tasks.into_iter().for_each(super::run);
        count
    }
}

/// Ids that the test knows.
#[derive(Clone, Debug, Default)]
struct Ids(Arc<Mutex<Vec<[u8; 32]>>>);

impl Ids {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn cookie(&self, nth: usize) -> Option<String> {
        let ids = self.0.lock().unwrap();
        let id = URL_SAFE_NO_PAD.encode(ids.get(nth)?);
        Some(format!("__Host-id={id}"))
    }
}

impl Random for Ids {
    fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError> {
        let mut ids = self.0.lock().unwrap();
        *bytes = [ids.len() as u8; 32];
        ids.push(*bytes);
        Ok(())
    }
}

/// A store whose every verb is pending once before and once after it is carried out.
#[derive(Debug)]
struct Halting(MemoryStore);

impl Halting {
    async fn call<T>(&self, verb: impl Future<Output = T>) -> T {
        Halt(false).await;
        let answer = verb.await;
        Halt(false).await;
        answer
    }
}

/// Is pending once.
struct Halt(bool);

impl Future for Halt {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

#[async_trait]
impl Store for Halting {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.call(self.0.load(key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        self.call(self.0.put(key, expect, entry, now)).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(self.0.touch(key, version, deadline, now)).await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        self.call(self.0.delete(key, version)).await
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        self.call(self.0.keys_of_user(user)).await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.call(self.0.delete_expired(before, limit)).await
    }
}
