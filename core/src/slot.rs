//! One request's place for its session, from the cookie to the response's headers.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::close::Close;
use crate::error::Error;
use crate::id::{SessionId, StoreKey};
use crate::lifecycle::{Outcome, Wish};
use crate::record::{Absence, Found, Record};
use crate::session::Session;
use crate::sessions::Shared;
use crate::store::Stored;
use crate::turn::unlocked;

/// How many cookies of our name are looked up in one request. A browser sends one; several come from cookies of
/// another path or domain, and thousands from somebody who wants to keep the store busy.
const MAX_CANDIDATES: usize = 4;

/// One request's place for its session. The adapter puts it on the request, its extractor loads the session through it,
/// and the adapter closes it when the response is known.
///
/// It is cheap to clone. A request that never loads its session costs no round trip and gets no header.
#[derive(Clone)]
pub struct Slot(pub(crate) Arc<Visit>);

/// What the cookies of a request say, before anything was looked up.
#[derive(Debug, Default)]
pub struct Claim {
    /// Nearly always there is one.
    candidates: SmallVec<[SessionId; 1]>,
    malformed: bool,
}

impl Slot {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        // Not `new`, which would make it elsewhere and then move it into its room: it is large.
        Slot(Arc::new_cyclic(|_| Visit {
            shared,
            loaded: AtomicBool::new(false),
            state: Mutex::new(State::new()),
            turn: tokio::sync::Mutex::new(()),
        }))
    }

    /// Reads the request's `Cookie` headers, byte for byte as they came. No I/O.
    pub fn open<'h>(&self, headers: impl Iterator<Item = &'h [u8]>) -> Claim {
        let mut claim = Claim::default();
        if self.0.is_loaded() {
            return claim;
        }
        for value in self.0.shared.config.cookie().values(headers) {
            match self.0.shared.config.read_id(value) {
                None => claim.malformed = true,
                Some(id) if claim.candidates.contains(&id) => {}
                Some(id) => claim.candidates.push(id),
            }
            if claim.candidates.len() == MAX_CANDIDATES {
                break;
            }
        }
        claim
    }

    /// Loads the session that the request claims. It loads once: later calls return the same session.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot be asked, which is told to `tracing`. That is not "no session": answer with
    /// [`Error::status`] and an empty body.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` keeps its arguments twice, and frameworks copy what they await"
    )]
    pub fn load(&self, claim: Claim) -> impl Future<Output = Result<Session, Error>> + Send + '_ {
        async move {
            if !self.0.is_loaded() {
                let looked_up = self.0.look_up(&claim).await;
                looked_up.inspect_err(|error| self.0.not_loaded(error))?;
            }
            Ok(Session::new(self.0.clone()))
        }
    }

    /// The session, if it was loaded already: for whatever cannot wait.
    pub fn loaded(&self) -> Option<Session> {
        self.0.is_loaded().then(|| Session::new(self.0.clone()))
    }

    /// Ends the request: carries out what its handler wished, and says which header lines the response is to get.
    /// There is nothing to wait for, and nothing is allocated, if the session was not loaded or needs no I/O.
    ///
    /// Data changed after this is kept only by [`Session::save`], and no cookie can be set any more.
    pub fn close(&self, outcome: Outcome) -> Close {
        self.0.clone().close(outcome, None)
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("loaded", &self.0.is_loaded())
            .finish_non_exhaustive()
    }
}

/// What a request and its session share.
pub(crate) struct Visit {
    pub(crate) shared: Arc<Shared>,
    /// Whether the state is that of a session that was looked up. It is there before, so that what is found is not moved
    /// from place to place on its way into it.
    loaded: AtomicBool,
    pub(crate) state: Mutex<State>,
    /// One commit at a time: a save in a task of the handler's, and the close.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// A session as one request knows it.
pub(crate) struct State {
    /// Whether it was asked for, where it could not be looked up.
    pub(crate) asked_for: bool,
    /// The id that the request came with, or got.
    pub(crate) id: Option<SessionId>,
    pub(crate) found: Found,
    pub(crate) loaded_at: Timestamp,
    pub(crate) wish: Wish,
    pub(crate) cookie: CookieDue,
    /// Counts the changes of the wish.
    pub(crate) generation: u64,
    /// What the handler sees while a save is on its way, instead of what was found.
    pub(crate) saving: Option<Option<Box<Record>>>,
    /// Whether the wish was computed on an older record than the one that was found.
    pub(crate) rebase: bool,
    /// Whether a save failed or was given up.
    pub(crate) failed: bool,
    /// Whether the response is on its way, so that no cookie can be set any more.
    pub(crate) sent: bool,
}

/// What the response is to say about the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieDue {
    Nothing,
    /// With this Max-Age, or none for a cookie that ends with the browser.
    Set(Option<Duration>),
    Remove,
}

