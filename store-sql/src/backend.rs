//! What the three databases have to bring so that one store serves them all.

use std::future::Future;

use anysession::{StoreKey, Stored};
use sqlx::database::Database;
use sqlx::error::DatabaseError;
use sqlx::{Arguments as _, ColumnIndex, Decode, Encode, Executor, IntoArguments, Row as _, Type};

use crate::error::{Failure, Meaning};
use crate::flask;
use crate::statements::{Dialect, Statement};

/// A database, as the store sees it.
///
/// Its arguments and the two ways to run a statement are written out for each, because sqlx ties them to the types of the
/// database; they hand on to [`arguments`], [`execute`] and [`fetch`] below.
pub(crate) trait Backend: Database<Arguments: Clone + Sync> {
    /// What the configuration calls it.
    const STORE: &'static str;
    /// Whether it lets one write at a time, so that those that wait for it are better carried out together.
    const ONE_WRITER: bool;
    const DIALECT: Dialect;
    const FLASK: flask::Dialect;
    /// The schema file.
    const SCHEMA: &'static str;

    fn arguments(values: &[Value<'_>]) -> sqlx::Result<Self::Arguments>;

    fn execute(
        connection: &mut Self::Connection,
        statement: &Statement,
        arguments: Self::Arguments,
    ) -> impl Future<Output = sqlx::Result<Self::QueryResult>> + Send;

    fn fetch(
        connection: &mut Self::Connection,
        statement: &Statement,
        arguments: Self::Arguments,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Runs the statements of the schema, in a way that several processes may at once.
    fn create_table(
        connection: &mut Self::Connection,
        schema: String,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn rows_affected(result: &Self::QueryResult) -> u64;

    /// Whether the statement that creates has written an entry at this version.
    fn has_created(result: &Self::QueryResult, version: i64) -> bool;

    /// The row of the statement that loads.
    fn stored(row: &Self::Row) -> Result<Stored, Failure>;

    /// The row of the statement that lists the keys of a user.
    fn key(row: &Self::Row) -> Result<StoreKey, Failure>;

    /// The row of the statement that loads from Flask-Session's table: the data, and its end as text.
    fn value(row: &Self::Row) -> Result<(Vec<u8>, Option<String>), Failure>;

    fn judge(error: &dyn DatabaseError) -> Meaning;
}

/// A value of a statement.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    Text(Option<&'a str>),
}

pub(crate) fn arguments<DB>(values: &[Value<'_>]) -> sqlx::Result<DB::Arguments>
where
    DB: Database,
    for<'v> &'v [u8]: Encode<'v, DB> + Type<DB>,
    for<'v> i64: Encode<'v, DB> + Type<DB>,
    for<'v> Option<&'v str>: Encode<'v, DB> + Type<DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        let added = match *value {
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Number(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

pub(crate) async fn execute<DB>(
    connection: &mut DB::Connection,
    statement: &Statement,
    arguments: DB::Arguments,
) -> sqlx::Result<DB::QueryResult>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let query = sqlx::query_with(statement.sql(), arguments);
    query.execute(connection).await
}

pub(crate) async fn fetch<DB>(
    connection: &mut DB::Connection,
    statement: &Statement,
    arguments: DB::Arguments,
) -> sqlx::Result<Vec<DB::Row>>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let query = sqlx::query_with(statement.sql(), arguments);
    query.fetch_all(connection).await
}

/// A column of a row that must be there, or that it holds something else than this store writes.
pub(crate) fn column<'r, DB, T>(
    row: &'r DB::Row,
    position: usize,
    otherwise: &'static str,
) -> Result<T, Failure>
where
    DB: Database,
    T: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    // Asked for directly, SQLite makes 0 of a NULL.
    nullable::<DB, T>(row, position, otherwise)?.ok_or(Failure::Unreadable(otherwise))
}

/// A column of a row that may be NULL.
pub(crate) fn nullable<'r, DB, T>(
    row: &'r DB::Row,
    position: usize,
    otherwise: &'static str,
) -> Result<Option<T>, Failure>
where
    DB: Database,
    T: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    row.try_get(position)
        .map_err(|_| Failure::Unreadable(otherwise))
}
