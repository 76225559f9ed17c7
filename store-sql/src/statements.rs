//! The statements, one for each verb, built once for a table.
//!
//! Values stand in them in the order in which the store binds them. Where the three databases agree they share a text.
//! `created` is the writer's time, so it also says by which time an entry in the way is judged.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::schema::Table;

/// A statement, ready to run. Equal texts share the database's prepared statement.
#[derive(Clone)]
pub(crate) struct Statement(Arc<str>);

impl Statement {
    /// A text whose values are question marks.
    pub(crate) fn new(text: String, dialect: &Dialect) -> Self {
        Statement(match dialect.numbered {
            true => number(&text).into(),
            false => text.into(),
        })
    }

    /// What sqlx takes.
    pub(crate) fn sql(&self) -> SqlStr {
        // Only names that were checked were put into it: a `Table`, or the table and schema of a Flask configuration.
        AssertSqlSafe(Arc::clone(&self.0)).into_sql_str()
    }
}

/// What the databases write differently.
pub(crate) struct Dialect {
    /// Stands around a name.
    pub(crate) quote: char,
    /// Whether values are `$1`, `$2`, … instead of `?`.
    pub(crate) numbered: bool,
    /// Six values: the columns in the order of the schema. An entry in the way is replaced in the same step if its
    /// deadline is at or before the new one's `created`.
    pub(crate) create: &'static str,
    /// Whether that costs the database so much more than [`INSERT`], which fails if there is an entry in the way, that
    /// it is worth while to try this first. No new id meets one.
    pub(crate) insert_first: bool,
    /// Two values: a time and a limit.
    pub(crate) delete_expired: &'static str,
}

pub(crate) struct Statements {
    /// No values, no rows: whether the table is there and has the columns.
    pub(crate) probe: Statement,
    pub(crate) load: Statement,
    pub(crate) insert: Option<Statement>,
    pub(crate) create: Statement,
    pub(crate) update: Statement,
    pub(crate) touch: Statement,
    pub(crate) delete: Statement,
    pub(crate) keys_of_user: Statement,
    pub(crate) delete_expired: Statement,
}

const PROBE: &str =
    "SELECT session_key, version, payload, user_id, created, deadline FROM {table} WHERE 1 = 0";

const LOAD: &str = "SELECT version, payload, deadline, user_id FROM {table} WHERE session_key = ?";

const INSERT: &str = "INSERT INTO {table} (session_key, version, payload, user_id, created, deadline) \
                      VALUES (?, ?, ?, ?, ?, ?)";

const UPDATE: &str = "UPDATE {table} SET version = ?, payload = ?, user_id = ?, deadline = ? \
                      WHERE session_key = ? AND version = ? AND deadline > ?";

const TOUCH: &str = "UPDATE {table} SET deadline = ? \
                     WHERE session_key = ? AND version = ? AND deadline > ? AND deadline < ?";

const DELETE: &str = "DELETE FROM {table} WHERE session_key = ? AND version = ?";

const KEYS_OF_USER: &str = "SELECT session_key FROM {table} WHERE user_id = ?";

impl Statements {
    pub(crate) fn new(table: &Table, dialect: &Dialect) -> Self {
        let Dialect { quote, .. } = dialect;
        let table = format!("{quote}{}{quote}", table.as_str());
        let statement = |text: &str| Statement::new(text.replace("{table}", &table), dialect);
        Statements {
            probe: statement(PROBE),
            load: statement(LOAD),
            insert: dialect.insert_first.then(|| statement(INSERT)),
            create: statement(dialect.create),
            update: statement(UPDATE),
            touch: statement(TOUCH),
            delete: statement(DELETE),
            keys_of_user: statement(KEYS_OF_USER),
            delete_expired: statement(dialect.delete_expired),
        }
    }
}

/// Numbers the question marks.
fn number(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (position, part) in (1..).zip(parts) {
        numbered += &format!("${position}{part}");
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_are_numbered_in_their_order() {
        assert_eq!(number("a ? b ?, ?"), "a $1 b $2, $3");
        assert_eq!(number("none"), "none");
    }
}
