//! Running a statement: on which connection, for how long, how often, and what its error means.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::backend::{Backend, Value};
use crate::connections::{Connections, Lent};
use crate::error::{Failure, Meaning};
use crate::schema::CreateTable;
use crate::statements::Statement;
use crate::store::Inner;

/// The attempts at one statement.
struct Attempts {
    rolled_back: u32,
    /// Whether it is sent once more when its connection was lost.
    repeats_lost: bool,
    /// How long a locked database is waited for: less than a verb may take, so that the error tells what it was.
    locked_until: Instant,
}

impl Attempts {
    /// How often a statement is sent again that the database rolls back in favour of another one. Each time somebody else
    /// got on, so this many in a row are a sign of something else.
    const ROLLED_BACK: u32 = 30;
    const PAUSE: Duration = Duration::from_millis(1);

    fn within(limit: Duration) -> Self {
        Attempts {
            rolled_back: 0,
            repeats_lost: false,
            locked_until: Instant::now() + limit.mul_f64(0.8),
        }
    }

    /// Whether it can be sent again, after the others had time to get on: the database did not carry it out, or it is one
    /// that does no harm if it did.
    async fn make_way(&mut self, failure: Option<&Failure>) -> bool {
        let pause = match failure {
            Some(Failure::Lost(_)) => return std::mem::take(&mut self.repeats_lost),
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
    /// Runs a statement that changes something. Of one whose connection was lost, or that nobody answered, nobody knows
    /// whether it was carried out, so it is not sent again.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<DB::QueryResult, Failure> {
        let attempts = Attempts::within(self.timeout);
        let once = || self.execute_once(statement, values);
        self.attempt(&self.writes, attempts, once).await
    }

    /// Runs a statement that only reads. It is sent once more when the connection was lost: that may have been long
    /// ago, when the server was restarted. A database that keeps transactions strictly apart may roll back reads, too.
    pub(crate) async fn fetch(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<DB::Row>, Failure> {
        let attempts = Attempts {
            repeats_lost: true,
            ..Attempts::within(self.timeout)
        };
        let once = || self.fetch_once(statement, values);
        self.attempt(&self.reads, attempts, once).await
    }

    /// A deadline of our own on all of it: neither sqlx nor the databases have one for a server that stopped answering.
    async fn attempt<T, Once>(
        &self,
        home: &Connections<DB>,
        mut attempts: Attempts,
        once: impl Fn() -> Once,
    ) -> Result<T, Failure>
    where
        Once: Future<Output = Result<T, Failure>>,
    {
        let attempting = async {
            loop {
                let done = once().await;
                if !attempts.make_way(done.as_ref().err()).await {
                    return done;
                }
            }
        };
        let done = timeout(self.timeout, attempting).await;
        done.unwrap_or_else(|_| {
            home.distrust_idle();
            Err(Failure::NoAnswer(self.timeout))
        })
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
        let attempts = Attempts::within(self.timeout);
        let once = || self.make_once(schema.clone());
        self.attempt(&self.writes, attempts, once).await
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
