//! What a configuration that is shared with Flask may say, and what its words mean here.

use super::Url;
use super::builder::ConfigBuilder;
use super::error::ConfigError;
use super::key::{ConfigKey, Naming};
use crate::driver::Location;
use crate::flask::Flask;

/// Where Flask-Session keeps its files if nothing is said.
const DIRECTORY: &str = "flask_session";

impl ConfigBuilder {
    /// The settings of Flask-Session, and no setting that Flask could not keep to.
    pub(super) fn checked_flask(&self) -> Result<Flask, ConfigError> {
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
                return refused(ConfigKey::UseSigner, "true", &why);
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
pub(super) fn place(
    naming: Naming,
    store_type: Option<String>,
    url: Option<Url>,
) -> Result<(Option<String>, Option<Url>), ConfigError> {
    let scheme = (url.as_ref()).and_then(|url| Location::parse(&url.0).scheme().map(str::to_owned));
    match store_type.as_deref() {
        Some("filesystem" | "cachelib") => Ok((
            Some("filesystem".to_owned()),
            url.or_else(|| Some(Url(DIRECTORY.to_owned()))),
        )),
        Some("sqlalchemy") if scheme.is_some() => Ok((None, url)),
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
        _ => Ok((store_type, url)),
    }
}
