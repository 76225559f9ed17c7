//! Deleting expired sessions.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::causes::with_causes;
use crate::id::jitter;
use crate::sessions::Sessions;
use crate::store::StoreError;

/// How many sessions one call of the store deletes at most, so that requests get their turn in between.
const BATCH: usize = 1_000;

impl Sessions {
    /// Deletes all sessions that have expired, in batches, and says how many. An expired session is dead anyway; this
    /// makes room. Call it from a cron job, or let [`keep_deleting_expired`](Self::keep_deleting_expired) do it.
    ///
    /// # Errors
    ///
    /// That of the store; batches before it stay deleted.
    pub async fn delete_expired(&self) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let batch = self
                .0
                .store
                .delete_expired(self.0.clock.now(), BATCH)
                .await?;
            deleted += batch;
            if batch < BATCH {
                return Ok(deleted);
            }
            give_way().await;
        }
    }

    /// Deletes expired sessions about every `period` until `stop` is ready; spawn it on the runtime of the application,
    /// once. The first time comes after a random part of the period, and each pause is a little random, so that
    /// several processes on one store do not all work at the same time. An error of the store is told to `tracing`,
    /// and the next period tries again.
    ///
    /// `sleep` is the runtime's, for example `tokio::time::sleep`. [`cleanup`](Self::cleanup) is the same with a handle to
    /// stop it, and the adapters have a `spawn_cleanup` that brings the runtime.
    pub async fn keep_deleting_expired<S>(
        &self,
        period: Duration,
        sleep: impl Fn(Duration) -> S + Send + Sync,
        stop: impl Future<Output = ()> + Send,
    ) where
        S: Future<Output = ()> + Send,
    {
        let mut stop = pin!(stop);
        let mut pause = period.mul_f64(jitter(&*self.0.random));
        while unless(stop.as_mut(), sleep(pause)).await.is_some() {
            match unless(stop.as_mut(), self.delete_expired()).await {
                None => return,
                Some(Ok(deleted)) => {
                    tracing::debug!(target: "anysession", deleted, "expired sessions deleted");
                }
                Some(Err(error)) => tracing::warn!(
                    target: "anysession",
                    error = %with_causes(&error),
                    "expired sessions could not be deleted; trying again in {period:?}"
                ),
            }
            pause = period.mul_f64(0.9 + 0.2 * jitter(&*self.0.random));
        }
    }
}

impl Sessions {
    /// [`keep_deleting_expired`](Self::keep_deleting_expired) as a task to spawn, and the handle that ends it.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use anysession::{Config, MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    /// let (cleanup, task) = sessions.cleanup(Duration::from_secs(3600), tokio::time::sleep);
    /// tokio::spawn(task);
    /// // … until the application ends:
    /// cleanup.stop().await;
    /// # }
    /// ```
    pub fn cleanup<S>(
        &self,
        period: Duration,
        sleep: impl Fn(Duration) -> S + Send + Sync + 'static,
    ) -> (Cleanup, impl Future<Output = ()> + Send + 'static)
    where
        S: Future<Output = ()> + Send,
    {
        let (stop, stopped) = oneshot::channel();
        let (running, ended) = oneshot::channel();
        let sessions = self.clone();
        let task = async move {
            let _until_here = running;
            let stopped = async { drop(stopped.await) };
            sessions.keep_deleting_expired(period, sleep, stopped).await;
        };
        (Cleanup { stop, ended }, task)
    }
}

/// Ends the task that [`Sessions::cleanup`] made, when it is asked to or dropped.
#[derive(Debug)]
#[must_use = "the task ends when this is dropped"]
pub struct Cleanup {
    stop: oneshot::Sender<Infallible>,
    ended: oneshot::Receiver<Infallible>,
}

impl Cleanup {
    /// Ends the task and waits until it has ended.
    pub async fn stop(self) {
        drop(self.stop);
        // Nothing is ever sent: the task tells its end by dropping the other side.
        let _ = self.ended.await;
    }
}

/// Lets other tasks run: a store that answers at once would otherwise keep this one going to its end.
async fn give_way() {
    let mut waited = false;
    poll_fn(|cx| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// What comes of `work`, or `None` if `stop` is ready first.
async fn unless<T>(
    mut stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match stop.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(cx).map(Some),
    })
    .await
}
