//! A request's session, in the cache that Rocket keeps with each request.

use std::sync::{Mutex, PoisonError};

use anysession::{Guard, Sessions, Slot, Unattended};
use rocket::Request;

/// Holds a guard from the first use of the session until the response is known. If Rocket drops the request before that,
/// the guard goes with it and finishes what must be finished.
#[derive(Default)]
struct Visit(Mutex<Option<Guard>>);

/// The place for the session.
pub(crate) fn slot(request: &Request<'_>, sessions: &Sessions) -> Slot {
    with_guard(request, |guard| {
        let guard = guard.get_or_insert_with(|| sessions.guard(spawn));
        guard.slot()
    })
}

/// What is to be closed, `None` if nobody asked for the session.
pub(crate) fn finish(request: &Request<'_>) -> Option<Guard> {
    with_guard(request, Option::take)
}

fn with_guard<T>(request: &Request<'_>, act: impl FnOnce(&mut Option<Guard>) -> T) -> T {
    let Visit(guard) = request.local_cache(Visit::default);
    act(&mut guard.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether the request failed because its session could not be loaded: set by the first who asks, if at all.
pub(crate) struct LoadFailed(pub(crate) bool);

/// Without a runtime the process is ending, and everything with it.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}
