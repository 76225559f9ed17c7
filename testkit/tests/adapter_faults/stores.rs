//! Stores that each break one rule, to show that the adapter suite would notice it through HTTP.

use std::sync::Arc;

use anysession::{
    Deletion, Entry, Expect, MemoryStore, Store, StoreError, StoreKey, Stored, Timestamp, Version,
    Write,
};
use async_trait::async_trait;

/// What a store, or the engine above it, may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    DeadlineNeverComes,
    OldIdStaysAlive,
    VersionIgnored,
    DeletedKeyRevived,
    ExpiredKeyRevived,
    TakenKeyOverwritten,
    TouchDoesNothing,
    TouchOnEveryRead,
    DeleteDoesNothing,
    UsersForgotten,
    UserForgedOnLoad,
}

#[derive(Debug)]
pub(crate) struct BrokenStore {
    inner: MemoryStore,
    flaw: Flaw,
}

impl BrokenStore {
    pub(crate) fn open(flaw: Flaw) -> Arc<dyn Store> {
        let inner = MemoryStore::new();
        Arc::new(BrokenStore { inner, flaw })
    }

    /// What is there now, whatever the caller had read.
    async fn as_it_is(&self, key: &StoreKey) -> Result<Expect, StoreError> {
        let stored = self.inner.load(key).await?;
        Ok(stored.map_or(Expect::Absent, |stored| Expect::Version(stored.version)))
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let mut stored = self.inner.load(key).await?;
        if let Some(Stored { entry, .. }) = &mut stored {
            match self.flaw {
                Flaw::DeadlineNeverComes => entry.deadline = Timestamp::MAX,
                // Early enough that every read seems to earn a later one.
                Flaw::TouchOnEveryRead => entry.deadline = entry.deadline.before(HALF_OF_1000_S),
                Flaw::UserForgedOnLoad => entry.user = Some("admin".into()),
                _ => {}
            }
        }
        Ok(stored)
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let actual = self.as_it_is(key).await?;
        let expect = match (self.flaw, expect) {
            (Flaw::OldIdStaysAlive, Expect::Version(version)) if is_tombstone(&entry) => {
                return Ok(Write::Done(version));
            }
            (Flaw::VersionIgnored, Expect::Version(_)) if actual != Expect::Absent => actual,
            (Flaw::DeletedKeyRevived, Expect::Version(_)) if actual == Expect::Absent => actual,
            (Flaw::TakenKeyOverwritten, Expect::Absent) => actual,
            (_, expect) => expect,
        };
        // Long ago, nothing had expired.
        let now = match self.flaw {
            Flaw::ExpiredKeyRevived => Timestamp::from_millis(0),
            _ => now,
        };
        self.inner.put(key, expect, entry, now).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.flaw {
            Flaw::TouchDoesNothing => Ok(()),
            _ => self.inner.touch(key, version, deadline, now).await,
        }
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        match self.flaw {
            Flaw::DeleteDoesNothing => Ok(Deletion::Done),
            _ => self.inner.delete(key, version).await,
        }
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        match self.flaw {
            Flaw::UsersForgotten => Ok(Vec::new()),
            _ => self.inner.keys_of_user(user).await,
        }
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.delete_expired(before, limit).await
    }
}

const HALF_OF_1000_S: std::time::Duration = std::time::Duration::from_secs(500);

/// The lowest bit of the fourth byte says it.
fn is_tombstone(entry: &Entry) -> bool {
    entry.payload.get(3).is_some_and(|flags| flags & 1 == 1)
}
