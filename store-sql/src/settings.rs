//! The options that all three databases share.

use std::time::Duration;

use anysession::{ConnectError, Location};

use crate::schema::{CreateTable, Table};

/// What a URL says beside where the database is.
pub(crate) struct Settings {
    pub(crate) table: Table,
    pub(crate) create_table: CreateTable,
    pub(crate) pool: usize,
    pub(crate) acquire_timeout: Duration,
    pub(crate) timeout: Duration,
}

/// How long a verb may take, unless the URL says so: long enough for a server that is busy, short enough that a server
/// that hangs does not take the application with it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const POOL: usize = 10;
const MAX_POOL: usize = 10_000;

impl Settings {
    pub(crate) fn of(location: &Location, driver: &'static str) -> Result<Self, ConnectError> {
        let table = "1 to 50 letters, digits and underscores, the first of them no digit";
        Ok(Settings {
            table: location
                .read(driver, "table", table, |name| name.parse().ok())?
                .unwrap_or_default(),
            create_table: location
                .read(driver, "create_table", "auto or never", create_table)?
                .unwrap_or(CreateTable::Auto),
            pool: location
                .read(driver, "pool", "a number of connections, 1 to 10000", pool)?
                .unwrap_or(POOL),
            acquire_timeout: location
                .read_duration(driver, "acquire_timeout")?
                .unwrap_or(ACQUIRE_TIMEOUT),
            timeout: location
                .read_duration(driver, "timeout")?
                .unwrap_or(TIMEOUT),
        })
    }

    /// The same for sessions in Flask-Session's table, and whether that one may be created.
    pub(crate) fn of_flask(
        location: &Location,
        driver: &'static str,
    ) -> Result<(Self, CreateTable), ConnectError> {
        let expected = "none: with Flask's layout it is a setting";
        location.read(driver, "table", expected, |_| None::<()>)?;
        let settings = Self::of(location, driver)?;
        let create = settings.create_table;
        let create_table = CreateTable::OfFlask;
        Ok((
            Settings {
                create_table,
                ..settings
            },
            create,
        ))
    }
}

fn create_table(value: &str) -> Option<CreateTable> {
    match value {
        "auto" => Some(CreateTable::Auto),
        "never" => Some(CreateTable::Never),
        _ => None,
    }
}

fn pool(value: &str) -> Option<usize> {
    let size = value.parse().ok()?;
    (1..=MAX_POOL).contains(&size).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_cannot_be_used_says_what_was_expected() {
        for (url, expected) in [
            ("x?table=a-b", "letters, digits"),
            ("x?create_table=yes", "auto or never"),
            ("x?pool=0", "1 to 10000"),
            ("x?timeout=soon", "2s"),
            ("x?acquire_timeout=0s", "not 0"),
        ] {
            let error = Settings::of(&Location::parse(url), "sqlite").err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
