//! What is wrong with a configuration.

use super::key::{ConfigKey, Naming};

/// A configuration cannot be used.
///
/// Every message calls the key as it was written (`lifetime` or `SESSION_LIFETIME`) and says what was expected. A value
/// that may hold a password is not shown.
///
/// ```
/// use anysession::Config;
///
/// let error = Config::from_pairs([("lifetime", "31 days")]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "lifetime = \"31 days\" cannot be used; expected a duration from 1 second to 100 years, \
///      such as \"31d\", \"12h\", \"30m\", \"90s\", \"1h30m\" or a whole number of seconds"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such setting. It may be misspelt, or belong to another library.
    #[error("{key} is not a session setting{hint}; the settings are: {known}")]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// The setting that was probably meant, as a question; empty if there is none.
        hint: String,
        /// All settings.
        known: String,
    },
    /// A setting is given twice, so that one of the two would be lost.
    #[error("{key} is given twice; leave one of them out")]
    GivenTwice {
        /// The key as it was written the second time.
        key: String,
    },
    /// The value of a variable is not text.
    #[error("the value of {key} is not valid UTF-8; set it again as plain text")]
    NotText {
        /// The variable.
        key: String,
    },
    /// A value cannot be read, or is out of its bounds.
    #[error("{key} = {value} cannot be used; expected {expected}")]
    Invalid {
        /// The key as it was written.
        key: String,
        /// The value, quoted; `…` where it may hold a password.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A value is good by itself, but together with the others it makes a cookie that browsers drop, or cannot be kept
    /// to.
    #[error("{key} = {value} cannot be used here: {reason}")]
    Refused {
        /// The key as it was written.
        key: String,
        /// The value.
        value: String,
        /// Why, and what to change.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn unknown(naming: Naming, written: &str) -> Self {
        let meant = naming.nearest(written);
        ConfigError::UnknownKey {
            key: written.to_owned(),
            hint: meant.map_or_else(String::new, |key| format!(" (did you mean `{key}`?)")),
            known: naming.list(),
        }
    }

    pub(crate) fn invalid(
        naming: Naming,
        key: ConfigKey,
        value: &str,
        expected: impl Into<String>,
    ) -> Self {
        ConfigError::Invalid {
            key: naming.of(key),
            value: shown(key, value),
            expected: expected.into(),
        }
    }

    pub(crate) fn refused(naming: Naming, key: ConfigKey, value: &str, reason: String) -> Self {
        ConfigError::Refused {
            key: naming.of(key),
            value: shown(key, value),
            reason,
        }
    }
}

/// A value for an error's text: short, and without what may be a password. The url belongs under `url`, whose value is
/// never shown, but it may have been written elsewhere by mistake, most likely under `type`.
fn shown(key: ConfigKey, value: &str) -> String {
    const LONGEST: usize = 80;
    if matches!(key, ConfigKey::Type | ConfigKey::Url | ConfigKey::SecretKey)
        || value.contains("://")
        || value.contains('@')
    {
        return "…".to_owned();
    }
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}
