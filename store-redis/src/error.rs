//! What can go wrong, in words that say what to do. No text of it holds a password.

use std::sync::Arc;
use std::time::Duration;

use anysession::StoreError;
use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind, Value};

use crate::driver::NAME;

/// A Redis could not be opened as a store: it cannot be reached, or it refuses to talk. The text says which, and holds no
/// password.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] Failure);

/// A command failed; it becomes the source of a [`StoreError`]. Clones are for all who waited for one connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection to Redis: {why}")]
    NoConnection { why: Arc<str> },
    #[error("no connection to Redis within {within:?}: is it down, or the address wrong?")]
    NotConnected { within: Duration },
    #[error("no answer from Redis in time; the command may have been carried out")]
    NoAnswer,
    #[error("the connection to Redis broke; the command may have been carried out: {why}")]
    Lost { why: Arc<str> },
    #[error(
        "Redis has no room: raise its maxmemory; policies that evict end sessions early: {why}"
    )]
    Full { why: Arc<str> },
    #[error("Redis refused the command: {why}")]
    Refused { why: Arc<str> },
    #[error("the record was written, but perhaps not the entry in its user's index: {why}")]
    NotIndexed { why: Arc<str> },
    #[error(
        "Redis wrote it, but no replica had it within {within:?}: after a failover it may be undone"
    )]
    NotReplicated { within: Duration },
    #[error("Redis answered something unexpected to {command}")]
    Unexpected { command: &'static str },
    #[error("a user of {size} bytes cannot be stored")]
    UserTooLong { size: usize },
    #[error("the Redis store needs a tokio runtime with I/O and time: call it from inside one")]
    NoRuntime,
}

impl Failure {
    /// The answer of a server that is no answer.
    pub(crate) fn refused(error: &ServerError) -> Self {
        let details = error.details().unwrap_or_default();
        // What a server does not understand it repeats, and so prints what nobody should read.
        let details = details.split("with args beginning with").next();
        let why = format!("{} {}", error.code(), details.unwrap_or_default()).into();
        // Before Redis 7 a script hides the code of the error in its text.
        match error.code() == "OOM" || details.is_some_and(|text| text.contains("-OOM ")) {
            true => Failure::Full { why },
            false => Failure::Refused { why },
        }
    }

    /// An error of the client while it connected or authenticated: nothing of ours was sent yet.
    pub(crate) fn connecting(error: &RedisError, secrets: &Secrets) -> Self {
        let why = secrets.strike_out(&error.to_string()).into();
        Failure::NoConnection { why }
    }

    /// An error of the client after the command was handed to it.
    pub(crate) fn sending(error: &RedisError) -> Self {
        let why = error.to_string().into();
        match error.kind() {
            _ if error.is_timeout() => Failure::NoAnswer,
            // What a Cluster's client says when it found nobody to send it to.
            ErrorKind::ClusterConnectionNotFound => Failure::NoConnection { why },
            _ if error.is_connection_refusal() => Failure::NoConnection { why },
            ErrorKind::Server(_) | ErrorKind::Extension => Failure::Refused { why },
            _ => Failure::Lost { why },
        }
    }

    /// What befell the index after its record was written.
    pub(crate) fn not_indexed(self) -> Self {
        let why = self.to_string().into();
        Failure::NotIndexed { why }
    }

    /// As the error of a verb.
    pub(crate) fn during(self, operation: &'static str) -> StoreError {
        match self {
            Failure::Full { .. } => StoreError::full(NAME, operation, self),
            _ => StoreError::new(NAME, operation, self),
        }
    }
}

/// The answer, unless it is an error of the server.
pub(crate) fn answered(value: Value) -> Result<Value, Failure> {
    match value {
        Value::ServerError(error) => Err(Failure::refused(&error)),
        value => Ok(value),
    }
}

/// Whether this answer says that the server is no master, or no longer the one that was meant.
pub(crate) fn is_demoted(value: &Value) -> bool {
    matches!(value, Value::ServerError(error)
        if matches!(error.kind(), Some(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)))
}

/// Whether this answer says that the script is unknown, and so was not run.
pub(crate) fn is_unknown_script(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// Passwords, to be kept out of texts that others write.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let secrets = secrets.into_iter().flatten();
        Secrets(
            secrets
                .filter(|secret| !secret.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    fn strike_out(&self, text: &str) -> String {
        let strike = |text: String, secret: &String| text.replace(secret.as_str(), "…");
        self.0.iter().fold(text.to_owned(), strike)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_struck_out_of_what_others_write() {
        let secrets = Secrets::new([Some("hunter2"), None, Some("")]);
        let repeated = "unknown command 'AUTH', with args beginning with: 'hunter2'".to_owned();
        let error = RedisError::from((ErrorKind::Client, "refused", repeated));
        let text = Failure::connecting(&error, &secrets).to_string();
        assert!(
            text.contains("'AUTH'") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(!format!("{:?}", Failure::connecting(&error, &secrets)).contains("hunter2"));
    }
}
