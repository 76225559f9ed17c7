//! What opens a store: a driver, and the location that it is handed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::flask::Flask;
use crate::store::Store;

/// Opens one kind of store. Every store crate exports its own: a `const DRIVER`, or one for each database.
#[derive(Clone, Copy)]
pub struct Driver {
    /// What `SESSION_TYPE` calls it, for example `filesystem`.
    pub name: &'static str,
    /// The schemes of the URLs that it opens, for example `file`. They choose the driver when no type is configured.
    pub schemes: &'static [&'static str],
    /// Opens the store at a location.
    pub connect: fn(Location) -> Connecting,
    /// Opens it in the layout that is [shared with Flask](crate::flask), if it has one.
    pub connect_flask: Option<fn(Location, Flask) -> Connecting>,
}

/// A store that is being opened.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Arc<dyn Store>, ConnectError>> + Send>>;

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("name", &self.name)
            .field("schemes", &self.schemes)
            .finish()
    }
}

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

/// A store could not be opened. No text of it holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No linked driver has this type or scheme.
    #[error("unknown session store {wanted:?}: this application links {known}{hint}")]
    UnknownType {
        /// What was configured.
        wanted: String,
        /// The linked drivers.
        known: String,
        /// How to get the missing one, if it is known.
        hint: String,
    },
    /// There is a URL, but neither a type nor a scheme that would say which driver opens it.
    #[error(
        "a session url is configured, but not which store opens it: set `type` to one of {known}, or write the url with its scheme"
    )]
    NoType {
        /// The linked drivers.
        known: String,
    },
    /// The URL has an option that its driver does not know.
    #[error("the {driver} store does not know the option {option:?}; it knows: {known}")]
    UnknownOption {
        /// The driver.
        driver: &'static str,
        /// What was given.
        option: String,
        /// What can be given.
        known: String,
    },
    /// An option has a value that cannot be used.
    #[error("the {driver} store cannot use its option {option:?}: expected {expected}")]
    BadOption {
        /// The driver.
        driver: &'static str,
        /// The option.
        option: String,
        /// What was expected.
        expected: String,
    },
    /// The configuration shares its sessions with Flask, and this store cannot.
    #[error(
        "the {driver} store has no layout that could be shared with Flask: use redis, filesystem, sqlite, postgres or mysql"
    )]
    NoFlask {
        /// The driver.
        driver: &'static str,
    },
    /// The driver could not open the store.
    #[error("the {driver} store could not be opened")]
    Failed {
        /// The driver.
        driver: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
}
