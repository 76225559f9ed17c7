//! MySQL and MariaDB.

use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{ConnectError, Driver, Location, Store, StoreError, StoreKey, Stored};
use sqlx::error::DatabaseError;
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlPool,
    MySqlQueryResult, MySqlRow, MySqlSslMode,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySql};

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

const NAME: &str = "mysql";
const SCHEMES: &[&str] = &["mysql", "mariadb"];
const OPTIONS: &[&str] = &[
    "table",
    "create_table",
    "pool",
    "acquire_timeout",
    "timeout",
    "ssl-mode",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "socket",
];
const FORM: &str = "mysql://user:password@host:3306/database, special characters percent-encoded";

/// The type `mysql`, for MariaDB too: a URL such as `mysql://user:password@host:3306/database`. [The front
/// page](crate#options) lists its options.
pub const MYSQL: Driver = Driver {
    name: NAME,
    schemes: SCHEMES,
    connect: |location| Box::pin(async move { connect(&location).await.map(boxed) }),
    connect_flask: Some(|location, flask| {
        Box::pin(async move { connect_flask(&location, &flask).await })
    }),
};

/// Sessions in a table of a MariaDB database, or of a MySQL one, [on which it is not tested](crate#mysql).
pub type MySqlStore = SqlStore<MySql>;

impl SqlStore<MySql> {
    /// Opens what a configured URL would open, with the same options.
    ///
    /// ```no_run
    /// use anysession_sql::MySqlStore;
    ///
    /// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = MySqlStore::connect("mysql://app:secret@db/app?ssl-mode=VERIFY_IDENTITY").await?;
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
    pub fn from_pool(pool: MySqlPool, table: Table) -> Self {
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

    /// The statements that create this table and its indexes: `schema/mysql.sql` with another name.
    pub fn schema(table: &Table) -> String {
        table.rename(MySql::SCHEMA)
    }
}

async fn connect(location: &Location) -> Result<MySqlStore, ConnectError> {
    let settings = Settings::of(location, NAME)?;
    connect_with(location, settings).await
}

async fn connect_flask(location: &Location, flask: &Flask) -> Result<Arc<dyn Store>, ConnectError> {
    let (settings, create) = Settings::of_flask(location, NAME)?;
    let store = connect_with(location, settings).await?;
    Ok(Arc::new(FlaskStore::open(store, flask, create).await?))
}

async fn connect_with(location: &Location, settings: Settings) -> Result<MySqlStore, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    check_scheme(location, NAME, SCHEMES, FORM)?;
    let connections = Connections::own(options(location)?, settings.pool, settings.acquire_timeout);
    let connections = Arc::new(connections);
    open(settings, Arc::clone(&connections), connections, None).await
}

fn options(location: &Location) -> Result<MySqlConnectOptions, ConnectError> {
    let base: MySqlConnectOptions = location.base().parse().map_err(|_| wrong_url(NAME, FORM))?;
    let mut options = base.disable_statement_logging();
    let modes = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
    if let Some(mode) = location.read(NAME, "ssl-mode", modes, |mode| {
        mode.parse::<MySqlSslMode>().ok()
    })? {
        options = options.ssl_mode(mode);
    }
    for (name, value) in location.options() {
        options = match name {
            "ssl-ca" => options.ssl_ca(value),
            "ssl-cert" => options.ssl_client_cert(value),
            "ssl-key" => options.ssl_client_key(value),
            "socket" => options.socket(value),
            _ => options,
        };
    }
    Ok(options)
}

impl Backend for MySql {
    const STORE: &'static str = NAME;
    const ONE_WRITER: bool = false;

    const DIALECT: Dialect = Dialect {
        quote: '`',
        numbered: false,
        // Its `ON DUPLICATE KEY UPDATE` has no condition, so every column has. They all look at the deadline, which is
        // why that comes last: assignments are made from the left to the right.
        //
        // How many rows were affected does not tell an insertion from a row that was left as it is: sqlx asks for the
        // number of rows that were found, which is 1 for both. `LAST_INSERT_ID(…)` does: see `has_created`.
        create: "INSERT INTO {table} (session_key, version, payload, user_id, created, deadline) \
                 VALUES (?, ?, ?, ?, ?, ?) \
                 ON DUPLICATE KEY UPDATE version = LAST_INSERT_ID\
                 (IF(deadline <= VALUES(created), VALUES(version), version)), \
                 payload = IF(deadline <= VALUES(created), VALUES(payload), payload), \
                 user_id = IF(deadline <= VALUES(created), VALUES(user_id), user_id), \
                 created = IF(deadline <= VALUES(created), VALUES(created), created), \
                 deadline = IF(deadline <= VALUES(created), VALUES(deadline), deadline)",
        insert_first: false,
        delete_expired: "DELETE FROM {table} WHERE deadline <= ? ORDER BY deadline LIMIT ?",
    };

