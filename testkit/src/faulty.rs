//! A store that fails as it is told.

mod calls;
mod gate;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;

use gate::{Stop, gate};

pub use calls::{Call, Counts, Verb};
pub use gate::{Gate, Stopped};

/// Wraps a store and fails as it is told, verb by verb; with nothing scripted it forwards every call unchanged.
///
/// It counts the calls and keeps their arguments, so that a test can say how many round trips something cost and that a
/// secret reached none of them.
///
/// ```
/// # use std::sync::Arc;
/// # use anysession::{Entry, Expect, Store, StoreKey, Write};
/// # use anysession_testkit::{Counts, Fault, FaultyStore, ReferenceStore, TestClock, Verb};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), anysession::StoreError> {
/// # let key = StoreKey::from_bytes(&[7; 32]).unwrap();
/// # let now = TestClock::START;
/// # let entry = Entry { payload: "x".into(), deadline: now + std::time::Duration::from_secs(1), user: None };
/// let store = Arc::new(FaultyStore::new(Arc::new(ReferenceStore::new())));
///
/// // The answer is lost, but the entry was written.
/// store.once(Verb::Put, Fault::FailAfter);
/// assert!(store.put(&key, Expect::Absent, entry, now).await.is_err());
/// assert!(store.load(&key).await?.is_some());
///
/// assert_eq!(store.counts(), Counts { load: 1, put: 1, ..Counts::default() });
/// assert!(!store.has_seen("the cookie's value"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

/// What to do instead of answering truly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answer an error; nothing was carried out.
    FailBefore,
    /// Carry the verb out, then answer an error: to the caller the outcome is unknown.
    FailAfter,
    /// Answer that the store [is full](StoreError::is_full); nothing was carried out.
    Full,
    /// Answer a conflict though there may be none; nothing was carried out. Only `put` and `delete` can.
    Conflict,
    /// Never answer; nothing was carried out. The call ends when its caller gives up.
    NeverAnswer,
}

