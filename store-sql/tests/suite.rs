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
    run([
        sqlite(folder.path(), "sqlite", "full"),
        sqlite(folder.path(), "sqlite_relaxed", "relaxed"),
        store_suite("sqlite_memory", || async {
            let store = SqliteStore::connect("sqlite://:memory:").await;
            Arc::new(store.expect("memory needs nothing")) as Arc<dyn Store>
        }),
        on_server("postgres", &postgres, Postgres::url, |url| async move {
            let store = PostgresStore::connect(&url).await;
            Arc::new(store.expect("the server is up")) as Arc<dyn Store>
        }),
        on_server("mariadb", &mariadb, MariaDb::url, |url| async move {
            let store = MySqlStore::connect(&url).await;
            Arc::new(store.expect("the server is up")) as Arc<dyn Store>
        }),
    ])
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
