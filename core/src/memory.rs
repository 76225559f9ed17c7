//! The store that needs no crate and no server.

mod shard;
mod users;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::driver::{ConnectError, Driver};
use crate::id::StoreKey;
use crate::store::{Deletion, Entry, Expect, Store, StoreError, Stored, Version, Write};
use shard::{Evicted, Put, Shard};
use users::Users;

const NAME: &str = "memory";

/// Threads rarely meet in one of this many shards.
const SHARDS: usize = 64;

/// How many steps an eviction takes before it lets go of a shard.
const STEPS: usize = 64;

/// Sessions in this process's memory: gone when it ends, and shared with no other process.
///
/// Expired sessions make room by themselves, a few whenever a session is created, and all when
/// [`delete_expired`](Store::delete_expired) runs; neither ever looks at a session that is alive.
///
/// ```
/// use anysession::MemoryStore;
///
/// let store = MemoryStore::with_limit(100_000);
/// assert_eq!(store.len(), 0);
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    users: Users,
    sessions: AtomicUsize,
    limit: usize,
}

impl MemoryStore {
    /// A store that holds as many sessions as there is memory for.
    pub fn new() -> Self {
        Self::with_limit(usize::MAX)
    }

    /// A store that refuses a new session while it holds `limit` of them. It never evicts one that is alive, so
    /// anonymous traffic cannot sign anybody out.
    pub fn with_limit(limit: usize) -> Self {
        MemoryStore {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: Users::default(),
            sessions: AtomicUsize::new(0),
            limit,
        }
    }

    /// How many sessions it holds, expired ones that still take room included.
    pub fn len(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &StoreKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard::hash(key) as usize % SHARDS])
    }

    /// Takes room for one more session, making some if there is none left.
    fn reserve(&self, now: Timestamp) -> Result<(), StoreError> {
        let take = |held: usize| (held < self.limit).then_some(held + 1);
        let reserve = || {
            self.sessions
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        };
        if reserve().is_ok() {
            return Ok(());
        }
        self.evict(now, usize::MAX);
        reserve().map(|_| ()).map_err(|_| {
            let limit = self.limit;
            StoreError::full(
                NAME,
                "put",
                format!("it holds {limit} sessions, as many as it may"),
            )
        })
    }

    /// Forgets an entry that is no longer in its shard.
    fn forget(&self, key: &StoreKey, user: Option<&str>) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
        if let Some(user) = user {
            self.unlist(user, key);
        }
    }

    /// Takes a key from a user's index unless an entry of that user is under it again.
    fn unlist(&self, user: &str, key: &StoreKey) {
        self.users
            .remove(user, key, || !self.shard(key).is_of_user(key, user));
    }

    /// Deletes up to `limit` expired entries, a few at a time, so that no request waits long.
    fn evict(&self, before: Timestamp, limit: usize) -> usize {
        let mut evicted = 0;
        for shard in &self.shards {
            loop {
                let steps = STEPS.min(limit - evicted);
                let Evicted { entries, exhausted } = lock(shard).evict(before, steps);
                evicted += entries.len();
                for (key, user) in entries {
                    self.forget(&key, user.as_deref());
                }
                if evicted == limit {
                    return evicted;
                }
                if exhausted {
                    break;
                }
            }
        }
        evicted
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
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
        let user = entry.user.clone();
        let put = match expect {
            Expect::Version(version) => self.shard(key).update(key, &version, entry, now),
            Expect::Absent => {
                self.reserve(now)?;
                let Evicted { entries, .. } = self.shard(key).evict(now, 2);
                for (key, user) in entries {
                    self.forget(&key, user.as_deref());
                }
                let put = self.shard(key).create(key, entry, now);
                if !matches!(put, Put::Created(_)) {
                    // Either nothing was written, or the room of an expired entry was taken over.
                    self.sessions.fetch_sub(1, Ordering::Relaxed);
                }
                put
            }
        };
        let (version, before) = match put {
            Put::Conflict => return Ok(Write::Conflict),
            Put::Created(version) => (version, None),
            Put::Replaced(version, before) => (version, before),
        };
        if user != before {
            if let Some(user) = user {
                self.users.add(user, *key);
            }
            if let Some(before) = before {
                self.unlist(&before, key);
            }
        }
        Ok(Write::Done(version))
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
        let deleted = self.shard(key).delete(key, version);
        Ok(match deleted {
            None => Deletion::Conflict,
            Some(user) => {
                self.forget(key, user.as_deref());
                Deletion::Done
            }
        })
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let keys = self.users.keys(user);
        let (kept, gone): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .partition(|key| self.shard(key).is_of_user(key, user));
        for key in gone {
            self.unlist(user, &key);
        }
        Ok(kept)
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(if limit == 0 {
            0
        } else {
            self.evict(before, limit)
        })
    }
}

