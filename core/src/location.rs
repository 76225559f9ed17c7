//! Where a store is, and with which options.

use std::fmt;
use std::time::Duration;

use crate::driver::ConnectError;

/// Where a store is: a configured URL or path, taken apart into what comes before the `?` and the options behind it.
#[derive(Clone)]
pub struct Location {
    base: String,
    options: Vec<(String, String)>,
}

impl Location {
    /// Takes a URL or a path apart. Options are percent-decoded, the rest is left as it is.
    pub fn parse(url: &str) -> Self {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let options = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        Location {
            base: base.to_owned(),
            options,
        }
    }

    /// What stands before the `?`. It may hold a password: neither print it nor put it into an error.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The scheme of a URL, `None` for a plain path.
    pub fn scheme(&self) -> Option<&str> {
        self.base.split_once("://").map(|(scheme, _)| scheme)
    }

    /// The path: all of it if there is no scheme, otherwise what follows `scheme://`, percent-decoded. Empty if
    /// nothing was configured.
    pub fn path(&self) -> String {
        match self.base.split_once("://") {
            Some((_, path)) => percent_encoding::percent_decode_str(path)
                .decode_utf8_lossy()
                .into_owned(),
            None => self.base.clone(),
        }
    }

    /// The value of an option, if it was given.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All options, for a driver that hands some on.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads an option, `None` if it was not given. `expected` completes the error's "expected …", which does not repeat
    /// the value.
    ///
    /// ```
    /// # use anysession::Location;
    /// let location = Location::parse("shop.db?pool=twenty");
    /// let pool = location.read("shop", "pool", "a number of connections", |text| text.parse::<usize>().ok());
    /// assert_eq!(
    ///     pool.unwrap_err().to_string(),
    ///     r#"the shop store cannot use its option "pool": expected a number of connections"#
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError::BadOption`] if `read` cannot.
    pub fn read<T>(
        &self,
        driver: &'static str,
        option: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConnectError> {
        let Some(value) = self.option(option) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(ConnectError::BadOption {
                driver,
                option: option.to_owned(),
                expected: expected.to_owned(),
            }),
        }
    }

    /// Reads an option that is a time: `500ms`, `2s`, `1m`, or whole seconds; from a millisecond to an hour.
    ///
    /// # Errors
    ///
    /// [`ConnectError::BadOption`] if it is none.
    pub fn read_duration(
        &self,
        driver: &'static str,
        option: &str,
    ) -> Result<Option<Duration>, ConnectError> {
        let expected = "a time such as 500ms, 2s or 1m, up to an hour, and not 0";
        self.read(driver, option, expected, duration)
    }

    /// Refuses options that the driver does not know, or that are given twice.
    pub fn check_options(
        &self,
        driver: &'static str,
        known: &'static [&'static str],
    ) -> Result<(), ConnectError> {
        for (position, (option, _)) in self.options.iter().enumerate() {
            if !known.contains(&option.as_str()) {
                return Err(ConnectError::UnknownOption {
                    driver,
                    option: shown(option).to_owned(),
                    known: known.join(", "),
                });
            }
            if self.options[..position]
                .iter()
                .any(|(earlier, _)| earlier == option)
            {
                return Err(ConnectError::BadOption {
                    driver,
                    option: option.clone(),
                    expected: "one value, but it is given twice".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// A URL with its password struck out, and the names of the options: their values may be secrets too.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password that holds a `?` puts the `@` behind it: then nothing of the base is safe to show.
        let torn = self
            .options
            .iter()
            .any(|(name, value)| name.contains('@') || value.contains('@'));
        let scheme = self
            .scheme()
            .map(|scheme| format!("{scheme}://"))
            .unwrap_or_default();
        match self.base.rfind('@') {
            Some(at) => write!(f, "{scheme}…{}", &self.base[at..])?,
            None if torn => write!(f, "{scheme}…")?,
            None => f.write_str(&self.base)?,
        }
        for (position, (option, _)) in self.options.iter().enumerate() {
            let separator = if position == 0 { '?' } else { '&' };
            write!(f, "{separator}{}=…", shown(option))?;
        }
        Ok(())
    }
}

/// The name of an option as it may be shown: one that is no name may be a piece of a password.
fn shown(option: &str) -> &str {
    let is_name = option
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_name { option } else { "…" }
}

/// A whole number and its unit, seconds if there is none.
fn duration(text: &str) -> Option<Duration> {
    const LONGEST: u64 = 60 * 60 * 1_000;
    let behind = |c: char| !c.is_ascii_digit();
    let (digits, unit) = text.split_at(text.find(behind).unwrap_or(text.len()));
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let milliseconds = digits.parse::<u64>().ok()?.checked_mul(milliseconds_each)?;
    (1..=LONGEST)
        .contains(&milliseconds)
        .then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for url in [
            "redis://user:hunter2@host:1/0?password=hunter2",
            "postgres://a:hun@ter2@h/d",
            "user:hunter2@host",
            "redis://user:hunter?2@host",
            "redis://user:?hunter2@host",
        ] {
            let location = Location::parse(url);
            let printed = format!("{location:?}");
            assert!(
                !printed.contains("hun") && !printed.contains("ter2"),
                "{printed}"
            );
            let error = location.check_options("redis", &["prefix"]);
            assert!(!format!("{error:?}").contains("ter2"), "{error:?}");
        }
        assert_eq!(
            format!("{:?}", Location::parse("redis://u:p@h/0?a=b")),
            "redis://…@h/0?a=…"
        );
    }

    #[test]
    fn a_path_may_be_plain_or_a_url() {
        assert_eq!(
            Location::parse("var/sessions?durability=relaxed").path(),
            "var/sessions"
        );
        assert_eq!(
            Location::parse("file:///var/my%20app").path(),
            "/var/my app"
        );
        assert_eq!(Location::parse("").path(), "");
    }

    #[test]
    fn an_unknown_option_lists_the_known_ones() {
        let location = Location::parse("x?durabilty=full");
        let error = location
            .check_options("filesystem", &["durability"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("durabilty") && error.contains("it knows: durability"),
            "{error}"
        );
    }

    #[test]
    fn an_option_given_twice_is_refused() {
        let location = Location::parse("x?a=1&a=2");
        assert!(location.check_options("memory", &["a"]).is_err());
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("2s", 2_000),
            ("2", 2_000),
            ("1m", 60_000),
            ("3600s", 3_600_000),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "s",
            "0s",
            "-1s",
            "+1s",
            "1h",
            "2 s",
            "61m",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615m",
        ] {
            assert_eq!(duration(text), None, "{text:?}");
        }
        let error = Location::parse("x?timeout=soon").read_duration("redis", "timeout");
        assert!(error.unwrap_err().to_string().contains("500ms, 2s or 1m"));
    }
}
