//! A connection that is made anew when it breaks, for as long as anybody asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::watch;

use crate::error::{Failure, Secrets, is_demoted};
use crate::sentinel::Sentinels;

/// One connection to one server, which many tasks use at once.
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
    current: Mutex<Current>,
}

/// Where a connection comes from.
pub(crate) enum Source {
    Server(Client),
    Sentinels(Sentinels),
}

/// The newest attempt to connect. It is nothing as long as nobody asked.
#[derive(Default)]
struct Current {
    number: u64,
    attempt: Option<watch::Receiver<Attempt>>,
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
            current: Mutex::default(),
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
        let mut current = self.current();
        if current.number == number {
            current.attempt = None;
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Failure> {
        let (number, attempt) = {
            let mut current = self.current();
            match current
                .attempt
                .as_ref()
                .map(|attempt| (attempt, attempt.borrow().clone()))
            {
                Some((_, Some(Ok(connection)))) => return Ok((current.number, connection)),
                Some((attempt, None)) if attempt.has_changed().is_ok() => {
                    (current.number, attempt.clone())
                }
                // Nobody asked yet, or the last attempt failed, or its runtime has shut down.
                _ => {
                    current.number += 1;
                    let attempt = current.attempt.insert(self.begin()).clone();
                    (current.number, attempt)
                }
            }
        };
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
            // The runtime that ran it has shut down.
            Ok(None) | Err(_) => Err(Failure::NotConnected {
                within: self.0.connect_timeout,
            }),
        }
    }

    /// Connects in a task of its own, so that nobody who stops waiting stops it for the others.
    fn begin(&self) -> watch::Receiver<Attempt> {
        let (result, attempt) = watch::channel(None);
        let this = self.clone();
        tokio::spawn(async move {
            let within = this.0.connect_timeout;
            let connected = match tokio::time::timeout(within, this.open()).await {
                Ok(Ok(connection)) => Ok(connection),
                Ok(Err(error)) => Err(Failure::connecting(&error, &this.0.secrets)),
                Err(_) => Err(Failure::NotConnected { within }),
            };
            if let Err(failure) = &connected {
                tracing::debug!(error = %failure, "no connection to Redis");
            }
            result.send_replace(Some(connected));
        });
        attempt
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

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
