//! The manager: a configuration, a store, a clock and a source of randomness, and what is done with them.

use std::fmt;
use std::sync::Arc;

use crate::changes::Changes;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::closing::{IdAfter, Settled, settle, tasks};
use crate::commit::{Commit, Done, Reply, Step, Task};
use crate::config::Config;
use crate::driver::ConnectError;
use crate::drivers::Drivers;
use crate::error::Error;
use crate::id::{OsRandom, Random, SessionId, StoreKey};
use crate::layout::Unreadable;
use crate::lifecycle::{Outcome, Plan, Policy, plan};
use crate::record::{Absence, Found};
use crate::slot::{CookieDue, HeaderText, ResponseHeaders, Slot, State, Visit};
use crate::store::{Deletion, Store, Write};

/// The sessions of an application. Cheap to clone; an adapter holds one.
///
/// ```
/// use std::sync::Arc;
/// use anysession::{Config, MemoryStore, Sessions};
///
/// let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
/// # let _ = sessions;
/// ```
#[derive(Clone)]
pub struct Sessions(pub(crate) Arc<Shared>);

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Config,
    pub(crate) policy: Policy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Sessions {
    /// Sessions of this configuration in this store.
    pub fn new(config: Config, store: Arc<dyn Store>) -> Self {
        let policy = Policy {
            lifetime: config.lifetime(),
            absolute_lifetime: config.absolute_lifetime(),
            permanent: config.permanent(),
            size_limit: config.size_limit(),
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        Sessions(Arc::new(Shared {
            store,
            config,
            policy,
            clock,
            random,
        }))
    }

    /// Sessions in the store that the configuration names, opened by one of these drivers.
    ///
    /// # Errors
    ///
    /// When no driver fits or the store cannot be opened.
    pub async fn connect(config: Config, drivers: &Drivers) -> Result<Self, ConnectError> {
        let store = drivers.connect(&config).await?;
        Ok(Sessions::new(config, store))
    }

    /// With another source of time, for tests.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        let shared = Arc::unwrap_or_clone(self.0);
        Sessions(Arc::new(Shared {
            clock: Arc::new(clock),
            ..shared
        }))
    }

    /// With another source of randomness, where one is prescribed, or for tests.
    #[must_use]
    pub fn with_random(self, random: impl Random) -> Self {
        let shared = Arc::unwrap_or_clone(self.0);
        Sessions(Arc::new(Shared {
            random: Arc::new(random),
            ..shared
        }))
    }

    /// The place for one request's session.
    pub fn slot(&self) -> Slot {
        Slot::new(self.0.clone())
    }

    /// The time by which sessions are judged.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("config", &self.0.config)
            .field("store", &self.0.store)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Whether closing this request asks nothing of the store.
    pub(crate) fn needs_no_store(&self, shared: &Shared) -> bool {
        if !self.wish.is_empty() {
            return false;
        }
        match &self.found {
            Found::Live(live) => shared.policy.slid_deadline(live, self.loaded_at).is_none(),
            Found::Nothing(_) | Found::Replaced(_) => true,
        }
    }
}

impl Visit {
    /// Carries out what was wished so far.
    pub(crate) async fn commit(&self, outcome: Outcome) -> Result<(), Error> {
        let _one_at_a_time = self.saving.lock().await;
        let shared = &self.shared;
        let now = shared.clock.now();
        let (mut wish, found, plan) = {
            let Some(mut state) = self.state() else {
                return Ok(());
            };
            let plan = plan(&state.found, &state.wish, outcome, now, &shared.policy);
            if plan == Plan::Create && state.sent {
                return Err(Error::AfterResponse {
                    operation: "beginning a session",
                });
            }
            state.generation += 1;
            (std::mem::take(&mut state.wish), state.found.clone(), plan)
        };
        match plan {
            Plan::Forget(reason) => {
                tracing::info!(target: "anysession", ?reason, "changes dropped");
            }
            Plan::Touch(deadline) => self.touch(&found, deadline, now).await,
            // A log-out that fails must at least not stay in the browser.
            Plan::Delete { .. } => self.due(CookieDue::Remove),
            Plan::Keep | Plan::Create | Plan::Update | Plan::Rotate => {}
        }
        let settings = wish.changes.settings();
        for &task in tasks(plan, &wish.fate) {
            let changes = match task {
                Task::Destroy => Changes::default(),
                _ => std::mem::take(&mut wish.changes),
            };
            let (commit, first) =
                Commit::begin(task, &found, &wish.fate, changes, now, shared.policy);
            let done = shared.run(commit, first).await?;
            shared.tell_done(task, &found, &done);
            self.settle(settle(done, &settings, &shared.policy, now));
        }
        Ok(())
    }

