//! What has to be said about the Flask application.

use std::fmt;

use crate::id::StoreKey;
use crate::store::StoreError;

/// How Flask-Session is configured in the application that shares its sessions. The defaults are those of Flask-Session.
///
/// ```
/// use anysession::Config;
/// use anysession::flask::{Flask, Format};
///
/// let flask = Flask::default().with_key_prefix("shop:").with_format(Format::Json);
/// let config = Config::builder().flask(flask).url("redis://localhost:6379/0").build()?;
/// # Ok::<(), anysession::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Flask {
    pub(crate) key_prefix: String,
    pub(crate) format: Format,
    pub(crate) secret_key: Option<String>,
    pub(crate) table: String,
    pub(crate) schema: Option<String>,
}

/// How a session is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// MessagePack.
    #[default]
    MessagePack,
    /// JSON. It is what files have, whose `FileSystemCache` needs `serializer = JSONSerializer()` for that.
    Json,
}

impl Default for Flask {
    fn default() -> Self {
        Flask {
            key_prefix: "session:".to_owned(),
            format: Format::default(),
            secret_key: None,
            table: "sessions".to_owned(),
            schema: None,
        }
    }
}

impl Flask {
    /// `SESSION_KEY_PREFIX`: what stands before the id in the name of a session, in every store.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// `SESSION_SERIALIZATION_FORMAT`.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// `SESSION_USE_SIGNER`, and the `SECRET_KEY` by which ids in cookies are signed.
    #[must_use]
    pub fn with_signer(mut self, secret_key: impl Into<String>) -> Self {
        self.secret_key = Some(secret_key.into());
        self
    }

    /// `SESSION_SQLALCHEMY_TABLE`.
    #[must_use]
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// `SESSION_SQLALCHEMY_SCHEMA`.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// What stands before the id in the name of a session.
    pub fn key_prefix(&self) -> &str {
        &self.key_prefix
    }

    /// The table of an SQL database.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The schema of the table, if it is not the connection's own.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// How a session is written.
    pub fn format(&self) -> Format {
        self.format
    }
}

/// What a store of Flask's layout calls what it keeps under this key, with this [prefix](Flask::key_prefix).
///
/// What is not under an id, such as a tombstone, gets a name that no cookie reaches, also without a prefix: a colon is in no
/// id.
pub fn name_of(key_prefix: &str, key: &StoreKey) -> String {
    match key.plain() {
        Some(id) => format!("{key_prefix}{id}"),
        None => format!("anysession:replaced:{key}"),
    }
}

/// What a store of Flask's layout answers to [`keys_of_user`](crate::Store::keys_of_user).
pub fn no_users(store: &'static str) -> StoreError {
    let why = "Flask-Session keeps no index of users, so nobody knows which sessions a user has";
    StoreError::new(store, "keys_of_user", why)
}

/// It does not show the secret key.
impl fmt::Debug for Flask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flask")
            .field("key_prefix", &self.key_prefix)
            .field("format", &self.format)
            .field("signed", &self.secret_key.is_some())
            .field("table", &self.table)
            .field("schema", &self.schema)
            .finish()
    }
}
