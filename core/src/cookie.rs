//! The session's cookie: its name and attributes, checked once and then written and read without a second look.

mod date;
mod read;
mod rules;

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{ConfigError, Naming};
use date::HttpDate;

/// Browsers keep no cookie longer than 400 days (RFC 6265bis, 5.6.2): 34,560,000 seconds.
const MAX_AGE_LIMIT: u64 = 400 * 24 * 60 * 60;

/// The cookie that carries the session's id: a valid name and attributes that a browser accepts.
///
/// It comes out of a [`Config`](crate::Config), which refuses every combination that a browser would drop. It never
/// holds an id: `Debug` prints name and attributes only.
///
/// ```
/// use anysession::Config;
///
/// assert_eq!(Config::default().cookie().name(), "__Host-id");
///
/// let development = Config::builder().cookie_secure(false).build()?;
/// assert_eq!(development.cookie().name(), "id");
/// # Ok::<(), anysession::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie {
    name: Box<str>,
    /// What follows the value, for example `; Path=/; Secure`.
    attributes: Box<str>,
    removal: Box<str>,
    secure: bool,
    lasting: Lasting,
}

impl Cookie {
    /// The name as the browser sees it, with its prefix: `__Host-id` unless configured otherwise.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether only HTTPS carries it.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn new(settings: &Settings, naming: Naming) -> Result<Self, ConfigError> {
        let name = rules::check(settings, naming)?;
        let attributes = attributes(settings);
        let removal =
            format!("{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{attributes}");
        Ok(Cookie {
            name: name.into(),
            attributes: attributes.into(),
            removal: removal.into(),
            secure: settings.secure,
            lasting: settings.lasting,
        })
    }

    /// The value of a `Set-Cookie` header. `max_age` is rounded down to whole seconds, so that the cookie does not
    /// outlive the session, and cut to 400 days; without it the cookie ends with the browser.
    ///
    /// `value` has to consist of cookie octets (RFC 6265bis, 4.1.1), as the text of an id does: it is not escaped.
    pub(crate) fn set(&self, value: &str, max_age: Option<Duration>, clock: &dyn Clock) -> String {
        debug_assert!(value.bytes().all(is_cookie_octet));
        const MAX_AGE: &str = "; Max-Age=34560000";
        let length = self.name.len() + 1 + value.len() + MAX_AGE.len() + self.attributes.len();
        let mut header = String::with_capacity(length);
        header.push_str(&self.name);
        header.push('=');
        header.push_str(value);
        if let Some(max_age) = max_age {
            let seconds = max_age.as_secs().min(MAX_AGE_LIMIT);
            // Writing to a String cannot fail.
            let _ = match self.lasting {
                Lasting::MaxAge => write!(header, "; Max-Age={seconds}"),
                Lasting::Expires => {
                    let end = HttpDate(clock.now() + Duration::from_secs(seconds));
                    write!(header, "; Expires={end}")
                }
            };
        }
        header.push_str(&self.attributes);
        header
    }

    /// The value of the `Set-Cookie` header that makes the browser forget the cookie. It carries the same attributes:
    /// a browser keeps cookies of one name apart by domain, path and partition, and drops a `__Host-` cookie that is
    /// not Secure, a removal too.
    pub(crate) fn removal(&self) -> &str {
        &self.removal
    }

    /// What follows the value, for the summary in the log.
    pub(crate) fn attributes(&self) -> &str {
        &self.attributes
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie({}{})", self.name, self.attributes)
    }
}

/// Which requests from other sites carry the cookie (RFC 6265bis, 5.6.7). It is always written, because browsers differ
/// in what they take a missing one for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Links that are followed from other sites carry it; their forms, frames and scripts do not. The default: a visitor
    /// who comes by a link stays logged in.
    #[default]
    Lax,
    /// Nothing from another site carries it, so that a visitor who comes by a link looks logged out at first. OWASP
    /// prefers it where that does not matter.
    Strict,
    /// Every request carries it, so that the application itself has to keep forged ones out. Needs Secure.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        }
    }
}