    /// Takes note of how a commit ended.
    fn settle(&self, settled: Settled) {
        let Some(mut state) = self.state() else {
            return;
        };
        state.found = settled.found;
        if let Some(cookie) = settled.cookie {
            state.cookie = cookie;
        }
        match settled.id {
            IdAfter::Kept => {}
            IdAfter::Forgotten => state.id = None,
            IdAfter::New(id) => state.id = Some(id),
        }
    }

    /// Moves the deadline. A failure does no harm that would be worth a failed request.
    async fn touch(&self, found: &Found, deadline: Timestamp, now: Timestamp) {
        let Found::Live(live) = found else { return };
        let touched = self
            .shared
            .store
            .touch(&live.key, &live.version, deadline, now)
            .await;
        if let Err(error) = touched {
            tracing::warn!(target: "anysession", error = &error as &dyn std::error::Error, "touch failed");
            return;
        }
        if let Some(mut state) = self.state()
            && let Found::Live(live) = &mut state.found
        {
            live.deadline = deadline;
        }
    }

    fn due(&self, cookie: CookieDue) {
        if let Some(mut state) = self.state() {
            state.cookie = cookie;
        }
    }
}

impl Shared {
    /// Runs a commit to its end.
    pub(crate) async fn run(
        &self,
        mut commit: Commit,
        first: Result<Step, Error>,
    ) -> Result<Done, Error> {
        let mut step = first;
        let mut begun = false;
        loop {
            // The first verb goes by the time at which it was planned. A later one may come much later.
            if std::mem::replace(&mut begun, true) {
                commit.at(self.clock.now());
            }
            let reply = match step {
                Ok(Step::Finished(done)) => return Ok(done),
                Ok(Step::NewId) => Reply::NewId(SessionId::generate(&*self.random)?),
                Ok(Step::Load(key)) => Reply::Loaded(self.store.load(&key).await?),
                Ok(Step::Put(key, expect, entry)) => {
                    let write = self.store.put(&key, expect, entry, commit.now()).await?;
                    if write == Write::Conflict {
                        tracing::debug!(target: "anysession", session = %key.short(), "conflict");
                    }
                    Reply::Put(write)
                }
                Ok(Step::Delete(key, version)) => {
                    let deletion = self.store.delete(&key, &version).await?;
                    if deletion == Deletion::Conflict {
                        tracing::debug!(target: "anysession", session = %key.short(), "conflict");
                    }
                    Reply::Deleted(deletion)
                }
                Err(error) => {
                    if let Some((key, version)) = commit.leftover()
                        && let Err(error) = self.store.delete(&key, &version).await
                    {
                        tracing::warn!(
                            target: "anysession",
                            error = &error as &dyn std::error::Error,
                            "a record that nobody uses could not be deleted"
                        );
                    }
                    return Err(error);
                }
            };
            step = commit.resume(reply);
        }
    }

    pub(crate) fn headers(&self, state: &State) -> ResponseHeaders {
        let cookie = self.config.cookie();
        let set_cookie = match (&state.cookie, &state.id) {
            (CookieDue::Set(max_age), Some(id)) => {
                Some(cookie.set(id.expose_to_cookie(), *max_age))
            }
            (CookieDue::Remove, _) => Some(cookie.removal().to_owned()),
            _ => None,
        };
        ResponseHeaders {
            vary: true,
            set_cookie: set_cookie.map(HeaderText),
        }
    }

    /// Tells how a commit ended.
    fn tell_done(&self, task: Task, found: &Found, done: &Done) {
        match done {
            Done::NewId { live, .. } => {
                let session = live.key.short();
                match task {
                    Task::Create => tracing::info!(target: "anysession", %session, "created"),
                    _ => tracing::info!(target: "anysession", %session, "regenerated"),
                }
            }
            Done::Destroyed => match found {
                Found::Live(live) => {
                    tracing::info!(target: "anysession", session = %live.key.short(), "destroyed");
                }
                _ => tracing::info!(target: "anysession", "destroyed"),
            },
            Done::Over => {
                tracing::info!(target: "anysession", ?task, "gone: the session ended during the request");
            }
            Done::Updated { .. } => {}
        }
    }

    /// Tells what was found under a key.
    pub(crate) fn tell_found(&self, key: &StoreKey, found: &Found) {
        let session = key.short();
        match found {
            Found::Live(_) => tracing::trace!(target: "anysession", %session, "loaded"),
            Found::Replaced(_) => tracing::debug!(target: "anysession", %session, "replaced id"),
            Found::Nothing(Absence::Expired) => {
                tracing::debug!(target: "anysession", %session, "expired");
            }
            Found::Nothing(Absence::Unreadable(Unreadable::Newer(format))) => tracing::warn!(
                target: "anysession", %session, format,
                "the record is of a newer format than this version reads; it is left as it is"
            ),
            Found::Nothing(Absence::Unreadable(why)) => {
                tracing::warn!(target: "anysession", %session, ?why, "corrupt record");
            }
            Found::Nothing(_) => tracing::debug!(target: "anysession", %session, "unknown id"),
        }
    }
}
