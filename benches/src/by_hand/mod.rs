//! The same verbs on the same records with the backend's own client and nothing around it. `stores` calls it in process,
//! and `serve` puts HTTP before it.

mod redis;
mod sql;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

/// What the stores of this workspace give a command, or a pool, unless they are configured.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const POOL: u32 = 10;

/// A deadline that is never reached: milliseconds, as all of them.
const DEADLINE: i64 = 4_000_000_000_000;
/// The time by which deadlines are judged.
const NOW: i64 = 1_700_000_000_000;

/// A key is 32 bytes.
pub type Key = [u8; 32];

/// A record at a version.
pub struct Record {
    /// What a write has to name.
    pub version: i64,
    /// The data.
    pub payload: Vec<u8>,
}

/// A backend's client, in use.
#[async_trait]
pub trait Client: Send + Sync {
    /// One record, which must be there.
    async fn read(&self, key: &Key) -> Record;
    /// The same on connections that are kept and never asked whether they are alive: the floor for those that have a pool,
    /// which asks after each use.
    async fn read_without_pool(&self, key: &Key) -> Record {
        self.read(key).await
    }
    /// Replaces a record if it still has this version, as it must, and says which it has now.
    async fn write(&self, key: &Key, version: i64, payload: &[u8]) -> i64;
    /// Adds a record, and says its version.
    async fn create(&self, key: &Key, payload: &[u8]) -> i64;
}

/// Opens the client that a URL is for. Those of SQL have a table named [`TABLE`], and make it.
///
/// # Errors
///
/// When the backend cannot be reached.
pub async fn open(url: &str) -> Result<Arc<dyn Client>, Box<dyn Error + Send + Sync>> {
    Ok(match url.split(':').next() {
        Some("redis") => Arc::new(redis::Redis::open(url).await?),
        Some("postgres") => Arc::new(sql::Postgres::open(url).await?),
        Some("mysql") => Arc::new(sql::MySql::open(url).await?),
        Some("sqlite") => Arc::new(sql::Sqlite::open(url).await?),
        _ => return Err("expected redis, postgres, mysql or sqlite".into()),
    })
}

/// Where the records of SQL are, with the columns and indexes of the store's schema.
pub const TABLE: &str = "by_hand";
