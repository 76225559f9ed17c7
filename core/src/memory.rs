//! The store that keeps sessions in this process.

mod expiry;
mod shard;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::driver::{ConnectError, Driver};
use crate::id::StoreKey;
use crate::location::Location;
use crate::store::{Deletion, Entry, Expect, Store, StoreError, Stored, Version, Write};
use shard::Shard;
use users::Users;

const NAME: &str = "memory";
const MAX_SESSIONS: &str = "max_sessions";

/// Opens a [`MemoryStore`]: type or scheme `memory`, option `max_sessions`.
pub(crate) const DRIVER: Driver = Driver {
    name: NAME,
    schemes: &[NAME],
    connect: |location| Box::pin(ready(open(&location))),
    connect_flask: None,
};

/// Keeps sessions in the memory of this process: for development, for tests, and for a server that runs alone and may
/// forget its visitors when it restarts.
///
/// Every call is answered at once and waits for nothing but a short lock on one of many parts. Expired sessions leave a
/// few at a time whenever a session is created; [`delete_expired`](Store::delete_expired) removes those that are left,
/// in small steps that let requests through.
///
/// Memory grows with the number of sessions unless it is [bounded](Self::with_limit). `SESSION_TYPE=memory`
/// chooses this store, `SESSION_URL=memory://?max_sessions=100000` bounds it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anysession::{Entry, Expect, MemoryStore, Store, StoreKey, Timestamp};
///
/// let store = MemoryStore::with_limit(1);
/// let now = Timestamp::from_millis(0);
/// let entry = Entry { payload: "data".into(), deadline: Timestamp::from_millis(60_000), user: None };
/// let [first, second] = [[1; 32], [2; 32]].map(|bytes| StoreKey::from_bytes(&bytes).unwrap());
///
/// let written = store.put(&first, Expect::Absent, entry.clone(), now).await?;
/// # assert!(matches!(written, anysession::Write::Done(_)));
/// let refused = store.put(&second, Expect::Absent, entry.clone(), now).await.unwrap_err();
/// assert!(refused.is_full());
/// assert_eq!(store.load(&first).await?.map(|stored| stored.entry), Some(entry));
/// # Ok(()) }
/// ```
pub struct MemoryStore {
    /// A key's shard never changes. A shard's lock may be held while one of `users` is taken, never the other way
    /// round, and never two of either.
    shards: Box<[Mutex<Shard>]>,
    users: Users,
    room: Room,
}

/// Enough that two threads seldom meet, and that a shard's table is moved quickly when it grows: 1,000,000 sessions are
/// 4,000 a shard.
const SHARDS: usize = 256;

/// How many queued deadlines a create looks at. More than one, so that the expired leave faster than new ones come even
/// when most of what is due turns out to have been touched.
const STEPS_PER_CREATE: usize = 8;

/// How many queued deadlines are looked at under one lock when there is no request to answer.
const STEPS_PER_LOCK: usize = 16;

impl MemoryStore {
    /// An empty store without a bound.
    pub fn new() -> Self {
        Self::with_limit(usize::MAX)
    }

    /// An empty store that holds at most `limit` sessions.
    ///
    /// When it is full it drops what has expired. If nothing has, it refuses the new session with an error that
    /// [is full](StoreError::is_full): a session that is alive never makes room for another, or a stranger could log
    /// out everybody by opening sessions.
    pub fn with_limit(limit: usize) -> Self {
        MemoryStore {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: Users::default(),
            room: Room {
                taken: AtomicUsize::new(0),
                limit,
            },
        }
    }

