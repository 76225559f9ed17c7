//! Deleting a tenth of a large table, and what readers of the same table notice of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anysession::{Store, StoreKey, Timestamp};
use anysession_sql::{MySqlStore, PostgresStore, SqliteStore};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqlitePool;
use tokio::runtime::Runtime;

use super::Backends;
use crate::measure::{Effort, median, timed};

/// What one statement of the store deletes at most: asked for as many, a call is one statement.
const BATCH: usize = 200;
const READERS: usize = 4;
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// One row of ten has expired.
pub fn run(effort: Effort, backends: &Backends, runtime: &Runtime) -> io::Result<()> {
    let rows = if effort.rounds < Effort::FULL.rounds {
        100_000
    } else {
        1_000_000
    };
    println!(
        "\ncleanup of {} expired among {rows} rows, {READERS} readers of the same table\n",
        rows / 10
    );
    println!(
        "| | time | rows a second | batch of {BATCH}: median, longest | a read: before, meanwhile (median, 99 %) | slower |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");

    let url = format!("{}?table=cleanup", backends.postgres.url());
    let store = runtime
        .block_on(PostgresStore::connect(&url))
        .map_err(io::Error::other)?;
    let fill = format!(
        "INSERT INTO cleanup (session_key, version, payload, created, deadline) \
         SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), n, decode(repeat('07', 300), 'hex'), 0, \
         CASE WHEN n % 10 = 0 THEN n ELSE 4000000000000 END FROM generate_series(1, {rows}) AS n; ANALYZE cleanup"
    );
    backends.postgres.query(&fill).map_err(io::Error::other)?;
    measure(runtime, "PostgreSQL", Arc::new(store), rows);

    let url = format!("{}?table=cleanup", backends.mariadb.url());
    let store = runtime
        .block_on(MySqlStore::connect(&url))
        .map_err(io::Error::other)?;
    let fill = format!(
        "USE app; INSERT INTO cleanup (session_key, version, payload, created, deadline) \
         SELECT UNHEX(LPAD(HEX(seq), 64, '0')), seq, REPEAT(CHAR(7), 300), 0, \
         IF(seq % 10 = 0, seq, 4000000000000) FROM seq_1_to_{rows}"
    );
    backends.mariadb.query(&fill).map_err(io::Error::other)?;
    measure(runtime, "MariaDB", Arc::new(store), rows);

    let url = backends.sqlite("cleanup");
    let store = runtime
        .block_on(SqliteStore::connect(&format!("{url}?table=cleanup")))
        .map_err(io::Error::other)?;
    let fill = format!(
        "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {rows}) \
         INSERT INTO cleanup (session_key, version, payload, created, deadline) \
         SELECT unhex(printf('%064x', n)), n, zeroblob(300), 0, \
         CASE WHEN n % 10 = 0 THEN n ELSE 4000000000000 END FROM series; PRAGMA wal_checkpoint(TRUNCATE)"
    );
    let filled = runtime.block_on(async {
        let pool = SqlitePool::connect(&url).await?;
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(&pool).await?;
        pool.close().await;
        Ok::<_, sqlx::Error>(())
    });
    filled.map_err(io::Error::other)?;
    measure(runtime, "SQLite", Arc::new(store), rows);
    Ok(())
}

fn measure(runtime: &Runtime, name: &str, store: Arc<dyn Store>, rows: usize) {
    let before = runtime.block_on(async {
        let readers = Readers::start(&store, rows);
        tokio::time::sleep(Duration::from_secs(2)).await;
        readers.stop().await
    });
    let (batches, meanwhile) = runtime.block_on(async {
        let readers = Readers::start(&store, rows);
        let mut batches = Vec::new();
        loop {
            let mut deleted = 0;
            let taken = timed(async {
                deleted = store.delete_expired(NOW, BATCH).await.expect("it answers")
            });
            batches.push(taken.await);
            if deleted < BATCH {
                break;
            }
        }
        (batches, readers.stop().await)
    });
    let total: f64 = batches.iter().sum();
    let longest = batches.iter().copied().fold(0.0, f64::max);
    let [normal, slow] = [&before, &meanwhile].map(|reads| median(reads.clone()));
    println!(
        "| {name} | {:.1} s | {:.0} | {:.1} ms, {:.0} ms | {:.0} µs, {:.0} µs ({:.0} µs, {:.0} µs) | {:.2} |",
        total / 1e3,
        (rows / 10) as f64 / total * 1e3,
        median(batches),
        longest,
        normal * 1e3,
        slow * 1e3,
        of_hundred(before, 99) * 1e3,
        of_hundred(meanwhile, 99) * 1e3,
        slow / normal,
    );
}

/// Tasks that read sessions which have not expired, one after the other.
struct Readers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<f64>>>,
}

impl Readers {
    fn start(store: &Arc<dyn Store>, rows: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..READERS).map(|reader| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut milliseconds = Vec::new();
                let mut n = reader;
                while !stop.load(Ordering::Relaxed) {
                    // All over the table, and never a multiple of ten.
                    n = (n + 7_919 * 10) % rows;
                    let key = key(n / 10 * 10 + 1 + reader);
                    let read =
                        async { assert!(store.load(&key).await.expect("it answers").is_some()) };
                    milliseconds.push(timed(read).await);
                }
                milliseconds
            })
        });
        Readers {
            tasks: tasks.collect(),
            stop,
        }
    }

    async fn stop(self) -> Vec<f64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.expect("it does not panic"));
        }
        all
    }
}

fn key(n: usize) -> StoreKey {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(n as u64).to_be_bytes());
    StoreKey::from_bytes(&bytes).expect("a key has 32 bytes")
}

fn of_hundred(mut figures: Vec<f64>, percent: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() * percent / 100]
}
