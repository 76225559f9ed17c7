//! Choosing a store at run time: which driver opens what the configuration names.

use std::sync::Arc;

use crate::config::Config;
use crate::driver::{ConnectError, Driver};
use crate::flask::Flask;
use crate::location::Location;
use crate::memory;
use crate::store::Store;

/// The drivers that an application links, so that its configuration can choose among them.
///
/// ```
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use anysession::{Config, Drivers};
///
/// let config = Config::from_env()?;
/// let store = Drivers::default().connect(&config).await?; // add .with(anysession_fs::DRIVER) and others
/// # let _ = store; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Drivers(Vec<Driver>);

/// Only the memory store, which needs no crate of its own.
impl Default for Drivers {
    fn default() -> Self {
        Drivers(vec![memory::DRIVER])
    }
}

/// The drivers of this project's crates by how their types and schemes begin, for the hint when one is missing.
const KNOWN: [(&str, &str, &str); 7] = [
    ("file", "anysession-fs", "DRIVER"),
    ("redis", "anysession-redis", "DRIVER"),
    ("unix", "anysession-redis", "DRIVER"),
    ("sqlite", "anysession-sql", "SQLITE"),
    ("postgres", "anysession-sql", "POSTGRES"),
    ("mysql", "anysession-sql", "MYSQL"),
    ("mariadb", "anysession-sql", "MYSQL"),
];

impl Drivers {
    /// Adds a driver. One of the same name is replaced.
    #[must_use]
    pub fn with(mut self, driver: Driver) -> Self {
        self.0.retain(|known| known.name != driver.name);
        self.0.push(driver);
        self
    }

    /// Opens the store that the configuration names: by its `type`, otherwise by the scheme of its `url`, otherwise in
    /// memory.
    pub async fn connect(&self, config: &Config) -> Result<Arc<dyn Store>, ConnectError> {
        let location = Location::parse(config.url().unwrap_or_default());
        let driver = self.driver_of(config, &location)?;
        match config.as_flask() {
            None => (driver.connect)(location).await,
            Some(flask) => connect_flask(driver, location, flask).await,
        }
    }

    /// Opens the store in Flask's layout that a configuration is about to leave, if it is.
    pub(crate) async fn connect_to_leave(
        &self,
        config: &Config,
    ) -> Result<Option<Arc<dyn Store>>, ConnectError> {
        let Some(flask) = config.left_flask() else {
            return Ok(None);
        };
        let location = Location::parse(config.left_url().unwrap_or_default());
        let driver = self.driver_of(config, &location)?;
        connect_flask(driver, location, flask).await.map(Some)
    }

    fn driver_of(&self, config: &Config, location: &Location) -> Result<&Driver, ConnectError> {
        Ok(match (config.store_type(), location.scheme()) {
            (Some(name), _) => self.find(name, |driver| driver.name == name)?,
            (None, Some(scheme)) => self.find(scheme, |driver| driver.schemes.contains(&scheme))?,
            (None, None) if config.url().is_none() => self.find(memory::DRIVER.name, |driver| {
                driver.name == memory::DRIVER.name
            })?,
            (None, None) => {
                return Err(ConnectError::NoType {
                    known: self.names(),
                });
            }
        })
    }

    fn find(
        &self,
        wanted: &str,
        matches: impl Fn(&&Driver) -> bool,
    ) -> Result<&Driver, ConnectError> {
        self.0
            .iter()
            .find(matches)
            .ok_or_else(|| ConnectError::UnknownType {
                wanted: wanted.to_owned(),
                known: self.names(),
                hint: hint(wanted),
            })
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|driver| driver.name).collect();
        names.join(", ")
    }
}

/// What to do about a type or scheme that no driver has.
fn hint(wanted: &str) -> String {
    if let Some((scheme, _)) = wanted.split_once('+') {
        return format!(
            "; what SQLAlchemy names behind the + means nothing here: write {scheme}://"
        );
    }
    let known = KNOWN.iter().find(|(name, ..)| wanted.starts_with(name));
    known.map_or_else(String::new, |(_, package, driver)| {
        format!(
            "; add the crate {package} and link it with Drivers::with({}::{driver})",
            package.replace('-', "_")
        )
    })
}

async fn connect_flask(
    driver: &Driver,
    location: Location,
    flask: &Flask,
) -> Result<Arc<dyn Store>, ConnectError> {
    match driver.connect_flask {
        Some(connect) => connect(location, flask.clone()).await,
        None => Err(ConnectError::NoFlask {
            driver: driver.name,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pairs: &[(&str, &str)]) -> String {
        let config = Config::from_pairs(pairs.iter().copied()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(Drivers::default().connect(&config))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_driver_that_is_not_linked_is_told_with_its_crate() {
        for pairs in [
            &[("type", "filesystem")][..],
            &[("url", "file:///var/sessions")],
            &[("type", "redis"), ("url", "redis://:hunter2@host")],
            &[("url", "mariadb://user:hunter2@host/db")],
        ] {
            let error = error(pairs);
            assert!(error.contains("this application links memory"), "{error}");
            assert!(error.contains("; add the crate anysession-"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(error(&[("type", "postgres")]).contains("anysession_sql::POSTGRES"));
        assert!(!error(&[("type", "etcd")]).contains("add the crate"));
    }

    #[test]
    fn an_address_of_sqlalchemys_is_told_how_to_write_it() {
        let error = error(&[("url", "postgresql+psycopg2://app:hunter2@host/db")]);
        assert!(error.ends_with("write postgresql://"), "{error}");
    }

    #[test]
    fn a_path_without_a_type_is_told_what_to_add() {
        let error = error(&[("url", "/var/sessions")]);
        assert!(error.contains("set `type` to one of memory"), "{error}");
    }
}
