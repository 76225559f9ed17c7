//! Deleting expired sessions.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

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
    /// `sleep` is the runtime's, for example `tokio::time::sleep`. The adapters have a function that brings it.
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
                    error = &error as &dyn std::error::Error,
                    "expired sessions could not be deleted; trying again in {period:?}"
                ),
            }
            pause = period.mul_f64(0.9 + 0.2 * jitter(&*self.0.random));
        }
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
