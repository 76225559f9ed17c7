//! What can go wrong between a handler and its session.

use std::time::Duration;

use crate::causes::with_causes;
use crate::id::RandomError;
use crate::store::StoreError;

/// A session could not do what was asked.
///
/// None of its texts holds a session's data or an id, but a handler should still not show them to a visitor:
/// [`status`](Self::status) says how to answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The value cannot be written as MessagePack, for instance because it is nested too deep. Nothing was changed.
    #[error("the value for the session key {key:?} cannot be stored")]
    Encode {
        /// The key.
        key: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored under the key is not of the type that was asked for. It is left as it is.
    #[error("what is stored under the session key {key:?} is not a {wanted}")]
    Decode {
        /// The key.
        key: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The session would become larger than the configured `size_limit`. Nothing was changed.
    #[error(
        "the session would take {size} bytes, but `size_limit` allows {limit}: \
         store less, or store it elsewhere and keep its key in the session"
    )]
    TooLarge {
        /// What it would take.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A user's name must be 1 to 255 bytes long and free of control characters.
    #[error(
        "a user must be named by 1 to 255 bytes without control characters, not by {len} bytes"
    )]
    InvalidUser {
        /// The length of what was given.
        len: usize,
    },
    /// A new id would need a cookie, and the response is already on its way.
    #[error("{operation} after the response was sent: its cookie can no longer be set")]
    AfterResponse {
        /// What was asked for.
        operation: &'static str,
    },
    /// The session ended while the request was running: it was destroyed, it expired, or somebody else has signed in. What
    /// this request changed was dropped.
    #[error("the session ended while the request was running")]
    SessionEnded,
    /// An earlier save of this request failed or was given up. What became of its changes is not known, so nothing more
    /// is stored before the session is [reloaded](crate::Session::reload); a log-out is carried out all the same.
    #[error("an earlier save of this session failed, so nothing more of this request is stored")]
    SaveFailed,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// The last sign-in is too long ago for what is to be done now: ask the user to sign in again.
    #[error(
        "the last sign-in was {ago:?} ago, but must not be older than {limit:?}: sign in again"
    )]
    SignInTooOld {
        /// How long ago it was.
        ago: Duration,
        /// How long ago it may be.
        limit: Duration,
    },
    /// When the user signed in is not known, and never will be: sessions in [Flask's layout](crate::flask) do not keep it.
    #[error("when the user signed in is not known: Flask's layout does not keep it")]
    SignInUnknown,
    /// The random source failed, so no new id was made. Nothing was changed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Other requests changed the session each time that this one tried to. This request's changes were
    /// not made.
    #[error("other requests changed the session first, {tries} times in a row")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// The store failed. If it was a write, it may have been carried out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// The HTTP status that says it to a client: 503 if trying again later can help, 401 if signing in can, 400
    /// for a user that cannot be one, 409 if the session has ended, otherwise 500.
    pub fn status(&self) -> u16 {
        match self {
            Error::Store(_) | Error::Contended { .. } | Error::Random(_) | Error::SaveFailed => 503,
            Error::SessionEnded => 409,
            Error::NotSignedIn | Error::SignInTooOld { .. } => 401,
            Error::InvalidUser { .. } => 400,
            _ => 500,
        }
    }

    /// Tells `tracing`, as an error with its causes, if it is answered by a 5xx; what the client can mend is the
    /// application's to tell. For an adapter that makes a response of it.
    pub fn tell(&self) {
        if self.status() >= 500 {
            let error = with_causes(self);
            tracing::error!(target: "anysession", %error, "a session could not be used");
        }
    }

    pub(crate) fn encode(
        key: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error::Encode {
            key: key.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn decode<T>(
        key: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Error::Decode {
            key: key.to_owned(),
            wanted: std::any::type_name::<T>(),
            source: source.into(),
        }
    }
}
