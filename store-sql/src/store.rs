//! The store: one statement for each verb, and what becomes of its answer.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anysession::{
    Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version, Write,
};
use async_trait::async_trait;
use sqlx::Database;

use crate::backend::{Backend, Value};
use crate::connections::Connections;
use crate::error::Failure;
use crate::group_commit::GroupCommit;
use crate::rows::to_column;
use crate::schema::Table;
use crate::statements::{Statement, Statements};
use crate::version;

/// The longest user, in bytes. The core takes none that is longer.
pub(crate) const MAX_USER: usize = 255;

/// Expired rows that one statement deletes at most, so that others get their turn: each locks what it deletes, and
/// SQLite has one writer at a time.
const BATCH: usize = 200;

/// Sessions in one table of a database: a [`SqliteStore`](crate::SqliteStore), [`PostgresStore`](crate::PostgresStore)
/// or [`MySqlStore`](crate::MySqlStore).
///
/// Clones share the connections.
pub struct SqlStore<DB: Database>(Arc<Inner<DB>>);

pub(crate) struct Inner<DB: Database> {
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    pub(crate) reads: Arc<Connections<DB>>,
    pub(crate) writes: Arc<Connections<DB>>,
    /// Where the database lets one write at a time, on connections of the store's own.
    pub(crate) group_commit: Option<GroupCommit<DB>>,
    /// How long a verb may take.
    pub(crate) timeout: Duration,
    /// A connection that is never used, where the data goes with the last one.
    pub(crate) _keeper: Option<Mutex<DB::Connection>>,
}

impl<DB: Database> SqlStore<DB> {
    pub(crate) fn of(inner: Inner<DB>) -> Self {
        SqlStore(Arc::new(inner))
    }

    pub(crate) fn inner(&self) -> &Inner<DB> {
        &self.0
    }
}

#[async_trait]
impl<DB: Backend> Store for SqlStore<DB> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.0.load(key).await.map_err(in_verb::<DB>("load"))
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let done = match &expect {
            Expect::Absent => self.0.create(key, &entry, now).await,
            Expect::Version(version) => self.0.update(key, version, &entry, now).await,
        };
        done.map_err(in_verb::<DB>("put"))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let touched = self.0.touch(key, version, deadline, now).await;
        touched.map_err(in_verb::<DB>("touch"))
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let deleted = self.0.delete(key, version).await;
        deleted.map_err(in_verb::<DB>("delete"))
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, StoreError> {
        let keys = self.0.keys_of_user(user).await;
        keys.map_err(in_verb::<DB>("keys_of_user"))
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let deleted = self.0.delete_expired(before, limit).await;
        deleted.map_err(in_verb::<DB>("delete_expired"))
    }
}

impl<DB: Backend> Inner<DB> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, Failure> {
        let values = [Value::Bytes(key.as_bytes())];
        let rows = self.fetch(&self.statements.load, &values).await?;
        Ok(rows.first().and_then(|row| readable(DB::stored(row))))
    }

    async fn create(
        &self,
        key: &StoreKey,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let version = version::next()?;
        let values = [
            Value::Bytes(key.as_bytes()),
            Value::Number(version),
            Value::Bytes(&entry.payload),
            Value::Text(user_of(entry)?),
            Value::Number(to_column(now)),
            Value::Number(to_column(entry.deadline)),
        ];
        if let Some(insert) = &self.statements.insert {
            match self.execute(insert, &values).await {
                Ok(_) => return Ok(written(true, version)),
                // What is there may have expired.
                Err(Failure::Taken(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        let result = self.execute(&self.statements.create, &values).await?;
        Ok(written(DB::has_created(&result, version), version))
    }

    async fn update(
        &self,
        key: &StoreKey,
        expected: &Version,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let Some(expected) = version::to_column(expected) else {
            return Ok(Write::Conflict);
        };
        let version = version::next()?;
        let values = [
            Value::Number(version),
            Value::Bytes(&entry.payload),
            Value::Text(user_of(entry)?),
            Value::Number(to_column(entry.deadline)),
            Value::Bytes(key.as_bytes()),
            Value::Number(expected),
            Value::Number(to_column(now)),
        ];
        let result = self.execute(&self.statements.update, &values).await?;
        Ok(written(DB::rows_affected(&result) > 0, version))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(version) = version::to_column(version) else {
            return Ok(());
        };
        let deadline = to_column(deadline);
        let values = [
            Value::Number(deadline),
            Value::Bytes(key.as_bytes()),
            Value::Number(version),
            Value::Number(to_column(now)),
            Value::Number(deadline),
        ];
        self.execute(&self.statements.touch, &values).await?;
        Ok(())
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, Failure> {
        let Some(version) = version::to_column(version) else {
            return Ok(Deletion::Conflict);
        };
        let values = [Value::Bytes(key.as_bytes()), Value::Number(version)];
        let result = self.execute(&self.statements.delete, &values).await?;
        Ok(match DB::rows_affected(&result) {
            0 => Deletion::Conflict,
            _ => Deletion::Done,
        })
    }

    async fn keys_of_user(&self, user: &str) -> Result<Vec<StoreKey>, Failure> {
        let values = [Value::Text(Some(user))];
        let rows = self.fetch(&self.statements.keys_of_user, &values).await?;
        Ok(rows
            .iter()
            .filter_map(|row| readable(DB::key(row)))
            .collect())
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, Failure> {
        let before = Value::Number(to_column(before));
        self.delete_in_batches(&self.statements.delete_expired, before, limit)
            .await
    }

    /// Runs a statement whose values are a time and how many rows to delete at most, until there are no more.
    pub(crate) async fn delete_in_batches(
        &self,
        statement: &Statement,
        before: Value<'_>,
        limit: usize,
    ) -> Result<usize, Failure> {
        let mut deleted = 0;
        while deleted < limit {
            let batch = BATCH.min(limit - deleted);
            let at_most = Value::Number(i64::try_from(batch).unwrap_or(i64::MAX));
            let result = self.execute(statement, &[before, at_most]).await?;
            let done = usize::try_from(DB::rows_affected(&result)).unwrap_or(batch);
            deleted += done;
            if done < batch {
                break;
            }
        }
        Ok(deleted)
    }
}

pub(crate) fn in_verb<DB: Backend>(verb: &'static str) -> impl FnOnce(Failure) -> StoreError {
    move |failure| failure.in_verb(DB::STORE, verb)
}

fn written(is_done: bool, version: i64) -> Write {
    match version::from_column(version) {
        Some(version) if is_done => Write::Done(version),
        _ => Write::Conflict,
    }
}

/// Refused here, because a database in a lax mode would cut it off, and so make it another user.
fn user_of(entry: &Entry) -> Result<Option<&str>, Failure> {
    match entry.user.as_deref() {
        Some(user) if user.len() > MAX_USER => Err(Failure::UserTooLong(user.len())),
        user => Ok(user),
    }
}

/// A row that somebody else put into the table is no session, and no reason to fail: nobody could ever log in again
/// under its key.
pub(crate) fn readable<T>(read: Result<T, Failure>) -> Option<T> {
    read.inspect_err(|failure| {
        tracing::warn!(target: "anysession", "{failure}: treated as no session");
    })
    .ok()
}

impl<DB: Database> Clone for SqlStore<DB> {
    fn clone(&self) -> Self {
        SqlStore(Arc::clone(&self.0))
    }
}

/// Prints nothing of the connections: their options hold a password.
impl<DB: Database> fmt::Debug for SqlStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("database", &DB::NAME)
            .field("table", &self.0.table)
            .field("timeout", &self.0.timeout)
            .finish()
    }
}
