//! What a browser would refuse, refused when the configuration is read.

use super::{CookiePrefix, SameSite, Settings};
use crate::config::{ConfigError, ConfigKey, Naming};
use crate::id::ENCODED_LEN;

/// A cookie whose name and value are longer together is dropped (RFC 6265bis, 5.6; ASVS 5.0 3.3.5).
const MAX_NAME_AND_VALUE: usize = 4096;

/// An attribute whose value is longer is ignored (RFC 6265bis, 5.6).
const MAX_ATTRIBUTE: usize = 1024;

/// Checks everything, and gives the name with its prefix.
pub(super) fn check(settings: &Settings, naming: Naming) -> Result<String, ConfigError> {
    check_path(&settings.path, naming)?;
    if let Some(domain) = &settings.domain {
        check_domain(domain, naming)?;
    }
    let name = full_name(settings, naming)?;
    check_secure(settings, naming)?;
    check_prefix(&name, settings, naming)?;
    Ok(name)
}

fn full_name(settings: &Settings, naming: Naming) -> Result<String, ConfigError> {
    let name = settings.name.as_str();
    let invalid =
        |expected: String| ConfigError::invalid(naming, ConfigKey::CookieName, name, expected);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(invalid(
            "letters, digits and any of !#$%&'*+-.^_`|~, such as \"id\"".to_owned(),
        ));
    }
    let full = match Prefix::of(name) {
        None => format!("{}{name}", added_prefix(settings)),
        Some(prefix) if !name.starts_with(prefix.text) => {
            return Err(invalid(format!(
                "the prefix to be spelled {}: browsers enforce it in any case, servers only in this one",
                prefix.text
            )));
        }
        Some(prefix) if name.len() == prefix.text.len() => {
            return Err(invalid(
                "a name behind the prefix, such as \"__Host-id\"".to_owned(),
            ));
        }
        Some(prefix) => {
            let contradicts = match settings.prefix {
                CookiePrefix::Auto | CookiePrefix::None => false,
                CookiePrefix::Host => !prefix.host,
                CookiePrefix::Secure => prefix.text != "__Secure-",
            };
            if contradicts {
                return Err(ConfigError::refused(
                    naming,
                    ConfigKey::CookieName,
                    name,
                    format!(
                        "the name has another prefix than {} asks for: leave one of them out",
                        naming.of(ConfigKey::CookiePrefix)
                    ),
                ));
            }
            name.to_owned()
        }
    };
    let longest = MAX_NAME_AND_VALUE - ENCODED_LEN;
    if full.len() > longest {
        return Err(invalid(format!(
            "at most {longest} bytes: browsers drop a cookie with more than {MAX_NAME_AND_VALUE} bytes of name and value"
        )));
    }
    Ok(full)
}

fn added_prefix(settings: &Settings) -> &'static str {
    match settings.prefix {
        CookiePrefix::Host => "__Host-",
        CookiePrefix::Secure => "__Secure-",
        CookiePrefix::None => "",
        CookiePrefix::Auto if !settings.secure => "",
        CookiePrefix::Auto if settings.path == "/" && settings.domain.is_none() => "__Host-",
        CookiePrefix::Auto => "__Secure-",
    }
}

/// A prefix that browsers know, and what they demand for it besides Secure.
struct Prefix {
    text: &'static str,
    /// `Path=/` and no Domain.
    host: bool,
    /// HttpOnly.
    http: bool,
}

impl Prefix {
    /// The longer of two that fit comes first. The two with `Http` are of draft-ietf-httpbis-layered-cookies.
    const ALL: [Prefix; 4] = [
        Prefix {
            text: "__Host-Http-",
            host: true,
            http: true,
        },
        Prefix {
            text: "__Host-",
            host: true,
            http: false,
        },
        Prefix {
            text: "__Http-",
            host: false,
            http: true,
        },
        Prefix {
            text: "__Secure-",
            host: false,
            http: false,
        },
    ];