impl FaultyStore {
    /// Wraps a store. Nothing is scripted yet.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        FaultyStore {
            inner,
            state: Mutex::default(),
        }
    }

    /// Scripts the next call of this verb that has no script yet: several of these make a sequence.
    ///
    /// # Panics
    /// If the verb cannot answer a conflict and is told to.
    pub fn once(&self, verb: Verb, fault: Fault) {
        verb.check(fault);
        self.push(verb, Step::Fault(fault));
    }

    /// Lets this many calls of the verb pass, and scripts the one after them.
    ///
    /// # Panics
    /// As [`once`](Self::once).
    pub fn after(&self, calls: usize, verb: Verb, fault: Fault) {
        for _ in 0..calls {
            self.push(verb, Step::Pass);
        }
        self.once(verb, fault);
    }

    /// Scripts every call of this verb that has no script of its own, until [`heal`](Self::heal).
    ///
    /// # Panics
    /// As [`once`](Self::once).
    pub fn always(&self, verb: Verb, fault: Fault) {
        verb.check(fault);
        self.lock().always.insert(verb, fault);
    }

    /// The whole store is down: every verb fails before it is carried out, until [`heal`](Self::heal).
    pub fn break_down(&self) {
        for verb in Verb::ALL {
            self.always(verb, Fault::FailBefore);
        }
    }

    /// Forgets every script. Calls that wait at a gate go on.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.always.clear();
        state.scripts.clear();
    }

    /// Stops the next call of this verb that has no script yet *before* it is carried out.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use anysession::{Store, StoreKey};
    /// # use anysession_testkit::{FaultyStore, ReferenceStore, Verb};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let key = StoreKey::from_bytes(&[7; 32]).unwrap();
    /// let store = Arc::new(FaultyStore::new(Arc::new(ReferenceStore::new())));
    /// let gate = store.pause_before(Verb::Load);
    /// let request = tokio::spawn({
    ///     let store = Arc::clone(&store);
    ///     async move { store.load(&key).await }
    /// });
    /// let stopped = gate.reached().await;
    /// // Here something else happens, for example a log-out, while the request is held.
    /// stopped.release();
    /// assert!(request.await.unwrap().unwrap().is_none());
    /// # }
    /// ```
    pub fn pause_before(&self, verb: Verb) -> Gate {
        let (gate, stop) = gate(verb);
        self.push(verb, Step::PauseBefore(stop));
        gate
    }

    /// Stops the next call of this verb that has no script yet *after* it was carried out, with its answer in hand.
    pub fn pause_after(&self, verb: Verb) -> Gate {
        let (gate, stop) = gate(verb);
        self.push(verb, Step::PauseAfter(stop));
        gate
    }

    /// How often each verb was called, also those that failed.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for call in &self.lock().calls {
            counts.add(call.verb);
        }
        counts
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Whether this text stood in any argument of any call: a key (as bytes or in hexadecimal), a payload, a user, a
    /// version.
    pub fn has_seen(&self, secret: &str) -> bool {
        self.lock().calls.iter().any(|call| call.mentions(secret))
    }

    async fn call<T: Send>(
        &self,
        call: Call,
        conflict: Option<T>,
        carry_out: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let verb = call.verb;
        let step = {
            let mut state = self.lock();
            state.calls.push(call);
            state.next(verb)
        };
        match step {
            Step::Pass => carry_out.await,
            Step::PauseBefore(stop) => {
                stop.wait().await;
                carry_out.await
            }
            Step::PauseAfter(stop) => {
                let answer = carry_out.await;
                stop.wait().await;
                answer
            }
            Step::Fault(Fault::FailBefore) => Err(scripted(verb, "before it was carried out")),
            Step::Fault(Fault::FailAfter) => {
                carry_out.await?;
                Err(scripted(verb, "after it was carried out"))
            }
            Step::Fault(Fault::Full) => {
                let cause = "scripted to be full";
                Err(StoreError::full("faulty", verb.name(), cause))
            }
            Step::Fault(Fault::Conflict) => match conflict {
                Some(conflict) => Ok(conflict),
                None => unreachable!("`Verb::check` refuses this script"),
            },
            Step::Fault(Fault::NeverAnswer) => std::future::pending().await,
        }
    }

    fn push(&self, verb: Verb, step: Step) {
        self.lock().scripts.entry(verb).or_default().push_back(step);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let call = Call::new(Verb::Load, format!("{key}")).with(key.as_bytes());
        self.call(call, None, self.inner.load(key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let text = format!("{key} {expect:?} {entry:?} now {now:?}");
        let mut call = Call::new(Verb::Put, text)
            .with(key.as_bytes())
            .with(&entry.payload)
            .with(entry.user.as_deref().unwrap_or_default().as_bytes());
        if let Expect::Version(version) = &expect {
            call = call.with_version(version);
        }
        let carry_out = self.inner.put(key, expect, entry, now);
        self.call(call, Some(Write::Conflict), carry_out).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = format!("{key} {version:?} deadline {deadline:?} now {now:?}");
        let call = Call::new(Verb::Touch, text)
            .with(key.as_bytes())
            .with_version(version);
        let carry_out = self.inner.touch(key, version, deadline, now);
        self.call(call, None, carry_out).await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let call = Call::new(Verb::Delete, format!("{key} {version:?}"))
            .with(key.as_bytes())
            .with_version(version);
        let carry_out = self.inner.delete(key, version);
        self.call(call, Some(Deletion::Conflict), carry_out).await
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let call = Call::new(Verb::KeysOfUser, format!("{user:?}")).with(user.as_bytes());
        self.call(call, None, self.inner.keys_of_user(user)).await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let call = Call::new(
            Verb::DeleteExpired,
            format!("before {before:?} limit {limit}"),
        );
        let carry_out = self.inner.delete_expired(before, limit);
        self.call(call, None, carry_out).await
    }
}

#[derive(Debug, Default)]
struct State {
    scripts: HashMap<Verb, VecDeque<Step>>,
    always: HashMap<Verb, Fault>,
    calls: Vec<Call>,
}

impl State {
    fn next(&mut self, verb: Verb) -> Step {
        let scripted = self.scripts.get_mut(&verb).and_then(VecDeque::pop_front);
        let always = self.always.get(&verb).copied().map(Step::Fault);
        scripted.or(always).unwrap_or(Step::Pass)
    }
}

#[derive(Debug)]
enum Step {
    Pass,
    Fault(Fault),
    PauseBefore(Stop),
    PauseAfter(Stop),
}

impl Verb {
    fn check(self, fault: Fault) {
        assert!(
            fault != Fault::Conflict || matches!(self, Verb::Put | Verb::Delete),
            "{} has no conflict to answer",
            self.name()
        );
    }
}

fn scripted(verb: Verb, when: &str) -> StoreError {
    StoreError::new("faulty", verb.name(), format!("scripted to fail {when}"))
}
