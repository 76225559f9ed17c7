//! The end of a request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::causes::with_causes;
use crate::error::Error;
use crate::guard::Spawn;
use crate::lifecycle::Outcome;
use crate::response::{Due, ResponseHeaders};
use crate::saving::Occasion;
use crate::sessions::Shared;
use crate::slot::{State, Visit};
use crate::turn::{Turn, unlocked};

type Closed = Result<ResponseHeaders, CloseError>;

/// A request that is being closed; see [`Slot::close`](crate::Slot::close) and [`Guard::close`](crate::Guard::close).
#[must_use = "changes are stored when this is awaited, and the response gets the header lines that come of it"]
pub struct Close {
    state: Closing,
    /// Who goes on if this is dropped before its end.
    spawn: Option<Spawn>,
}

enum Closing {
    /// There was nothing to wait for.
    Done(Option<Closed>),
    /// The store is asked.
    Waiting(Pin<Box<dyn Future<Output = Closed> + Send>>),
}

impl Close {
    /// The end of a request that somebody else ends.
    pub(crate) fn nothing() -> Self {
        Close {
            state: Closing::Done(Some(Ok(ResponseHeaders::default()))),
            spawn: None,
        }
    }
}

impl Visit {
    /// Ends the request, at once if nothing is to be asked of the store.
    pub(crate) fn close(mut self: Arc<Self>, outcome: Outcome, spawn: Option<Spawn>) -> Close {
        let state = match self.close_now() {
            Some(headers) => Closing::Done(Some(Ok(headers))),
            None => {
                // Room first, so that the compiler can make there what is large, instead of moving it there.
                let room = Box::new_uninit();
                let future = Box::write(room, self.close_in_turn(outcome));
                Closing::Waiting(Box::into_pin(future))
            }
        };
        Close { state, spawn }
    }

    fn close_now(self: &mut Arc<Self>) -> Option<ResponseHeaders> {
        if !self.is_loaded() {
            let asked_for = match Arc::get_mut(self) {
                Some(visit) => unlocked(&mut visit.state).asked_for,
                None => {
                    let mut state = self.lock();
                    // Whoever loads it later, in a stream or a socket, must not be told that a new id has reached the
                    // browser.
                    state.sent = true;
                    state.asked_for
                }
            };
            let due = if asked_for { Due::Vary } else { Due::Nothing };
            return Some(ResponseHeaders(due));
        }
        match Arc::get_mut(self) {
            Some(visit) => unlocked(&mut visit.state).close_now(&visit.shared),
            None => self.lock().close_now(&self.shared),
        }
    }

    async fn close_in_turn(mut self: Arc<Self>, outcome: Outcome) -> Closed {
        match Arc::get_mut(&mut self) {
            Some(visit) => visit.alone().close(outcome).await,
            None => self.turn().await.close(outcome).await,
        }
    }
}

impl State {
    fn close_now(&mut self, shared: &Shared) -> Option<ResponseHeaders> {
        // A save that is still on its way may call for a cookie.
        if self.saving.is_some() || !self.needs_no_store(shared) {
            return None;
        }
        self.sent = true;
        Some(shared.headers(self))
    }
}

impl Turn<'_> {
    async fn close(&mut self, outcome: Outcome) -> Closed {
        let result = self.commit(Occasion::Close(outcome)).await;
        let shared = self.shared();
        let headers = self.with(|state| {
            state.sent = true;
            shared.headers(state)
        });
        match result {
            Ok(()) => Ok(headers),
            Err(source) => {
                tell_not_stored(&source);
                Err(CloseError(Box::new(Unclosed {
                    source: *source,
                    headers,
                })))
            }
        }
    }
}

#[cold]
fn tell_not_stored(error: &Error) {
    let error = with_causes(error);
    tracing::error!(target: "anysession", %error, "a session was not stored");
}

impl Future for Close {
    type Output = Closed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let closed = match &mut self.state {
            Closing::Waiting(future) => ready!(future.as_mut().poll(cx)),
            Closing::Done(closed) => match closed.take() {
                Some(closed) => closed,
                None => return Poll::Pending,
            },
        };
        self.state = Closing::Done(None);
        Poll::Ready(closed)
    }
}

impl Drop for Close {
    fn drop(&mut self) {
        if let Some(spawn) = self.spawn
            && let Closing::Waiting(rest) = std::mem::replace(&mut self.state, Closing::Done(None))
        {
            spawn(Box::pin(async move { drop(rest.await) }));
        }
    }
}

impl std::fmt::Debug for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Close(..)")
    }
}

/// What the handler wished could not be stored, which was told to `tracing`. The response is to be replaced by one of
/// [`status`](Self::status) with an empty body, and gets the lines of [`into_headers`](Self::into_headers).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CloseError(
    /// In a box: every close has room for it, and next to none needs it.
    Box<Unclosed>,
);

#[derive(Debug, thiserror::Error)]
#[error("a session was not stored")]
struct Unclosed {
    source: Error,
    headers: ResponseHeaders,
}

impl CloseError {
    /// The HTTP status to answer with.
    pub fn status(&self) -> u16 {
        self.0.source.status()
    }

    /// The header lines that the response gets all the same.
    pub fn into_headers(self) -> ResponseHeaders {
        self.0.headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::memory::MemoryStore;
    use crate::sessions::Sessions;
    use crate::slot::Claim;

    /// Of what is allocated for each request, malloc keeps pieces of up to 1,032 bytes at hand (glibc's tcache). Larger
    /// ones come from its heap, which it tidies up first: that cost a tenth of a write.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn futures_are_small() {
        let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
        let slot = sessions.slot();
        let closing = slot.0.clone().close_in_turn(Outcome::Succeeded);
        assert!(size_of_val(&closing) <= 1_032, "{}", size_of_val(&closing));
        // It lies in the handler's future, which frameworks move and allocate.
        let loading = slot.load(Claim::default());
        assert!(size_of_val(&loading) <= 320, "{}", size_of_val(&loading));
    }
}