    /// The prefix that a browser sees, which does not mind the case.
    fn of(name: &str) -> Option<&'static Prefix> {
        Prefix::ALL.iter().find(|prefix| {
            name.get(..prefix.text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.text))
        })
    }
}

fn check_secure(settings: &Settings, naming: Naming) -> Result<(), ConfigError> {
    if settings.secure {
        return Ok(());
    }
    let set_secure = format!("set {} to true", naming.of(ConfigKey::CookieSecure));
    if settings.same_site == Some(SameSite::None) {
        return Err(ConfigError::refused(
            naming,
            ConfigKey::CookieSameSite,
            "none",
            format!(
                "browsers drop a SameSite=None cookie that is not Secure: {set_secure}, or use lax"
            ),
        ));
    }
    if settings.partitioned {
        return Err(ConfigError::refused(
            naming,
            ConfigKey::CookiePartitioned,
            "true",
            format!("browsers drop a Partitioned cookie that is not Secure: {set_secure}"),
        ));
    }
    Ok(())
}

fn check_prefix(name: &str, settings: &Settings, naming: Naming) -> Result<(), ConfigError> {
    let Some(prefix) = Prefix::of(name) else {
        return Ok(());
    };
    let otherwise = if settings.name == name {
        format!(
            "or leave {} out of {}",
            prefix.text,
            naming.of(ConfigKey::CookieName)
        )
    } else {
        format!("or set {} to auto", naming.of(ConfigKey::CookiePrefix))
    };
    let refused = |key, value: &str, demand: &str, remedy: &str| {
        let reason =
            format!("browsers drop a cookie named {name:?} {demand}: {remedy}, {otherwise}");
        Err(ConfigError::refused(naming, key, value, reason))
    };
    if !settings.secure {
        return refused(
            ConfigKey::CookieSecure,
            "false",
            "that is not Secure",
            "set it to true",
        );
    }
    if prefix.http && !settings.http_only {
        return refused(
            ConfigKey::CookieHttpOnly,
            "false",
            "that is not HttpOnly",
            "set it to true",
        );
    }
    if prefix.host && settings.path != "/" {
        return refused(
            ConfigKey::CookiePath,
            &settings.path,
            "unless its path is /",
            "leave it out",
        );
    }
    match &settings.domain {
        Some(domain) if prefix.host => refused(
            ConfigKey::CookieDomain,
            domain,
            "that has a domain",
            "leave it out",
        ),
        _ => Ok(()),
    }
}

fn check_path(path: &str, naming: Naming) -> Result<(), ConfigError> {
    // A browser compares this text with the path of a URL, in which a space or an umlaut is percent-encoded.
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b';');
    if path.starts_with('/') && plain && path.len() <= MAX_ATTRIBUTE {
        return Ok(());
    }
    let expected = format!(
        "a path that starts with /, of at most {MAX_ATTRIBUTE} ASCII characters without spaces and semicolons"
    );
    Err(ConfigError::invalid(
        naming,
        ConfigKey::CookiePath,
        path,
        expected,
    ))
}

fn check_domain(domain: &str, naming: Naming) -> Result<(), ConfigError> {
    let expected = if domain.starts_with('.') || domain.ends_with('.') {
        "a host name without a dot at its ends: drop it, subdomains are included anyway"
    } else if domain.contains(['/', ':', '[']) {
        "a host name alone, without scheme, port and path, and not an IP address"
    } else if !domain.is_ascii() {
        "a host name in its ASCII form (xn--…)"
    } else if domain.len() > 253 || !domain.split('.').all(is_label) {
        "a host name such as \"example.org\""
    } else if domain.rsplit('.').next().is_some_and(is_number) {
        "a host name, not an IP address, which has no subdomains: leave it out"
    } else {
        return Ok(());
    };
    Err(ConfigError::invalid(
        naming,
        ConfigKey::CookieDomain,
        domain,
        expected,
    ))
}

/// A label of a host name (RFC 1123, 2.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
}

/// A character of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
