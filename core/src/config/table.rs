//! Reading a configuration from a table of a file, through serde: `[session]` with `[session.cookie]` in it.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::{Config, ConfigBuilder};

/// From a map with the keys of [`Config`]'s table, the cookie's in a map of their own or as `cookie_name` and the like.
/// Values are strings, booleans and whole numbers; null is an empty string.
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let builder = Config::builder().deserialize(deserializer)?;
        builder.build().map_err(D::Error::custom)
    }
}

/// Sets what such a map names, on top of what was set before.
///
/// ```
/// use anysession::Config;
/// use serde::de::DeserializeSeed;
///
/// let table = toml::Deserializer::parse("lifetime = \"30m\"")?;
/// let builder = Config::builder().cookie_name("app").deserialize(table)?;
/// let config = builder.with_env()?.build()?;
/// assert_eq!(config.cookie().name(), "__Host-app");
/// assert_eq!(config.lifetime(), std::time::Duration::from_secs(30 * 60));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<'de> DeserializeSeed<'de> for ConfigBuilder {
    type Value = ConfigBuilder;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        let mut pairs = Vec::new();
        let table = Table {
            group: "",
            pairs: &mut pairs,
        };
        table.deserialize(deserializer)?;
        self.with_pairs(pairs).map_err(D::Error::custom)
    }
}

/// Collects the pairs of a map as text; they are understood where all others are.
struct Table<'a> {
    /// What comes before its keys: nothing, or `cookie.`.
    group: &'static str,
    pairs: &'a mut Vec<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Table<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Not `deserialize_map`: some formats would then refuse a string by a message that shows it.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Table<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of ")?;
        f.write_str(if self.group.is_empty() {
            "session settings"
        } else {
            "cookie settings"
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if self.group.is_empty() && key == "cookie" {
                map.next_value_seed(Table {
                    group: "cookie.",
                    pairs: self.pairs,
                })?;
            } else {
                let key = format!("{}{key}", self.group);
                let value = map.next_value_seed(Scalar { key: &key })?;
                self.pairs.push((key, value));
            }
        }
        Ok(())
    }

    /// Serde's own message would show the text, and it may be a url with a password.
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(format_args!(
            "expected {}, not a string",
            &self as &dyn serde::de::Expected
        )))
    }
}

/// A value as text, whichever type the format gave it.
struct Scalar<'a> {
    key: &'a str,
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a string, a boolean or a whole number for `{}`",
            self.key
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_none<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_table_of_native_values_and_one_of_text_say_the_same() {
        let native: Config = toml::from_str(
            r#"
            type = "filesystem"
            url = "var/sessions"
            permanent = true
            lifetime = 1800
            size_limit = 4096
            [cookie]
            name = "shop"
            secure = true
            http_only = false
            "#,
        )
        .unwrap();
        let text: Config = serde_json::from_str(
            r#"{"type": "filesystem", "url": "var/sessions", "permanent": "on", "lifetime": "30m",
                "absolute_lifetime": null, "size_limit": "4KiB", "cookie_name": "shop",
                "cookie": {"secure": "yes", "http_only": "no", "domain": null}}"#,
        )
        .unwrap();
        assert_eq!(native, text);
        assert_eq!(native.lifetime(), Duration::from_secs(1800));
        assert_eq!(native.cookie().name(), "__Host-shop");
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_field_lists_the_known_ones() {
        for text in [r#"{"cokie_name": "x"}"#, r#"{"cookie": {"nmae": "x"}}"#] {
            let error = serde_json::from_str::<Config>(text)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("the settings are: type, url, permanent,"),
                "{error}"
            );
        }
        let error = toml::from_str::<Config>("secure = true")
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean `cookie.secure`?"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        for (text, expected) in [
            (r#"{"lifetime": 1.5}"#, "whole number for `lifetime`"),
            (
                r#"{"lifetime": true}"#,
                "lifetime = \"true\" cannot be used",
            ),
            (r#"{"lifetime": -1}"#, "lifetime = \"-1\" cannot be used"),
            (
                r#"{"cookie": {"secure": []}}"#,
                "whole number for `cookie.secure`",
            ),
            (
                r#"{"cookie": {"name": null}}"#,
                "cookie.name = \"\" cannot be used",
            ),
            (r#"{"cookie": true}"#, "expected a table of cookie settings"),
            (
                r#"{"cookie": {}, "cookie": {"cookie": {}}}"#,
                "whole number for `cookie.cookie`",
            ),
            (
                r#"{"cookie": {"name": "a"}, "cookie_name": "b"}"#,
                "cookie_name is given twice",
            ),
            (
                r#"{"lifetime": 1, "lifetime": 1}"#,
                "lifetime is given twice",
            ),
        ] {
            let error = serde_json::from_str::<Config>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        for text in [
            r#""redis://u:hunter2@h""#,
            r#"{"cookie": "redis://u:hunter2@h"}"#,
            r#"{"type": "redis://u:hunter2@h"}"#,
            r#"{"lifetime": "redis://u:hunter2@h"}"#,
            r#"{"url": "redis://u:hunter2@h", "lifetime": 0}"#,
            r#"{"url": "redis://u:hunter2@h", "cookie": {"path": "x"}}"#,
        ] {
            let error = serde_json::from_str::<Config>(text)
                .unwrap_err()
                .to_string();
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }

        // toml quotes the line that an error is about: it must not be the url's.
        #[derive(Debug, Deserialize)]
        struct File {
            #[serde(rename = "session")]
            _session: Config,
        }
        let text = "[session]\nurl = \"redis://u:hunter2@h\"\nlifetime = 0";
        let error = toml::from_str::<File>(text).unwrap_err().to_string();
        assert!(error.contains("lifetime = \"0\" cannot be used"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
