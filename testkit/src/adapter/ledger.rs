//! What stands in the store, whichever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;

/// All entries at one moment.
pub(crate) type Snapshot = BTreeMap<StoreKey, Stored>;

/// Remembers which keys were written, so that all entries can be looked at: a store itself cannot list them.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Arc<dyn Store>,
    keys: Mutex<BTreeSet<StoreKey>>,
}

impl Ledger {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Ledger {
            store,
            keys: Mutex::default(),
        }
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let keys = self.keys().clone();
        let mut snapshot = Snapshot::new();
        for key in keys {
            if let Some(stored) = self.store.load(&key).await? {
                snapshot.insert(key, stored);
            }
        }
        Ok(snapshot)
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<StoreKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Ledger {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.store.load(key).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        self.keys().insert(key.clone());
        self.store.put(key, expect, entry, now).await
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
        self.store.delete(key, version).await
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        self.store.keys_of_user(user).await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.delete_expired(before, limit).await
    }
}
