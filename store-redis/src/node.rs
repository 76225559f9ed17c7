//! A node of a Cluster, as the Cluster's client uses it.
//!
//! That client sends a command again when its connection breaks or its answer does not come, also if it may have been
//! carried out. It does so because it takes these errors for harmless. A node of this kind tells it which are: a command
//! is sent again if it was never sent, or if the server says that it belongs elsewhere, and in no other case.

use std::io;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::cluster_async::Connect;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, Pipeline, RedisError,
    RedisFuture, RedisResult, Value,
};

use crate::error::Failure;
use crate::reconnecting::{Reconnecting, Source};

/// More than any configured one: the configuration that the Cluster's client hands on holds the time that counts.
const LONGEST_CONNECT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Node(Reconnecting);

impl Connect for Node {
    fn connect_with_config<'a, T>(info: T, config: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        Box::pin(async move {
            let source = Source::Server(Client::open(info)?);
            let connection = Reconnecting::with_config(source, config, LONGEST_CONNECT);
            connection
                .connect()
                .await
                .map_err(|failure| not_sent(&failure))?;
            Ok(Node(connection))
        })
    }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { judge(self.0.send(command).await) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move { judge(self.0.send_all(commands, offset, count).await) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn judge<T>(sent: Result<RedisResult<T>, Failure>) -> RedisResult<T> {
    match sent {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(undecided(&error)),
        Err(failure) => Err(not_sent(&failure)),
    }
}

/// An error upon which the Cluster's client looks for the right node again.
fn not_sent(failure: &Failure) -> RedisError {
    io::Error::new(io::ErrorKind::ConnectionRefused, failure.to_string()).into()
}

/// An error upon which it gives up.
fn undecided(error: &RedisError) -> RedisError {
    let why = error.to_string();
    RedisError::from((ErrorKind::Client, "the outcome is unknown", why))
}

#[cfg(test)]
mod tests {
    use redis::RetryMethod;

    use super::*;

    #[test]
    fn only_what_was_never_sent_is_sent_again() {
        let broken: RedisError = io::Error::from(io::ErrorKind::BrokenPipe).into();
        let late: RedisError = io::Error::from(io::ErrorKind::TimedOut).into();
        for error in [broken, late] {
            let judged = judge::<Value>(Ok(Err(error))).unwrap_err();
            assert!(matches!(judged.retry_method(), RetryMethod::NoRetry));
        }
        let away = Failure::NotConnected {
            within: Duration::ZERO,
        };
        let judged = judge::<Value>(Err(away)).unwrap_err();
        assert!(matches!(judged.retry_method(), RetryMethod::Reconnect));
    }
}
