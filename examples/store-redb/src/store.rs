//! The verbs: one transaction each, off the threads that run async code.

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use redb::Database;

use crate::RedbStore;
use crate::driver::NAME;
use crate::tables::{self, Result, Tables};

impl RedbStore {
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || work(&store.0)).await {
            Ok(result) => result.map_err(|error| StoreError::new(NAME, operation, error)),
            Err(error) => Err(StoreError::new(NAME, operation, error)),
        }
    }

    /// One write transaction. It is given up if there is an error, or nothing to write.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Tables<'_>) -> Result<Option<T>> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        self.run(operation, |database| tables::write(database, work))
            .await
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let key = key.clone();
        self.run("load", move |database| tables::load(database, &key))
            .await
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let key = key.clone();
        let work = move |tables: &mut Tables<'_>| {
            let old = tables.get(&key)?;
            let alive = old.as_ref().filter(|old| old.entry.deadline > now);
            let as_expected = match expect {
                Expect::Absent => alive.is_none(),
                Expect::Version(version) => alive.is_some_and(|alive| alive.version == version),
            };
            if !as_expected {
                return Ok(None);
            }
            if let Some(old) = old {
                tables.remove(&key, &old)?;
            }
            let version = tables.next_version()?;
            tables.insert(&key, version, &entry)?;
            Ok(Some(Version::from(version)))
        };
        let written = self.write("put", work).await?;
        Ok(written.map_or(Write::Conflict, Write::Done))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, version) = (key.clone(), version.clone());
        let work = move |tables: &mut Tables<'_>| {
            let old = tables.get(&key)?.filter(|old| old.version == version);
            let Some((mut old, number)) = old.zip(version.as_number()) else {
                return Ok(None);
            };
            if old.entry.deadline <= now || old.entry.deadline >= deadline {
                return Ok(None);
            }
            tables.remove(&key, &old)?;
            old.entry.deadline = deadline;
            tables.insert(&key, number, &old.entry).map(Some)
        };
        self.write("touch", work).await?;
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let (key, version) = (key.clone(), version.clone());
        let work = move |tables: &mut Tables<'_>| match tables.get(&key)? {
            Some(old) if old.version == version => tables.remove(&key, &old).map(Some),
            _ => Ok(None),
        };
        let deleted = self.write("delete", work).await?;
        Ok(deleted.map_or(Deletion::Conflict, |()| Deletion::Done))
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let user = user.to_owned();
        self.run("keys_of_user", move |database| {
            tables::keys_of_user(database, &user)
        })
        .await
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let work = move |tables: &mut Tables<'_>| {
            let expired = tables.expired(before, limit)?;
            for key in &expired {
                if let Some(old) = tables.get(key)? {
                    tables.remove(key, &old)?;
                }
            }
            Ok(Some(expired.len()).filter(|&deleted| deleted > 0))
        };
        let deleted = self.write("delete_expired", work).await?;
        Ok(deleted.unwrap_or(0))
    }
}
