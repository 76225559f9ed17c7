//! A handler on its way, and what comes after it.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::close::{Close, CloseError};
use crate::guard::Guard;
use crate::lifecycle::Outcome;
use crate::response::ResponseHeaders;

/// What an adapter knows of its framework's responses of type `R`.
pub trait Respond<R> {
    /// What the framework gets.
    type Output;

    /// How the request went, as its response tells; one that has an error and no response has
    /// [failed](Outcome::Failed).
    fn outcome(response: &R) -> Outcome;

    /// Puts the header lines of the closed request on its response, or another response in its place if what was wished
    /// could not be stored.
    fn finish(response: R, closed: Result<ResponseHeaders, CloseError>) -> Self::Output;
}

pin_project! {
    /// A request that is being handled and then closed; see [`Guard::attend`].
    #[must_use = "the request is handled when this is awaited"]
    pub struct Attended<F, A>
    where
        F: Future,
    {
        #[pin]
        stage: Stage<F>,
        adapter: PhantomData<fn() -> A>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F>
    where
        F: Future,
    {
        Handling { #[pin] handling: F, guard: Option<Guard> },
        Closing { close: Close, response: Option<F::Output> },
    }
}

impl Guard {
    /// Waits for the response of a handler, closes the request by the outcome that the response tells, and finishes the
    /// response with what came of it. This is all that an adapter `A` does around a handler, where the framework lets it
    /// wrap the handler's future; dropped before its end, it is what a [`Guard`] says.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use anysession::{
    /// #     CloseError, Config, MemoryStore, Outcome, Respond, ResponseHeaders, Sessions, Unattended,
    /// # };
    /// # fn spawn(_: Unattended) {}
    /// struct Adapter;
    ///
    /// impl Respond<u16> for Adapter {
    ///     type Output = (u16, usize);
    ///
    ///     fn outcome(status: &u16) -> Outcome {
    ///         Outcome::from_status(*status)
    ///     }
    ///
    ///     fn finish(status: u16, closed: Result<ResponseHeaders, CloseError>) -> (u16, usize) {
    ///         match closed {
    ///             Ok(headers) => (status, headers.into_lines().count()),
    ///             Err(error) => (error.status(), error.into_headers().into_lines().count()),
    ///         }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    ///
    /// let guard = sessions.guard(spawn);
    /// let slot = guard.slot();
    /// let handler = async move {
    ///     match slot.load(slot.open([].into_iter())).await {
    ///         Ok(session) if session.insert("theme", "dark").is_ok() => 200,
    ///         Ok(_) => 500,
    ///         Err(error) => error.status(),
    ///     }
    /// };
    /// let response = guard.attend::<_, Adapter>(handler).await;
    /// assert_eq!(response, (200, 3)); // Vary, Cache-Control, Set-Cookie
    /// # }
    /// ```
    pub fn attend<F, A>(self, handling: F) -> Attended<F, A>
    where
        F: Future,
        A: Respond<F::Output>,
    {
        Attended {
            stage: Stage::Handling {
                handling,
                guard: Some(self),
            },
            adapter: PhantomData,
        }
    }
}

impl<F: Future, A: Respond<F::Output>> Future for Attended<F, A> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let mut stage = self.project().stage;
        if let StageProjection::Handling { handling, guard } = stage.as_mut().project() {
            let response = ready!(handling.poll(cx));
            let outcome = A::outcome(&response);
            // A future is not polled again after it was ready.
            let Some(guard) = guard.take() else {
                return Poll::Pending;
            };
            let close = guard.close(outcome);
            let response = Some(response);
            stage.set(Stage::Closing { close, response });
        }
        let StageProjection::Closing { close, response } = stage.project() else {
            return Poll::Pending;
        };
        let closed = ready!(Pin::new(close).poll(cx));
        match response.take() {
            Some(response) => Poll::Ready(A::finish(response, closed)),
            None => Poll::Pending,
        }
    }
}

impl<F: Future, A> std::fmt::Debug for Attended<F, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attended(..)")
    }
}