    const FLASK: flask::Dialect = flask::Dialect {
        schema: "CREATE TABLE IF NOT EXISTS {table} (id INTEGER NOT NULL AUTO_INCREMENT, session_id VARCHAR(255), \
                 data BLOB, expiry DATETIME, PRIMARY KEY (id), UNIQUE (session_id))",
        time: "CAST(? AS DATETIME(6))",
        shown: "DATE_FORMAT(expiry, '%Y-%m-%d %H:%i:%s.%f')",
        precision: Precision::Seconds,
        delete_expired: "DELETE FROM {table} WHERE expiry <= CAST(? AS DATETIME(6)) LIMIT ?",
    };

    const SCHEMA: &'static str = include_str!("../schema/mysql.sql");

    fn arguments(values: &[Value<'_>]) -> sqlx::Result<MySqlArguments> {
        backend::arguments::<MySql>(values)
    }

    async fn execute(
        connection: &mut MySqlConnection,
        statement: &Statement,
        arguments: MySqlArguments,
    ) -> sqlx::Result<MySqlQueryResult> {
        backend::execute::<MySql>(connection, statement, arguments).await
    }

    async fn fetch(
        connection: &mut MySqlConnection,
        statement: &Statement,
        arguments: MySqlArguments,
    ) -> sqlx::Result<Vec<MySqlRow>> {
        backend::fetch::<MySql>(connection, statement, arguments).await
    }

    async fn create_table(connection: &mut MySqlConnection, schema: String) -> sqlx::Result<()> {
        let schema = sqlx::raw_sql(AssertSqlSafe(schema));
        connection.execute(schema).await.map(drop)
    }

    fn rows_affected(result: &MySqlQueryResult) -> u64 {
        result.rows_affected()
    }

    /// The statement leaves here the version that the row in the way has afterwards, and 0 if there was none.
    fn has_created(result: &MySqlQueryResult, version: i64) -> bool {
        let left = result.last_insert_id();
        left == 0 || i64::try_from(left) == Ok(version)
    }

    fn stored(row: &MySqlRow) -> Result<Stored, Failure> {
        let not_utf8 = |_| Failure::Unreadable(": its user is no UTF-8");
        let user: Option<Vec<u8>> = nullable::<MySql, _>(row, 3, ": its user is not binary")?;
        rows::stored(
            column::<MySql, _>(row, 0, ": its version is no bigint")?,
            column::<MySql, _>(row, 1, ": its payload is not binary")?,
            column::<MySql, _>(row, 2, ": its deadline is no bigint")?,
            user.map(String::from_utf8).transpose().map_err(not_utf8)?,
        )
    }

    fn key(row: &MySqlRow) -> Result<StoreKey, Failure> {
        let key: &[u8] = column::<MySql, _>(row, 0, ": its key is not binary")?;
        rows::key(key)
    }

    fn value(row: &MySqlRow) -> Result<(Vec<u8>, Option<String>), Failure> {
        Ok((
            column::<MySql, _>(row, 0, ": it has no data")?,
            nullable::<MySql, _>(row, 1, ": its expiry is no time")?,
        ))
    }

    fn judge(error: &dyn DatabaseError) -> Meaning {
        let number = error
            .try_downcast_ref::<MySqlDatabaseError>()
            .map_or(0, MySqlDatabaseError::number);
        match number {
            // The disk is full, or the file of the table.
            1021 | 1114 => Meaning::Full,
            // A deadlock. (1205, a wait for a lock that took too long, need not undo what the statement did.)
            1213 => Meaning::RolledBack,
            // The server shuts down, or somebody killed the connection.
            1053 | 1927 => Meaning::Lost,
            1146 => Meaning::NoTable,
            _ => Meaning::Other,
        }
    }
}
