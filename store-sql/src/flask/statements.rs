//! The statements on Flask-Session's table.

use crate::backend::Backend;
use crate::statements::Statement;

/// What the databases write differently.
pub(crate) struct Dialect {
    /// The table as SQLAlchemy makes it.
    pub(crate) schema: &'static str,
    /// A time that is handed in as text.
    pub(crate) time: &'static str,
    /// The column `expiry` as text.
    pub(crate) shown: &'static str,
    pub(crate) precision: Precision,
    /// Two values: a time and a limit.
    pub(crate) delete_expired: &'static str,
}

/// What the column keeps of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(dead_code, reason = "MySQL keeps seconds")
    )]
    Microseconds,
    Seconds,
}

pub(super) struct Statements {
    pub(super) schema: String,
    /// No values, no rows: whether the table is there and has the columns.
    pub(super) probe: Statement,
    pub(super) load: Statement,
    pub(super) create: Statement,
    pub(super) delete_if_expired: Statement,
    pub(super) update: Statement,
    pub(super) touch: Statement,
    pub(super) delete: Statement,
    pub(super) delete_expired: Statement,
}

const PROBE: &str = "SELECT session_id, data, expiry FROM {table} WHERE 1 = 0";

const LOAD: &str = "SELECT data, {shown} FROM {table} WHERE session_id = ?";

const CREATE: &str = "INSERT INTO {table} (session_id, data, expiry) VALUES (?, ?, {time})";

const DELETE_IF_EXPIRED: &str =
    "DELETE FROM {table} WHERE session_id = ? AND (expiry IS NULL OR expiry <= {time})";

const UPDATE: &str = "UPDATE {table} SET data = ?, expiry = {time} \
                      WHERE session_id = ? AND data = ? AND expiry > {time}";

const TOUCH: &str = "UPDATE {table} SET expiry = {time} \
                     WHERE session_id = ? AND data = ? AND expiry > {time} AND expiry < {time}";

const DELETE: &str = "DELETE FROM {table} WHERE session_id = ? AND data = ?";

impl Statements {
    /// Both names were checked when the configuration was built.
    pub(super) fn new<DB: Backend>(schema: Option<&str>, table: &str) -> Self {
        let (quote, dialect) = (DB::DIALECT.quote, DB::FLASK);
        let table = format!("{quote}{table}{quote}");
        let table = schema.map_or(table.clone(), |schema| {
            format!("{quote}{schema}{quote}.{table}")
        });
        let text = |text: &str| {
            text.replace("{table}", &table)
                .replace("{time}", dialect.time)
                .replace("{shown}", dialect.shown)
        };
        let statement = |of: &str| Statement::new(text(of), &DB::DIALECT);
        Statements {
            schema: text(dialect.schema),
            probe: statement(PROBE),
            load: statement(LOAD),
            create: statement(CREATE),
            delete_if_expired: statement(DELETE_IF_EXPIRED),
            update: statement(UPDATE),
            touch: statement(TOUCH),
            delete: statement(DELETE),
            delete_expired: statement(dialect.delete_expired),
        }
    }
}