/// Opens a [`MemoryStore`]; it takes no path, and the option `max_sessions`.
pub(crate) const DRIVER: Driver = Driver {
    name: NAME,
    schemes: &["memory"],
    connect: |location| {
        Box::pin(async move {
            location.check_options(NAME, &["max_sessions"])?;
            if !location.path().is_empty() {
                return Err(ConnectError::Failed {
                    driver: NAME,
                    source:
                        "it keeps nothing at a path: leave the url empty, or choose another type"
                            .into(),
                });
            }
            let limit = match location.option("max_sessions") {
                None => usize::MAX,
                Some(number) => number.parse().map_err(|_| ConnectError::BadOption {
                    driver: NAME,
                    option: "max_sessions".to_owned(),
                    expected: format!("a number of sessions, not {number:?}"),
                })?,
            };
            Ok(Arc::new(MemoryStore::with_limit(limit)) as Arc<dyn Store>)
        })
    },
};

/// What is behind a lock is consistent between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn key(n: u32) -> StoreKey {
        crate::layout::store_key(
            &crate::id::SessionId::from_cookie(format!("{n:043}").as_bytes()).unwrap(),
        )
    }

    fn entry(deadline: Timestamp, user: Option<&str>) -> Entry {
        Entry {
            payload: vec![1, 2, 3].into(),
            deadline,
            user: user.map(Into::into),
        }
    }

    async fn create(store: &MemoryStore, n: u32, deadline: Timestamp) -> Result<Write, StoreError> {
        store
            .put(&key(n), Expect::Absent, entry(deadline, Some("u")), NOON)
            .await
    }

    #[tokio::test]
    async fn a_full_store_refuses_new_sessions_and_keeps_the_old_ones() {
        let store = MemoryStore::with_limit(3);
        let mut versions = Vec::new();
        for n in 0..3 {
            let Write::Done(version) = create(&store, n, NOON + HOUR).await.unwrap() else {
                panic!()
            };
            versions.push(version);
        }
        assert!(create(&store, 3, NOON + HOUR).await.unwrap_err().is_full());
        let update = Expect::Version(versions[0].clone());
        let updated = store
            .put(&key(0), update, entry(NOON + HOUR, None), NOON)
            .await
            .unwrap();
        assert!(matches!(updated, Write::Done(_)));
        let deleted = store.delete(&key(1), &versions[1]).await.unwrap();
        assert_eq!(deleted, Deletion::Done);
        assert!(matches!(
            create(&store, 3, NOON + HOUR).await.unwrap(),
            Write::Done(_)
        ));
        assert_eq!(store.len(), 3);
    }

    #[tokio::test]
    async fn expired_sessions_make_room_in_a_full_store() {
        let store = MemoryStore::with_limit(2);
        let _ = create(&store, 0, NOON + HOUR).await.unwrap();
        let _ = create(&store, 1, NOON + HOUR * 3).await.unwrap();
        let later = NOON + HOUR * 2;
        let put = store
            .put(&key(2), Expect::Absent, entry(later + HOUR, None), later)
            .await;
        assert!(matches!(put.unwrap(), Write::Done(_)));
        assert_eq!(store.len(), 2);
        assert!(store.load(&key(1)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn nothing_is_left_of_what_was_deleted_or_has_expired() {
        let store = MemoryStore::new();
        for n in 0..5_000 {
            let Write::Done(version) = create(&store, n, NOON + HOUR).await.unwrap() else {
                panic!()
            };
            store
                .touch(&key(n), &version, NOON + HOUR * 2, NOON)
                .await
                .unwrap();
            if n % 2 == 0 {
                assert_eq!(
                    store.delete(&key(n), &version).await.unwrap(),
                    Deletion::Done
                );
            }
        }
        assert_eq!(
            store.delete_expired(NOON + HOUR, usize::MAX).await.unwrap(),
            0
        );
        assert_eq!(store.len(), 2_500);
        assert_eq!(
            store.delete_expired(NOON + HOUR * 2, 1_000).await.unwrap(),
            1_000
        );
        assert_eq!(
            store
                .delete_expired(NOON + HOUR * 2, usize::MAX)
                .await
                .unwrap(),
            1_500
        );
        assert!(store.is_empty());
        assert!(store.shards.iter().all(|shard| lock(shard).is_empty()));
        assert!(store.users.is_empty());
    }

    #[tokio::test]
    async fn creating_evicts_what_has_expired() {
        let store = MemoryStore::new();
        for n in 0..2_000 {
            let _ = create(&store, n, NOON + HOUR).await.unwrap();
        }
        let later = NOON + HOUR;
        for n in 2_000..6_000 {
            let _ = store
                .put(&key(n), Expect::Absent, entry(later + HOUR, None), later)
                .await
                .unwrap();
        }
        assert_eq!(store.len(), 4_000);
    }

    #[tokio::test]
    async fn the_driver_says_what_it_cannot_use() {
        let connect = |url: &str| (DRIVER.connect)(crate::driver::Location::parse(url));
        assert!(connect("").await.is_ok());
        assert!(connect("memory://?max_sessions=10").await.is_ok());
        for url in ["/var/sessions", "?max_sessions=many", "?size=1"] {
            assert!(connect(url).await.is_err(), "{url}");
        }
    }
}
