//! Gates that a request names and a test holds, both in one process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::gate::{Gate, Stop, gate};

/// Sets up a gate for one request, and gives its name for the query.
pub(crate) fn hold() -> (String, Gate) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
    let (gate, stop) = gate("request");
    lock().insert(name.clone(), stop);
    (name, gate)
}

/// Waits at a gate until it is opened. Says whether there was one of this name.
pub(super) async fn pass(name: &str) -> bool {
    let stop = lock().remove(name);
    match stop {
        Some(stop) => {
            stop.wait().await;
            true
        }
        None => false,
    }
}

fn lock() -> MutexGuard<'static, HashMap<String, Stop>> {
    static GATES: LazyLock<Mutex<HashMap<String, Stop>>> = LazyLock::new(Mutex::default);
    GATES.lock().unwrap_or_else(PoisonError::into_inner)
}
