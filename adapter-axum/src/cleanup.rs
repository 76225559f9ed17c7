//! The background task that deletes expired sessions.

use std::time::Duration;

use anysession::Sessions;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Deletes expired sessions about every `period` (an hour is plenty) in a task of its own, until it is stopped or
/// dropped. Start it once in a process; see [`Sessions::keep_deleting_expired`].
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn spawn_cleanup(sessions: &Sessions, period: Duration) -> Cleanup {
    let sessions = sessions.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        sessions
            .keep_deleting_expired(period, tokio::time::sleep, stopped)
            .await;
    });
    Cleanup { stop, task }
}

/// The task that [`spawn_cleanup`] started. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the task ends when this is dropped"]
pub struct Cleanup {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Cleanup {
    /// Ends the task and waits until it has ended.
    pub async fn stop(self) {
        drop(self.stop);
        // It was neither aborted nor can it panic.
        let _ = self.task.await;
    }
}
