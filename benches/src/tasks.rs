//! Many tasks at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// How many sessions the tasks take turns with. It is a multiple of the number of tasks, so that no two meet on one.
pub const SESSIONS: usize = 64;

/// One call on the session of this number.
pub type Work = Arc<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// So many calls, shared among tasks that never meet on one session.
pub async fn concurrently(tasks: usize, calls: usize, work: Work) {
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let work = work.clone();
            tokio::spawn(async move {
                for n in 0..calls / tasks {
                    work((n * tasks + task) % SESSIONS).await;
                }
            })
        })
        .collect();
    for task in running {
        task.await.expect("it does not panic");
    }
}
