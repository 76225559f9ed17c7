//! The SQL stores keep the contract of a store, on every database.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anysession::Store;
use anysession_sql::{MySqlStore, PostgresStore, SqliteStore};
use anysession_testkit::servers::{MariaDb, Postgres, ServerError};
use anysession_testkit::{Suite, run, store_suite};

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
    run([
        sqlite(folder.path(), "sqlite", "full"),
        sqlite(folder.path(), "sqlite_relaxed", "relaxed"),
        store_suite("sqlite_memory", || async {
            let store = SqliteStore::connect("sqlite://:memory:").await;
            Arc::new(store.expect("memory needs nothing")) as Arc<dyn Store>
        }),
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

async fn open_postgres(url: String) -> Arc<dyn Store> {
    let store = PostgresStore::connect(&url).await;
    Arc::new(store.expect("the server is up"))
}

async fn open_mysql(url: String) -> Arc<dyn Store> {
    let store = MySqlStore::connect(&url).await;
    Arc::new(store.expect("the server is up"))
}

fn sqlite(folder: &Path, name: &str, durability: &str) -> Suite {
    let path = folder.join(name).display().to_string();
    let url = format!("sqlite://{path}.db?durability={durability}");
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
            let url = url(server);
            let open = move || open(url.clone());
            store_suite(name, open.clone()).reopening(open)
        }
        Err(absent @ ServerError::Absent { .. }) => Suite::absent(name, absent.to_string()),
        Err(broken) => panic!("{broken}"),
    }
}
