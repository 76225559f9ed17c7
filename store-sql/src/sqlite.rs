//! SQLite.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anysession::flask::Flask;
use anysession::{ConnectError, Driver, Location, Store, StoreError, StoreKey, Stored};
use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqliteQueryResult, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Sqlite};

use crate::backend::{self, Backend, Value, column, nullable};
use crate::connections::Connections;
use crate::driver::{boxed, failed, on_pool, open, wrong_url};
use crate::error::{Failure, Meaning};
use crate::flask::{self, FlaskStore, Precision};
use crate::rows;
use crate::schema::Table;
use crate::settings::Settings;
use crate::statements::{Dialect, Statement};
use crate::store::SqlStore;

const NAME: &str = "sqlite";
const OPTIONS: &[&str] = &[
    "table",
    "create_table",
    "pool",
    "acquire_timeout",
    "timeout",
    "durability",
];
const FORM: &str = "a path, sqlite:///path/to/file.db, or sqlite://:memory:";
const DEFAULT_PATH: &str = "./sessions.db";
const MEMORY: &str = ":memory:";

/// The type `sqlite`: a path, a URL such as `sqlite:///var/lib/app/sessions.db`, or `sqlite://:memory:`;
/// `./sessions.db` if none is configured. [The front page](crate#options) lists its options.
pub const SQLITE: Driver = Driver {
    name: NAME,
    schemes: &["sqlite"],
    connect: |location| Box::pin(async move { connect(&location).await.map(boxed) }),
    connect_flask: Some(|location, flask| {
        Box::pin(async move { connect_flask(&location, &flask).await })
    }),
};

/// Sessions in a SQLite file, which the processes of one machine may share, or in memory.
pub type SqliteStore = SqlStore<Sqlite>;

impl SqlStore<Sqlite> {
    /// Opens what a configured URL would open, with the same options.
    ///
    /// ```
    /// use anysession_sql::SqliteStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.db");
    /// # let path = path.display();
    /// let store = SqliteStore::connect(&format!("sqlite://{path}?durability=relaxed")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When an option is unknown or cannot be used, the file cannot be opened, or the table is missing and not to be
    /// created.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        connect(&Location::parse(url)).await
    }

    /// A store on a pool of the application: its journal mode, its busy timeout and its durability are the
    /// application's, and so is the table ([`create_table`](Self::create_table)). Each write is a transaction of its own
    /// there, also where several wait.
    ///
    /// A statement that is given up, because a verb takes longer than five seconds or nobody waits for it any more,
    /// closes its connection: the pool of a database in memory needs a second one that stays open.
    pub fn from_pool(pool: SqlitePool, table: Table) -> Self {
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

    /// The statements that create this table and its indexes: `schema/sqlite.sql` with another name.
    pub fn schema(table: &Table) -> String {
        table.rename(Sqlite::SCHEMA)
    }
}

async fn connect(location: &Location) -> Result<SqliteStore, ConnectError> {
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
) -> Result<SqliteStore, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    let synchronous = durability(location)?;
    let path = path(location)?;
    let options = SqliteConnectOptions::new()
        // Shorter than what a verb may take, so that a file that others keep locked is an error that tells so.
        .busy_timeout(settings.timeout.mul_f64(0.8))
        .disable_statement_logging();
    if path == MEMORY {
        return in_memory(options, settings).await;
    }
    make_private(path.clone()).await?;
    let options = options
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous);
    let _stays_open_until_the_others_are = switch_to_wal(&options, settings.timeout).await?;
    let patience = settings.acquire_timeout;
    // SQLite lets one write at a time. While another process has the file it would ask less and less often whether it is
    // free, and miss for seconds that it is if the other hardly pauses; so the store asks, every millisecond.
    let writes = Connections::own(options.clone().busy_timeout(Duration::ZERO), 1, patience);
    let reads = Connections::own(options, settings.pool, patience);
    open(settings, Arc::new(reads), Arc::new(writes), None).await
}

/// Processes that open a new file at once are in each other's way when they change its mode, and SQLite then fails at
/// once instead of waiting as it was told to. The mode stays with the file, so later connections change nothing.
async fn switch_to_wal(
    options: &SqliteConnectOptions,
    patience: Duration,
) -> Result<SqliteConnection, ConnectError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let switching = async {
        loop {
            match options.connect().await {
                Err(error) if Meaning::of(&error, Sqlite::judge) == Meaning::Locked => {
                    tokio::time::sleep(PAUSE).await;
                }
                other => return other.map_err(|error| Failure::Unreachable(error.into())),
            }
        }
    };
    let switched = tokio::time::timeout(patience, switching).await;
    switched
        .unwrap_or(Err(Failure::NotConnected(patience)))
        .map_err(failed::<Sqlite>)
}

/// One connection at a time, and one that keeps the data while there is none.
async fn in_memory(
    options: SqliteConnectOptions,
    settings: Settings,
) -> Result<SqliteStore, ConnectError> {
    // This gives the memory a name of its own, by which more than one connection finds it.
    let named: SqliteConnectOptions = "sqlite::memory:"
        .parse()
        .map_err(|_| wrong_url(NAME, FORM))?;
    let options = options
        .filename(named.get_filename())
        .in_memory(true)
        .shared_cache(true);
    let keeper = options
        .connect()
        .await
        .map_err(|error| failed::<Sqlite>(Failure::Unreachable(error.into())))?;
    let connections = Arc::new(Connections::own(options, 1, settings.acquire_timeout));
    open(
        settings,
        Arc::clone(&connections),
        connections,
        Some(keeper),
    )
    .await
}

