//! Opening the store by a configured location.

use std::sync::Arc;

use anysession::{ConnectError, Driver, Location, Store};

use crate::RedbStore;

pub(crate) const NAME: &str = "redb";

/// The type `redb`: a path or a `redb://` URL, without options; `./sessions.redb` if none is configured.
pub const DRIVER: Driver = Driver {
    name: NAME,
    schemes: &["redb"],
    connect: |location| Box::pin(connect(location)),
    connect_flask: None,
};

async fn connect(location: Location) -> Result<Arc<dyn Store>, ConnectError> {
    location.check_options(NAME, &[])?;
    if let Some(scheme) = location.scheme().filter(|&scheme| scheme != NAME) {
        return Err(failed(format!(
            "its url begins with {scheme}://, expected redb://"
        )));
    }
    let path = Some(location.path()).filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| "./sessions.redb".to_owned());
    let opened = tokio::task::spawn_blocking(|| RedbStore::open(path)).await;
    Ok(Arc::new(opened.map_err(failed)?.map_err(failed)?))
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
    ConnectError::Failed {
        driver: NAME,
        source: source.into(),
    }
}
