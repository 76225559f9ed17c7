//! Running a statement: on which connection, for how long, how often, and what its error means.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{Backend, Value};
use crate::connections::{Connections, Lent};
use crate::error::{Failure, Meaning};
use crate::schema::CreateTable;
use crate::statements::Statement;
use crate::store::Inner;

/// The attempts at one statement.
struct Attempts {
    rolled_back: u32,
    /// How long a locked database is waited for: less than a verb may take, so that the error tells what it was.
    locked_until: Instant,
}

impl Attempts {
    /// How often a statement is sent again that the database rolls back in favour of another one. Each time somebody else got
    /// on, so this many in a row are a sign of something else.
    const ROLLED_BACK: u32 = 30;
    const PAUSE: Duration = Duration::from_millis(1);

    fn within(limit: Duration) -> Self {
        Attempts {
            rolled_back: 0,
            locked_until: Instant::now() + limit.mul_f64(0.8),
        }
    }

    /// Makes way for the others if the database did not carry the statement out, so that it can be sent again. Of a write
    /// whose connection was lost, or that nobody answered, nobody knows.
    async fn make_way(&mut self, failure: Option<&Failure>) -> bool {
        let pause = match failure {
            Some(Failure::RolledBack(_)) if self.rolled_back < Self::ROLLED_BACK => {
                self.rolled_back += 1;
                Self::PAUSE * self.rolled_back
            }
            Some(Failure::Locked(_)) if Instant::now() < self.locked_until => Self::PAUSE,
            _ => return false,
        };
        tokio::time::sleep(pause).await;
        true
    }
}

impl<DB: Backend> Inner<DB> {
    /// Runs a statement that changes something.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<DB::QueryResult, Failure> {
        let executing = async {
            let mut attempts = Attempts::within(self.timeout);
            loop {
                let done = self.execute_once(statement, values).await;
                if !attempts.make_way(done.as_ref().err()).await {
                    return done;
                }
            }
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
            let mut attempts = Attempts::within(self.timeout);
            let mut was_lost = false;
            loop {
                let done = self.fetch_once(statement, values).await;
                let goes_on = match &done {
                    Err(Failure::Lost(_)) => !std::mem::replace(&mut was_lost, true),
                    other => attempts.make_way(other.as_ref().err()).await,
                };
                if !goes_on {
                    return done;
                }
            }
        };
        within(self.timeout, &self.reads, fetching).await
    }

    async fn execute_once(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<DB::QueryResult, Failure> {
        let arguments = arguments::<DB>(values)?;
        match &self.group_commit {
            Some(group) => group.execute(statement, arguments).await,
            None => execute_on(&self.writes, statement, arguments).await,
        }
    }

    async fn fetch_once(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<DB::Row>, Failure> {
        let arguments = arguments::<DB>(values)?;
        let mut connection = self.reads.take().await?;
        let result = DB::fetch(&mut connection, statement, arguments).await;
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
            let mut attempts = Attempts::within(self.timeout);
            loop {
                let done = self.make_once(schema.clone()).await;
                if !attempts.make_way(done.as_ref().err()).await {
                    return done;
                }
            }
        };
        within(self.timeout, &self.writes, creating).await
    }

    async fn make_once(&self, schema: String) -> Result<(), Failure> {
        let mut connection = self.writes.take().await?;
        let result = DB::create_table(&mut connection, schema).await;
        settle(&self.writes, connection, result)
    }
}

fn arguments<DB: Backend>(values: &[Value<'_>]) -> Result<DB::Arguments, Failure> {
    DB::arguments(values).map_err(failure::<DB>)
}

/// Runs a statement that changes something on one of these connections.
pub(crate) async fn execute_on<DB: Backend>(
    home: &Connections<DB>,
    statement: &Statement,
    arguments: DB::Arguments,
) -> Result<DB::QueryResult, Failure> {
    let mut connection = home.take().await?;
    let result = DB::execute(&mut connection, statement, arguments).await;
    settle(home, connection, result)
}

/// Gives the connection back, or closes it, and those that idle, if it is lost.
pub(crate) fn settle<DB: Backend, T>(
    home: &Connections<DB>,
    connection: Lent<'_, DB>,
    result: sqlx::Result<T>,
) -> Result<T, Failure> {
    let result = result.map_err(failure::<DB>);
    if let Err(Failure::Lost(_)) = result {
        drop(connection);
        home.distrust_idle();
    } else {
        connection.give_back();
    }
    result
}

/// What the error of a statement amounts to.
pub(crate) fn failure<DB: Backend>(error: sqlx::Error) -> Failure {
    Meaning::of(&error, DB::judge).failure(error.into())
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