/// The prefix of the cookie's name, by which a browser lets nobody but this host (`__Host-`) or no plain HTTP
/// (`__Secure-`) set it (RFC 6265bis, 4.1.3).
///
/// A name that has one already (also the newer `__Http-` and `__Host-Http-`) is kept as it is, and checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookiePrefix {
    /// The strongest that the attributes allow: `__Host-` for a Secure cookie with `Path=/` and without Domain (ASVS 5.0
    /// 3.3.3), `__Secure-` for any other Secure cookie (3.3.1), none for one that is not Secure.
    #[default]
    Auto,
    /// `__Host-`: needs Secure, `Path=/` and no Domain.
    Host,
    /// `__Secure-`: needs Secure.
    Secure,
    /// The name as it is written.
    None,
}

/// A cookie as it is configured, not checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
    pub(crate) path: String,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    /// `None`: it is not written, and each browser takes that for what it likes.
    pub(crate) same_site: Option<SameSite>,
    pub(crate) partitioned: bool,
    pub(crate) prefix: CookiePrefix,
    pub(crate) lasting: Lasting,
}

/// How a cookie says that it outlives the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    MaxAge,
    Expires,
}

/// What is said about the cookie; the rest is by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    pub(crate) name: Option<String>,
    pub(crate) domain: Option<Option<String>>,
    pub(crate) path: Option<String>,
    pub(crate) secure: Option<bool>,
    pub(crate) http_only: Option<bool>,
    pub(crate) same_site: Option<SameSite>,
    pub(crate) partitioned: Option<bool>,
    pub(crate) prefix: Option<CookiePrefix>,
}

impl Choices {
    pub(crate) fn or(self, defaults: Settings) -> Settings {
        Settings {
            name: self.name.unwrap_or(defaults.name),
            domain: self.domain.unwrap_or(defaults.domain),
            path: self.path.unwrap_or(defaults.path),
            secure: self.secure.unwrap_or(defaults.secure),
            http_only: self.http_only.unwrap_or(defaults.http_only),
            same_site: self.same_site.or(defaults.same_site),
            partitioned: self.partitioned.unwrap_or(defaults.partitioned),
            prefix: self.prefix.unwrap_or(defaults.prefix),
            lasting: defaults.lasting,
        }
    }
}

impl Settings {
    /// Flask's name, under which its cookies still come, and for the rest what is safe.
    pub(crate) fn leaving_flask() -> Self {
        Settings {
            name: "session".to_owned(),
            prefix: CookiePrefix::None,
            ..Settings::default()
        }
    }

    /// What Flask sends, so that both applications set one and the same cookie.
    pub(crate) fn flask() -> Self {
        Settings {
            name: "session".to_owned(),
            secure: false,
            same_site: None,
            prefix: CookiePrefix::None,
            lasting: Lasting::Expires,
            ..Settings::default()
        }
    }
}

/// NIST SP 800-63B-4 5.1.1: only over HTTPS, for the fewest hosts, not readable by scripts. The name tells nothing about
/// the software (OWASP Session Management Cheat Sheet, Session ID Name Fingerprinting).
impl Default for Settings {
    fn default() -> Self {
        Settings {
            name: "id".to_owned(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: true,
            same_site: Some(SameSite::default()),
            partitioned: false,
            prefix: CookiePrefix::default(),
            lasting: Lasting::MaxAge,
        }
    }
}

fn attributes(settings: &Settings) -> String {
    let mut text = format!("; Path={}", settings.path);
    if let Some(domain) = &settings.domain {
        text.push_str("; Domain=");
        text.push_str(&domain.to_ascii_lowercase());
    }
    if settings.secure {
        text.push_str("; Secure");
    }
    if settings.http_only {
        text.push_str("; HttpOnly");
    }
    if let Some(same_site) = settings.same_site {
        text.push_str("; SameSite=");
        text.push_str(same_site.as_str());
    }
    if settings.partitioned {
        text.push_str("; Partitioned");
    }
    text
}

fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests;