impl State {
    /// Of a session that is still to be looked up.
    fn new() -> Self {
        State {
            asked_for: false,
            id: None,
            found: Found::default(),
            loaded_at: Timestamp::MAX,
            wish: Wish::default(),
            cookie: CookieDue::Nothing,
            generation: 0,
            saving: None,
            rebase: false,
            failed: false,
            sent: false,
        }
    }
}

impl Visit {
    /// `None` if the session was not loaded.
    pub(crate) fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.is_loaded().then(|| self.lock())
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up what the request claims, and keeps what was found.
    async fn look_up(&self, claim: &Claim) -> Result<(), Error> {
        let shared = &*self.shared;
        let now = shared.clock.now();
        // Of those that do not live: the first whose id was replaced, or else the last.
        let (mut replaced, mut absent) = (None, None);
        for id in &claim.candidates {
            let key = shared.policy.layout.store_key(id);
            let stored = match &shared.leaving {
                None => shared.load(&key).await?,
                Some(leaving) => Box::pin(shared.load_or_move(leaving, id, &key, now)).await?,
            };
            match self.keep_if_alive(id, &key, stored, now) {
                None | Some(Found::Live(_)) => return Ok(()),
                Some(Found::Replaced(tombstone)) => {
                    replaced.get_or_insert((id, Box::new(tombstone)));
                }
                Some(Found::Nothing(absence)) => absent = Some((id, absence)),
            }
        }
        let (id, mut found) = match (replaced, absent) {
            (Some((id, tombstone)), _) => (Some(id), Found::Replaced(*tombstone)),
            (None, Some((id, absence))) => (Some(id), Found::Nothing(absence)),
            (None, None) if claim.malformed => {
                tracing::debug!(target: "anysession", "malformed id");
                (None, Found::Nothing(Absence::Malformed))
            }
            (None, None) => (None, Found::Nothing(Absence::NoCookie)),
        };
        self.fill(id, &mut found, now);
        Ok(())
    }

    /// Takes note of an outage: the response depends on the cookie all the same.
    #[cold]
    fn not_loaded(&self, error: &Error) {
        self.lock().asked_for = true;
        let error = with_causes(error);
        tracing::error!(target: "anysession", %error, "a session was not loaded");
    }

    /// Judges what was loaded. If it is alive, it is kept as what this request has found; otherwise it is the answer.
    fn keep_if_alive(
        &self,
        id: &SessionId,
        key: &StoreKey,
        stored: Option<Stored>,
        now: Timestamp,
    ) -> Option<Found> {
        let shared = &*self.shared;
        let mut found = shared.judge(key.clone(), stored, now);
        shared.tell_found(key, &found);
        if !matches!(found, Found::Live(_)) {
            return Some(found);
        }
        self.fill(Some(id), &mut found, now);
        None
    }

    /// What was found is taken from where it lies, as it is large.
    fn fill(&self, id: Option<&SessionId>, found: &mut Found, now: Timestamp) {
        let mut state = self.lock();
        // Two extractors that ran at once have found the same; one of them stays.
        if !self.is_loaded() {
            state.id = id.cloned();
            std::mem::swap(&mut state.found, found);
            state.loaded_at = now;
            self.loaded.store(true, Ordering::Release);
        }
    }
}

/// Changes that nobody saved after the response was sent are lost; that must not happen in silence.
impl Drop for Visit {
    fn drop(&mut self) {
        let state = unlocked(&mut self.state);
        if state.sent && !state.failed && !state.wish.is_empty() {
            tracing::error!(
                target: "anysession",
                keys = ?state.wish.changes.keys().collect::<Vec<_>>(),
                "a session was changed after its response was sent, and the changes were not saved: they are lost"
            );
        }
    }
}
