//! Group commit: writes that come while another one is carried out wait for it together, and are then carried out in one
//! transaction, which costs one flush of the disk.
//!
//! For a database that lets one write at a time. A write that nobody waits behind is one statement and no transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sqlx::Database;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::backend::Backend;
use crate::connections::{Connections, Lent};
use crate::error::Failure;
use crate::running::{execute_on, failure, settle};
use crate::statements::Statement;

/// Writes that one transaction carries out at most: others of the file wait for all of them.
const MOST: usize = 100;

pub(crate) struct GroupCommit<DB: Database>(Arc<Shared<DB>>);

struct Shared<DB: Database> {
    connections: Arc<Connections<DB>>,
    begin: Statement,
    commit: Statement,
    roll_back: Statement,
    line: Mutex<Line<DB>>,
}

/// Who has the turn, and who waits for it.
struct Line<DB: Database> {
    turn_is_taken: bool,
    /// Each with its ticket.
    waiting: VecDeque<(u64, Waiting<DB>)>,
    last_ticket: u64,
}

struct Waiting<DB: Database> {
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
    pub(crate) fn new(connections: Arc<Connections<DB>>) -> Self {
        let statement = |text: &str| Statement::new(text.to_owned(), &DB::DIALECT);
        GroupCommit(Arc::new(Shared {
            connections,
            // Takes the lock at once, so that a locked database shows before anything is written.
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
            line.waiting.push_back((ticket, Waiting { job, call }));
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
        let place = waiting.iter().position(|&(of, _)| of == ticket);
        place.and_then(|place| waiting.remove(place)).is_some()
    }

    async fn alone(&self, job: Job<DB>) -> Outcome<DB> {
        execute_on(&self.connections, &job.statement, job.arguments).await
    }

    /// `None` if nothing was written: one of them failed, or they could not be committed together, which is not for one to
    /// say of the others.
    async fn in_one_transaction(
        &self,
        group: &[Waiting<DB>],
    ) -> Result<Option<Vec<DB::QueryResult>>, Failure> {
        let mut connection = self.connections.take().await?;
        if let Err(error) = execute(&mut connection, &self.begin).await {
            return settle(&self.connections, connection, Err(error));
        }
        let mut results = Vec::with_capacity(group.len());
        for Waiting { job, .. } in group {
            let arguments = job.arguments.clone();
            match DB::execute(&mut connection, &job.statement, arguments).await {
                Ok(result) => results.push(result),
                Err(_) => {
                    self.undo(connection).await;
                    return Ok(None);
                }
            }
        }
        match execute(&mut connection, &self.commit).await {
            Ok(_) => {
                connection.give_back();
                Ok(Some(results))
            }
            Err(error) => match self.undo(connection).await {
                true => Ok(None),
                false => Err(failure::<DB>(error)),
            },
        }
    }

    /// Whether there was a transaction to undo. Where there was none any more, or this is refused, closing the connection
    /// leaves nothing open.
    async fn undo(&self, mut connection: Lent<'_, DB>) -> bool {
        let is_undone = execute(&mut connection, &self.roll_back).await.is_ok();
        if is_undone {
            connection.give_back();
        }
        is_undone
    }
}

async fn execute<DB: Backend>(
    connection: &mut Lent<'_, DB>,
    statement: &Statement,
) -> sqlx::Result<DB::QueryResult> {
    DB::execute(connection, statement, DB::Arguments::default()).await
}

/// It may not wait any more.
fn tell<DB: Database>(call: oneshot::Sender<Call<DB>>, outcome: Outcome<DB>) {
    let _ = call.send(Call::Done(outcome));
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
            return self.0.alone(job).await;
        }
        let (call, called) = oneshot::channel();
        let mut group = vec![Waiting { job, call }];
        group.extend(others);
        // On a thread: a client that leaves takes nobody else's write with it, and no runtime that ends, is busy or stands
        // still keeps the database locked. One of its own, since those of the runtime may all wait for this very write.
        let runtime = Handle::current();
        let thread = thread::Builder::new().name("anysession-sql".to_owned());
        // If there is none to be had, the group is dropped here, and so told.
        let _ = thread.spawn(move || runtime.block_on(self.carry_out_all(group)));
        match called.await {
            Ok(Call::Done(outcome)) => outcome,
            _ => Err(Failure::Abandoned),
        }
    }

    async fn carry_out_all(self, group: Vec<Waiting<DB>>) {
        match self.0.in_one_transaction(&group).await {
            Ok(Some(results)) => {
                for (waiting, result) in group.into_iter().zip(results) {
                    tell(waiting.call, Ok(result));
                }
            }
            Ok(None) => {
                for Waiting { job, call } in group {
                    tell(call, self.0.alone(job).await);
                }
            }
            Err(failure) => {
                for waiting in group {
                    tell(waiting.call, Err(failure.clone()));
                }
            }
        }
    }

    /// Those who wait, without those who have given up.
    fn take_others(&self) -> Vec<Waiting<DB>> {
        let mut line = self.0.line();
        let number = line.waiting.len().min(MOST - 1);
        let first = line.waiting.drain(..number).map(|(_, waiting)| waiting);
        first.filter(|waiting| !waiting.call.is_closed()).collect()
    }
}

impl<DB: Database> Drop for Turn<DB> {
    fn drop(&mut self) {
        loop {
            let mut line = self.0.line();
            let Some((_, next)) = line.waiting.pop_front() else {
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
