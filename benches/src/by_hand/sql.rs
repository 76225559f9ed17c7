//! `sqlx`: a pool that does not test its connections, and one statement a verb, the store's own.

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use anysession_sql::{MySqlStore, PostgresStore, SqliteStore, Table};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::{Client, DEADLINE, Key, NOW, POOL, Record, TABLE};

/// A row, and the end of the answer behind it: `fetch_one` would leave that for the connection's next statement, or its pool, to
/// read, which costs more.
macro_rules! read_whole {
    ($on:expr, $sql:literal, $key:expr) => {{
        let mut rows = sqlx::query($sql).bind(&$key[..]).fetch($on);
        let row = rows.try_next().await.expect("the database answers");
        let end = rows.try_next().await.expect("the database answers");
        assert!(end.is_none(), "a key is there once");
        drop(rows);
        let row = row.expect("it is there");
        let _: (i64, Option<Vec<u8>>) = (row.get(2), row.get(3));
        Record {
            version: row.get(0),
            payload: row.get(1),
        }
    }};
}

/// A client of each database: sqlx ties statements to the type of a connection, so that they can only be written out.
macro_rules! client {
    ($name:ident, $pool:ty, $pool_options:ty, $options:ty, $store:ty, $read:literal, $write:literal, $create:literal) => {
        pub struct $name {
            pool: $pool,
            /// SQLite has one writer at a time.
            writer: $pool,
            options: $options,
            kept: Mutex<Vec<<$options as sqlx::ConnectOptions>::Connection>>,
            next: AtomicI64,
        }

        impl $name {
            pub async fn open(url: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
                let options = url.parse::<$options>()?.disable_statement_logging();
                let is_file = url.starts_with("sqlite");
                let pool = |size| {
                    <$pool_options>::new()
                        .max_connections(size)
                        .test_before_acquire(false)
                };
                let options = file_options(options);
                let readers = pool(POOL).connect_with(options.clone()).await?;
                let writer = match is_file {
                    true => pool(1).connect_with(options.clone()).await?,
                    false => readers.clone(),
                };
                let schema = <$store>::schema(&TABLE.parse::<Table>()?);
                sqlx::raw_sql(AssertSqlSafe(schema))
                    .execute(&writer)
                    .await?;
                let next = AtomicI64::new(1);
                Ok($name {
                    pool: readers,
                    writer,
                    options,
                    kept: Mutex::default(),
                    next,
                })
            }
        }

        #[async_trait]
        impl Client for $name {
            async fn read(&self, key: &Key) -> Record {
                read_whole!(&self.pool, $read, key)
            }

            async fn read_without_pool(&self, key: &Key) -> Record {
                let kept = self.kept.lock().expect("nobody panics").pop();
                let mut connection = match kept {
                    Some(connection) => connection,
                    None => self.options.connect().await.expect("it can be reached"),
                };
                let record = read_whole!(&mut connection, $read, key);
                self.kept.lock().expect("nobody panics").push(connection);
                record
            }

            async fn write(&self, key: &Key, version: i64, payload: &[u8]) -> i64 {
                let new = self.next.fetch_add(1, Ordering::Relaxed);
                let write = sqlx::query($write)
                    .bind(new)
                    .bind(payload)
                    .bind(None::<&str>)
                    .bind(DEADLINE)
                    .bind(&key[..])
                    .bind(version)
                    .bind(NOW)
                    .execute(&self.writer)
                    .await;
                let changed = write.expect("the database answers").rows_affected();
                assert_eq!(changed, 1, "nobody else writes");
                new
            }

            async fn create(&self, key: &Key, payload: &[u8]) -> i64 {
                let new = self.next.fetch_add(1, Ordering::Relaxed);
                let create = sqlx::query($create)
                    .bind(&key[..])
                    .bind(new)
                    .bind(payload)
                    .bind(None::<&str>)
                    .bind(NOW)
                    .bind(DEADLINE)
                    .execute(&self.writer)
                    .await;
                create.expect("it is new");
                new
            }
        }
    };
}

client!(
    Postgres,
    PgPool,
    PgPoolOptions,
    PgConnectOptions,
    PostgresStore,
    "SELECT version, payload, deadline, user_id::bytea FROM by_hand WHERE session_key = $1",
    "UPDATE by_hand SET version = $1, payload = $2, user_id = $3, deadline = $4 \
     WHERE session_key = $5 AND version = $6 AND deadline > $7",
    "INSERT INTO by_hand (session_key, version, payload, user_id, created, deadline) VALUES ($1, $2, $3, $4, $5, $6)"
);
client!(
    MySql,
    MySqlPool,
    MySqlPoolOptions,
    MySqlConnectOptions,
    MySqlStore,
    "SELECT version, payload, deadline, user_id FROM by_hand WHERE session_key = ?",
    "UPDATE by_hand SET version = ?, payload = ?, user_id = ?, deadline = ? \
     WHERE session_key = ? AND version = ? AND deadline > ?",
    "INSERT INTO by_hand (session_key, version, payload, user_id, created, deadline) VALUES (?, ?, ?, ?, ?, ?)"
);
client!(
    Sqlite,
    SqlitePool,
    SqlitePoolOptions,
    SqliteConnectOptions,
    SqliteStore,
    "SELECT version, payload, deadline, user_id FROM by_hand WHERE session_key = ?",
    "UPDATE by_hand SET version = ?, payload = ?, user_id = ?, deadline = ? \
     WHERE session_key = ? AND version = ? AND deadline > ?",
    "INSERT INTO by_hand (session_key, version, payload, user_id, created, deadline) VALUES (?, ?, ?, ?, ?, ?)"
);

trait FileOptions: Sized {
    /// As the store sets a file up: write-ahead log, synced with each write.
    fn like_the_store(self) -> Self {
        self
    }
}

impl FileOptions for PgConnectOptions {}
impl FileOptions for MySqlConnectOptions {}
impl FileOptions for SqliteConnectOptions {
    fn like_the_store(self) -> Self {
        self.create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
    }
}

fn file_options<O: FileOptions>(options: O) -> O {
    options.like_the_store()
}
