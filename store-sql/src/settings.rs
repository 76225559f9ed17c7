//! The options that all three databases share, and how an option is read.

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
        let options = Options { location, driver };
        let duration = "a time such as 500ms, 2s or 1m, and not 0";
        let table = "1 to 50 letters, digits and underscores, the first of them no digit";
        Ok(Settings {
            table: options
                .read("table", table, |name| name.parse().ok())?
                .unwrap_or_default(),
            create_table: options
                .read("create_table", "auto or never", create_table)?
                .unwrap_or(CreateTable::Auto),
            pool: options
                .read("pool", "a number of connections, 1 to 10000", pool)?
                .unwrap_or(POOL),
            acquire_timeout: options
                .read("acquire_timeout", duration, parse_duration)?
                .unwrap_or(ACQUIRE_TIMEOUT),
            timeout: options
                .read("timeout", duration, parse_duration)?
                .unwrap_or(TIMEOUT),
        })
    }

    /// The same for sessions in Flask-Session's table, and whether that one may be created.
    pub(crate) fn of_flask(
        location: &Location,
        driver: &'static str,
    ) -> Result<(Self, CreateTable), ConnectError> {
        let options = Options { location, driver };
        options.read("table", "none: with Flask's layout it is a setting", |_| {
            None::<()>
        })?;
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

/// A whole number and its unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let milliseconds = digits.parse::<u64>().ok()?.checked_mul(milliseconds_each)?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// The options of a location, and whose they are.
pub(crate) struct Options<'a> {
    pub(crate) location: &'a Location,
    pub(crate) driver: &'static str,
}

impl Options<'_> {
    /// An option, if it is given and can be used. The error does not repeat its value.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConnectError> {
        let Some(value) = self.location.option(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(ConnectError::BadOption {
                driver: self.driver,
                option: name.to_owned(),
                expected: expected.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("1m"), Some(Duration::from_secs(60)));
        for text in [
            "",
            "2",
            "s",
            "0s",
            "-1s",
            "1h",
            "2 s",
            "99999999999999999999s",
            "18446744073709551615m",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_option_that_cannot_be_used_says_what_was_expected() {
        for (url, expected) in [
            ("x?table=a-b", "letters, digits"),
            ("x?create_table=yes", "auto or never"),
            ("x?pool=0", "1 to 10000"),
            ("x?timeout=2", "2s"),
            ("x?acquire_timeout=0s", "not 0"),
        ] {
            let error = Settings::of(&Location::parse(url), "sqlite").err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
