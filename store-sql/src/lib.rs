//! Sessions in SQL

mod backend;
mod connections;
mod driver;
mod error;
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
