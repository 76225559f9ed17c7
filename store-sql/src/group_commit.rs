//! Group commit: writes that come while another one is carried out wait for it together, and are then carried out in one
//! transaction, which costs one flush of the disk.
//!
//! For a database that lets one write at a time. A write that nobody waits behind is one statement and no transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Database;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::backend::Backend;
use crate::connections::{Connections, Lent};
use crate::error::Failure;
use crate::running::{execute_on, failure, settle, within};
use crate::statements::Statement;

/// Writes that one transaction carries out at most: others of the file wait for all of them.
const MOST: usize = 100;

pub(crate) struct GroupCommit<DB: Database>(Arc<Shared<DB>>);

struct Shared<DB: Database> {
    connections: Arc<Connections<DB>>,
    /// How long a transaction may take.
    limit: Duration,
    begin: Statement,
    commit: Statement,
    roll_back: Statement,
    line: Mutex<Line<DB>>,
}

/// Who has the turn, and who waits for it.
struct Line<DB: Database> {
    turn_is_taken: bool,
    waiting: VecDeque<Waiting<DB>>,
    last_ticket: u64,
}

struct Waiting<DB: Database> {
    ticket: u64,
    job: Job<DB>,
    call: oneshot::Sender<Call<DB>>,
}

/// A write to be carried out.
struct Job<DB: Database> {
    statement: Statement,
    arguments: DB::Arguments,
}

type Outcome<DB> = Result<<DB as Database>::QueryResult, Failure>;

/// What one that waits is told.
enum Call<DB: Database> {
    /// Carry your write out, with those of all who wait by now.
    YourTurn(Turn<DB>, Job<DB>),
    /// Somebody else carried it out.
    Done(Outcome<DB>),
}

/// The right to write. Dropped, wherever that happens, it goes to the next in line.
struct Turn<DB: Database>(Arc<Shared<DB>>);

impl<DB: Backend> GroupCommit<DB> {
    pub(crate) fn new(connections: Arc<Connections<DB>>, limit: Duration) -> Self {
        let statement = |text: &str| Statement::new(text.to_owned(), &DB::DIALECT);
        GroupCommit(Arc::new(Shared {
            connections,
            limit,
            // Takes the lock at once: a transaction that takes it at its first write fails where another one was faster.
            begin: statement("BEGIN IMMEDIATE"),
            commit: statement("COMMIT"),
            roll_back: statement("ROLLBACK"),
            line: Mutex::new(Line {
                turn_is_taken: false,
                waiting: VecDeque::new(),
                last_ticket: 0,
            }),
        }))
    }

    /// Carries a write out as soon as it is its turn. Given up while it waits it is not carried out.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        arguments: DB::Arguments,
    ) -> Outcome<DB> {
        let job = Job {
            statement: statement.clone(),
            arguments,
        };
        match self.0.turn_for(job).await? {
            Call::YourTurn(turn, job) => turn.carry_out(job).await,
            Call::Done(outcome) => outcome,
        }
    }
}

impl<DB: Backend> Shared<DB> {
    async fn turn_for(self: &Arc<Self>, job: Job<DB>) -> Result<Call<DB>, Failure> {
        let (ticket, mut called) = {
            let mut line = self.line();
            if !line.turn_is_taken {
                line.turn_is_taken = true;
                return Ok(Call::YourTurn(Turn(Arc::clone(self)), job));
            }
            let (call, called) = oneshot::channel();
            line.last_ticket += 1;
            let ticket = line.last_ticket;
            line.waiting.push_back(Waiting { ticket, job, call });
            (ticket, called)
        };
        let patience = self.connections.patience();
        let call = match timeout(patience, &mut called).await {
            Ok(call) => call,
            Err(_) if self.withdraw(ticket) => return Err(Failure::AllBusy(patience)),
            // It is being carried out.
            Err(_) => called.await,
        };
        call.map_err(|_| Failure::Abandoned)
    }

    /// Whether it was still waiting.
    fn withdraw(&self, ticket: u64) -> bool {
        let waiting = &mut self.line().waiting;
        let place = waiting.iter().position(|waiting| waiting.ticket == ticket);
        place.and_then(|place| waiting.remove(place)).is_some()
    }

