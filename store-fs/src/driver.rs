//! Opening the store by a configured location.

use std::sync::Arc;

use anysession::{ConnectError, Driver, Location, Store};

use crate::store::{Durability, FsStore};

pub(crate) const NAME: &str = "filesystem";
const OPTIONS: &[&str] = &["durability"];
const DEFAULT_PATH: &str = "./sessions";

/// The type `filesystem`: a path or a `file://` URL, `./sessions` if none is configured.
///
/// Its one option is `durability`, `full` (the default) or `relaxed`: `file:///var/lib/app/sessions?durability=relaxed`.
pub const DRIVER: Driver = Driver {
    name: NAME,
    schemes: &["file"],
    connect: |location| Box::pin(connect(location)),
    connect_flask: None,
};

async fn connect(location: Location) -> Result<Arc<dyn Store>, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    let durability = durability(&location)?;
    if let Some(scheme) = location.scheme().filter(|scheme| *scheme != "file") {
        return Err(failed(format!(
            "its url begins with {scheme}://, expected a path or file:///path; correct the url, or the type"
        )));
    }
    let mut path = location.path();
    if path.is_empty() {
        DEFAULT_PATH.clone_into(&mut path);
    }
    let runtime = tokio::runtime::Handle::try_current().map_err(failed)?;
    let opened = runtime
        .spawn_blocking(move || FsStore::open_with(path, durability))
        .await;
    let store = opened.map_err(failed)?.map_err(failed)?;
    Ok(Arc::new(store))
}

fn durability(location: &Location) -> Result<Durability, ConnectError> {
    match location.option("durability") {
        None | Some("full") => Ok(Durability::Full),
        Some("relaxed") => Ok(Durability::Relaxed),
        Some(other) => Err(ConnectError::BadOption {
            driver: NAME,
            option: "durability".to_owned(),
            expected: format!("full or relaxed, not {other:?}"),
        }),
    }
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
    ConnectError::Failed {
        driver: NAME,
        source: source.into(),
    }
}