    /// How many sessions it holds, those included that have expired and still take room.
    pub fn len(&self) -> usize {
        self.room.taken.load(Ordering::Relaxed)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn create(&self, key: &StoreKey, entry: Entry, now: Timestamp) -> Result<Write, StoreError> {
        loop {
            let mut shard = self.shard(key);
            let due = shard.evict_due(now, STEPS_PER_CREATE, &self.users);
            self.room.give_back(due.evicted);
            if shard.is_alive(key, now) {
                return Ok(Write::Conflict);
            }
            self.room
                .give_back(usize::from(shard.remove(key, &self.users)));
            if self.room.take() {
                return Ok(Write::Done(shard.insert(key, entry, &self.users)));
            }
            drop(shard);
            if !self.make_room(now) {
                let reason = format!("it holds {} sessions, all that it may", self.room.limit);
                return Err(StoreError::full(NAME, "put", reason));
            }
        }
    }

    /// Evicts until there is room for one, and says whether there is. It does no more than that: one request should not
    /// pay for all that expired overnight.
    fn make_room(&self, now: Timestamp) -> bool {
        let evicted = self.evict(now, 1);
        evicted > 0 || self.room.is_left()
    }

    /// Goes round the shards and does a little at each, so that a request that waits for one of them gets it before
    /// more is done there.
    fn evict(&self, before: Timestamp, limit: usize) -> usize {
        let mut evicted = 0;
        let mut more = true;
        while more {
            more = false;
            for shard in &self.shards {
                if evicted == limit {
                    return evicted;
                }
                let steps = STEPS_PER_LOCK.min(limit - evicted);
                // Given back before the shard is unlocked: whoever then finds nothing to evict there finds the room.
                let mut shard = lock(shard);
                let due = shard.evict_due(before, steps, &self.users);
                self.room.give_back(due.evicted);
                evicted += due.evicted;
                more |= due.more;
            }
        }
        evicted
    }

    fn shard(&self, key: &StoreKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(tail(key), SHARDS)])
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("sessions", &self.len())
            .field("limit", &self.room.limit)
            .finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.shard(key).load(key))
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        match expect {
            Expect::Absent => self.create(key, entry, now),
            Expect::Version(version) => {
                Ok(self
                    .shard(key)
                    .replace(key, &version, entry, now, &self.users))
            }
        }
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.shard(key).touch(key, version, deadline, now);
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let mut shard = self.shard(key);
        if !shard.is_at(key, version) {
            return Ok(Deletion::Conflict);
        }
        self.room
            .give_back(usize::from(shard.remove(key, &self.users)));
        Ok(Deletion::Done)
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        Ok(self.users.keys(user))
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(self.evict(before, limit))
    }
}

/// The bound on the number of sessions. It is taken before a session is inserted and given back after one was removed,
/// so there are never more sessions than `limit`.
struct Room {
    taken: AtomicUsize,
    limit: usize,
}

impl Room {
    fn take(&self) -> bool {
        let one_more = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    fn give_back(&self, sessions: usize) {
        if sessions > 0 {
            self.taken.fetch_sub(sessions, Ordering::Relaxed);
        }
    }

    fn is_left(&self) -> bool {
        self.taken.load(Ordering::Relaxed) < self.limit
    }
}

fn open(location: &Location) -> Result<Arc<dyn Store>, ConnectError> {
    location.check_options(NAME, &[MAX_SESSIONS])?;
    if location.scheme().is_some_and(|scheme| scheme != NAME) || !location.path().is_empty() {
        return Err(ConnectError::Failed {
            driver: NAME,
            source: "it opens no path and no server: remove the url, write it as `memory://`, or set `type` to the \
                     store that the url is for"
                .into(),
        });
    }
    let expected = "a whole number of sessions, 1 or more";
    let read = |max: &str| max.parse().ok().filter(|max| *max > 0);
    let limit = location.read(NAME, MAX_SESSIONS, expected, read)?;
    let store = limit.map_or_else(MemoryStore::new, MemoryStore::with_limit);
    Ok(Arc::new(store))
}

/// Nothing that is done under a lock leaves things half done when it panics, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key is a hash already, so a part of it is its hash in our tables: the last part, because keys of one kind may start
/// alike.
fn tail(key: &StoreKey) -> u64 {
    key.as_bytes()
        .last_chunk()
        .map_or(0, |tail| u64::from_le_bytes(*tail))
}

/// Chooses by bits from the middle of the hash: the tables use both of its ends.
fn shard_of(hash: u64, shards: usize) -> usize {
    (hash >> 32) as usize % shards
}
