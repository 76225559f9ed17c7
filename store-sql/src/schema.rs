//! The table: its name, and how it comes to be.

use std::fmt;
use std::str::FromStr;

/// The name of the table that sessions are kept in, `anysession` unless another one is chosen.
///
/// It is what is put into SQL, so it is checked here, once: 1 to 50 ASCII letters, digits and underscores, not beginning
/// with a digit. (PostgreSQL cuts names off after 63 bytes, and those of the indexes are longer.) It is quoted wherever
/// it stands, so its case counts where the database says so, and a reserved word may be a table too.
///
/// ```
/// use anysession_sql::Table;
///
/// let table: Table = "web_sessions".parse()?;
/// assert!("sessions; DROP TABLE users".parse::<Table>().is_err());
/// # Ok::<(), anysession_sql::InvalidTable>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Table(String);

const DEFAULT: &str = "anysession";
const MAX_LEN: usize = 50;

impl Table {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text of a schema file for this table. Nothing but names says `anysession` in these files.
    pub(crate) fn rename(&self, schema: &str) -> String {
        schema.replace(DEFAULT, &self.0)
    }
}

impl Default for Table {
    fn default() -> Self {
        Table(DEFAULT.to_owned())
    }
}

impl FromStr for Table {
    type Err = InvalidTable;

    fn from_str(name: &str) -> Result<Self, InvalidTable> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = (1..=MAX_LEN).contains(&name.len())
            && name.bytes().all(is_part)
            && !name.as_bytes()[0].is_ascii_digit();
        match is_name {
            true => Ok(Table(name.to_owned())),
            false => Err(InvalidTable(())),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// This cannot be the name of a table. The text does not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to {MAX_LEN} letters, digits and underscores, the first of them no digit")]
pub struct InvalidTable(());

/// Whether opening a store may create its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CreateTable {
    /// If it is missing. Nothing is asked of the account that only the creation needs, once the table is there.
    Auto,
    /// The table is somebody else's business: a migration's.
    Never,
    /// It is another table: Flask-Session's.
    OfFlask,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_name_is_refused() {
        for name in [
            "", "1st", "a b", "a\"b", "a`b", "a.b", "a;b", "a-b", "ä", "a\0b", "a'", "%s",
        ] {
            assert!(name.parse::<Table>().is_err(), "{name:?}");
        }
        assert!("x".repeat(MAX_LEN).parse::<Table>().is_ok());
        assert!("x".repeat(MAX_LEN + 1).parse::<Table>().is_err());
        assert!("_Order2".parse::<Table>().is_ok());
    }

    #[test]
    fn the_schema_of_another_table_names_nothing_else() {
        let table: Table = "web".parse().unwrap();
        for (schema, names) in [
            (include_str!("../schema/sqlite.sql"), 5),
            (include_str!("../schema/postgres.sql"), 5),
            (include_str!("../schema/mysql.sql"), 3),
        ] {
            assert_eq!(Table::default().rename(schema), schema);
            assert_eq!(schema.matches(DEFAULT).count(), names);
            let renamed = table.rename(schema);
            assert!(!renamed.contains(DEFAULT));
            assert_eq!(
                renamed.matches("\"web").count() + renamed.matches("`web").count(),
                names
            );
        }
    }
}
