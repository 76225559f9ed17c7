//! What only SQLite can suffer: several processes on one file, a process that is killed, a full disk, a locked file.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child answers on its standard output"
)]

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/increments.rs"]
mod increments;
#[path = "common/mount.rs"]
mod mount;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anysession::{Deletion, Expect, Store};
use anysession_sql::{SqliteStore, Table};
use anysession_testkit::{Keeps, Storm};
use child::{role, start};
use common::{NOW, block_on, chain, create, done, entry, key, load, timed};
use futures_util::future::join_all;
use libtest_mimic::{Arguments, Trial};
use mount::Mount;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

fn main() {
    if let Some((role, path)) = role() {
        return block_on(play(&role, &path));
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let mounts = Mount::new("256k").is_some();
    let mut trials = vec![
        trial("no_increment_of_any_process_is_lost", || {
            block_on(no_increment_is_lost());
        }),
        trial(
            "processes_that_make_the_file_at_once_do_not_disturb_each_other",
            || {
                block_on(made_at_once());
            },
        ),
        trial("what_a_killed_process_answered_is_there", || {
            block_on(killed());
        }),
        trial("a_storm_on_two_handles_of_one_file_loses_nothing", || {
            block_on(storm());
        }),
        trial(
            "a_locked_file_costs_a_writer_bounded_time_and_a_reader_none",
            || {
                block_on(locked());
            },
        ),
        trial("a_locked_memory_is_waited_for", || {
            block_on(locked_memory());
        }),
        trial("nobody_else_may_read_the_file", || {
            block_on(private());
        }),
        trial(
            "what_is_in_memory_outlives_a_request_that_was_given_up",
            || {
                block_on(memory());
            },
        ),
        trial("a_pool_of_the_application_serves_too", || {
            block_on(pool_of_the_application());
        }),
    ];
    trials.push(
        Trial::test("a_full_disk_is_full_and_loses_nothing", || {
            block_on(full());
            Ok(())
        })
        .with_kind(if mounts { "" } else { "needs root, to mount" })
        .with_ignored_flag(!mounts),
    );
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

async fn open(path: &Path, options: &str) -> SqliteStore {
    let url = format!("sqlite://{}?{options}", path.display());
    let store = SqliteStore::connect(&url).await;
    store.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    (folder, path)
}

/// What the other processes do.
async fn play(role: &str, path: &str) {
    child::await_start();
    let store = open(Path::new(path), "durability=relaxed").await;
    match role {
        "increment" => increments::make(Arc::new(store)).await,
        "create" => {
            create(&store, &key(u64::from(std::process::id())), entry("")).await;
        }
        "write" => write_for_ever(open(Path::new(path), "durability=full").await).await,
        other => panic!("no such role: {other}"),
    }
}

async fn no_increment_is_lost() {
    let (_folder, path) = fresh();
    let store = open(&path, "durability=relaxed").await;
    create(&store, &key(1), entry("0")).await;
    for child in start("increment", path.as_os_str(), increments::PROCESSES) {
        assert!(child.output().status.success());
    }
    let found = load(&store, &key(1)).await.entry;
    assert_eq!(found, entry(increments::TOGETHER.to_string()));
}

async fn made_at_once() {
    for _ in 0..4 {
        let (_folder, path) = fresh();
        let children = start("create", path.as_os_str(), 4);
        let mut ids = Vec::new();
        for mut child in children {
            ids.push(u64::from(child.process().id()));
            let output = child.output();
            assert!(output.status.success());
        }
        let store = open(&path, "").await;
        for id in ids {
            load(&store, &key(id)).await;
        }
    }
}

/// Tasks that write at once.
const WRITERS: u64 = 8;
/// Each has keys of its own.
const KEYS: u64 = 5;

async fn write_for_ever(store: SqliteStore) {
    let writers = (0..WRITERS).map(|writer| write_on(&store, writer * KEYS));
    join_all(writers).await;
}

/// Creates, updates and deletes, and says before what is to be under a key, and after the answer that it is.
async fn write_on(store: &SqliteStore, first: u64) {
    for generation in 0_u64.. {
        let number = first + generation % KEYS;
        let key = key(number);
        let found = store.load(&key).await.unwrap();
        let deleted = found.as_ref().filter(|_| generation % 3 == 0);
        let state = match deleted {
            Some(_) => "gone".to_owned(),
            None => generation.to_string(),
        };
        let said = |sign| writeln!(std::io::stdout(), "{number} {sign} {state}").is_ok();
        if !said('?') {
            return;
        }
        if let Some(stored) = deleted {
            let deletion = store.delete(&key, &stored.version).await.unwrap();
            assert_eq!(deletion, Deletion::Done);
        } else {
            let expect = found.map_or(Expect::Absent, |stored| Expect::Version(stored.version));
            let put = store.put(&key, expect, entry(state.as_str()), NOW).await;
            done(put.unwrap());
        }
        if !said('=') {
            return;
        }
    }
}

/// What was said of a key: what is there, and what is to be, as long as nobody knows whether it is.
#[derive(Default)]
struct Said {
    is: Option<u64>,
    may_be: Option<Option<u64>>,
}

async fn killed() {
    let (_folder, path) = fresh();
    let mut keys: HashMap<u64, Said> = HashMap::new();
    for round in 0..8 {
        let mut children = start("write", path.as_os_str(), 1);
        let process = children[0].process();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        for count in 0.. {
            if count == 70 + round * 111 {
                process.kill().unwrap();
            }
            // The last line may be cut off by the kill.
            let Some(Ok(line)) = lines.next() else { break };
            let [number, sign, state] = line.split(' ').collect::<Vec<_>>()[..] else {
                continue;
            };
            let said = keys.entry(number.parse().unwrap()).or_default();
            let state = state.parse().ok();
            match sign {
                "?" => said.may_be = Some(state),
                "=" => {
                    *said = Said {
                        is: state,
                        may_be: None,
                    }
                }
                _ => panic!("{line}"),
            }
        }
        process.wait().unwrap();
        let store = open(&path, "").await;
        for (number, said) in &mut keys {
            let found = store.load(&key(*number)).await.unwrap();
            let found = found.map(|stored| {
                let text = String::from_utf8(stored.entry.payload.to_vec()).unwrap();
                text.parse().unwrap()
            });
            let is_known = found == said.is || said.may_be == Some(found);
            assert!(
                is_known,
                "{number}: {found:?}, but it was said: {:?}, {:?}",
                said.is, said.may_be
            );
            *said = Said {
                is: found,
                may_be: None,
            };
        }
    }
}

async fn storm() {
    let (_folder, path) = fresh();
    // With time enough for a machine that has other things to do.
    let options = "durability=relaxed&acquire_timeout=30s&timeout=60s";
    let (one, two) = (open(&path, options).await, open(&path, options).await);
    let storm = Storm::on([Arc::new(one) as Arc<dyn Store>, Arc::new(two)]);
    storm.rage(4_000).await;
    let report = storm.judge(Keeps::Everything).await;
    let report = report.unwrap_or_else(|anomaly| panic!("{anomaly}"));
    println!("{report}");
    assert!(report.conflicts > 0 && report.undecided == 0, "{report}");
}

async fn locked() {
    let (_folder, path) = fresh();
    const LIMIT: Duration = Duration::from_secs(2);
    // Far more than that, and far less than if each of the writers waited for the one before it.
    const BOUNDED: Duration = Duration::from_secs(10);
    let store = open(&path, "timeout=2s").await;
    let patient = open(&path, "timeout=30s&acquire_timeout=30s").await;
    create(&store, &key(1), entry("here")).await;
    let url = format!("sqlite://{}", path.display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    let keys: Vec<_> = (2..12).map(key).collect();
    let put = |key| store.put(key, Expect::Absent, entry(""), NOW);
    let (puts, time) = timed(join_all(keys.iter().map(put))).await;
    for put in puts {
        let error = put.unwrap_err();
        // A machine that is busy may come to the limit before it can be told why.
        assert!(
            !error.is_full() && (chain(&error).contains("locked") || time >= LIMIT),
            "{} after {time:?}",
            chain(&error)
        );
    }
    assert!(time < BOUNDED, "{time:?}");
    assert_eq!(load(&store, &key(1)).await.entry, entry("here"));

    for key in &keys {
        assert_eq!(store.load(key).await.unwrap(), None);
    }
    let creating = join_all(keys.iter().map(|key| create(&patient, key, entry(""))));
    let freed = async {
        // They ask again and again meanwhile.
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute("ROLLBACK").await.unwrap();
    };
    let ((), time) = timed(async { drop(tokio::join!(creating, freed)) }).await;
    assert!(time < BOUNDED, "{time:?}");
}

async fn private() {
    let (folder, path) = fresh();
    let store = open(&path, "").await;
    create(&store, &key(1), entry("secret")).await;
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log and its index");
}

async fn memory() {
    let store = SqliteStore::connect("sqlite://:memory:?create_table=auto")
        .await
        .unwrap();
    create(&store, &key(1), entry("here")).await;
    for _ in 0..20 {
        // Polled once.
        let given_up = tokio::time::timeout(Duration::ZERO, store.load(&key(1))).await;
        drop(given_up);
        assert_eq!(load(&store, &key(1)).await.entry, entry("here"));
    }
    for number in 0..20 {
        let keys = [4 * number, 4 * number + 1, 4 * number + 2].map(|number| key(100 + number));
        let puts = keys
            .each_ref()
            .map(|key| store.put(key, Expect::Absent, entry(""), NOW));
        let given_up = tokio::time::timeout(Duration::ZERO, join_all(puts)).await;
        drop(given_up);
        create(&store, &key(100 + 4 * number + 3), entry("")).await;
    }
    let other = SqliteStore::connect("sqlite://:memory:").await.unwrap();
    assert_eq!(other.load(&key(1)).await.unwrap(), None);
}

async fn pool_of_the_application() {
    let (_folder, path) = fresh();
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let table: Table = "web".parse().unwrap();
    let store = SqliteStore::from_pool(pool.clone(), table);
    let error = store.load(&key(1)).await.unwrap_err();
    assert!(
        chain(&error).contains("create it with the schema"),
        "{}",
        chain(&error)
    );
    store.create_table().await.unwrap();
    store.create_table().await.unwrap();
    let version = create(&store, &key(1), entry("here")).await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM web")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows, 1);
    assert_eq!(
        store.delete(&key(1), &version).await.unwrap(),
        Deletion::Done
    );
}

/// Between connections to one memory a table is locked, which no busy timeout waits for.
async fn locked_memory() {
    let options: SqliteConnectOptions = "sqlite::memory:".parse().unwrap();
    let pool = sqlx::SqlitePool::connect_with(options.clone());
    let store = SqliteStore::from_pool(pool.await.unwrap(), Table::default());
    store.create_table().await.unwrap();
    let mut other = options.connect().await.unwrap();
    other
        .execute("BEGIN IMMEDIATE; DELETE FROM anysession")
        .await
        .unwrap();
    let freed = async {
        // It asks again and again meanwhile.
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute("ROLLBACK").await.unwrap();
    };
    let key = key(1);
    let (_, ()) = tokio::join!(create(&store, &key, entry("here")), freed);
    assert_eq!(load(&store, &key).await.entry, entry("here"));
}

async fn full() {
    let mount = Mount::new("256k").unwrap();
    let path = mount.path().join("sessions.db");
    let store = open(&path, "").await;
    let version = create(&store, &key(0), entry("kept")).await;
    let mut stored = Vec::new();
    let error = loop {
        let number = stored.len() as u64 + 1;
        let put = store
            .put(&key(number), Expect::Absent, entry(vec![7; 3000]), NOW)
            .await;
        match put {
            Ok(_) => stored.push(number),
            Err(error) => break error,
        }
        assert!(number < 200, "the disk has no end");
    };
    assert!(error.is_full(), "{}", chain(&error));
    // Nothing of the refused one, everything of the others.
    assert_eq!(
        store.load(&key(stored.len() as u64 + 1)).await.unwrap(),
        None
    );
    let more: Vec<_> = (1_000..1_008).map(key).collect();
    let put = |key| store.put(key, Expect::Absent, entry(vec![7; 3000]), NOW);
    let puts = join_all(more.iter().map(put)).await;
    for (key, put) in more.iter().zip(puts) {
        let found = store.load(key).await.unwrap();
        match put {
            Ok(_) => assert_eq!(found.unwrap().entry, entry(vec![7; 3000])),
            Err(error) => assert!(error.is_full() && found.is_none(), "{}", chain(&error)),
        }
    }
    for &number in &stored {
        assert_eq!(load(&store, &key(number)).await.entry, entry(vec![7; 3000]));
    }
    let bigger = entry(vec![8; 100_000]);
    let update = store
        .put(&key(0), Expect::Version(version.clone()), bigger, NOW)
        .await;
    assert!(update.unwrap_err().is_full());
    assert_eq!(load(&store, &key(0)).await.entry, entry("kept"));

    mount.grow("2m");
    done(
        store
            .put(&key(0), Expect::Version(version), entry("new"), NOW)
            .await
            .unwrap(),
    );
}
