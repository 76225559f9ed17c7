//! What opens a store.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::flask::Flask;
use crate::location::Location;
use crate::store::Store;

/// Opens one kind of store. Every store crate exports its own: a `const DRIVER`, or one for each database.
#[derive(Clone, Copy)]
pub struct Driver {
    /// What `SESSION_TYPE` calls it, for example `filesystem`.
    pub name: &'static str,
    /// The schemes of the URLs that it opens, for example `file`. They choose the driver when no type is configured.
    pub schemes: &'static [&'static str],
    /// Opens the store at a location.
    pub connect: fn(Location) -> Connecting,
    /// Opens it in the layout that is [shared with Flask](crate::flask), if it has one.
    pub connect_flask: Option<fn(Location, Flask) -> Connecting>,
}

/// A store that is being opened.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Arc<dyn Store>, ConnectError>> + Send>>;

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("name", &self.name)
            .field("schemes", &self.schemes)
            .finish()
    }
}

/// A store could not be opened. No text of it holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No linked driver has this type or scheme.
    #[error("unknown session store {wanted:?}: this application links {known}{hint}")]
    UnknownType {
        /// What was configured.
        wanted: String,
        /// The linked drivers.
        known: String,
        /// How to get the missing one, if it is known.
        hint: String,
    },
    /// There is a URL, but neither a type nor a scheme that would say which driver opens it.
    #[error(
        "a session url is configured, but not which store opens it: set `type` to one of {known}, or write the url with its scheme"
    )]
    NoType {
        /// The linked drivers.
        known: String,
    },
    /// The URL has an option that its driver does not know.
    #[error("the {driver} store does not know the option {option:?}; it knows: {known}")]
    UnknownOption {
        /// The driver.
        driver: &'static str,
        /// What was given.
        option: String,
        /// What can be given.
        known: String,
    },
    /// An option has a value that cannot be used.
    #[error("the {driver} store cannot use its option {option:?}: expected {expected}")]
    BadOption {
        /// The driver.
        driver: &'static str,
        /// The option.
        option: String,
        /// What was expected.
        expected: String,
    },
    /// The configuration shares its sessions with Flask, and this store cannot.
    #[error(
        "the {driver} store has no layout that could be shared with Flask: use redis, filesystem, sqlite, postgres or mysql"
    )]
    NoFlask {
        /// The driver.
        driver: &'static str,
    },
    /// The driver could not open the store.
    #[error("the {driver} store could not be opened")]
    Failed {
        /// The driver.
        driver: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
