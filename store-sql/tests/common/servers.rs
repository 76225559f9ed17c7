//! The servers of the tests, seen alike.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anysession::{Drivers, Store, StoreKey};
use anysession_sql::{MySqlStore, PostgresStore};
use anysession_testkit::Suite;
use anysession_testkit::servers::{MariaDb, Postgres, ServerError};
use libtest_mimic::Trial;

/// A list of trials on a server, each named like its function. They run one at a time.
macro_rules! trials_on {
    ($server:expr; $($test:ident),+ $(,)?) => {
        servers::trials($server, &[$((stringify!($test), |server| common::block_on($test(server)))),+])
    };
}
pub(crate) use trials_on;

pub(crate) type Test<S> = (&'static str, fn(&mut S));

pub(crate) fn trials<S: Server>(
    server: Result<S, ServerError>,
    tests: &'static [Test<S>],
) -> Vec<Trial> {
    let server = match server {
        Ok(server) => Arc::new(Mutex::new(server)),
        Err(absent @ ServerError::Absent { .. }) => {
            return Suite::absent(S::NAME, absent.to_string()).into_trials();
        }
        Err(broken) => panic!("{broken}"),
    };
    let trials = tests.iter().map(|&(name, test)| {
        let server = Arc::clone(&server);
        Trial::test(format!("{}::{name}", S::NAME), move || {
            // One that failed may have left the server as it was.
            test(&mut server.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(())
        })
    });
    trials.collect()
}

/// A database server to be hurt.
pub(crate) trait Server: Send + 'static {
    const NAME: &'static str;
    /// The type of a column for bytes.
    const BYTES: &'static str;
    /// The account of the system that it runs as, if it is started by root.
    const USER: &'static str;

    fn address(&self) -> SocketAddr;
    fn url_at(&self, address: SocketAddr) -> String;
    /// All of it ends at once.
    fn crash(&mut self);
    fn come_back(&mut self);
    fn run(&self, sql: &str) -> String;
    /// Ends every connection but the one that asks for it.
    fn end_connections(&self);
    /// Rows that the table of this name gets beside those that it has: numbered from 1, with this deadline.
    fn fill(&self, table: &str, rows: usize, deadline: u64);
    fn folder(&mut self) -> &Path;
    /// The store's own table, in this folder.
    fn make_table_at(&self, table: &str, folder: &Path);
    /// The name of a table as this server's client takes it.
    fn named(table: &str) -> String;
    /// A key as it stands in SQL.
    fn literal(key: &StoreKey) -> String;

    fn url_with(&self, options: &str) -> String {
        format!("{}?{options}", self.url_at(self.address()))
    }
}

impl Server for Postgres {
    const NAME: &'static str = "postgres";
    const BYTES: &'static str = "bytea";
    const USER: &'static str = "postgres";

    fn address(&self) -> SocketAddr {
        Postgres::address(self)
    }

    fn url_at(&self, address: SocketAddr) -> String {
        Postgres::url_at(self, address)
    }

    fn crash(&mut self) {
        self.program().end("QUIT").unwrap();
    }

    fn come_back(&mut self) {
        self.restart().unwrap();
    }

    fn run(&self, sql: &str) -> String {
        self.query(sql).unwrap()
    }

    fn end_connections(&self) {
        self.run(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
    }

    fn fill(&self, table: &str, rows: usize, deadline: u64) {
        self.run(&format!(
            "INSERT INTO {table} SELECT sha256(convert_to({deadline}::text || '-' || i::text, 'UTF8')), \
             i, convert_to('row', 'UTF8'), 'user', 0, {deadline} FROM generate_series(1, {rows}) i"
        ));
    }

    fn folder(&mut self) -> &Path {
        self.program().folder()
    }

    fn make_table_at(&self, table: &str, folder: &Path) {
        let schema = PostgresStore::schema(&table.parse().unwrap());
        self.run(&format!(
            "CREATE TABLESPACE small LOCATION '{}'",
            folder.display()
        ));
        self.run(&format!("SET default_tablespace = small; {schema}"));
    }

    fn named(table: &str) -> String {
        table.to_owned()
    }

    fn literal(key: &StoreKey) -> String {
        format!("'\\x{key}'")
    }
}

impl Server for MariaDb {
    const NAME: &'static str = "mariadb";
    const BYTES: &'static str = "blob";
    const USER: &'static str = "mysql";

    fn address(&self) -> SocketAddr {
        MariaDb::address(self)
    }

    fn url_at(&self, address: SocketAddr) -> String {
        MariaDb::url_at(self, address)
    }

    fn crash(&mut self) {
        self.program().kill();
    }

    fn come_back(&mut self) {
        self.restart().unwrap();
    }

    fn run(&self, sql: &str) -> String {
        self.query(sql).unwrap()
    }

    fn end_connections(&self) {
        let connections =
            self.run("SELECT id FROM information_schema.processlist WHERE user = 'app'");
        for id in connections.lines() {
            // It may have ended by itself.
            let _ = self.query(&format!("KILL CONNECTION {id}"));
        }
    }

    fn fill(&self, table: &str, rows: usize, deadline: u64) {
        let table = Self::named(table);
        self.run(&format!(
            "INSERT INTO {table} SELECT UNHEX(SHA2(CONCAT({deadline}, '-', seq), 256)), seq, 'row', 'user', 0, \
             {deadline} FROM app.seq_1_to_{rows}"
        ));
    }

    fn folder(&mut self) -> &Path {
        self.program().folder()
    }

    fn make_table_at(&self, table: &str, folder: &Path) {
        let schema = MySqlStore::schema(&table.parse().unwrap());
        let at = format!("ENGINE = InnoDB DATA DIRECTORY = '{}'", folder.display());
        self.run(&format!(
            "USE app; {}",
            schema.replace("ENGINE = InnoDB", &at)
        ));
    }

    fn named(table: &str) -> String {
        format!("app.{table}")
    }

    fn literal(key: &StoreKey) -> String {
        format!("x'{key}'")
    }
}

/// The store at a URL, as an application opens it.
pub(crate) async fn open(url: &str) -> Arc<dyn Store> {
    try_open(url).await.unwrap()
}

pub(crate) async fn try_open(url: &str) -> Result<Arc<dyn Store>, anysession::ConnectError> {
    let drivers = Drivers::default()
        .with(anysession_sql::SQLITE)
        .with(anysession_sql::POSTGRES)
        .with(anysession_sql::MYSQL);
    let config = anysession::Config::from_pairs([("url", url)]).unwrap();
    drivers.connect(&config).await
}
