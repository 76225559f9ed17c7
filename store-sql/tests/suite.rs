//! The SQL stores keep the contract of a store, on every database.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{Driver, Location, Store};
use anysession_sql::{MYSQL, MySqlStore, POSTGRES, PostgresStore, SQLITE, SqliteStore};
use anysession_testkit::servers::{MariaDb, Postgres, ServerError};
use anysession_testkit::{Suite, flask_store_suite, run, store_suite};

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let postgres = Postgres::setup().start();
    let mariadb = MariaDb::setup().start();
    // Nothing that the store does may hang on how a server is set up: its time zone, how strictly it keeps
    // transactions apart, or whether it cuts values off that are too long.
    let odd_postgres = Postgres::setup()
        .setting("timezone", "Asia/Kathmandu")
        .setting("default_transaction_isolation", "serializable")
        .start();
    let odd_mariadb = MariaDb::setup()
        .setting("default-time-zone", "+05:45")
        .setting("transaction-isolation", "SERIALIZABLE")
        .setting("sql-mode", "")
        .start();
    let flask_file = format!(
        "sqlite://{}/flask.db?durability=relaxed",
        folder.path().display()
    );
    run([
        sqlite(folder.path(), "sqlite", "full"),
        sqlite(folder.path(), "sqlite_relaxed", "relaxed"),
        store_suite("sqlite_memory", || async {
            let store = SqliteStore::connect(&patient("sqlite://:memory:")).await;
            Arc::new(store.expect("memory needs nothing")) as Arc<dyn Store>
        }),
        flask_on("sqlite_flask", SQLITE, Ok(flask_file)),
        flask_on(
            "postgres_flask",
            POSTGRES,
            postgres.as_ref().map(Postgres::url),
        ),
        flask_on(
            "postgres_flask_set_up_oddly",
            POSTGRES,
            odd_postgres.as_ref().map(Postgres::url),
        ),
        in_mariadb(flask_on(
            "mariadb_flask",
            MYSQL,
            mariadb.as_ref().map(MariaDb::url),
        )),
        in_mariadb(flask_on(
            "mariadb_flask_set_up_oddly",
            MYSQL,
            odd_mariadb.as_ref().map(MariaDb::url),
        )),
        on_server("postgres", &postgres, Postgres::url, open_postgres),
        on_server("mariadb", &mariadb, MariaDb::url, open_mysql),
        on_server(
            "postgres_set_up_oddly",
            &odd_postgres,
            Postgres::url,
            open_postgres,
        ),
        on_server(
            "mariadb_set_up_oddly",
            &odd_mariadb,
            MariaDb::url,
            open_mysql,
        ),
    ])
}

/// With time enough for a machine that has other things to do: nothing here is about an outage.
fn patient(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}acquire_timeout=30s&timeout=60s")
}

async fn open_postgres(url: String) -> Arc<dyn Store> {
    let store = PostgresStore::connect(&url).await;
    Arc::new(store.expect("the server is up"))
}

async fn open_mysql(url: String) -> Arc<dyn Store> {
    let store = MySqlStore::connect(&url).await;
    Arc::new(store.expect("the server is up"))
}

/// Flask-Session's table, which the store makes as SQLAlchemy would.
fn flask_on(name: &str, driver: Driver, url: Result<String, &ServerError>) -> Suite {
    let url = match url {
        Ok(url) => patient(&url),
        Err(absent @ ServerError::Absent { .. }) => return Suite::absent(name, absent.to_string()),
        Err(broken) => panic!("{broken}"),
    };
    let open = move || {
        let connect = driver.connect_flask.expect("SQL can");
        let connecting = connect(Location::parse(&url), Flask::default());
        async move { connecting.await.expect("the server is up") }
    };
    flask_store_suite(name, open)
}

/// What Flask-Session's columns cannot hold there.
fn in_mariadb(suite: Suite) -> Suite {
    if suite.trial_names().len() == 1 {
        return suite; // it is absent
    }
    let suite = NEED_MILLISECONDS.iter().fold(suite, |suite, rule| {
        suite.except(rule, "DATETIME keeps whole seconds")
    });
    suite.except("payloads_come_back_byte_for_byte", "BLOB holds 64 KiB")
}

const NEED_MILLISECONDS: &[&str] = &[
    "deadlines_are_kept_to_the_millisecond",
    "an_entry_is_gone_at_its_deadline_and_not_before",
    "a_deadline_beyond_the_year_9999_stays_in_the_future",
    "delete_expired_deletes_only_what_is_expired",
    "delete_expired_spares_what_was_just_extended",
];

fn sqlite(folder: &Path, name: &str, durability: &str) -> Suite {
    let path = folder.join(name).display().to_string();
    let url = patient(&format!("sqlite://{path}.db?durability={durability}"));
    let open = move || {
        let url = url.clone();
        async move {
            let store = SqliteStore::connect(&url).await;
            Arc::new(store.expect("the folder is ours")) as Arc<dyn Store>
        }
    };
    store_suite(name, open.clone()).reopening(open)
}

fn on_server<Server, Opening>(
    name: &str,
    server: &Result<Server, ServerError>,
    url: impl Fn(&Server) -> String,
    open: impl Fn(String) -> Opening + Clone + Send + Sync + 'static,
) -> Suite
where
    Opening: Future<Output = Arc<dyn Store>> + Send + 'static,
{
    match server {
        Ok(server) => {
            let url = patient(&url(server));
            let open = move || open(url.clone());
            store_suite(name, open.clone()).reopening(open)
        }
        Err(absent @ ServerError::Absent { .. }) => Suite::absent(name, absent.to_string()),
        Err(broken) => panic!("{broken}"),
    }
}
