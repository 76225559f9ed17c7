//! Many requests at once on few sessions, and the proof that nothing went wrong.
//!
//! A [`Storm`] is run while a test kills a server, cuts a connection or moves a key range. It records every operation,
//! when it was begun, when it was answered and how, and [`Storm::judge`] holds the recorded history against what the library
//! promises. An operation that ended in an error is undecided: it may have been carried out or not, at any later time.

mod history;
mod judge;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anysession::{
    Config, Deletion, Entry, Expect, Sessions, Store, StoreError, StoreKey, Stored, Timestamp,
    Version, Write,
};
use async_trait::async_trait;

use crate::suite::Failure;
use history::History;
use worker::{Lineages, Worker};

/// Sessions under many overlapping requests, and their history.
///
/// ```
/// use std::sync::Arc;
/// use anysession::MemoryStore;
/// use anysession_testkit::{Keeps, Storm};
///
/// # #[tokio::main]
/// # async fn main() {
/// let storm = Storm::on([Arc::new(MemoryStore::new()) as _]);
/// storm.rage(2_000).await; // a test of a real store hurts its server meanwhile
/// let report = storm.judge(Keeps::Everything).await.expect("no anomaly");
/// println!("{report}");
/// # }
/// ```
#[derive(Debug)]
pub struct Storm {
    sessions: Vec<Sessions>,
    conflicts: Arc<AtomicUsize>,
    history: Arc<History>,
    lineages: Arc<Lineages>,
}

/// What a store promises to have after what was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Whatever it answered Ok to.
    Everything,
    /// It may forget what it answered Ok to, for instance because it keeps nothing on disk: visitors are then
    /// anonymous. It still invents nothing and mixes nothing up.
    WhatItCan,
}

/// How a history came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations that were begun.
    pub operations: usize,
    /// Those that ended in an error, so that it is not known whether they were carried out.
    pub undecided: usize,
    /// Those that were refused: their session had ended, or others were always faster.
    pub refused: usize,
    /// How often a store answered that another writer was faster.
    pub conflicts: usize,
    /// Sessions that were begun.
    pub sessions: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            operations,
            undecided,
            refused,
            conflicts,
            sessions,
        } = self;
        write!(
            f,
            "{operations} operations on {sessions} sessions, {conflicts} conflicts; \
             {undecided} undecided, {refused} refused; no anomaly"
        )
    }
}

/// Requests that run at the same time.
const WORKERS: usize = 16;

/// How long a session with a short life lives.
pub(crate) const SHORT_LIFE: Duration = Duration::from_secs(1);

impl Storm {
    /// A storm on these handles of one store, as if each belonged to another process.
    pub fn on(handles: impl IntoIterator<Item = Arc<dyn Store>>) -> Self {
        Self::configured(&Config::default(), handles)
    }

    /// The same with sessions that are configured like this. Where nobody can list a user's sessions, ending them is an
    /// error, and so undecided.
    pub fn configured(config: &Config, handles: impl IntoIterator<Item = Arc<dyn Store>>) -> Self {
        let conflicts = Arc::<AtomicUsize>::default();
        let sessions = handles.into_iter().map(|store| {
            let conflicts = Arc::clone(&conflicts);
            Sessions::new(config.clone(), Arc::new(Counting { store, conflicts }))
        });
        Storm {
            sessions: sessions.collect(),
            conflicts: Arc::clone(&conflicts),
            history: Arc::default(),
            lineages: Arc::default(),
        }
    }

    /// Does about this many operations, sixteen at a time, and returns when all are answered. It may be called again, for
    /// instance when the server is back.
    ///
    /// # Panics
    ///
    /// If there is no handle.
    pub async fn rage(&self, operations: usize) {
        assert!(!self.sessions.is_empty(), "a storm needs a store");
        let workers = (0..WORKERS).map(|number| {
            let sessions = self.sessions[number % self.sessions.len()].clone();
            let worker = Worker::new(
                number,
                sessions,
                Arc::clone(&self.history),
                Arc::clone(&self.lineages),
            );
            tokio::spawn(worker.run(operations / WORKERS))
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("a worker of a storm does not panic");
        }
    }

    /// Looks at every session once more, under every id that was ever told, and judges the history. The server must be
    /// up again.
    ///
    /// # Errors
    ///
    /// The first anomaly, or that nothing could be looked at.
    pub async fn judge(&self, keeps: Keeps) -> Result<Report, Failure> {
        // A real server cannot be told the time. After this, what lives shortly is dead.
        tokio::time::sleep(SHORT_LIFE).await;
        let last = Worker::new(
            WORKERS,
            self.sessions[0].clone(),
            Arc::clone(&self.history),
            Arc::clone(&self.lineages),
        );
        last.look_at_all().await?;
        let mut report = judge::judge(&self.history.events(), keeps)?;
        report.conflicts = self.conflicts.load(Ordering::Relaxed);
        Ok(report)
    }
}

/// A store that counts its conflicts, and lets other requests in between its verbs even if it answers at once.
#[derive(Debug)]
struct Counting {
    store: Arc<dyn Store>,
    conflicts: Arc<AtomicUsize>,
}

impl Counting {
    async fn turn(&self) -> &dyn Store {
        tokio::task::yield_now().await;
        &*self.store
    }

    fn count(&self, is_conflict: bool) {
        self.conflicts
            .fetch_add(usize::from(is_conflict), Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for Counting {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.turn().await.load(key).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let write = self.turn().await.put(key, expect, entry, now).await?;
        self.count(write == Write::Conflict);
        Ok(write)
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.touch(key, version, deadline, now).await
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let deletion = self.turn().await.delete(key, version).await?;
        self.count(deletion == Deletion::Conflict);
        Ok(deletion)
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        self.store.keys_of_user(user).await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.delete_expired(before, limit).await
    }
}
