//! Running a statement: on which connection, for how long, how often, and what its error means.

use std::future::Future;
use std::time::Duration;

use crate::backend::{Backend, Value};
use crate::connections::{Connections, Lent};
use crate::error::{Failure, Meaning};
use crate::schema::CreateTable;
use crate::statements::Statement;
use crate::store::Inner;

/// How often a statement is sent that the database rolled back in favour of another one. Each time somebody else got
/// on, so this many in a row are a sign of something else.
const ATTEMPTS: u32 = 30;

/// Makes way for the others before the next attempt, longer each time.
async fn make_way(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(1) * attempt).await;
}

impl<DB: Backend> Inner<DB> {
    /// Runs a statement that changes something. It is sent again only when the database said that it undid it: after a
    /// lost connection, or no answer, nobody knows.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<DB::QueryResult, Failure> {
        let executing = async {
            for attempt in 1..ATTEMPTS {
                match self.execute_once(statement, values).await {
                    Err(Failure::RolledBack(_)) => make_way(attempt).await,
                    other => return other,
                }
            }
            self.execute_once(statement, values).await
        };
        within(self.timeout, &self.writes, executing).await
    }

    /// Runs a statement that only reads. It is sent once more when the connection was lost: that may have been long
    /// ago, when the server was restarted. A database that keeps transactions strictly apart may roll back reads, too.
    pub(crate) async fn fetch(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<DB::Row>, Failure> {
        let fetching = async {
            let mut was_lost = false;
            for attempt in 1..ATTEMPTS {
                match self.fetch_once(statement, values).await {
                    Err(Failure::Lost(_)) if !was_lost => was_lost = true,
                    Err(Failure::RolledBack(_)) => make_way(attempt).await,
                    other => return other,
                }
            }
            self.fetch_once(statement, values).await
        };
        within(self.timeout, &self.reads, fetching).await
    }

    async fn execute_once(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<DB::QueryResult, Failure> {
        let mut connection = self.writes.take().await?;
        let result = DB::execute(&mut connection, statement, values).await;
        settle(&self.writes, connection, result)
    }

    async fn fetch_once(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<DB::Row>, Failure> {
        let mut connection = self.reads.take().await?;
        let result = DB::fetch(&mut connection, statement, values).await;
        settle(&self.reads, connection, result)
    }

    /// Sees to it that the table is there and has the columns of the schema.
    pub(crate) async fn check_table(&self, create: CreateTable) -> Result<(), Failure> {
        if create == CreateTable::OfFlask {
            return Ok(());
        }
        match self.probe().await {
            Err(Failure::NoTable(_)) if create == CreateTable::Auto => {
                self.create_table().await?;
                self.probe().await
            }
            other => other,
        }
    }

    async fn probe(&self) -> Result<(), Failure> {
        match self.fetch(&self.statements.probe, &[]).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused(cause)) => Err(Failure::WrongTable(cause)),
            Err(other) => Err(other),
        }
    }

    pub(crate) async fn create_table(&self) -> Result<(), Failure> {
        self.make(self.table.rename(DB::SCHEMA)).await
    }

    /// Runs the statements of a schema.
    pub(crate) async fn make(&self, schema: String) -> Result<(), Failure> {
        let creating = async {
            let mut connection = self.writes.take().await?;
            let result = DB::create_table(&mut connection, schema).await;
            settle(&self.writes, connection, result)
        };
        within(self.timeout, &self.writes, creating).await
    }
}

/// Gives the connection back, or closes it, and those that idle, if it is lost.
fn settle<DB: Backend, T>(
    home: &Connections<DB>,
    connection: Lent<'_, DB>,
    result: sqlx::Result<T>,
) -> Result<T, Failure> {
    let result = result.map_err(|error| Meaning::failure(error, DB::judge));
    if let Err(Failure::Lost(_)) = result {
        drop(connection);
        home.distrust_idle();
    } else {
        connection.give_back();
    }
    result
}

/// A deadline of our own on all of it: neither sqlx nor the databases have one for a server that stopped answering.
async fn within<DB: Backend, T>(
    limit: Duration,
    home: &Connections<DB>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        home.distrust_idle();
        Err(Failure::NoAnswer(limit))
    })
}
