//! Which sessions a user has.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;

use super::shard::shrink_if_sparse;
use super::{lock, shard_of, tail};
use crate::id::StoreKey;

/// The keys of every user's entries. It is changed only while the shard of the entry is locked, together with the entry:
/// it holds no key too many and none too few. None of its own locks is held while any other is taken.
pub(super) struct Users {
    shards: Box<[Mutex<HashTable<OfUser>>]>,
    /// Whoever can choose a name must not be able to choose its place.
    hasher: RandomState,
}

const SHARDS: usize = 64;

struct OfUser {
    /// The entries share this string.
    user: Arc<str>,
    keys: Keys,
}

/// Most users have one session, a script may have thousands.
enum Keys {
    One(StoreKey),
    Many(HashTable<StoreKey>),
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
    /// Adds a key to those of the user, and returns the user's name as it is kept here, to be shared.
    pub(super) fn add(&self, user: Arc<str>, key: StoreKey) -> Arc<str> {
        let hash = self.hasher.hash_one(&*user);
        let mut users = lock(self.shard(hash));
        if let Some(known) = users.find_mut(hash, |known| known.user == user) {
            known.keys.add(key);
            return Arc::clone(&known.user);
        }
        let new = OfUser {
            user: Arc::clone(&user),
            keys: Keys::One(key),
        };
        users.insert_unique(hash, new, |known| self.hasher.hash_one(&*known.user));
        user
    }

    pub(super) fn remove(&self, user: &str, key: &StoreKey) {
        let hash = self.hasher.hash_one(user);
        let mut users = lock(self.shard(hash));
        let Ok(mut known) = users.find_entry(hash, |known| &*known.user == user) else {
            return;
        };
        if known.get_mut().keys.remove(key) == Left::None {
            known.remove();
            shrink_if_sparse(&mut users, |known| self.hasher.hash_one(&*known.user));
        }
    }

    pub(super) fn keys(&self, user: &str) -> Vec<StoreKey> {
        let hash = self.hasher.hash_one(user);
        let users = lock(self.shard(hash));
        match users.find(hash, |known| &*known.user == user) {
            None => Vec::new(),
            Some(known) => known.keys.to_vec(),
        }
    }

    fn shard(&self, hash: u64) -> &Mutex<HashTable<OfUser>> {
        &self.shards[shard_of(hash, SHARDS)]
    }

    /// Users and keys.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let of_shard = |users: &HashTable<OfUser>| {
            let keys = users.iter().map(|known| known.keys.to_vec().len()).sum();
            (users.len(), keys)
        };
        self.shards
            .iter()
            .map(|shard| of_shard(&lock(shard)))
            .fold((0, 0), |a: (usize, usize), b: (usize, usize)| {
                (a.0 + b.0, a.1 + b.1)
            })
    }
}

/// Whether a user has keys left.
#[derive(PartialEq, Eq)]
enum Left {
    Some,
    None,
}

impl Keys {
    fn add(&mut self, key: StoreKey) {
        match self {
            Keys::One(known) => {
                let mut keys = HashTable::with_capacity(2);
                for key in [known.clone(), key] {
                    keys.insert_unique(tail(&key), key, tail);
                }
                *self = Keys::Many(keys);
            }
            Keys::Many(keys) => {
                keys.insert_unique(tail(&key), key, tail);
            }
        }
    }

    fn remove(&mut self, key: &StoreKey) -> Left {
        match self {
            Keys::One(known) if known == key => return Left::None,
            Keys::One(_) => {}
            Keys::Many(keys) => {
                if let Ok(known) = keys.find_entry(tail(key), |known| known == key) {
                    known.remove();
                }
                if keys.is_empty() {
                    return Left::None;
                }
                shrink_if_sparse(keys, tail);
            }
        }
        Left::Some
    }

    fn to_vec(&self) -> Vec<StoreKey> {
        match self {
            Keys::One(key) => vec![key.clone()],
            Keys::Many(keys) => keys.iter().cloned().collect(),
        }
    }
}
