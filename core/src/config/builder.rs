//! The one way into a [`Config`]: every other one fills a builder.

use std::time::Duration;

use super::error::ConfigError;
use super::key::{ConfigKey, Naming};
use super::value::{self, Value};
use super::{Config, Left, Url, flask};
use crate::cookie::{Choices, Cookie, CookiePrefix, SameSite, Settings};
use crate::flask::{Flask, Format, Signer};

/// A configuration in the making; [`Config::builder`] starts one.
///
/// What is set later replaces what was set before, so that an application can bring its own defaults and let the
/// environment override them:
///
/// ```
/// use anysession::{Config, SameSite};
/// use std::time::Duration;
///
/// let config = Config::builder()
///     .lifetime(Duration::from_secs(30 * 60))
///     .cookie_same_site(SameSite::Strict)
///     .with_pairs([("lifetime", "1h")])? // or .with_env()?
///     .build()?;
/// assert_eq!(config.lifetime(), Duration::from_secs(60 * 60));
/// # Ok::<(), anysession::ConfigError>(())
/// ```
///
/// Type and url go together: pairs that set one of them drop the other one, if it was set before. Only a plain path is
/// taken for another place of the same type.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ConfigBuilder {
    /// How the settings were called last, for the errors of `build`.
    pub(super) naming: Naming,
    pub(super) preset: Option<Preset>,
    store_type: Option<String>,
    url: Option<Url>,
    permanent: Option<bool>,
    lifetime: Option<Duration>,
    /// The inner `None` is an explicit one, which a preset does not replace.
    pub(super) absolute_lifetime: Option<Option<Duration>>,
    size_limit: Option<usize>,
    pub(super) cookie: Choices,
    layout: Layout,
    pub(super) flask: Flask,
    pub(super) use_signer: bool,
    file_dir: Option<Url>,
    /// A setting of Flask-Session's that was given, for the error if it means nothing.
    of_flask: Option<ConfigKey>,
}

/// Which layout the sessions have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layout {
    #[default]
    Native,
    Flask,
    LeavingFlask,
}

impl ConfigBuilder {
    /// Which driver opens the url, for example `redis`. Needed only if the url's scheme does not tell.
    pub fn store_type(mut self, name: impl Into<String>) -> Self {
        self.store_type = Some(name.into());
        self
    }

