//! A counter in a session, which several processes count up.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use anysession::{Expect, Store, Write};

use crate::common::{NOW, entry, key, load};

pub(crate) const PROCESSES: usize = 3;
const TASKS: u64 = 4;
const INCREMENTS: u64 = 25;
pub(crate) const TOGETHER: u64 = PROCESSES as u64 * TASKS * INCREMENTS;

/// The share of one process.
pub(crate) async fn make(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..INCREMENTS {
                    while !try_one(&*store).await {}
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn try_one(store: &dyn Store) -> bool {
    let stored = load(store, &key(1)).await;
    let text = std::str::from_utf8(&stored.entry.payload).unwrap();
    let count: u64 = text.parse().unwrap();
    let next = entry((count + 1).to_string());
    let expect = Expect::Version(stored.version);
    store.put(&key(1), expect, next, NOW).await.unwrap() != Write::Conflict
}