    async fn all_of(&self, group: &[Waiting<DB>]) -> Vec<Outcome<DB>> {
        match self.in_one_transaction(group).await {
            Ok(Some(outcomes)) => outcomes,
            Ok(None) => {
                let mut outcomes = Vec::with_capacity(group.len());
                for Waiting { job, .. } in group {
                    let arguments = job.arguments.clone();
                    let outcome = execute_on(&self.connections, &job.statement, arguments);
                    outcomes.push(outcome.await);
                }
                outcomes
            }
            Err(failure) => everybody(group, &failure),
        }
    }

    /// `None` if nothing was written because one of them failed, which is not for it to say of the others.
    async fn in_one_transaction(
        &self,
        group: &[Waiting<DB>],
    ) -> Result<Option<Vec<Outcome<DB>>>, Failure> {
        let mut connection = self.connections.take().await?;
        if let Err(error) = execute(&mut connection, &self.begin).await {
            return settle(&self.connections, connection, Err(error));
        }
        let mut outcomes = Vec::with_capacity(group.len());
        for Waiting { job, .. } in group {
            let arguments = job.arguments.clone();
            let executed = DB::execute(&mut connection, &job.statement, arguments).await;
            match executed.map_err(failure::<DB>) {
                // It undid itself and leaves the transaction as it was.
                Err(taken @ Failure::Taken(_)) => outcomes.push(Err(taken)),
                Ok(result) => outcomes.push(Ok(result)),
                Err(_) => {
                    // Where that is refused, closing the connection does it.
                    if execute(&mut connection, &self.roll_back).await.is_ok() {
                        connection.give_back();
                    }
                    return Ok(None);
                }
            }
        }
        match execute(&mut connection, &self.commit).await {
            Ok(_) => {
                connection.give_back();
                Ok(Some(outcomes))
            }
            // Closing the connection undoes what it left open.
            Err(error) => Err(failure::<DB>(error)),
        }
    }
}

async fn execute<DB: Backend>(
    connection: &mut Lent<'_, DB>,
    statement: &Statement,
) -> sqlx::Result<DB::QueryResult> {
    DB::execute(connection, statement, DB::Arguments::default()).await
}

fn everybody<DB: Database>(group: &[Waiting<DB>], failure: &Failure) -> Vec<Outcome<DB>> {
    group.iter().map(|_| Err(failure.clone())).collect()
}

impl<DB: Database> Shared<DB> {
    fn line(&self) -> MutexGuard<'_, Line<DB>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Backend> Turn<DB> {
    async fn carry_out(self, job: Job<DB>) -> Outcome<DB> {
        let others = self.take_others();
        if others.is_empty() {
            return execute_on(&self.0.connections, &job.statement, job.arguments).await;
        }
        let (call, called) = oneshot::channel();
        let own = Waiting {
            ticket: 0,
            job,
            call,
        };
        let mut group = vec![own];
        group.extend(others);
        // On its own, so that a client that leaves takes nobody else's write with it.
        tokio::spawn(self.carry_out_all(group));
        match called.await {
            Ok(Call::Done(outcome)) => outcome,
            _ => Err(Failure::Abandoned),
        }
    }

    async fn carry_out_all(self, group: Vec<Waiting<DB>>) {
        let Shared {
            connections, limit, ..
        } = &*self.0;
        let working = async { Ok(self.0.all_of(&group).await) };
        let outcomes = within(*limit, connections, working).await;
        let outcomes = outcomes.unwrap_or_else(|failure| everybody(&group, &failure));
        for (waiting, outcome) in group.into_iter().zip(outcomes) {
            // It may not wait any more.
            let _ = waiting.call.send(Call::Done(outcome));
        }
    }

    /// Those who wait, without those who have given up.
    fn take_others(&self) -> Vec<Waiting<DB>> {
        let mut line = self.0.line();
        let number = line.waiting.len().min(MOST - 1);
        let first = line.waiting.drain(..number);
        first.filter(|waiting| !waiting.call.is_closed()).collect()
    }
}

impl<DB: Database> Drop for Turn<DB> {
    fn drop(&mut self) {
        loop {
            let mut line = self.0.line();
            let Some(next) = line.waiting.pop_front() else {
                line.turn_is_taken = false;
                return;
            };
            drop(line);
            if !next.call.is_closed() {
                let turn = Turn(Arc::clone(&self.0));
                // If it gives up at this moment, the turn is dropped, and so goes on.
                let _ = next.call.send(Call::YourTurn(turn, next.job));
                return;
            }
        }
    }
}
