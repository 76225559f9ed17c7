//! What requests cost in statements, and that none of them asks the database for the time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "common/events.rs"]
mod events;
#[path = "common/servers.rs"]
mod servers;
#[path = "common/statements.rs"]
mod statements;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anysession::{Config, Deletion, Entry, Expect, MemoryStore, Sessions, Store, Timestamp, Write};
use anysession_sql::{SqliteStore, Table};
use anysession_testkit::RequestCosts;
use anysession_testkit::servers::{MariaDb, Postgres, Proxy};
use common::{LATER, NOW, block_on, create, done, entry, key, load, of_user};
use events::EVENTS;
use libtest_mimic::{Arguments, Trial};
use servers::{open, trials_on};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use statements::Logging;

fn main() -> ExitCode {
    EVENTS.with(|events| events.lock().unwrap().clear());
    let mut arguments = Arguments::from_args();
    // The statements of one are not counted with those of another.
    arguments.test_threads = Some(1);
    let sqlite = |name: &str, test: fn()| {
        Trial::test(format!("sqlite::{name}"), move || {
            test();
            Ok(())
        })
    };
    let mut trials = vec![
        sqlite("requests_cost_the_statements_that_are_promised", || {
            block_on(statements_of_sqlite());
        }),
        sqlite("no_statement_asks_for_the_time", || {
            block_on(times_in_sqlite());
        }),
    ];
    trials.extend(trials_on![<Postgres as Logging>::start();
        requests_cost_the_statements_that_are_promised,
        no_statement_asks_for_the_time,
        a_clock_of_the_server_that_is_off_changes_no_answer,
    ]);
    trials.extend(trials_on![<MariaDb as Logging>::start();
        requests_cost_the_statements_that_are_promised,
        no_statement_asks_for_the_time,
        a_clock_of_the_server_that_is_off_changes_no_answer,
    ]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// As the server logs them, and as round trips.
async fn requests_cost_the_statements_that_are_promised<S: Logging>(server: &mut S) {
    let store = open(&server.url_with("table=costs&pool=1")).await;
    let costs = RequestCosts::of(store, || server.statements().len()).await;
    assert_eq!(costs.unwrap(), RequestCosts::PROMISED, "statements");

    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = format!("{}?table=costs&pool=1", server.url_at(proxy.address()));
    let costs = RequestCosts::of(open(&url).await, || proxy.round_trips()).await;
    assert_eq!(costs.unwrap(), RequestCosts::PROMISED, "round trips");
}

/// The words of the databases for it.
const TIMES: &[&str] = &[
    "now(",
    "now)",
    "current_",
    "_timestamp",
    "sysdate",
    "curdate",
    "curtime",
    "utc_",
    "strftime",
    "datetime",
    "julianday",
    "unixepoch",
];

async fn no_statement_asks_for_the_time<S: Logging>(server: &mut S) {
    let store = open(&server.url_with("table=times&pool=1")).await;
    let before = server.statements().len();
    every_verb(&*store).await;
    check_times(&server.statements()[before..]);
}

fn check_times(statements: &[String]) {
    assert!(statements.len() >= 7, "{statements:?}");
    for statement in statements {
        let text = statement.to_lowercase();
        assert!(!TIMES.iter().any(|word| text.contains(word)), "{statement}");
    }
}

async fn every_verb(store: &dyn Store) {
    let version = create(store, &key(1), of_user("ada", "")).await;
    load(store, &key(1)).await;
    let expect = Expect::Version(version);
    let put = store.put(&key(1), expect, of_user("ada", "x"), NOW).await;
    let version = done(put.unwrap());
    store.touch(&key(1), &version, LATER, NOW).await.unwrap();
    store.keys_of_user("ada").await.unwrap();
    store.delete_expired(NOW, 10).await.unwrap();
    let deleted = store.delete(&key(1), &version).await.unwrap();
    assert_eq!(deleted, Deletion::Done);
}

/// By the server's clock what is alive has ended, and what has ended is alive: only the time that is handed in counts.
async fn a_clock_of_the_server_that_is_off_changes_no_answer<S: Logging>(server: &mut S) {
    let store = open(&server.url_with("table=clocks")).await;
    let real = Sessions::new(Config::default(), Arc::new(MemoryStore::new())).now();
    let off = Duration::from_secs(90);
    let behind = Timestamp::from_millis(real.as_millis() - 90_000);
    for (number, now) in (0..).step_by(2).zip([behind, real + off]) {
        let second = Duration::from_secs(1);
        let short = |payload: &str| Entry {
            deadline: now + second * 30,
            ..entry(payload)
        };
        let (kept, expired) = (key(number), key(number + 1));
        let put = store.put(&kept, Expect::Absent, short("a"), now).await;
        let version = done(put.unwrap());
        let put = store.put(&expired, Expect::Absent, short("b"), now).await;
        let old = done(put.unwrap());

        // Alive until its deadline: it is found, replaced and touched, not created anew and not swept.
        let before = now + second * 29;
        assert_eq!(load(&*store, &kept).await.entry, short("a"));
        let again = store.put(&kept, Expect::Absent, short("c"), before).await;
        assert_eq!(again.unwrap(), Write::Conflict);
        let expect = Expect::Version(version);
        let version = done(store.put(&kept, expect, short("d"), before).await.unwrap());
        let later = now + second * 60;
        store.touch(&kept, &version, later, before).await.unwrap();
        assert_eq!(load(&*store, &kept).await.entry.deadline, later);
        assert_eq!(store.delete_expired(before, 10).await.unwrap(), 0);

        // Gone from its deadline on.
        let after = now + second * 30;
        let expect = Expect::Version(old);
        let late = store.put(&expired, expect, short("e"), after).await;
        assert_eq!(late.unwrap(), Write::Conflict);
        assert_eq!(store.delete_expired(after, 10).await.unwrap(), 1);
        assert_eq!(store.load(&expired).await.unwrap(), None);
        let deleted = store.delete(&kept, &version).await.unwrap();
        assert_eq!(deleted, Deletion::Done);
    }
}

/// As its client logs them: the store asks it not to, so they are those of a pool of the application.
async fn statements_of_sqlite() {
    let (_folder, store) = logged_sqlite().await;
    let costs = RequestCosts::of(Arc::new(store), || logged().len()).await;
    assert_eq!(costs.unwrap(), RequestCosts::PROMISED);
}

async fn times_in_sqlite() {
    let (_folder, store) = logged_sqlite().await;
    EVENTS.with(|events| events.lock().unwrap().clear());
    every_verb(&store).await;
    check_times(&logged());
}

async fn logged_sqlite() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("sessions.db"))
        .create_if_missing(true);
    // A connection more would begin with statements of its own.
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(options).await.unwrap();
    let store = SqliteStore::from_pool(pool, Table::default());
    store.create_table().await.unwrap();
    (folder, store)
}

fn logged() -> Vec<String> {
    let is_statement = |event: &&String| event.contains("db.statement");
    EVENTS.with(|events| {
        let events = events.lock().unwrap();
        events.iter().filter(is_statement).cloned().collect()
    })
}
