//! A request that its framework may drop at any moment: what must happen all the same.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::close::Close;
use crate::lifecycle::Outcome;
use crate::sessions::Sessions;
use crate::slot::Slot;

/// The rest of a request that nobody waits for.
pub type Unattended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Lets the runtime of the application finish the rest of a request. It must not panic: it is called while something else
/// is being dropped. With tokio:
///
/// ```
/// fn spawn(rest: anysession::Unattended) {
///     // Without a runtime the process is ending, and everything in flight ends with it.
///     if let Ok(runtime) = tokio::runtime::Handle::try_current() {
///         runtime.spawn(rest);
///     }
/// }
/// # let _: anysession::Spawn = spawn;
/// ```
pub type Spawn = fn(Unattended);

/// One request in the hands of an adapter, from its arrival to [`close`](Self::close).
///
/// A framework drops a request whose client has left, and one whose handler panicked. If this is dropped before it was
/// closed, the request counts as [failed](Outcome::Failed): its changes are dropped, but a log-out is carried out. A
/// request that was being closed is closed to its end. Both by a task of its own.
#[must_use = "dropped, it ends the request as a failed one"]
pub struct Guard(Part);

enum Part {
    Whole(Slot, Spawn),
    /// The request is in the hands of another guard, which ends it.
    Inside(Slot),
    Closed,
}

impl Sessions {
    /// Begins a request; `spawn` finishes it if the framework drops it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use anysession::{Config, MemoryStore, Outcome, Sessions, Unattended};
    /// # fn spawn(_: Unattended) {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    ///
    /// let guard = sessions.guard(spawn);
    /// let slot = guard.slot(); // goes on the request, for the extractor
    /// let session = slot.load(slot.open([].into_iter())).await?;
    /// session.insert("theme", "dark")?;
    ///
    /// let headers = guard.close(Outcome::from_status(200)).await?;
    /// assert_eq!(headers.into_lines().count(), 3); // Vary, Cache-Control, Set-Cookie
    /// # Ok(()) }
    /// ```
    pub fn guard(&self, spawn: Spawn) -> Guard {
        Guard(Part::Whole(self.slot(), spawn))
    }

    /// [`guard`](Self::guard), where the adapter may be around a route more than once: if the request has a place of these
    /// sessions already, it is shared, and only the outer guard ends the request. Two places would be two sessions under
    /// one cookie.
    pub fn guard_inside(&self, outer: Option<&Slot>, spawn: Spawn) -> Guard {
        match outer {
            Some(slot) if Arc::ptr_eq(&slot.0.shared, &self.0) => Guard(Part::Inside(slot.clone())),
            _ => self.guard(spawn),
        }
    }
}

impl Guard {
    /// The request's place for its session.
    pub fn slot(&self) -> Slot {
        match &self.0 {
            Part::Whole(slot, _) | Part::Inside(slot) => slot.clone(),
            Part::Closed => unreachable!("only `close` takes the slot, and the guard with it"),
        }
    }

    /// [`Slot::close`]; it goes on by itself if it is dropped before its end.
    pub fn close(mut self, outcome: Outcome) -> Close {
        match self.take() {
            Part::Whole(slot, spawn) => slot.0.close(outcome, Some(spawn)),
            Part::Inside(_) | Part::Closed => Close::nothing(),
        }
    }

    fn take(&mut self) -> Part {
        std::mem::replace(&mut self.0, Part::Closed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Part::Whole(slot, spawn) = self.take() {
            drop(slot.0.close(Outcome::Failed, Some(spawn)));
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slot = match &self.0 {
            Part::Whole(slot, _) | Part::Inside(slot) => Some(slot),
            Part::Closed => None,
        };
        f.debug_struct("Guard").field("slot", &slot).finish()
    }
}
