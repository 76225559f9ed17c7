//! What can be chosen about a store, apart from where it is.

use std::time::Duration;

/// How a store names its keys, how long it waits, and how much of a write it waits for.
///
/// ```
/// use std::time::Duration;
/// use anysession_redis::{Durability, RedisOptions};
///
/// let options = RedisOptions::default()
///     .with_prefix("shop:")
///     .with_timeout(Duration::from_millis(500))
///     .with_durability(Durability::Replicated);
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) durability: Durability,
}

/// What a Redis that fails over may undo. What a Redis without replicas loses when it dies is in its own configuration:
/// `appendonly yes` and `appendfsync`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The master's answer is enough. A failover may undo the writes of the last moment before it, a log-out too.
    #[default]
    Acknowledged,
    /// A write and a deletion answer Ok only when a replica has them too, so that a failover to it undoes neither a
    /// log-out nor a change of id. An error says that it might. New deadlines alone do not wait.
    ///
    /// It costs a second connection, on which writes wait for the replica (`WAIT`) one after the other, while reads go on
    /// beside it.
    Replicated,
}

impl Default for RedisOptions {
    fn default() -> Self {
        RedisOptions {
            prefix: "anysession:".to_owned(),
            timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(1),
            durability: Durability::default(),
        }
    }
}

impl RedisOptions {
    /// What all keys begin with, so that several applications can share one server. By default `anysession:`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a command may take until its answer is given up, by default two seconds. A write that was given up may
    /// have been carried out; it is never sent again.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long it may take to find the server and sign in, by default one second.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What a write waits for.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long an answer may take: the server's, and then the replica's.
    pub(crate) fn longest_answer(&self) -> Duration {
        match self.durability {
            Durability::Acknowledged => self.timeout,
            Durability::Replicated => self.timeout * 2,
        }
    }
}
