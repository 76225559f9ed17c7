//! A connection that is made anew when it breaks, for as long as anybody asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;

use crate::error::{Failure, Secrets, is_demoted};
use crate::sentinel::Sentinels;

/// A connection to one server, which many tasks use at once: one for each runtime that asks, which drives it. Where every
/// thread has a runtime of its own, as in actix-web, no command has to wait for another thread then, and a runtime that
/// ends takes nobody else's connection with it.
///
/// What distinguishes it from the client's own managed connection: an answer that does not come replaces the connection
/// too, and so does a server that became a replica; whoever comes while the server is away waits for one attempt at most;
/// and the server is looked for anew each time, so that the master may be another one.
#[derive(Clone)]
pub(crate) struct Reconnecting(Arc<Shared>);

struct Shared {
    source: Source,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    secrets: Secrets,
    lines: Mutex<Lines>,
}

/// Where a connection comes from.
pub(crate) enum Source {
    Server(Client),
    Sentinels(Sentinels),
}

/// The newest attempt of each runtime to connect. There is none as long as nobody asked.
#[derive(Default)]
struct Lines {
    last_number: u64,
    lines: Vec<Line>,
}

struct Line {
    runtime: Id,
    number: u64,
    attempt: watch::Receiver<Attempt>,
}

impl Lines {
    /// Instead of the one that the runtime had.
    fn add(&mut self, runtime: Id, attempt: watch::Receiver<Attempt>) -> u64 {
        self.last_number += 1;
        self.lines.retain(|line| line.runtime != runtime);
        self.lines.push(Line {
            runtime,
            number: self.last_number,
            attempt,
        });
        self.last_number
    }

    fn hang_up(&mut self, number: u64) {
        self.lines.retain(|line| line.number != number);
    }
}

/// Hangs a line up with the runtime that drives it.
struct UntilRuntimeEnds {
    number: u64,
    shared: Weak<Shared>,
}

impl Drop for UntilRuntimeEnds {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lines().hang_up(self.number);
        }
    }
}

/// `None` while it is under way.
type Attempt = Option<Result<MultiplexedConnection, Failure>>;

/// How long to wait, for a connection and then for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
}

impl Reconnecting {
    pub(crate) fn new(source: Source, patience: Patience) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience.connect))
            .set_response_timeout(Some(patience.answer));
        Self::with_config(source, config, patience.connect)
    }

    /// With a configuration that is given, as the nodes of a Cluster have it.
    pub(crate) fn with_config(
        source: Source,
        config: AsyncConnectionConfig,
        connect_timeout: Duration,
    ) -> Self {
        let secrets = match &source {
            Source::Server(client) => {
                Secrets::new([client.get_connection_info().redis_settings().password()])
            }
            Source::Sentinels(sentinels) => sentinels.secrets(),
        };
        Reconnecting(Arc::new(Shared {
            source,
            config,
            connect_timeout,
            secrets,
            lines: Mutex::default(),
        }))
    }

    /// Sends one command.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<RedisResult<Value>, Failure> {
        let (number, mut connection) = self.connection().await?;
        // In a box, as the client's own functions have it: so the future of a verb stays small.
        let answer = connection.req_packed_command(command).await;
        self.look_at(number, answer.as_ref().map(std::slice::from_ref));
        Ok(answer)
    }

    /// Sends several commands, which are carried out in this order.
    pub(crate) async fn send_all(
        &self,
        commands: &Pipeline,
        offset: usize,
        count: usize,
    ) -> Result<RedisResult<Vec<Value>>, Failure> {
        let (number, mut connection) = self.connection().await?;
        let answers = connection
            .req_packed_commands(commands, offset, count)
            .await;
        self.look_at(number, answers.as_deref());
        Ok(answers)
    }

    /// Makes sure that there is a connection.
    pub(crate) async fn connect(&self) -> Result<(), Failure> {
        self.connection().await.map(|_| ())
    }

    /// Gives a connection up that broke, did not answer in time, or leads to a server that is no master any more. Its
    /// answers that still come find nobody who waits for them.
    fn look_at(&self, number: u64, answers: Result<&[Value], &RedisError>) {
        if answers.is_ok_and(|answers| !answers.iter().any(is_demoted)) {
            return;
        }
        self.0.lines().hang_up(number);
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Failure> {
        let runtime = Handle::try_current().map_err(|_| Failure::NoRuntime)?.id();
        let (number, attempt, begun) = {
            let mut lines = self.0.lines();
            let line = lines.lines.iter().find(|line| line.runtime == runtime);
            match line.map(|line| (line, line.attempt.borrow().clone())) {
                Some((line, Some(Ok(connection)))) => return Ok((line.number, connection)),
                Some((line, None)) => (line.number, line.attempt.clone(), None),
                // Nobody asked yet, or the last attempt failed.
                None | Some((_, Some(Err(_)))) => {
                    let (result, attempt) = watch::channel(None);
                    let number = lines.add(runtime, attempt.clone());
                    (number, attempt, Some(result))
                }
            }
        };
        if let Some(result) = begun {
            self.begin(number, result);
        }
        // In a box: every command would carry its room.
        Box::pin(self.outcome_of(number, attempt)).await
    }

    async fn outcome_of(
        &self,
        number: u64,
        mut attempt: watch::Receiver<Attempt>,
    ) -> Result<(u64, MultiplexedConnection), Failure> {
        let connected = attempt.wait_for(Option::is_some).await;
        match connected.as_deref() {
            Ok(Some(Ok(connection))) => Ok((number, connection.clone())),
            Ok(Some(Err(failure))) => Err(failure.clone()),
            // The runtime is shutting down.
            Ok(None) | Err(_) => Err(Failure::NotConnected {
                within: self.0.connect_timeout,
            }),
        }
    }

    /// Connects in a task of its own, so that nobody who stops waiting stops it for the others. Not under the lock: a
    /// runtime that is shutting down drops the task at once, which takes the lock.
    fn begin(&self, number: u64, result: watch::Sender<Attempt>) {
        let this = self.clone();
        let until_runtime_ends = UntilRuntimeEnds {
            number,
            shared: Arc::downgrade(&self.0),
        };
        tokio::spawn(async move {
            let _until_runtime_ends = until_runtime_ends;
            let within = this.0.connect_timeout;
            let connected = match tokio::time::timeout(within, this.open()).await {
                Ok(Ok(connection)) => Ok(connection),
                Ok(Err(error)) => Err(Failure::connecting(&error, &this.0.secrets)),
                Err(_) => Err(Failure::NotConnected { within }),
            };
            drop(this);
            if let Err(failure) = &connected {
                tracing::debug!(error = %failure, "no connection to Redis");
            }
            result.send_replace(Some(connected));
            result.closed().await;
        });
    }

    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let found;
        let client = match &self.0.source {
            Source::Server(client) => client,
            Source::Sentinels(sentinels) => {
                found = sentinels.master().await?;
                &found
            }
        };
        client
            .get_multiplexed_async_connection_with_config(&self.0.config)
            .await
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_ends_leaves_no_line() {
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("redis://{}", mute.local_addr().unwrap());
        let source = Source::Server(Client::open(address).unwrap());
        let long = Duration::from_secs(60);
        let patience = Patience {
            connect: long,
            answer: long,
        };
        let connection = Reconnecting::new(source, patience);
        let lines = || connection.0.lines().lines.len();

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = connection.connect() => panic!("nobody answers"),
                () = tokio::task::yield_now() => {}
            }
        });
        assert_eq!(lines(), 1);
        drop(runtime);
        assert_eq!(lines(), 0);
    }
}
