//! What a configuration that is shared with Flask may say, and what its words mean here.

use super::Url;
use super::builder::ConfigBuilder;
use super::error::ConfigError;
use super::key::{ConfigKey, Naming};
use crate::flask::Flask;
use crate::location::Location;

/// Where Flask-Session keeps its files if nothing is said.
pub(super) const DIRECTORY: &str = "flask_session";

impl ConfigBuilder {
    /// Refuses what Flask could not keep to.
    pub(super) fn check_flask_keeps_to(&self) -> Result<(), ConfigError> {
        let naming = self.naming;
        let refused = |key, value: &str, why: &str| {
            Err(ConfigError::refused(naming, key, value, why.to_owned()))
        };
        if self.absolute_lifetime.flatten().is_some() {
            let why = "Flask-Session does not say when a session was begun, so none can end by it";
            return refused(ConfigKey::AbsoluteLifetime, "…", why);
        }
        if self.preset.is_some() {
            let why = "its absolute lifetime cannot be kept to in Flask-Session's layout";
            return refused(ConfigKey::Preset, "…", why);
        }
        if self.cookie.partitioned == Some(true) {
            let why = "Flask-Session does not write it, and the browser would keep two cookies";
            return refused(ConfigKey::CookiePartitioned, "true", why);
        }
        Ok(())
    }

    /// The settings of Flask-Session.
    pub(super) fn checked_flask(&self) -> Result<Flask, ConfigError> {
        let naming = self.naming;
        for (key, name) in [
            (ConfigKey::SqlalchemyTable, Some(&self.flask.table)),
            (ConfigKey::SqlalchemySchema, self.flask.schema.as_ref()),
        ] {
            if let Some(name) = name.filter(|name| !is_name(name)) {
                let expected = "letters, digits and _, at most 63 of them";
                return Err(ConfigError::invalid(naming, key, name, expected));
            }
        }
        let mut flask = self.flask.clone();
        match (self.use_signer, &flask.secret_key) {
            (true, None) => {
                let why = format!("set {} to Flask's", naming.of(ConfigKey::SecretKey));
                return Err(ConfigError::refused(
                    naming,
                    ConfigKey::UseSigner,
                    "true",
                    why,
                ));
            }
            (true, Some(_)) => {}
            (false, _) => flask.secret_key = None,
        }
        Ok(flask)
    }
}

/// What is written into a statement as it is, between quotes.
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the sessions lie in files, where Flask-Session asks cachelib's serializer for the format.
pub(super) fn is_in_files(store_type: Option<&str>, url: Option<&Url>) -> bool {
    match store_type {
        Some(name) => name == "filesystem",
        None => url.is_some_and(|url| Location::parse(&url.0).scheme() == Some("file")),
    }
}

/// The store that is meant, in the words of this library.
pub(super) fn store_type(
    naming: Naming,
    store_type: Option<String>,
    url: Option<&Url>,
) -> Result<Option<String>, ConfigError> {
    let scheme = url.and_then(|url| Location::parse(&url.0).scheme().map(str::to_owned));
    match store_type.as_deref() {
        Some("filesystem" | "cachelib") => Ok(Some("filesystem".to_owned())),
        Some("sqlalchemy") if scheme.is_some() => Ok(None),
        Some("sqlalchemy") => Err(ConfigError::refused(
            naming,
            ConfigKey::Type,
            "sqlalchemy",
            format!(
                "set {} to where the database is, such as \"postgres://app:password@db/app\"",
                naming.of(ConfigKey::Url)
            ),
        )),
        None if url.is_none() => Err(ConfigError::refused(
            naming,
            ConfigKey::Layout,
            "flask",
            format!(
                "set {} to redis, filesystem or sqlalchemy, or {}",
                naming.of(ConfigKey::Type),
                naming.of(ConfigKey::Url)
            ),
        )),
        _ => Ok(store_type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::flask::Format;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let pairs = [("layout", "flask")]
            .into_iter()
            .chain(pairs.iter().copied());
        Config::from_pairs(pairs)
    }

    #[test]
    fn what_is_not_said_is_as_in_flask() {
        let config = read(&[("type", "redis")]).unwrap();
        assert_eq!(config, Config::flask().store_type("redis").build().unwrap());
        assert_eq!(
            config.to_string(),
            "type=redis permanent=true lifetime=31d absolute_lifetime=none size_limit=65536 \
             cookie=\"session; Path=/; HttpOnly\" layout=Flask { key_prefix: \"session:\", \
             format: MessagePack, signed: false, table: \"sessions\", schema: None }"
        );
    }

    #[test]
    fn the_store_is_called_as_flask_calls_it() {
        for (pairs, name, url) in [
            (
                &[("type", "cachelib")][..],
                Some("filesystem"),
                Some("flask_session"),
            ),
            (
                &[("type", "filesystem"), ("file_dir", "/var/s")],
                Some("filesystem"),
                Some("/var/s"),
            ),
            (
                &[("type", "sqlalchemy"), ("url", "sqlite://s.db")],
                None,
                Some("sqlite://s.db"),
            ),
            (&[("type", "redis")], Some("redis"), None),
            (&[("url", "redis://cache/1")], None, Some("redis://cache/1")),
        ] {
            let config = read(pairs).unwrap();
            assert_eq!(
                (config.store_type(), config.url()),
                (name, url),
                "{pairs:?}"
            );
        }
        let files = read(&[("type", "cachelib"), ("serialization_format", "msgpack")]).unwrap();
        assert_eq!(files.as_flask().map(Flask::format), Some(Format::Json));
    }

    #[test]
    fn what_flask_could_not_keep_to_is_refused() {
        for (pairs, key) in [
            (&[("absolute_lifetime", "12h")][..], "absolute_lifetime"),
            (&[("preset", "aal1")], "preset"),
            (
                &[("cookie.partitioned", "true"), ("cookie.secure", "true")],
                "cookie.partitioned",
            ),
            (&[("use_signer", "true")], "use_signer"),
            (&[("sqlalchemy_table", "a\"b")], "sqlalchemy_table"),
            (
                &[("serialization_format", "pickle")],
                "serialization_format",
            ),
        ] {
            let pairs: Vec<_> = [("type", "redis")].iter().chain(pairs).copied().collect();
            let error = read(&pairs).unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
        let error = read(&[]).unwrap_err().to_string();
        assert!(
            error.contains("set type to redis, filesystem or sqlalchemy"),
            "{error}"
        );
        let error = read(&[("type", "sqlalchemy")]).unwrap_err().to_string();
        assert!(
            error.contains("set url to where the database is"),
            "{error}"
        );
    }

    #[test]
    fn without_flask_its_settings_are_refused() {
        let error = Config::from_pairs([("key_prefix", "x:")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("set layout to flask"), "{error}");
    }

    #[test]
    fn the_secret_key_is_never_shown() {
        let secret = [
            ("use_signer", "true"),
            ("secret_key", "hunter2"),
            ("type", "redis"),
        ];
        let config = read(&secret).unwrap();
        let shown = format!(
            "{config} {config:?} {:?}",
            Config::flask().flask(Flask::default().with_signer("hunter2"))
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
