//! The stores of servers and databases by themselves, on servers that are started for it.

mod cleanup;
mod one_thread;
mod verbs;

use std::io;

use anysession_testkit::servers::{MariaDb, Postgres, Redis};
use tempfile::TempDir;

use crate::measure::Effort;
use crate::report::Report;

/// Every backend, running. They do not wait for the disk, except SQLite, whose store and client sync each write: what is
/// compared is what stands before the backend.
pub struct Backends {
    pub redis: Redis,
    pub postgres: Postgres,
    pub mariadb: MariaDb,
    folder: TempDir,
}

impl Backends {
    pub fn start() -> io::Result<Self> {
        Ok(Backends {
            redis: Redis::setup().start().map_err(io::Error::other)?,
            postgres: Postgres::setup().start().map_err(io::Error::other)?,
            mariadb: MariaDb::setup().start().map_err(io::Error::other)?,
            folder: tempfile::tempdir()?,
        })
    }

    /// The kind of each and its URL; of SQLite a file of this name.
    pub fn urls(&self, file: &str) -> [(&'static str, String); 4] {
        [
            ("redis", self.redis.url()),
            ("postgres", self.postgres.url()),
            ("mysql", self.mariadb.url()),
            ("sqlite", self.sqlite(file)),
        ]
    }

    pub fn sqlite(&self, file: &str) -> String {
        format!("sqlite://{}/{file}.db", self.folder.path().display())
    }
}

/// Reports verbs beside the bare clients, and what requests notice of a cleanup.
pub fn run(report: &mut Report, effort: Effort) -> io::Result<()> {
    let backends = Backends::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    verbs::run(report, effort, &backends, &runtime)?;
    cleanup::run(effort, &backends, &runtime)
}