    /// Where the store is: a URL or a path, with the driver's options in its query.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(Url(url.into()));
        self
    }

    /// Whether the cookie outlives the browser. By default it does not (OWASP Session Management Cheat Sheet, Expire and
    /// Max-Age Attributes).
    pub fn permanent(mut self, permanent: bool) -> Self {
        self.permanent = Some(permanent);
        self
    }

    /// The idle timeout, 31 days by default: 1 second to 100 years.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// The hard end, counted from login, none by default: 1 second to 100 years. It may be shorter than the idle timeout
    /// and then ends the session first.
    pub fn absolute_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.absolute_lifetime = Some(lifetime.into());
        self
    }

    /// How many bytes the data of one session may have, 64 KiB by default: 1 KiB to 16 MiB.
    pub fn size_limit(mut self, bytes: usize) -> Self {
        self.size_limit = Some(bytes);
        self
    }

    /// Takes the lifetimes of a preset, except for those that are set one by one, before or after.
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = Some(preset);
        self
    }

    /// The cookie's name without its prefix, `id` by default.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie.name = Some(name.into());
        self
    }

    /// The host whose subdomains get the cookie too. By default none do, which is what ASVS 5.0 3.3.3 asks for.
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie.domain = Some(Some(domain.into()));
        self
    }

    /// The path under which URLs get the cookie, `/` by default. It does not keep other paths' scripts out.
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie.path = Some(path.into());
        self
    }

    /// Whether only HTTPS carries the cookie, true by default. False is for development over plain HTTP.
    pub fn cookie_secure(mut self, secure: bool) -> Self {
        self.cookie.secure = Some(secure);
        self
    }

    /// Whether scripts are kept from reading the cookie, true by default.
    pub fn cookie_http_only(mut self, http_only: bool) -> Self {
        self.cookie.http_only = Some(http_only);
        self
    }

    /// Which requests from other sites carry the cookie.
    pub fn cookie_same_site(mut self, same_site: SameSite) -> Self {
        self.cookie.same_site = Some(same_site);
        self
    }

    /// Whether a browser keeps one cookie for each site that embeds this one (CHIPS), false by default. It goes with
    /// [`SameSite::None`].
    pub fn cookie_partitioned(mut self, partitioned: bool) -> Self {
        self.cookie.partitioned = Some(partitioned);
        self
    }

    /// The prefix that is added to the cookie's name.
    pub fn cookie_prefix(mut self, prefix: CookiePrefix) -> Self {
        self.cookie.prefix = Some(prefix);
        self
    }

    /// Shares the sessions with a Flask application that is configured like this; see [`flask`](crate::flask). What is not
    /// set otherwise is then as in Flask: the cookie is `session`, without Secure and SameSite, and permanent.
    pub fn flask(mut self, flask: Flask) -> Self {
        self.layout = Layout::Flask;
        self.use_signer = flask.secret_key.is_some();
        self.flask = flask;
        self
    }

    /// Leaves a Flask application that was configured like this: its sessions are moved to the native layout when they are
    /// first asked for, and keep their ids. The cookie has Flask's name unless it is given another one, and is permanent as
    /// there, but Secure and SameSite=Lax. A store in files is given its own [`url`](Self::url), beside `file_dir`, where
    /// Flask's files are.
    pub fn leaving_flask(self, flask: Flask) -> Self {
        ConfigBuilder {
            layout: Layout::LeavingFlask,
            ..self.flask(flask)
        }
    }

    /// Whether the layout is Flask's, so that the environment may call things as Flask does.
    pub(super) fn is_flask(&self) -> bool {
        self.layout != Layout::Native
    }

    /// Sets what these pairs of key and value name, with the keys of [`Config`]'s table. A key that is unknown or given
    /// twice is an error.
    pub fn with_pairs<K: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        self.with_texts(Naming::Dotted, pairs)
    }

    /// Checks everything.
    pub fn build(self) -> Result<Config, ConfigError> {
        let naming = self.naming;
        let mut flask = match self.layout {
            Layout::Native => None,
            Layout::Flask => {
                self.check_flask_keeps_to()?;
                Some(self.checked_flask()?)
            }
            Layout::LeavingFlask => Some(self.checked_flask()?),
        };
        if let (Layout::Native, Some(key)) = (self.layout, self.of_flask) {
            return Err(ConfigError::refused(
                naming,
                key,
                "…",
                format!(
                    "it is Flask-Session's; set {} to flask",
                    naming.of(ConfigKey::Layout)
                ),
            ));
        }
        if let Some(name) = &self.store_type {
            value::check_type(naming, name)?;
        }
        let lifetime = self
            .lifetime
            .or(self.preset.map(Preset::lifetime))
            .unwrap_or(DEFAULT_LIFETIME);
        value::check_duration(naming, ConfigKey::Lifetime, lifetime)?;
        let absolute_lifetime = self
            .absolute_lifetime
            .unwrap_or(self.preset.map(Preset::absolute_lifetime));
        if let Some(absolute) = absolute_lifetime {
            value::check_duration(naming, ConfigKey::AbsoluteLifetime, absolute)?;
        }
        let size_limit = self.size_limit.unwrap_or(DEFAULT_SIZE_LIMIT);
        value::check_size(naming, size_limit)?;
        let cookie = self.cookie.or(match self.layout {
            Layout::Native => Settings::default(),
            Layout::Flask => Settings::flask(),
            Layout::LeavingFlask => Settings::leaving_flask(),
        });
        let (mut file_dir, mut url) = match self.layout {
            Layout::Flask => (None, self.file_dir.or(self.url)),
            Layout::Native | Layout::LeavingFlask => (self.file_dir, self.url),
        };
        let store_type = match &flask {
            None => self.store_type,
            Some(_) => flask::store_type(naming, self.store_type, url.as_ref())?,
        };
        if let Some(flask) = &mut flask
            && flask::is_in_files(store_type.as_deref(), url.as_ref())
        {
            flask.format = Format::Json;
            let of_flask = match self.layout {
                Layout::Flask => &mut url,
                Layout::Native | Layout::LeavingFlask => &mut file_dir,
            };
            of_flask.get_or_insert_with(|| Url(flask::DIRECTORY.to_owned()));
        }
        let signer = (flask.as_ref())
            .and_then(|flask| flask.secret_key.as_deref())
            .map(Signer::new);
        let (flask, leaving) = match (self.layout, flask) {
            (Layout::LeavingFlask, Some(flask)) => {
                let url = file_dir;
                (None, Some(Box::new(Left { flask, url })))
            }
            (_, flask) => (flask, None),
        };
        Ok(Config {
            store_type,
            url,
            permanent: self.permanent.unwrap_or(self.layout != Layout::Native),
            lifetime,
            absolute_lifetime,
            size_limit,
            cookie: Cookie::new(&cookie, naming)?,
            signer,
            flask,
            leaving,
        })
    }

    pub(super) fn with_texts<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        naming: Naming,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut seen = Vec::new();
        for (written, text) in pairs {
            self.naming = naming;
            let written = written.as_ref();
            let key = naming
                .find(written)
                .ok_or_else(|| ConfigError::unknown(naming, written))?;
            if seen.contains(&key) {
                return Err(ConfigError::GivenTwice {
                    key: written.to_owned(),
                });
            }
            seen.push(key);
            let text = text.as_ref().trim_ascii();
            // Type and url name one store together: half of it from here and half from an earlier source would be
            // another one, which nobody meant.
            match key {
                ConfigKey::Type if !seen.contains(&ConfigKey::Url) => self.url = None,
                // A plain path does not tell the store; it is another place for the same one.
                ConfigKey::Url if !seen.contains(&ConfigKey::Type) && text.contains("://") => {
                    self.store_type = None;
                }
                _ => {}
            }
            self.set(Value { naming, key, text })?;
        }
        Ok(self)
    }

    fn set(&mut self, value: Value<'_>) -> Result<(), ConfigError> {
        if value.key.is_of_flask() {
            self.of_flask = Some(value.key);
        }
        match value.key {
            ConfigKey::Type => self.store_type = value.optional().map(str::to_owned),
            ConfigKey::Url => self.url = value.optional().map(|url| Url(url.to_owned())),
            ConfigKey::Permanent => self.permanent = Some(value.boolean()?),
            ConfigKey::Lifetime => self.lifetime = Some(value.duration()?),
            ConfigKey::AbsoluteLifetime => {
                self.absolute_lifetime = Some(value.optional_duration()?);
            }
            ConfigKey::SizeLimit => self.size_limit = Some(value.size()?),
            ConfigKey::Preset => {
                self.preset = value.optional().map(|_| value.preset()).transpose()?;
            }
            ConfigKey::CookieName => self.cookie.name = Some(value.text.to_owned()),
            ConfigKey::CookieDomain => {
                self.cookie.domain = Some(value.unless_none().map(str::to_owned));
            }
            ConfigKey::CookiePath => self.cookie.path = Some(value.text.to_owned()),
            ConfigKey::CookieSecure => self.cookie.secure = Some(value.boolean()?),
            ConfigKey::CookieHttpOnly => self.cookie.http_only = Some(value.boolean()?),
            ConfigKey::CookieSameSite => self.cookie.same_site = Some(value.same_site()?),
            ConfigKey::CookiePartitioned => self.cookie.partitioned = Some(value.boolean()?),
            ConfigKey::CookiePrefix => self.cookie.prefix = Some(value.cookie_prefix()?),
            ConfigKey::Layout => self.layout = value.layout()?,
            ConfigKey::KeyPrefix => self.flask.key_prefix = value.text.to_owned(),
            ConfigKey::SerializationFormat => self.flask.format = value.format()?,
            ConfigKey::UseSigner => self.use_signer = value.boolean()?,
            ConfigKey::SecretKey => self.flask.secret_key = value.optional().map(str::to_owned),
            ConfigKey::SqlalchemyTable => self.flask.table = value.text.to_owned(),
            ConfigKey::SqlalchemySchema => {
                self.flask.schema = value.optional().map(str::to_owned);
            }
            ConfigKey::FileDir => self.file_dir = value.optional().map(|dir| Url(dir.to_owned())),
        }
        Ok(())
    }
}

