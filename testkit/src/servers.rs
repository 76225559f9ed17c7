//! Real servers for tests: each started on a free port of 127.0.0.1 in a temporary folder, stopped when it is dropped, or
//! when the test process dies.
//!
//! They come from Debian's packages. Hold a server in `main` of a test binary (`harness = false`), not in a `static`: what
//! is in a static is never dropped, and its folder stays behind.

mod certificates;
mod mariadb;
mod postgres;
mod program;
mod proxy;
mod redis;

use std::path::PathBuf;
use std::process::Output;

pub use mariadb::{MariaDb, MariaDbSetup};
pub use postgres::{Postgres, PostgresSetup};
pub use program::{Program, ServerError};
pub use proxy::{Conduct, Proxy};
pub use redis::{Monitor, Redis, RedisCluster, RedisSentinels, RedisSetup};

/// A port that is free now, and that the system gives to nobody by itself.
///
/// # Errors
///
/// When the system has none.
pub fn free_port() -> Result<u16, ServerError> {
    Ok(crate::ports::free_port()?)
}

/// Where a server's program is, also if it is in a folder that only root has in its path, or in one of PostgreSQL's.
///
/// # Errors
///
/// Names the Debian package to install.
pub fn find(program: &'static str, package: &'static str) -> Result<PathBuf, ServerError> {
    let mut folders: Vec<PathBuf> = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .map(PathBuf::from)
        .into();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<_> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.exists())
        .ok_or(ServerError::Absent { program, package })
}

/// What a client that was asked something printed.
fn answer(server: &str, asked: &str, output: &Output) -> Result<String, ServerError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(ServerError::Down {
            program: format!("{server}, asked for {asked}"),
            log: text(&output.stderr),
        }),
    }
}
