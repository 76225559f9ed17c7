//! Opening the store by a configured location.

use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{ConnectError, Driver, Location, Store};

use crate::error::OpenError;
use crate::flask::{FlaskStore, Hash};
use crate::store::{Durability, FsStore};

pub(crate) const NAME: &str = "filesystem";
const OPTIONS: &[&str] = &["durability"];
const FLASK_OPTIONS: &[&str] = &["durability", "hash"];
const DEFAULT_PATH: &str = "./sessions";

/// The type `filesystem`: a path or a `file://` URL, `./sessions` if none is configured.
///
/// Its one option is `durability`, `full` (the default) or `relaxed`: `file:///var/lib/app/sessions?durability=relaxed`.
pub const DRIVER: Driver = Driver {
    name: NAME,
    schemes: &["file"],
    connect: |location| Box::pin(connect(location)),
    connect_flask: Some(|location, flask| Box::pin(connect_flask(location, flask))),
};

async fn connect(location: Location) -> Result<Arc<dyn Store>, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    let durability = durability(&location)?;
    let path = path(&location)?;
    opened(move || FsStore::open_with(path, durability)).await
}

async fn connect_flask(location: Location, flask: Flask) -> Result<Arc<dyn Store>, ConnectError> {
    location.check_options(NAME, FLASK_OPTIONS)?;
    let durability = durability(&location)?;
    let expected = "auto, md5 (cachelib up to 0.15) or sha256 (from 0.16 on)";
    let hash = location.read(NAME, "hash", expected, |hash| match hash {
        "auto" => Some(None),
        "md5" => Some(Some(Hash::Md5)),
        "sha256" => Some(Some(Hash::Sha256)),
        _ => None,
    })?;
    let hash = hash.flatten();
    let path = path(&location)?;
    opened(move || FlaskStore::open(path.as_ref(), &flask, hash, durability)).await
}

fn path(location: &Location) -> Result<String, ConnectError> {
    if let Some(scheme) = location.scheme().filter(|scheme| *scheme != "file") {
        return Err(failed(format!(
            "its url begins with {scheme}://, expected a path or file:///path; correct the url, or the type"
        )));
    }
    let mut path = location.path();
    if path.is_empty() {
        DEFAULT_PATH.clone_into(&mut path);
    }
    Ok(path)
}

async fn opened<S: Store>(
    open: impl FnOnce() -> Result<S, OpenError> + Send + 'static,
) -> Result<Arc<dyn Store>, ConnectError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(failed)?;
    let opened = runtime.spawn_blocking(open).await;
    let store = opened.map_err(failed)?.map_err(failed)?;
    Ok(Arc::new(store))
}

fn durability(location: &Location) -> Result<Durability, ConnectError> {
    let read = |durability: &str| match durability {
        "full" => Some(Durability::Full),
        "relaxed" => Some(Durability::Relaxed),
        _ => None,
    };
    let durability = location.read(NAME, "durability", "full or relaxed", read)?;
    Ok(durability.unwrap_or(Durability::Full))
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
    ConnectError::Failed {
        driver: NAME,
        source: source.into(),
    }
}
