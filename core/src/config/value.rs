//! Reading values from text, and their bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::builder::{Layout, Preset};
use super::duration;
use super::error::ConfigError;
use super::key::{ConfigKey, Naming};
use crate::cookie::{CookiePrefix, SameSite};
use crate::flask::Format;

/// A setting's value as text, with what an error has to say about it.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) naming: Naming,
    pub(super) key: ConfigKey,
    pub(super) text: &'a str,
}

impl<'a> Value<'a> {
    /// The text, or nothing if it is empty.
    pub(super) fn optional(self) -> Option<&'a str> {
        (!self.text.is_empty()).then_some(self.text)
    }

    /// The text, or nothing if it says so.
    pub(super) fn unless_none(self) -> Option<&'a str> {
        self.optional()
            .filter(|text| !text.eq_ignore_ascii_case("none"))
    }

    pub(super) fn boolean(self) -> Result<bool, ConfigError> {
        self.one_of(
            &[
                ("true", true),
                ("false", false),
                ("1", true),
                ("0", false),
                ("yes", true),
                ("no", false),
                ("on", true),
                ("off", false),
            ],
            "true or false (also 1/0, yes/no, on/off)",
        )
    }

    pub(super) fn same_site(self) -> Result<SameSite, ConfigError> {
        self.one_of(
            &[
                ("lax", SameSite::Lax),
                ("strict", SameSite::Strict),
                ("none", SameSite::None),
            ],
            "lax, strict or none",
        )
    }

    pub(super) fn cookie_prefix(self) -> Result<CookiePrefix, ConfigError> {
        self.one_of(
            &[
                ("auto", CookiePrefix::Auto),
                ("host", CookiePrefix::Host),
                ("secure", CookiePrefix::Secure),
                ("none", CookiePrefix::None),
            ],
            "auto, host, secure or none",
        )
    }

    pub(super) fn layout(self) -> Result<Layout, ConfigError> {
        self.one_of(
            &[
                ("native", Layout::Native),
                ("flask", Layout::Flask),
                ("leaving_flask", Layout::LeavingFlask),
            ],
            "native, flask or leaving_flask",
        )
    }

    pub(super) fn format(self) -> Result<Format, ConfigError> {
        self.one_of(
            &[("msgpack", Format::MessagePack), ("json", Format::Json)],
            "msgpack or json",
        )
    }

    pub(super) fn preset(self) -> Result<Preset, ConfigError> {
        self.one_of(
            &[
                ("aal1", Preset::Aal1),
                ("aal2", Preset::Aal2),
                ("aal3", Preset::Aal3),
            ],
            "aal1, aal2 or aal3",
        )
    }

    pub(super) fn duration(self) -> Result<Duration, ConfigError> {
        duration::parse(self.text)
            .filter(|duration| DURATIONS.contains(duration))
            .ok_or_else(|| self.invalid(EXPECTED_DURATION))
    }

    pub(super) fn optional_duration(self) -> Result<Option<Duration>, ConfigError> {
        let Some(text) = self.unless_none() else {
            return Ok(None);
        };
        duration::parse(text)
            .filter(|duration| DURATIONS.contains(duration))
            .map(Some)
            .ok_or_else(|| self.invalid(&format!("{EXPECTED_DURATION}, or \"none\"")))
    }

    pub(super) fn size(self) -> Result<usize, ConfigError> {
        let (digits, unit) = match self.text.find(|c: char| !c.is_ascii_digit()) {
            Some(at) => self.text.split_at(at),
            None => (self.text, ""),
        };
        let factor = match unit {
            "" => Some(1),
            "KiB" => Some(1024),
            "MiB" => Some(1024 * 1024),
            _ => None,
        };
        digits
            .parse::<usize>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .filter(|size| SIZES.contains(size))
            .ok_or_else(|| self.invalid(EXPECTED_SIZE))
    }

    fn one_of<T: Copy>(self, known: &[(&str, T)], expected: &str) -> Result<T, ConfigError> {
        known
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(self.text))
            .map(|(_, value)| *value)
            .ok_or_else(|| self.invalid(expected))
    }

    fn invalid(self, expected: &str) -> ConfigError {
        ConfigError::invalid(self.naming, self.key, self.text, expected)
    }
}

/// 100 years are far beyond any use, and far from the end of what a store's timestamps hold.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// In bytes.
const SIZES: RangeInclusive<usize> = 1024..=16 * 1024 * 1024;

/// Checks a duration that was not read from text.
pub(super) fn check_duration(
    naming: Naming,
    key: ConfigKey,
    duration: Duration,
) -> Result<(), ConfigError> {
    if DURATIONS.contains(&duration) {
        return Ok(());
    }
    let written = format!("{duration:?}");
    Err(ConfigError::invalid(
        naming,
        key,
        &written,
        EXPECTED_DURATION,
    ))
}

const EXPECTED_DURATION: &str = "a duration from 1 second to 100 years, such as \"31d\", \"12h\", \"30m\", \"90s\", \
                                 \"1h30m\" or a whole number of seconds";

const EXPECTED_SIZE: &str =
    "a number of bytes from 1024 to 16777216, or one such as \"64KiB\" or \"1MiB\"";

/// Checks a size that was not read from text.
pub(super) fn check_size(naming: Naming, size: usize) -> Result<(), ConfigError> {
    if SIZES.contains(&size) {
        return Ok(());
    }
    Err(ConfigError::invalid(
        naming,
        ConfigKey::SizeLimit,
        &size.to_string(),
        EXPECTED_SIZE,
    ))
}

/// The name of a driver. A url that was put here by mistake is recognised by its punctuation.
pub(super) fn check_type(naming: Naming, name: &str) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(plain) {
        return Ok(());
    }
    let expected = format!(
        "the name of a store, such as memory, filesystem, redis, sqlite, postgres or mysql; a url goes into {}",
        naming.of(ConfigKey::Url)
    );
    Err(ConfigError::invalid(
        naming,
        ConfigKey::Type,
        name,
        expected,
    ))
}