/// Flask's, so that nobody is logged out earlier for changing over.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(31 * 24 * 60 * 60);

const DEFAULT_SIZE_LIMIT: usize = 64 * 1024;

/// Lifetimes for an authenticator assurance level of NIST SP 800-63B-4 (2.1.3, 2.2.3, 2.3.3).
///
/// | | idle (`lifetime`) | overall (`absolute_lifetime`) |
/// | --- | --- | --- |
/// | default | 31 days | none |
/// | `Aal1` | 30 days | 30 days |
/// | `Aal2` | 1 hour | 24 hours |
/// | `Aal3` | 15 minutes | 12 hours |
///
/// The defaults are for sites where staying signed in matters more than a session left open: they deviate from every
/// level, since nothing but idleness ends a session. ASVS 5.0 asks to document the timeouts and to justify what deviates
/// from NIST (7.1.1), for an idle timeout (7.3.1, fulfilled by all four) and for an absolute one (7.3.2, fulfilled by the
/// presets). AAL1 names no idle timeout. Both end a session on the server, whatever the cookie says.
///
/// ```
/// use anysession::{Config, Preset};
/// use std::time::Duration;
///
/// let config = Config::builder().preset(Preset::Aal2).build()?;
/// assert_eq!(config.lifetime(), Duration::from_secs(60 * 60));
/// assert_eq!(config.absolute_lifetime(), Some(Duration::from_secs(24 * 60 * 60)));
///
/// let stricter = Config::from_pairs([("preset", "aal2"), ("lifetime", "20m")])?;
/// assert_eq!(stricter.lifetime(), Duration::from_secs(20 * 60));
/// # Ok::<(), anysession::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Some assurance: one factor.
    Aal1,
    /// High confidence: two factors.
    Aal2,
    /// Very high confidence: two factors, one of them a hardware key.
    Aal3,
}

impl Preset {
    fn lifetime(self) -> Duration {
        Duration::from_secs(match self {
            Preset::Aal1 => 30 * 24 * 60 * 60,
            Preset::Aal2 => 60 * 60,
            Preset::Aal3 => 15 * 60,
        })
    }

    fn absolute_lifetime(self) -> Duration {
        Duration::from_secs(match self {
            Preset::Aal1 => 30 * 24 * 60 * 60,
            Preset::Aal2 => 24 * 60 * 60,
            Preset::Aal3 => 12 * 60 * 60,
        })
    }
}
