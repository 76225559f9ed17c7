//! The configuration: typed, read once, and valid from then on.

mod builder;
mod duration;
mod env;
mod error;
mod flask;
mod key;
mod table;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::cookie::Cookie;
use crate::flask::{Flask, Signer};
use crate::id::SessionId;
use crate::layout::Layout;
use crate::location::Location;

pub use builder::{ConfigBuilder, Preset};
pub use error::ConfigError;
pub(crate) use key::{ConfigKey, Naming};

/// How sessions behave, and where they are stored.
///
/// A `Config` is always valid: whichever way it comes in (from code, from pairs, from the environment, from a file), a
/// value out of its bounds, an unknown key and a cookie that a browser would drop are errors that name the key, what was
/// expected and what to do.
///
/// | key | variable | default | meaning |
/// | --- | --- | --- | --- |
/// | `type` | `SESSION_TYPE` | by the url's scheme, else `memory` | which driver opens `url` |
/// | `url` | `SESSION_URL` | none | where the store is; never printed with its password |
/// | `permanent` | `SESSION_PERMANENT` | `false` | whether the cookie outlives the browser: it then has `Max-Age` = lifetime |
/// | `lifetime` | `SESSION_LIFETIME` | `31d` | idle timeout: the session ends when this long passes without a request |
/// | `absolute_lifetime` | `SESSION_ABSOLUTE_LIFETIME` | `none` | hard end, counted from login; never slides. If it is the shorter one, it wins |
/// | `size_limit` | `SESSION_SIZE_LIMIT` | `64KiB` | bytes of one session's data, 1 KiB to 16 MiB |
/// | `preset` | `SESSION_PRESET` | none | `aal1`, `aal2` or `aal3`: lifetimes of a [`Preset`]; lifetimes given beside it win |
/// | `cookie.name` | `SESSION_COOKIE_NAME` | `id` | a token; the prefix is added to it |
/// | `cookie.domain` | `SESSION_COOKIE_DOMAIN` | none | none: this host only. A host name: its subdomains too |
/// | `cookie.path` | `SESSION_COOKIE_PATH` | `/` | which URLs get the cookie |
/// | `cookie.secure` | `SESSION_COOKIE_SECURE` | `true` | HTTPS only. `false` for development over plain HTTP |
/// | `cookie.http_only` | `SESSION_COOKIE_HTTP_ONLY` | `true` | scripts cannot read it |
/// | `cookie.same_site` | `SESSION_COOKIE_SAME_SITE` | `lax` | `lax`, `strict` or `none`: see [`SameSite`](crate::SameSite) |
/// | `cookie.partitioned` | `SESSION_COOKIE_PARTITIONED` | `false` | one cookie for each site that embeds this one (CHIPS) |
/// | `cookie.prefix` | `SESSION_COOKIE_PREFIX` | `auto` | `auto`, `host`, `secure` or `none`: see [`CookiePrefix`](crate::CookiePrefix) |
/// | `layout` | `SESSION_LAYOUT` | `native` | `flask` shares the sessions with a Flask application, `leaving_flask` moves them: see [`flask`](crate::flask) |
///
/// With `layout = flask` or `leaving_flask` there are these too, the variables are called as Flask calls them, and what is not said is by
/// Flask's defaults (but with `leaving_flask` the cookie is Secure and SameSite=Lax, and has `Max-Age`):
///
/// | key | variable | default | meaning |
/// | --- | --- | --- | --- |
/// | `type` | `SESSION_TYPE` | by the url's scheme | `redis`, `filesystem`, `cachelib` or `sqlalchemy` |
/// | `lifetime` | `PERMANENT_SESSION_LIFETIME` | `31d` | as above |
/// | `permanent` | `SESSION_PERMANENT` | `true` | as above; the cookie has `Expires` |
/// | `cookie.http_only`, `cookie.same_site` | `SESSION_COOKIE_HTTPONLY`, `SESSION_COOKIE_SAMESITE` | `true`, none | as above |
/// | `key_prefix` | `SESSION_KEY_PREFIX` | `session:` | what stands before the id in the store |
/// | `serialization_format` | `SESSION_SERIALIZATION_FORMAT` | `msgpack` | or `json` |
/// | `use_signer` | `SESSION_USE_SIGNER` | `false` | whether the id in the cookie is signed, with `secret_key` |
/// | `secret_key` | `SECRET_KEY` | none | Flask's; only for `use_signer` |
/// | `sqlalchemy_table`, `sqlalchemy_schema` | `SESSION_SQLALCHEMY_TABLE`, `SESSION_SQLALCHEMY_SCHEMA` | `sessions`, none | the table |
/// | `file_dir` | `SESSION_FILE_DIR` | `flask_session` | another name of `url` |
///
/// As text, a duration is `31d`, `12h`, `30m`, `90s`, `2w`, a sum such as `1h30m`, or whole seconds, from 1 second to
/// 100 years; a size is in bytes or has the unit `KiB` or `MiB`; a boolean is true/false, 1/0, yes/no or on/off. White
/// space around a value is dropped. An empty value unsets `type`, `url`, `preset`, `absolute_lifetime` and
/// `cookie.domain`; the last two also take `none`.
///
/// # From a file
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     session: anysession::Config,
/// }
///
/// let settings: Settings = toml::from_str(
///     r#"
///     [session]
///     url = "redis://localhost:6379/0"
///     lifetime = "30m"
///     absolute_lifetime = "12h"
///
///     [session.cookie]
///     same_site = "strict"
///     "#,
/// )?;
/// assert_eq!(settings.session.lifetime(), std::time::Duration::from_secs(30 * 60));
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// # In the log
///
/// `Display` gives the effective values in one line, so that they can be documented where ASVS 5.0 7.1.1 wants them to
/// be; neither it nor `Debug` prints a password.
///
/// ```
/// use anysession::Config;
///
/// let config = Config::builder().url("redis://app:hunter2@cache:6379/0").build()?;
/// assert_eq!(
///     config.to_string(),
///     "type=auto url=redis://…@cache:6379/0 permanent=false lifetime=31d absolute_lifetime=none \
///      size_limit=65536 cookie=\"__Host-id; Path=/; Secure; HttpOnly; SameSite=Lax\""
/// );
/// # Ok::<(), anysession::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    store_type: Option<String>,
    url: Option<Url>,
    permanent: bool,
    lifetime: Duration,
    absolute_lifetime: Option<Duration>,
    size_limit: usize,
    cookie: Cookie,
    flask: Option<Flask>,
    leaving: Option<Box<Left>>,
    signer: Option<Signer>,
}

