//! Where the store's connections come from.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Pool};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::backend::Backend;
use crate::error::{Failure, Meaning};

/// A connection that idled for longer is asked whether it is still there: firewalls and servers drop such silently.
const TRUSTED_IDLE: Duration = Duration::from_secs(60);

/// Connections to one database.
pub(crate) enum Connections<DB: Database> {
    /// The store's own. Unlike sqlx's pool it does not ask each connection whether it is alive after every use, which
    /// would be a second round trip; it closes one that was given up in the middle of a statement; and a server that
    /// refuses a connection is an error at once.
    Own(Own<DB>),
    /// The application's pool.
    Shared(Pool<DB>),
}

pub(crate) struct Own<DB: Database> {
    options: <DB::Connection as Connection>::Options,
    permits: Semaphore,
    /// The one that was used last comes first, so that those a peak has left behind can be seen to be old.
    idle: Mutex<Vec<Idle<DB>>>,
    /// How long to wait for a free connection, or for a new one.
    patience: Duration,
}

struct Idle<DB: Database> {
    connection: DB::Connection,
    since: Instant,
}

impl<DB: Backend> Connections<DB> {
    pub(crate) fn own(
        options: <DB::Connection as Connection>::Options,
        size: usize,
        patience: Duration,
    ) -> Self {
        Connections::Own(Own {
            options,
            permits: Semaphore::new(size),
            idle: Mutex::default(),
            patience,
        })
    }

    pub(crate) async fn take(&self) -> Result<Lent<'_, DB>, Failure> {
        match self {
            Connections::Own(own) => own.take().await,
            Connections::Shared(pool) => {
                let connection = pool.acquire().await.map_err(|error| match error {
                    sqlx::Error::PoolTimedOut => Failure::AllBusy(self.patience()),
                    other => Failure::Unreachable(other.into()),
                })?;
                Ok(Lent::Shared(Shared {
                    connection,
                    finished: false,
                }))
            }
        }
    }

    /// How long to wait for one.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Connections::Own(own) => own.patience,
            Connections::Shared(pool) => pool.options().get_acquire_timeout(),
        }
    }

    /// Closes the connections that nobody uses: when one was lost, the others are as dead, and each would cost somebody
    /// an error.
    pub(crate) fn distrust_idle(&self) {
        match self {
            Connections::Own(own) => own.idle().clear(),
            Connections::Shared(pool) => {
                while let Some(connection) = pool.try_acquire() {
                    drop(connection.detach());
                }
            }
        }
    }
}

impl<DB: Backend> Own<DB> {
    async fn take(&self) -> Result<Lent<'_, DB>, Failure> {
        let permit = match timeout(self.patience, self.permits.acquire()).await {
            // It is never closed.
            Ok(Err(_)) | Err(_) => return Err(Failure::AllBusy(self.patience)),
            Ok(Ok(permit)) => permit,
        };
        let connection = match self.trusted_idle().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lent::Own {
            connection,
            home: self,
            permit,
        })
    }

    async fn trusted_idle(&self) -> Option<DB::Connection> {
        loop {
            let Idle {
                mut connection,
                since,
            } = self.idle().pop()?;
            if since.elapsed() < TRUSTED_IDLE {
                return Some(connection);
            }
            if let Ok(Ok(())) = timeout(self.patience, connection.ping()).await {
                return Some(connection);
            }
            self.idle().clear();
        }
    }

    async fn connect(&self) -> Result<DB::Connection, Failure> {
        let connecting = DB::Connection::connect_with(&self.options);
        match timeout(self.patience, connecting).await {
            Ok(connected) => connected.map_err(|error| match Meaning::of(&error, DB::judge) {
                Meaning::Locked => Failure::Locked(error.into()),
                _ => Failure::Unreachable(error.into()),
            }),
            Err(_) => Err(Failure::NotConnected(self.patience)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<DB>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped before it was [given back](Self::give_back) it is closed: what was given up in its middle
/// may hang for ever, or hand the next one an answer that is not meant for it.
pub(crate) enum Lent<'a, DB: Database> {
    Own {
        connection: DB::Connection,
        home: &'a Own<DB>,
        permit: SemaphorePermit<'a>,
    },
    Shared(Shared<DB>),
}

pub(crate) struct Shared<DB: Database> {
    connection: PoolConnection<DB>,
    finished: bool,
}

impl<DB: Backend> Lent<'_, DB> {
    pub(crate) fn give_back(self) {
        match self {
            Lent::Own {
                connection,
                home,
                permit,
            } => {
                let since = Instant::now();
                home.idle().push(Idle { connection, since });
                drop(permit);
            }
            Lent::Shared(mut shared) => shared.finished = true,
        }
    }
}

impl<DB: Database> Drop for Shared<DB> {
    fn drop(&mut self) {
        if !self.finished {
            self.connection.close_on_drop();
        }
    }
}

impl<DB: Database> Deref for Lent<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match self {
            Lent::Own { connection, .. } => connection,
            Lent::Shared(shared) => &shared.connection,
        }
    }
}

impl<DB: Database> DerefMut for Lent<'_, DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match self {
            Lent::Own { connection, .. } => connection,
            Lent::Shared(shared) => &mut shared.connection,
        }
    }
}
