//! Every store that several programs can share, on servers of its own.

use anysession_testkit::Suite;
use anysession_testkit::servers::{MariaDb, Postgres, Redis, ServerError};
use libtest_mimic::Trial;
use tempfile::TempDir;

/// A Redis, a PostgreSQL and a MariaDB that run, and a folder for what needs none. They stop when this is dropped: keep it
/// in `main`.
#[derive(Debug)]
pub struct Stores {
    folder: TempDir,
    redis: Result<Redis, ServerError>,
    postgres: Result<Postgres, ServerError>,
    mariadb: Result<MariaDb, ServerError>,
}

impl Stores {
    /// Starts those servers that are installed.
    ///
    /// # Errors
    ///
    /// When there is no room for a temporary folder.
    pub fn start() -> crate::Result<Self> {
        Ok(Stores {
            folder: tempfile::tempdir()?,
            redis: Redis::setup().start(),
            postgres: Postgres::setup().start(),
            mariadb: MariaDb::setup().start(),
        })
    }

    /// The trials of each of these stores, by the name of its type, or one that says that the store is absent.
    pub fn trials(
        &self,
        types: &[&'static str],
        trials: impl Fn(&'static str, String) -> Vec<Trial>,
    ) -> Vec<Trial> {
        let trials_of = |kind: &&'static str| match self.url(kind) {
            Ok(url) => trials(kind, url),
            Err(absent) => Suite::absent(*kind, absent).into_trials(),
        };
        types.iter().flat_map(trials_of).collect()
    }

    /// With time enough for a machine that has other things to do: nothing here is about an outage.
    fn url(&self, kind: &str) -> Result<String, String> {
        const SQL: &str = "acquire_timeout=30s&timeout=60s";
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        match kind {
            "memory" => Ok(String::new()),
            "filesystem" => Ok(path("files")),
            "sqlite" => Ok(format!("sqlite://{}?{SQL}", path("sessions.db"))),
            "redis" => url(&self.redis, Redis::url, "connect_timeout=30s&timeout=30s"),
            "postgres" => url(&self.postgres, Postgres::url, SQL),
            "mysql" => url(&self.mariadb, MariaDb::url, SQL),
            other => Err(format!("there is no store of the type {other}")),
        }
    }
}

fn url<S>(
    server: &Result<S, ServerError>,
    url: impl Fn(&S) -> String,
    options: &str,
) -> Result<String, String> {
    let url = server.as_ref().map(url).map_err(ToString::to_string)?;
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}{options}"))
}
