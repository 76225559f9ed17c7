//! Sessions of [`anysession`] in a table of SQLite, PostgreSQL, or MySQL and MariaDB: shared by all processes that reach
//! the database, and nothing lost when the application restarts.
//!
//! ```
//! use anysession::{Config, Drivers, Sessions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}/sessions.db", folder.path().display());
//! let drivers = Drivers::default()
//!     .with(anysession_sql::SQLITE)
//!     .with(anysession_sql::POSTGRES)
//!     .with(anysession_sql::MYSQL);
//! let config = Config::from_pairs([("url", &url)])?; // or Config::from_env(), with SESSION_URL
//! let sessions = Sessions::connect(config, &drivers).await?;
//! # Ok(()) }
//! ```
//!
//! | database | feature | type | URL | in code |
//! | --- | --- | --- | --- | --- |
//! | SQLite, compiled in | `sqlite` | `sqlite` | `sqlite:///var/lib/app/sessions.db`, `sqlite://:memory:`, or a path | [`SqliteStore`] |
//! | PostgreSQL, tested on 15 | `postgres` | `postgres` | `postgres://user:password@host:5432/database` | [`PostgresStore`] |
//! | MariaDB, tested on 10.11; MySQL 8, [not tested](#mysql) | `mysql` | `mysql` | `mysql://…` or `mariadb://user:password@host:3306/database` | [`MySqlStore`] |
//!
//! All three features are on by default. Each store is also made from an existing pool of the application, with
//! `from_pool`.
//!
//! # Options
//!
//! They stand behind the `?` of the URL: `postgres://app:secret@db/app?pool=20&timeout=3s&sslmode=verify-full`. An unknown
//! one is an error.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `table` | `anysession` | the table: [letters, digits, underscores](Table) |
//! | `create_table` | `auto` | `auto`: make it if it is missing; `never`: a missing table is an error |
//! | `pool` | `10` | connections at most; of SQLite, those that read |
//! | `acquire_timeout` | `2s` | how long a verb waits for a free connection, or for a new one: `500ms`, `2s`, `1m` or whole seconds, up to an hour |
//! | `timeout` | `5s` | how long a verb may take in all |
//! | `durability` | `full` | SQLite: what [a loss of power](#what-it-promises) may take, `full` or `relaxed` |
//! | `sslmode`, `sslrootcert`, `sslcert`, `sslkey` | `prefer` | PostgreSQL: TLS as in libpq; the others name PEM files |
//! | `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key` | `PREFERRED` | MySQL: TLS as in its own clients; the others name PEM files |
//! | `host`, `application_name` | | PostgreSQL: the folder of its socket instead of a host; how it lists the connections |
//! | `socket` | | MySQL: its socket instead of a host |
//!
//! Over a network use `sslmode=verify-full` or `ssl-mode=VERIFY_IDENTITY`: the defaults encrypt where the server can, and
//! do not check who it is.
//!
//! # The table
//!
//! It is yours: `create_table=never` and the file for your database among your migrations, or `create_table().await` of
//! a store when you deploy. An account that may select, insert, update and delete is enough then, and with `auto` too
//! once the table is there.
//!
//! SQLite (`schema/sqlite.sql`, also [`SqliteStore::schema`](SqlStore::schema)):
#![doc = concat!("```sql\n", include_str!("../schema/sqlite.sql"), "```")]
//! PostgreSQL (`schema/postgres.sql`):
#![doc = concat!("```sql\n", include_str!("../schema/postgres.sql"), "```")]
//! MySQL and MariaDB (`schema/mysql.sql`):
#![doc = concat!("```sql\n", include_str!("../schema/mysql.sql"), "```")]
//!
//! - Times are milliseconds since 1970 in UTC, and always handed in by the application: neither the server's clock nor its
//!   time zone plays a part. `created` is when the row came to be, which is when the session's id was made.
//! - There is no column for the absolute deadline. A store is told one deadline, the earlier of the two; the other is in
//!   the payload, which is the core's.
//! - `user_id` is what was given to `log_in`, up to 255 bytes. `SELECT count(*) … WHERE user_id = '42'` is a fair question.
//! - Other columns of yours do no harm if they may be NULL or have a default. A row that this store did not write is no
//!   session, and a `tracing` event.
//!
//! # What it promises
//!
//! - **One verb, one statement, no transaction.** Creating is an `INSERT` that replaces an expired row in the same step
//!   (PostgreSQL is first sent one that does not, which takes it less time; no new id needs the other); writing and
//!   deleting name the version that was read; how many rows were affected decides. Statements are prepared once a
//!   connection. Only in [SQLite](#sqlite) do verbs that wait for each other share a transaction.
//! - **Bounded time.** A server that is down, that hangs, or whose connections are all busy costs a request
//!   `acquire_timeout` or `timeout`, then it is an error. When the server is back, so is the store, with the next verb.
//! - **Nothing is written twice.** A read is sent again when its connection turns out to be lost. A write is sent again
//!   only if the database said that it undid it, for a deadlock, or did not begin it, because it was locked; if nobody
//!   knows what became of it, it is an error.
//! - **Cleanup lets others work.** Expired rows are deleted 200 at a time, each statement with its own condition.
//! - **Silence about secrets.** No error, event or `Debug` holds the password, the value of a statement or a payload.
//!   sqlx's own log of statements is off on connections that the store opened.
//!
//! What a crash may take is up to the database. SQLite runs in WAL mode: `durability=full` syncs each write before it is
//! answered; with `relaxed` a loss of power may take the last of them, and bring back what they deleted; a crash of the
//! process takes nothing in either case, and nothing is ever torn. PostgreSQL and MySQL sync each write unless
//! `synchronous_commit` or `innodb_flush_log_at_trx_commit` says otherwise. After a failover to an asynchronous replica a log-out
//! of the last moment may be undone.
//!
//! # MySQL
//!
//! The tests start the servers that Debian packages, which has MariaDB and no MySQL. Statements and schema keep to what
//! MySQL 8 documents and MariaDB has too, and sqlx speaks to both; but nothing here has run on MySQL 8.
//!
//! # SQLite
//!
//! Its file is made with mode 0600, and is meant for a local disk, so it suits one machine. It lets one write at a time,
//! also of several processes: one that finds the file locked asks every millisecond whether it is free, for four fifths of
//! `timeout`. Writes that come while another one of the process is carried out wait for it together, and then go in one
//! transaction, which waits for the disk once. What one of them runs into, and a request that is given up, is nothing to
//! the others: if they cannot go together, each goes alone. On a pool of the application each goes alone, and waits as
//! long as that pool's busy timeout says before the store asks again.
//!
//! # In Flask's layout
//!
//! With `SESSION_LAYOUT=flask` the table is the one that Flask-SQLAlchemy makes for Flask-Session, `sessions` unless
//! `SESSION_SQLALCHEMY_TABLE` says otherwise; it is made if it is missing. A write names the data that it replaces. Flask's
//! own writes are not conditional. In MySQL and MariaDB the table's columns hold 64 KiB and whole seconds. A SQLite file is
//! switched to WAL mode, which Flask's connections follow. The path of a SQLite URL is the file's
//! (`sqlite:///var/lib/app.db` is `/var/lib/app.db`, for which SQLAlchemy writes four slashes).

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("anysession-sql needs one of its features at least: sqlite, postgres, mysql");

mod backend;
mod connections;
mod driver;
mod error;
mod flask;
mod group_commit;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod running;
mod schema;
mod settings;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod store;
mod version;

#[cfg(feature = "mysql")]
pub use mysql::{MYSQL, MySqlStore};
#[cfg(feature = "postgres")]
pub use postgres::{POSTGRES, PostgresStore};
pub use schema::{InvalidTable, Table};
#[cfg(feature = "sqlite")]
pub use sqlite::{SQLITE, SqliteStore};
pub use store::SqlStore;
