//! The manager: a configuration, a store, a clock and a source of randomness, and what is done with them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::causes::with_causes;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::commit::{Commit, Done, End, Reply, Step, Task};
use crate::config::Config;
use crate::driver::ConnectError;
use crate::drivers::Drivers;
use crate::error::Error;
use crate::id::{OsRandom, Random, SessionId, StoreKey};
use crate::layout::Unreadable;
use crate::leaving::Leaving;
use crate::lifecycle::Policy;
use crate::record::{Absence, Found};
use crate::response::{Due, HeaderText, ResponseHeaders};
use crate::slot::{CookieDue, Slot, State};
use crate::store::{Deletion, Store, StoreError, Stored, Version, Write};

type Loading<'a> = Pin<Box<dyn Future<Output = Result<Option<Stored>, StoreError>> + Send + 'a>>;

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
    /// Where sessions may still be in Flask's layout.
    pub(crate) leaving: Option<Leaving>,
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
            layout: config.layout(),
            leaving: false,
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        Sessions(Arc::new(Shared {
            store,
            config,
            policy,
            leaving: None,
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
        let flask = drivers.connect_to_leave(&config).await?;
        let sessions = Sessions::new(config, store);
        Ok(match flask {
            Some(store) => sessions.leaving_flask(store),
            None => sessions,
        })
    }

    /// With a store in Flask's layout, out of which sessions are moved when they are first asked for. It means something
    /// only if the configuration's layout is `leaving_flask`; [`connect`](Self::connect) does it then.
    #[must_use]
    pub fn leaving_flask(self, store: Arc<dyn Store>) -> Self {
        let shared = Arc::unwrap_or_clone(self.0);
        let leaving = shared.config.left_flask().map(|flask| Leaving {
            store,
            format: flask.format(),
        });
        let policy = Policy {
            leaving: leaving.is_some(),
            ..shared.policy
        };
        Sessions(Arc::new(Shared {
            policy,
            leaving,
            ..shared
        }))
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

impl Shared {
    /// Runs a commit from its first step to its end.
    pub(crate) async fn run(
        &self,
        commit: &mut Commit<'_>,
        first: impl FnOnce(&mut Commit<'_>) -> Result<Step, Error>,
    ) -> Result<End, Box<Error>> {
        let mut step = first(commit);
        loop {
            let reply = match step {
                Ok(Step::Finished(end)) => return Ok(end),
                Ok(Step::NewId) => {
                    let id = SessionId::generate(&*self.random);
                    Reply::NewId(id.map_err(Error::from)?)
                }
                Ok(Step::Load(ref key)) => {
                    let stored = self.load(key).await;
                    Reply::Loaded(stored.map_err(Error::from)?)
                }
                Ok(Step::Put(ref key, expect, entry)) => {
                    let write = self.store.put(key, expect, entry, commit.now()).await;
                    let write = write.map_err(Error::from)?;
                    if write == Write::Conflict {
                        tracing::debug!(target: "anysession", session = %key.short(), "conflict");
                    }
                    Reply::Put(write)
                }
                Ok(Step::Delete(ref key, ref version)) => {
                    let deletion = self.store.delete(key, version).await;
                    let deletion = deletion.map_err(Error::from)?;
                    if deletion == Deletion::Conflict {
                        tracing::debug!(target: "anysession", session = %key.short(), "conflict");
                    }
                    Reply::Deleted(deletion)
                }
                Err(error) => {
                    // In boxes, so that every commit is not larger for what hardly ever happens.
                    let error = Box::new(error);
                    Box::pin(self.discard(commit.leftover())).await;
                    return Err(error);
                }
            };
            // The first verb went by the time at which it was planned. What comes next may come much later.
            if !commit.ends_with(&reply) {
                commit.at(self.clock.now());
            }
            step = commit.resume(reply);
        }
    }

    /// Deletes a record of which nobody was told, if there is one.
    async fn discard(&self, leftover: Option<(StoreKey, Version)>) {
        let Some((key, version)) = leftover else {
            return;
        };
        if let Err(error) = self.store.delete(&key, &version).await {
            tracing::warn!(
                target: "anysession",
                error = %with_causes(&error),
                "a record that nobody uses could not be deleted"
            );
        }
    }

    /// What there is under a key, or what was left in another place when it went from there.
    pub(crate) fn load<'a>(&'a self, key: &'a StoreKey) -> Loading<'a> {
        let Some(grave) = self.policy.layout.grave(key) else {
            return self.store.load(key);
        };
        Box::pin(async move {
            match self.store.load(key).await? {
                None => self.store.load(&grave).await,
                found => Ok(found),
            }
        })
    }

    /// Judges what was [loaded](Self::load) under a key.
    #[inline]
    pub(crate) fn judge(&self, key: StoreKey, stored: Option<Stored>, now: Timestamp) -> Found {
        Found::judge(&self.policy, key, stored, now)
    }

    pub(crate) fn headers(&self, state: &State) -> ResponseHeaders {
        let cookie = self.config.cookie();
        ResponseHeaders(match (&state.cookie, &state.id) {
            (CookieDue::Set(max_age), Some(id)) => {
                let value = self.config.cookie_value(id);
                Due::SetCookie(HeaderText(cookie.set(&value, *max_age, &*self.clock)))
            }
            (CookieDue::Remove, _) => Due::SetCookie(HeaderText(cookie.removal().to_owned())),
            (CookieDue::Nothing | CookieDue::Set(_), _) => Due::Vary,
        })
    }

    /// Tells how a commit ended, under which key the session was that it has destroyed, and what it left.
    pub(crate) fn tell_done(
        &self,
        task: Task,
        destroyed: Option<&StoreKey>,
        done: &Done,
        left: &Found,
    ) {
        match (done, left, destroyed) {
            (Done::NewId(_), Found::Live(live), _) => {
                let session = live.key.short();
                match task {
                    Task::Create => tracing::info!(target: "anysession", %session, "created"),
                    _ => tracing::info!(target: "anysession", %session, "regenerated"),
                }
            }
            (Done::Destroyed, _, Some(key)) => {
                tracing::info!(target: "anysession", session = %key.short(), "destroyed");
            }
            (Done::Destroyed, _, None) => tracing::info!(target: "anysession", "destroyed"),
            (Done::Over, _, _) => {
                tracing::info!(target: "anysession", ?task, "gone: the session ended during the request");
            }
            (Done::Updated { .. } | Done::NewId(_), _, _) => {}
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
            Found::Nothing(Absence::Unreadable(Unreadable::Pickled)) => tracing::warn!(
                target: "anysession", %session,
                "the session was pickled by an old Flask-Session: it counts as none, and is left as it is"
            ),
            Found::Nothing(Absence::Unreadable(why)) => {
                tracing::warn!(target: "anysession", %session, ?why, "corrupt record");
            }
            Found::Nothing(_) => tracing::debug!(target: "anysession", %session, "unknown id"),
        }
    }
}