/// Flask's sessions that are still to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    flask: Flask,
    url: Option<Url>,
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Starts from the defaults of Flask-Session, to share live sessions with a Flask application; see
    /// [`flask`](crate::flask). The environment, which `with_env` reads, may then call things as Flask does.
    ///
    /// ```
    /// use anysession::Config;
    ///
    /// let config = Config::flask().url("redis://localhost:6379/0").with_env()?.build()?;
    /// assert_eq!(config.cookie().name(), "session");
    /// # Ok::<(), anysession::ConfigError>(())
    /// ```
    pub fn flask() -> ConfigBuilder {
        ConfigBuilder::default().flask(Flask::default())
    }

    /// Reads pairs of key and value, with the keys of the table above; `cookie_name` is taken for `cookie.name`.
    ///
    /// ```
    /// use anysession::Config;
    ///
    /// let config = Config::from_pairs([("lifetime", "12h"), ("cookie.name", "shop")])?;
    /// assert_eq!(config.cookie().name(), "__Host-shop");
    ///
    /// let error = Config::from_pairs([("lifetme", "12h")]).unwrap_err().to_string();
    /// assert!(error.contains("did you mean `lifetime`?"));
    /// # Ok::<(), anysession::ConfigError>(())
    /// ```
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        Config::builder().with_pairs(pairs)?.build()
    }

    /// Reads the process's environment: the variables of the table above, the defaults for those that are not set.
    ///
    /// Any other variable that starts with `SESSION_` is an error, because it is most likely one of these misspelt. One is
    /// known to be somebody else's and is left alone: `SESSION_MANAGER`, which X11 desktops set.
    pub fn from_env() -> Result<Self, ConfigError> {
        Config::builder().with_env()?.build()
    }

    /// Which driver opens the [`url`](Self::url), for example `redis`. None: the one that its scheme names, and without a
    /// url the memory store.
    pub fn store_type(&self) -> Option<&str> {
        self.store_type.as_deref()
    }

    /// Where the store is. It may hold a password: do not print it.
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref().map(|url| url.0.as_str())
    }

    /// Whether the cookie outlives the browser. [`set_permanent`](crate::Session::set_permanent) overrides it for one
    /// session.
    pub fn permanent(&self) -> bool {
        self.permanent
    }

    /// The idle timeout: a session ends when this long passes without a request.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The hard end, counted from login. None: only idleness ends a session.
    pub fn absolute_lifetime(&self) -> Option<Duration> {
        self.absolute_lifetime
    }

    /// How many bytes the data of one session may have.
    pub fn size_limit(&self) -> usize {
        self.size_limit
    }

    /// The cookie that carries the id.
    pub fn cookie(&self) -> &Cookie {
        &self.cookie
    }

    /// How the Flask application is configured that shares the sessions, if one does.
    pub fn as_flask(&self) -> Option<&Flask> {
        self.flask.as_ref()
    }

    /// How the Flask application was configured whose sessions are still to be moved, if one was.
    pub(crate) fn left_flask(&self) -> Option<&Flask> {
        self.leaving.as_ref().map(|left| &left.flask)
    }

    /// Where these sessions are.
    pub(crate) fn left_url(&self) -> Option<&str> {
        let url = self.leaving.as_ref()?.url.as_ref().or(self.url.as_ref());
        url.map(|url| url.0.as_str())
    }

    pub(crate) fn layout(&self) -> Layout {
        match &self.flask {
            None => Layout::Native,
            Some(flask) => Layout::Flask(flask.format),
        }
    }

    /// The id in a cookie's value.
    pub(crate) fn read_id(&self, value: &[u8]) -> Option<SessionId> {
        match &self.signer {
            _ if self.leaving.is_some() => {
                // Those that Flask has sent are signed, and ours are not.
                let signed = self.signer.as_ref().and_then(|signer| signer.unsign(value));
                SessionId::from_flask_cookie(signed.unwrap_or(value))
            }
            None => self.layout().read_id(value),
            Some(signer) => self.layout().read_id(signer.unsign(value)?),
        }
    }

    /// The value of a cookie that carries this id.
    pub(crate) fn cookie_value<'i>(&self, id: &'i SessionId) -> Cow<'i, str> {
        match &self.signer {
            Some(signer) if self.leaving.is_none() => {
                Cow::Owned(signer.sign(id.expose_to_cookie()))
            }
            _ => Cow::Borrowed(id.expose_to_cookie()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        ConfigBuilder::default()
            .build()
            .expect("the defaults are valid")
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.store_type, &self.url) {
            (Some(name), _) => write!(f, "type={name}")?,
            (None, Some(_)) => f.write_str("type=auto")?,
            (None, None) => f.write_str("type=memory")?,
        }
        if let Some(url) = &self.url {
            write!(f, " url={url:?}")?;
        }
        let lifetime = duration::Text(self.lifetime);
        write!(f, " permanent={} lifetime={lifetime}", self.permanent)?;
        match self.absolute_lifetime {
            Some(absolute) => write!(f, " absolute_lifetime={}", duration::Text(absolute))?,
            None => f.write_str(" absolute_lifetime=none")?,
        }
        let (name, attributes) = (self.cookie.name(), self.cookie.attributes());
        write!(
            f,
            " size_limit={} cookie=\"{name}{attributes}\"",
            self.size_limit
        )?;
        match &self.flask {
            Some(flask) => write!(f, " layout={flask:?}"),
            None => Ok(()),
        }?;
        match &self.leaving {
            Some(left) => write!(f, " leaving={:?}", left.flask),
            None => Ok(()),
        }
    }
}

/// A url that prints itself without its password.
#[derive(Clone, PartialEq, Eq)]
struct Url(String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Location::parse(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests;
