//! A request's session, in the cache that Rocket keeps with each request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anysession::{Guard, Sessions, Slot, Unattended};
use rocket::Request;

/// What is kept with a request. If Rocket drops it before its response is known, the guard finishes what must be finished.
#[derive(Default)]
pub(crate) struct Visit {
    /// From the first use of the session until the response is known.
    guard: Option<Guard>,
    is_closed: bool,
    /// Whether the session could not be loaded.
    pub(crate) load_failed: bool,
}

pub(crate) fn of<'r>(request: &'r Request<'_>) -> MutexGuard<'r, Visit> {
    let visit = request.local_cache(Mutex::<Visit>::default);
    visit.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Visit {
    /// The place for the session.
    pub(crate) fn slot(&mut self, sessions: &Sessions) -> Slot {
        if self.is_closed {
            *self = Visit::default();
            tracing::warn!(
                "a session is asked for after its response was closed: what is changed now is dropped, \
                 unless this is a request of a test that is sent again"
            );
        }
        let guard = self.guard.get_or_insert_with(|| sessions.guard(spawn));
        guard.slot()
    }

    /// What is to be closed, `None` if nobody asked for the session.
    pub(crate) fn finish(&mut self) -> Option<Guard> {
        let guard = self.guard.take();
        self.is_closed |= guard.is_some();
        guard
    }
}

/// Without a runtime the process is ending, and everything with it.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}
