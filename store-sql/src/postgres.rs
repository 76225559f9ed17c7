//! PostgreSQL.

use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{ConnectError, Driver, Location, Store, StoreError, StoreKey, Stored};
use sqlx::error::DatabaseError;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgPool, PgQueryResult, PgRow, PgSslMode,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Postgres};

use crate::backend::{self, Backend, Value, column, nullable};
use crate::connections::Connections;
use crate::driver::{boxed, check_scheme, on_pool, open, wrong_url};
use crate::error::{Failure, Meaning};
use crate::flask::{self, FlaskStore, Precision};
use crate::rows;
use crate::schema::Table;
use crate::settings::Settings;
use crate::statements::{Dialect, Statement};
use crate::store::SqlStore;

const NAME: &str = "postgres";
const SCHEMES: &[&str] = &["postgres", "postgresql"];
const OPTIONS: &[&str] = &[
    "table",
    "create_table",
    "pool",
    "acquire_timeout",
    "timeout",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "application_name",
];
const FORM: &str =
    "postgres://user:password@host:5432/database, special characters percent-encoded";

/// The type `postgres`: a URL such as `postgres://user:password@host:5432/database`. [The front page](crate#options)
/// lists its options.
pub const POSTGRES: Driver = Driver {
    name: NAME,
    schemes: SCHEMES,
    connect: |location| Box::pin(async move { connect(&location).await.map(boxed) }),
    connect_flask: Some(|location, flask| {
        Box::pin(async move { connect_flask(&location, &flask).await })
    }),
};

/// Sessions in a table of a PostgreSQL database.
pub type PostgresStore = SqlStore<Postgres>;

impl SqlStore<Postgres> {
    /// Opens what a configured URL would open, with the same options.
    ///
    /// ```no_run
    /// use anysession_sql::PostgresStore;
    ///
    /// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::connect("postgres://app:secret@db/app?sslmode=verify-full").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When an option is unknown or cannot be used, the server cannot be reached, or the table is missing and not to be
    /// created.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        connect(&Location::parse(url)).await
    }

    /// A store on a pool of the application, whose settings hold. Its table is expected to be there, or made by
    /// [`create_table`](Self::create_table).
    ///
    /// A statement that is given up, because a verb takes longer than five seconds or nobody waits for it any more,
    /// closes its connection. When a connection is lost, the idle ones of the pool are closed too.
    pub fn from_pool(pool: PgPool, table: Table) -> Self {
        on_pool(pool, table)
    }

    /// Creates the table and its indexes where they are missing.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let created = self.inner().create_table().await;
        created.map_err(|failure| failure.in_verb(NAME, "create_table"))
    }

    /// The statements that create this table and its indexes: `schema/postgres.sql` with another name.
    pub fn schema(table: &Table) -> String {
        table.rename(Postgres::SCHEMA)
    }
}

async fn connect(location: &Location) -> Result<PostgresStore, ConnectError> {
    let settings = Settings::of(location, NAME)?;
    connect_with(location, settings).await
}

async fn connect_flask(location: &Location, flask: &Flask) -> Result<Arc<dyn Store>, ConnectError> {
    let (settings, create) = Settings::of_flask(location, NAME)?;
    let store = connect_with(location, settings).await?;
    Ok(Arc::new(FlaskStore::open(store, flask, create).await?))
}

async fn connect_with(
    location: &Location,
    settings: Settings,
) -> Result<PostgresStore, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    check_scheme(location, NAME, SCHEMES, FORM)?;
    let connections = Connections::own(options(location)?, settings.pool, settings.acquire_timeout);
    let connections = Arc::new(connections);
    open(settings, Arc::clone(&connections), connections, None).await
}

fn options(location: &Location) -> Result<PgConnectOptions, ConnectError> {
    let base: PgConnectOptions = location.base().parse().map_err(|_| wrong_url(NAME, FORM))?;
    let mut options = base.disable_statement_logging();
    let modes = "disable, allow, prefer, require, verify-ca or verify-full";
    if let Some(mode) = location.read(NAME, "sslmode", modes, |mode| {
        mode.parse::<PgSslMode>().ok()
    })? {
        options = options.ssl_mode(mode);
    }
    for (name, value) in location.options() {
        options = match name {
            "sslrootcert" => options.ssl_root_cert(value),
            "sslcert" => options.ssl_client_cert(value),
            "sslkey" => options.ssl_client_key(value),
            "host" if value.starts_with('/') => options.socket(value),
            "host" => options.host(value),
            "application_name" => options.application_name(value),
            _ => options,
        };
    }
    Ok(options)
}

impl Backend for Postgres {
    const STORE: &'static str = NAME;
    const ONE_WRITER: bool = false;

