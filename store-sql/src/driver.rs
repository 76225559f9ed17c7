//! What opening a store has in common, wherever it is.

use std::sync::Arc;

use anysession::{ConnectError, Store};

use crate::backend::Backend;
use crate::connections::Connections;
use crate::error::Failure;
use crate::group_commit::GroupCommit;
use crate::schema::Table;
use crate::settings::{Settings, TIMEOUT};
use crate::statements::Statements;
use crate::store::{Inner, SqlStore};

/// The store on connections of its own; its table is looked at, and made if need be.
pub(crate) async fn open<DB: Backend>(
    settings: Settings,
    reads: Arc<Connections<DB>>,
    writes: Arc<Connections<DB>>,
    keeper: Option<DB::Connection>,
) -> Result<SqlStore<DB>, ConnectError> {
    let inner = Inner {
        statements: Statements::new(&settings.table, &DB::DIALECT),
        table: settings.table,
        reads,
        group_commit: DB::ONE_WRITER.then(|| GroupCommit::new(Arc::clone(&writes))),
        writes,
        timeout: settings.timeout,
        _keeper: keeper.map(Into::into),
    };
    inner
        .check_table(settings.create_table)
        .await
        .map_err(failed::<DB>)?;
    Ok(SqlStore::of(inner))
}

/// The store on a pool of the application.
pub(crate) fn on_pool<DB: Backend>(pool: sqlx::Pool<DB>, table: Table) -> SqlStore<DB> {
    let connections = Arc::new(Connections::Shared(pool));
    SqlStore::of(Inner {
        statements: Statements::new(&table, &DB::DIALECT),
        table,
        reads: Arc::clone(&connections),
        writes: connections,
        group_commit: None,
        timeout: TIMEOUT,
        _keeper: None,
    })
}

/// As the configuration holds it.
pub(crate) fn boxed<DB: Backend>(store: SqlStore<DB>) -> Arc<dyn Store> {
    Arc::new(store)
}

/// Refuses a location without one of these schemes in front; `form` says what it looks like.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn check_scheme(
    location: &anysession::Location,
    driver: &'static str,
    schemes: &[&str],
    form: &str,
) -> Result<(), ConnectError> {
    match location.scheme() {
        Some(scheme) if schemes.contains(&scheme) => Ok(()),
        _ => Err(wrong_url(driver, form)),
    }
}

/// Nothing of the URL is repeated: what cannot be read may be a password anywhere.
pub(crate) fn wrong_url(driver: &'static str, form: &str) -> ConnectError {
    ConnectError::Failed {
        driver,
        source: format!("its url cannot be read: expected {form}").into(),
    }
}

pub(crate) fn failed<DB: Backend>(failure: Failure) -> ConnectError {
    ConnectError::Failed {
        driver: DB::STORE,
        source: failure.into(),
    }
}
