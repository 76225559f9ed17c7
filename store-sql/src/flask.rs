//! The sessions of a Flask application in SQL: the table that Flask-SQLAlchemy makes for Flask-Session.
//!
//! A version is the data itself: a statement that changes something names what it expects to find. Times are the
//! `DATETIME` of each database, in UTC and without a zone, as Python writes them; MySQL and MariaDB keep no fractions of a
//! second, so a deadline there is rounded down.

mod statements;

use std::fmt;
use std::time::SystemTime;

use anysession::flask::{DateTime, Flask, name_of, no_users};
use anysession::{
    ConnectError, Deletion, Entry, Expect, Store, StoreError, StoreKey, Stored, Timestamp, Version,
    Write,
};
use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{Backend, Value};
use crate::driver::failed;
use crate::error::Failure;
use crate::schema::CreateTable;
use crate::store::{Inner, SqlStore, in_verb};
use statements::Statements;
pub(crate) use statements::{Dialect, Precision};

/// Sessions in a table as Flask-Session keeps them.
pub(crate) struct FlaskStore<DB: Backend> {
    /// The way there. Its own table and statements are not used.
    sql: SqlStore<DB>,
    statements: Statements,
    prefix: String,
}

impl<DB: Backend> FlaskStore<DB> {
    /// On the connections of this store, and with the table if it may be created.
    pub(crate) async fn open(
        sql: SqlStore<DB>,
        flask: &Flask,
        create: CreateTable,
    ) -> Result<Self, ConnectError> {
        let statements = Statements::new::<DB>(flask.schema(), flask.table());
        let store = FlaskStore {
            sql,
            statements,
            prefix: flask.key_prefix().to_owned(),
        };
        store.check_table(create).await.map_err(failed::<DB>)?;
        Ok(store)
    }

    async fn check_table(&self, create: CreateTable) -> Result<(), Failure> {
        let statements = &self.statements;
        match self.inner().fetch(&statements.probe, &[]).await {
            Err(Failure::NoTable(_)) if create == CreateTable::Auto => {
                self.inner().make(statements.schema.clone()).await?;
                self.inner().fetch(&statements.probe, &[]).await.map(drop)
            }
            Err(Failure::Refused(cause)) => Err(Failure::WrongTable(cause)),
            other => other.map(drop),
        }
    }

    fn inner(&self) -> &Inner<DB> {
        self.sql.inner()
    }