fn durability(location: &Location) -> Result<SqliteSynchronous, ConnectError> {
    let read = |value: &str| match value {
        "full" => Some(SqliteSynchronous::Full),
        "relaxed" => Some(SqliteSynchronous::Normal),
        _ => None,
    };
    let durability = location.read(NAME, "durability", "full or relaxed", read)?;
    Ok(durability.unwrap_or(SqliteSynchronous::Full))
}

fn path(location: &Location) -> Result<String, ConnectError> {
    let is_ours = location.scheme().is_none_or(|scheme| scheme == NAME);
    match location.path().as_str() {
        _ if !is_ours => Err(wrong_url(NAME, FORM)),
        "" => Ok(DEFAULT_PATH.to_owned()),
        "sqlite::memory:" => Ok(MEMORY.to_owned()),
        path => Ok(path.to_owned()),
    }
}

/// Makes the file, if there is none, so that nobody else can read it: SQLite would ask the umask. The files that it puts
/// beside it get the same permissions.
async fn make_private(path: String) -> Result<(), ConnectError> {
    let made = tokio::task::spawn_blocking(move || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(Path::new(&path)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(format!("cannot make the file {path:?}: {error}"))
            }
            _ => Ok(()),
        }
    });
    let made = made.await.unwrap_or_else(|error| Err(error.to_string()));
    made.map_err(|why| ConnectError::Failed {
        driver: NAME,
        source: why.into(),
    })
}

impl Backend for Sqlite {
    const STORE: &'static str = NAME;
    const ONE_WRITER: bool = true;

    const DIALECT: Dialect = Dialect {
        quote: '"',
        numbered: false,
        create: "INSERT INTO {table} (session_key, version, payload, user_id, created, deadline) \
                 VALUES (?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (session_key) DO UPDATE SET version = excluded.version, \
                 payload = excluded.payload, user_id = excluded.user_id, \
                 created = excluded.created, deadline = excluded.deadline \
                 WHERE {table}.deadline <= excluded.created",
        insert_first: false,
        delete_expired: "DELETE FROM {table} WHERE deadline <= ?1 AND session_key IN \
                         (SELECT session_key FROM {table} WHERE deadline <= ?1 \
                         ORDER BY deadline LIMIT ?2)",
    };

    const FLASK: flask::Dialect = flask::Dialect {
        schema: "CREATE TABLE IF NOT EXISTS {table} (id INTEGER NOT NULL, session_id VARCHAR(255), \
                 data BLOB, expiry DATETIME, PRIMARY KEY (id), UNIQUE (session_id))",
        time: "?",
        shown: "CAST(expiry AS TEXT)",
        precision: Precision::Microseconds,
        delete_expired: "DELETE FROM {table} WHERE expiry <= ?1 AND id IN \
                         (SELECT id FROM {table} WHERE expiry <= ?1 LIMIT ?2)",
    };

    const SCHEMA: &'static str = include_str!("../schema/sqlite.sql");

    fn arguments(values: &[Value<'_>]) -> sqlx::Result<SqliteArguments> {
        backend::arguments::<Sqlite>(values)
    }

    async fn execute(
        connection: &mut SqliteConnection,
        statement: &Statement,
        arguments: SqliteArguments,
    ) -> sqlx::Result<SqliteQueryResult> {
        backend::execute::<Sqlite>(connection, statement, arguments).await
    }

    async fn fetch(
        connection: &mut SqliteConnection,
        statement: &Statement,
        arguments: SqliteArguments,
    ) -> sqlx::Result<Vec<SqliteRow>> {
        backend::fetch::<Sqlite>(connection, statement, arguments).await
    }

    async fn create_table(connection: &mut SqliteConnection, schema: String) -> sqlx::Result<()> {
        let schema = sqlx::raw_sql(AssertSqlSafe(schema));
        connection.execute(schema).await.map(drop)
    }

    fn rows_affected(result: &SqliteQueryResult) -> u64 {
        result.rows_affected()
    }

    fn has_created(result: &SqliteQueryResult, _: i64) -> bool {
        result.rows_affected() > 0
    }

    fn stored(row: &SqliteRow) -> Result<Stored, Failure> {
        rows::stored(
            column::<Sqlite, _>(row, 0, ": its version is no number")?,
            column::<Sqlite, _>(row, 1, ": its payload is no blob")?,
            column::<Sqlite, _>(row, 2, ": its deadline is no number")?,
            nullable::<Sqlite, _>(row, 3, ": its user is no text")?,
        )
    }

    fn key(row: &SqliteRow) -> Result<StoreKey, Failure> {
        let key: &[u8] = column::<Sqlite, _>(row, 0, ": its key is no blob")?;
        rows::key(key)
    }

    fn value(row: &SqliteRow) -> Result<(Vec<u8>, Option<String>), Failure> {
        Ok((
            column::<Sqlite, _>(row, 0, ": it has no data")?,
            nullable::<Sqlite, _>(row, 1, ": its expiry is no time")?,
        ))
    }

    fn judge(error: &dyn DatabaseError) -> Meaning {
        match primary_code(error) {
            GENERIC if error.message().starts_with("no such table") => Meaning::NoTable,
            FULL => Meaning::Full,
            BUSY | LOCKED => Meaning::Locked,
            _ => Meaning::Other,
        }
    }
}

const GENERIC: i32 = 1;
const BUSY: i32 = 5;
/// The same between connections to one memory.
const LOCKED: i32 = 6;
const FULL: i32 = 13;

/// The kind of error, without its variety.
fn primary_code(error: &dyn DatabaseError) -> i32 {
    let code: Option<i32> = error.code().and_then(|code| code.parse().ok());
    code.map_or(0, |code| code & 0xff)
}