    const DIALECT: Dialect = Dialect {
        quote: '"',
        numbered: true,
        create: "INSERT INTO {table} (session_key, version, payload, user_id, created, deadline) \
                 VALUES (?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (session_key) DO UPDATE SET version = excluded.version, \
                 payload = excluded.payload, user_id = excluded.user_id, \
                 created = excluded.created, deadline = excluded.deadline \
                 WHERE {table}.deadline <= excluded.created",
        // 22 – 27 µs a row instead of 26 – 35, and in the server where all meet.
        insert_first: true,
        // The inner select locks what it finds, in the order of the index, so that two of these at once wait for each
        // other instead of for ever.
        delete_expired: "DELETE FROM {table} WHERE deadline <= $1 AND session_key = ANY (ARRAY \
                         (SELECT session_key FROM {table} WHERE deadline <= $1 \
                         ORDER BY deadline LIMIT $2 FOR UPDATE))",
    };

    const FLASK: flask::Dialect = flask::Dialect {
        schema: "CREATE TABLE IF NOT EXISTS {table} (id SERIAL NOT NULL, session_id VARCHAR(255), \
                 data BYTEA, expiry TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id), UNIQUE (session_id))",
        time: "CAST(? AS timestamp)",
        shown: "to_char(expiry, 'YYYY-MM-DD HH24:MI:SS.US')",
        precision: Precision::Microseconds,
        delete_expired: "DELETE FROM {table} WHERE expiry <= CAST($1 AS timestamp) AND id = ANY (ARRAY \
                         (SELECT id FROM {table} WHERE expiry <= CAST($1 AS timestamp) \
                         ORDER BY id LIMIT $2 FOR UPDATE))",
    };

    const SCHEMA: &'static str = include_str!("../schema/postgres.sql");

    fn arguments(values: &[Value<'_>]) -> sqlx::Result<PgArguments> {
        backend::arguments::<Postgres>(values)
    }

    async fn execute(
        connection: &mut PgConnection,
        statement: &Statement,
        arguments: PgArguments,
    ) -> sqlx::Result<PgQueryResult> {
        backend::execute::<Postgres>(connection, statement, arguments).await
    }

    async fn fetch(
        connection: &mut PgConnection,
        statement: &Statement,
        arguments: PgArguments,
    ) -> sqlx::Result<Vec<PgRow>> {
        backend::fetch::<Postgres>(connection, statement, arguments).await
    }

    /// Statements that are sent together are one transaction here. It begins with a lock, because `IF NOT EXISTS` does
    /// not keep two processes that start at once apart.
    async fn create_table(connection: &mut PgConnection, schema: String) -> sqlx::Result<()> {
        let locked = format!("SELECT pg_advisory_xact_lock({LOCK}); {schema}");
        let schema = sqlx::raw_sql(AssertSqlSafe(locked));
        connection.execute(schema).await.map(drop)
    }

    fn rows_affected(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }

    fn has_created(result: &PgQueryResult, _: i64) -> bool {
        result.rows_affected() > 0
    }

    fn stored(row: &PgRow) -> Result<Stored, Failure> {
        rows::stored(
            column::<Postgres, _>(row, 0, ": its version is no bigint")?,
            column::<Postgres, _>(row, 1, ": its payload is no bytea")?,
            column::<Postgres, _>(row, 2, ": its deadline is no bigint")?,
            nullable::<Postgres, _>(row, 3, ": its user is no text")?,
        )
    }

    fn key(row: &PgRow) -> Result<StoreKey, Failure> {
        let key: &[u8] = column::<Postgres, _>(row, 0, ": its key is no bytea")?;
        rows::key(key)
    }

    fn value(row: &PgRow) -> Result<(Vec<u8>, Option<String>), Failure> {
        Ok((
            column::<Postgres, _>(row, 0, ": it has no data")?,
            nullable::<Postgres, _>(row, 1, ": its expiry is no time")?,
        ))
    }

    fn judge(error: &dyn DatabaseError) -> Meaning {
        match error.code().as_deref() {
            Some("53100") => Meaning::Full,
            // Serialization failure, and deadlock.
            Some("40001" | "40P01") => Meaning::RolledBack,
            // The server shuts down, has crashed, or is not up yet; the session was ended by an administrator, or idled
            // for too long.
            Some("57P01" | "57P02" | "57P03" | "57P05") => Meaning::Lost,
            Some(code) if code.starts_with("08") => Meaning::Lost,
            Some("42P01") => Meaning::NoTable,
            _ => Meaning::Other,
        }
    }
}

/// An arbitrary number that no other program is likely to lock.
const LOCK: i64 = 0x616e_7973_6573_7369;
