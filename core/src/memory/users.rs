//! Which keys belong to a user, for the memory store.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard};

use super::lock;
use crate::id::StoreKey;

const SHARDS: usize = 16;

type Keys = HashMap<Arc<str>, HashSet<StoreKey>>;

/// Keys by user. It may hold keys too many for a moment, never too few.
///
/// Whoever holds a lock of it may take one of the sessions' shards, never the other way round.
#[derive(Debug)]
pub(super) struct Users {
    shards: Box<[Mutex<Keys>]>,
    hasher: RandomState,
}

impl Default for Users {
    fn default() -> Self {
        Users {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Users {
    pub(super) fn add(&self, user: Arc<str>, key: StoreKey) {
        self.shard(&user).entry(user).or_default().insert(key);
    }

    /// Removes a key if `is_gone` says so while nobody can add it.
    pub(super) fn remove(&self, user: &str, key: &StoreKey, is_gone: impl FnOnce() -> bool) {
        let mut shard = self.shard(user);
        let Some(keys) = shard.get_mut(user) else {
            return;
        };
        if is_gone() && keys.remove(key) && keys.is_empty() {
            shard.remove(user);
        }
    }

    pub(super) fn keys(&self, user: &str) -> Vec<StoreKey> {
        self.shard(user)
            .get(user)
            .map(|keys| keys.iter().copied().collect())
            .unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    fn shard(&self, user: &str) -> MutexGuard<'_, Keys> {
        lock(&self.shards[self.hasher.hash_one(user) as usize % SHARDS])
    }
}