    async fn get(&self, key: &StoreKey) -> Result<Option<Stored>, Failure> {
        let name = name_of(&self.prefix, key);
        let values = [Value::Text(Some(&name))];
        let rows = self.inner().fetch(&self.statements.load, &values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let read = DB::value(row).and_then(|(data, expiry)| {
            // Flask takes a row without an end for one that has ended.
            let deadline = match expiry {
                None => Timestamp::from_millis(0),
                Some(text) => time(&text).ok_or(Failure::Unreadable(": its expiry is no time"))?,
            };
            let payload = Bytes::from(data);
            Ok(Stored {
                version: Version::from_bytes(payload.clone()),
                entry: Entry {
                    payload,
                    deadline,
                    user: None,
                },
            })
        });
        Ok(crate::store::readable(read))
    }

    async fn create(
        &self,
        key: &StoreKey,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let (name, expiry, now) = (
            name_of(&self.prefix, key),
            self.expiry(entry.deadline),
            text(now),
        );
        let values = [
            Value::Text(Some(&name)),
            Value::Bytes(&entry.payload),
            Value::Text(Some(&expiry)),
        ];
        for _ in 0..2 {
            match self.inner().execute(&self.statements.create, &values).await {
                Err(Failure::Taken(_)) => {}
                other => return other.map(|_| done(entry)),
            }
            let expired = [Value::Text(Some(&name)), Value::Text(Some(&now))];
            let deleted = self
                .inner()
                .execute(&self.statements.delete_if_expired, &expired);
            if DB::rows_affected(&deleted.await?) == 0 {
                break;
            }
        }
        Ok(Write::Conflict)
    }

    async fn update(
        &self,
        key: &StoreKey,
        version: &Version,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        let Some(expected) = version.as_bytes() else {
            return Ok(Write::Conflict);
        };
        let (name, expiry, now) = (
            name_of(&self.prefix, key),
            self.expiry(entry.deadline),
            text(now),
        );
        let values = [
            Value::Bytes(&entry.payload),
            Value::Text(Some(&expiry)),
            Value::Text(Some(&name)),
            Value::Bytes(expected),
            Value::Text(Some(&now)),
        ];
        let result = self
            .inner()
            .execute(&self.statements.update, &values)
            .await?;
        Ok(match DB::rows_affected(&result) {
            0 => Write::Conflict,
            _ => done(entry),
        })
    }

    async fn touched(
        &self,
        key: &StoreKey,
        version: &Version,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(expected) = version.as_bytes() else {
            return Ok(());
        };
        let (name, expiry, now) = (name_of(&self.prefix, key), self.expiry(deadline), text(now));
        let values = [
            Value::Text(Some(&expiry)),
            Value::Text(Some(&name)),
            Value::Bytes(expected),
            Value::Text(Some(&now)),
            Value::Text(Some(&expiry)),
        ];
        self.inner()
            .execute(&self.statements.touch, &values)
            .await
            .map(drop)
    }

    async fn deleted(&self, key: &StoreKey, version: &Version) -> Result<Deletion, Failure> {
        let Some(expected) = version.as_bytes() else {
            return Ok(Deletion::Conflict);
        };
        let name = name_of(&self.prefix, key);
        let values = [Value::Text(Some(&name)), Value::Bytes(expected)];
        let result = self
            .inner()
            .execute(&self.statements.delete, &values)
            .await?;
        Ok(match DB::rows_affected(&result) {
            0 => Deletion::Conflict,
            _ => Deletion::Done,
        })
    }

    async fn expired(&self, before: Timestamp, limit: usize) -> Result<usize, Failure> {
        let before = text(before);
        let before = Value::Text(Some(&before));
        self.inner()
            .delete_in_batches(&self.statements.delete_expired, before, limit)
            .await
    }

    /// A deadline as this database can hold it.
    fn expiry(&self, deadline: Timestamp) -> String {
        let mut text = text(deadline);
        if DB::FLASK.precision == Precision::Seconds {
            text.truncate(SECONDS);
        }
        text
    }
}

/// How long a time is without its fraction.
const SECONDS: usize = "2024-01-02 03:04:05".len();

fn done(entry: &Entry) -> Write {
    Write::Done(Version::from_bytes(entry.payload.clone()))
}

/// `2024-01-02 03:04:05.678900`, to whose form all databases agree; SQLite keeps it as it is, and compares it as text.
fn text(time: Timestamp) -> String {
    let written = DateTime::from(time).to_string();
    let written = written.replace('T', " ");
    let written = written.trim_end_matches('Z');
    match written.contains('.') {
        true => written.to_owned(),
        false => format!("{written}.000000"),
    }
}

/// `None` if it is no time.
fn time(text: &str) -> Option<Timestamp> {
    let time: DateTime = format!("{text}Z").parse().ok()?;
    Some(SystemTime::from(time).into())
}

#[async_trait]
impl<DB: Backend> Store for FlaskStore<DB> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.get(key).await.map_err(in_verb::<DB>("load"))
    }

    async fn put(
        &self,
        key: &StoreKey,
        expect: Expect,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let done = match &expect {
            Expect::Absent => self.create(key, &entry, now).await,
            Expect::Version(version) => self.update(key, version, &entry, now).await,
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
        let touched = self.touched(key, version, deadline, now).await;
        touched.map_err(in_verb::<DB>("touch"))
    }

    async fn delete(&self, key: &StoreKey, version: &Version) -> Result<Deletion, StoreError> {
        let deleted = self.deleted(key, version).await;
        deleted.map_err(in_verb::<DB>("delete"))
    }

    async fn keys_of_user(&self, _: &str) -> Result<Vec<StoreKey>, StoreError> {
        Err(no_users(DB::STORE))
    }

    async fn delete_expired(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let deleted = self.expired(before, limit).await;
        deleted.map_err(in_verb::<DB>("delete_expired"))
    }
}

/// Prints nothing of the connections: their options hold a password.
impl<DB: Backend> fmt::Debug for FlaskStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskStore")
            .field("database", &DB::NAME)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_python_writes_it() {
        for (millis, written) in [
            (0, "1970-01-01 00:00:00.000000"),
            (1_704_164_645_678, "2024-01-02 03:04:05.678000"),
        ] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(text(at), written);
            assert_eq!(time(written), Some(at));
        }
        assert_eq!(
            time("2024-01-02 03:04:05"),
            Some(Timestamp::from_millis(1_704_164_645_000))
        );
        assert_eq!(text(Timestamp::MAX), "9999-12-31 23:59:59.999999");
        assert_eq!(time("1704164645"), None);
    }
}
