//! A request's session, in the cache that Rocket keeps with each request.

use std::sync::{Mutex, PoisonError};

use anysession::{Guard, Sessions, Slot, Unattended};
use rocket::Request;

/// From the first use of the session until the response is known. If Rocket drops the request before that, the guard
/// goes with it and finishes what must be finished.
struct Visit(Mutex<Stage>);

enum Stage {
    Unasked,
    Open(Guard),
    Closed,
}

/// The place for the session, `None` if the response is on its way.
pub(crate) fn slot(request: &Request<'_>, sessions: &Sessions) -> Option<Slot> {
    with_stage(request, |stage| {
        if let Stage::Unasked = stage {
            *stage = Stage::Open(sessions.guard(spawn));
        }
        match stage {
            Stage::Open(guard) => Some(guard.slot()),
            Stage::Unasked | Stage::Closed => None,
        }
    })
}

/// What is to be closed, `None` if nobody asked for the session.
pub(crate) fn finish(request: &Request<'_>) -> Option<Guard> {
    with_stage(request, |stage| {
        match std::mem::replace(stage, Stage::Closed) {
            Stage::Open(guard) => Some(guard),
            Stage::Unasked | Stage::Closed => None,
        }
    })
}

fn with_stage<T>(request: &Request<'_>, act: impl FnOnce(&mut Stage) -> T) -> T {
    let Visit(stage) = request.local_cache(|| Visit(Mutex::new(Stage::Unasked)));
    act(&mut stage.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether the request failed because its session could not be loaded: set by the first who asks, if at all.
pub(crate) struct LoadFailed(pub(crate) bool);

/// Without a runtime the process is ending, and everything with it.
fn spawn(rest: Unattended) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(rest);
    }
}
