//! The contract of a store in the fewest lines that keep it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;

/// The contract of [`Store`] in the fewest lines that keep it: a map under a lock.
///
/// It is the model to read beside the contract when writing a store, and to compare one with in a test. It is not for
/// serving: every verb waits for one lock, and a user's keys are found by looking at all entries.
#[derive(Debug, Default)]
pub struct ReferenceStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<StoreKey, Stored>,
    /// Counts the writes of the whole store, not of one key, so that a key which is deleted and created again does not
    /// get a version that it had before.
    writes: u64,
}

impl ReferenceStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every verb holds this lock from its first look to its last change: that is what makes it atomic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for ReferenceStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.lock().entries.get(key).cloned())
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut state = self.lock();
        let alive = state
            .entries
            .get(key)
            .filter(|stored| stored.entry.deadline > now);
        let as_expected = match expect {
            Expect::Absent => alive.is_none(),
            Expect::Version(version) => alive.is_some_and(|stored| stored.version == version),
        };
        if !as_expected {
            return Ok(Write::Conflict);
        }
        state.writes += 1;
        let version = Version::from(state.writes);
        let stored = Stored {
            entry,
            version: version.clone(),
        };
        state.entries.insert(key.clone(), stored);
        Ok(Write::Done(version))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(stored) = self.lock().entries.get_mut(key)
            && stored.version == *version
            && stored.entry.deadline > now
            && stored.entry.deadline < deadline
        {
            stored.entry.deadline = deadline;
        }
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let mut state = self.lock();
        match state.entries.get(key) {
            Some(stored) if stored.version == *version => {
                state.entries.remove(key);
                Ok(Deletion::Done)
            }
            _ => Ok(Deletion::Conflict),
        }
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let state = self.lock();
        let names_them = |stored: &Stored| stored.entry.user.as_deref() == Some(user);
        let keys = state.entries.iter();
        Ok(keys
            .filter(|(_, stored)| names_them(stored))
            .map(|(key, _)| key.clone())
            .collect())
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.lock();
        let expired: Vec<StoreKey> = (state.entries.iter())
            .filter(|(_, stored)| stored.entry.deadline <= before)
            .map(|(key, _)| key.clone())
            .take(limit)
            .collect();
        for key in &expired {
            state.entries.remove(key);
        }
        Ok(expired.len())
    }
}
