//! What can go wrong. No text here holds a password, a value of a statement, or a byte of a session.

use std::sync::Arc;
use std::time::Duration;

use anysession::{RandomError, StoreError};

/// A verb failed; it becomes the source of a [`StoreError`].
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection to the database; is it running, and may this application log in?")]
    Unreachable(#[source] Cause),
    #[error(
        "no connection was free within {0:?}: the database is slow, or `pool` is too small for this load"
    )]
    AllBusy(Duration),
    #[error("no connection to the database could be made within {0:?}; is it running?")]
    NotConnected(Duration),
    #[error(
        "the database did not answer within {0:?}; a write may have been carried out all the same"
    )]
    NoAnswer(Duration),
    #[error("the connection was lost; a write may have been carried out all the same")]
    Lost(#[source] Cause),
    #[error(
        "the write was abandoned: its runtime has ended, or there was no thread for it; it may have been carried out all \
         the same"
    )]
    Abandoned,
    #[error(
        "something else keeps the database locked: another process, or another connection of this one"
    )]
    Locked(#[source] Cause),
    #[error("the database has no room; free some, or delete expired sessions")]
    Full(#[source] Cause),
    #[error("the database rolled the statement back, again and again, in favour of others")]
    RolledBack(#[source] Cause),
    #[error(
        "the table does not exist; create it with the schema of this crate, or set create_table=auto"
    )]
    NoTable(#[source] Cause),
    #[error(
        "the table is not as the schema of this crate says; rename it, or name another one with `table`"
    )]
    WrongTable(#[source] Cause),
    #[error("there is a row of this key already")]
    Taken(#[source] Cause),
    #[error("the database refused the statement")]
    Refused(#[source] Cause),
    #[error("a user of {0} bytes cannot be stored: at most {max}", max = crate::store::MAX_USER)]
    UserTooLong(usize),
    #[error("a row that this store did not write{0}")]
    Unreadable(&'static str),
    #[error("no version could be made")]
    NoVersion(#[source] Arc<RandomError>),
}

impl From<RandomError> for Failure {
    fn from(error: RandomError) -> Self {
        Failure::NoVersion(Arc::new(error))
    }
}

impl Failure {
    pub(crate) fn in_verb(self, store: &'static str, verb: &'static str) -> StoreError {
        match self {
            Failure::Full(_) => StoreError::full(store, verb, self),
            _ => StoreError::new(store, verb, self),
        }
    }
}

/// What sqlx said.
///
/// Its own error is not handed on: with what a database reports there comes a detail that may hold the whole row, and
/// that must not reach a log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Cause(String);

impl From<sqlx::Error> for Cause {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                Cause(format!("{} ({code})", error.message()))
            }
            other => Cause(other.to_string()),
        }
    }
}

/// What a database means by an error, as far as it changes what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There is no room, and nothing was written.
    Full,
    /// A deadlock or a conflict of transactions was resolved against the statement: nothing was written, and sending it
    /// again is safe.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "SQLite lets one write at a time")
    )]
    RolledBack,
    /// Something else has the database: nothing was written.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "the servers let others wait")
    )]
    Locked,
    /// The server ends this connection.
    Lost,
    /// The table does not exist.
    NoTable,
    /// There is a row of this key.
    Taken,
    /// Anything else.
    Other,
}

impl Meaning {
    /// `judge` knows the codes of the database.
    pub(crate) fn of(
        error: &sqlx::Error,
        judge: impl FnOnce(&dyn sqlx::error::DatabaseError) -> Meaning,
    ) -> Meaning {
        match error {
            sqlx::Error::Database(error) if error.is_unique_violation() => Meaning::Taken,
            sqlx::Error::Database(error) => judge(&**error),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Meaning::Lost,
            _ => Meaning::Other,
        }
    }

    /// The failure that the error of a statement amounts to.
    pub(crate) fn failure(self, cause: Cause) -> Failure {
        match self {
            Meaning::Full => Failure::Full(cause),
            Meaning::RolledBack => Failure::RolledBack(cause),
            Meaning::Locked => Failure::Locked(cause),
            Meaning::Lost => Failure::Lost(cause),
            Meaning::NoTable => Failure::NoTable(cause),
            Meaning::Taken => Failure::Taken(cause),
            Meaning::Other => Failure::Refused(cause),
        }
    }
}
