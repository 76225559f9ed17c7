//! The names of the settings.

/// A setting, whatever it is called where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigKey {
    Type,
    Url,
    Permanent,
    Lifetime,
    AbsoluteLifetime,
    SizeLimit,
    Preset,
    CookieName,
    CookieDomain,
    CookiePath,
    CookieSecure,
    CookieHttpOnly,
    CookieSameSite,
    CookiePartitioned,
    CookiePrefix,
    Layout,
    KeyPrefix,
    SerializationFormat,
    UseSigner,
    SecretKey,
    SqlalchemyTable,
    SqlalchemySchema,
    FileDir,
}

impl ConfigKey {
    pub(super) const ALL: [ConfigKey; 23] = [
        ConfigKey::Type,
        ConfigKey::Url,
        ConfigKey::Permanent,
        ConfigKey::Lifetime,
        ConfigKey::AbsoluteLifetime,
        ConfigKey::SizeLimit,
        ConfigKey::Preset,
        ConfigKey::CookieName,
        ConfigKey::CookieDomain,
        ConfigKey::CookiePath,
        ConfigKey::CookieSecure,
        ConfigKey::CookieHttpOnly,
        ConfigKey::CookieSameSite,
        ConfigKey::CookiePartitioned,
        ConfigKey::CookiePrefix,
        ConfigKey::Layout,
        ConfigKey::KeyPrefix,
        ConfigKey::SerializationFormat,
        ConfigKey::UseSigner,
        ConfigKey::SecretKey,
        ConfigKey::SqlalchemyTable,
        ConfigKey::SqlalchemySchema,
        ConfigKey::FileDir,
    ];

    fn dotted(self) -> &'static str {
        match self {
            ConfigKey::Type => "type",
            ConfigKey::Url => "url",
            ConfigKey::Permanent => "permanent",
            ConfigKey::Lifetime => "lifetime",
            ConfigKey::AbsoluteLifetime => "absolute_lifetime",
            ConfigKey::SizeLimit => "size_limit",
            ConfigKey::Preset => "preset",
            ConfigKey::CookieName => "cookie.name",
            ConfigKey::CookieDomain => "cookie.domain",
            ConfigKey::CookiePath => "cookie.path",
            ConfigKey::CookieSecure => "cookie.secure",
            ConfigKey::CookieHttpOnly => "cookie.http_only",
            ConfigKey::CookieSameSite => "cookie.same_site",
            ConfigKey::CookiePartitioned => "cookie.partitioned",
            ConfigKey::CookiePrefix => "cookie.prefix",
            ConfigKey::Layout => "layout",
            ConfigKey::KeyPrefix => "key_prefix",
            ConfigKey::SerializationFormat => "serialization_format",
            ConfigKey::UseSigner => "use_signer",
            ConfigKey::SecretKey => "secret_key",
            ConfigKey::SqlalchemyTable => "sqlalchemy_table",
            ConfigKey::SqlalchemySchema => "sqlalchemy_schema",
            ConfigKey::FileDir => "file_dir",
        }
    }

    /// What Flask calls it, if that is not as it is called here.
    fn in_flask(self) -> Option<&'static str> {
        match self {
            ConfigKey::Lifetime => Some("PERMANENT_SESSION_LIFETIME"),
            ConfigKey::CookieHttpOnly => Some("SESSION_COOKIE_HTTPONLY"),
            ConfigKey::CookieSameSite => Some("SESSION_COOKIE_SAMESITE"),
            ConfigKey::SecretKey => Some("SECRET_KEY"),
            _ => None,
        }
    }

    fn variable(self) -> String {
        let name = self.dotted().replace('.', "_").to_ascii_uppercase();
        format!("SESSION_{name}")
    }

    /// Whether it is of Flask-Session, and means nothing without it.
    pub(super) fn is_of_flask(self) -> bool {
        matches!(
            self,
            ConfigKey::KeyPrefix
                | ConfigKey::SerializationFormat
                | ConfigKey::UseSigner
                | ConfigKey::SecretKey
                | ConfigKey::SqlalchemyTable
                | ConfigKey::SqlalchemySchema
                | ConfigKey::FileDir
        )
    }
}

/// How settings are called where they are written, so that an error can call them the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// `cookie.name`: in code, pairs and files.
    #[default]
    Dotted,
    /// `SESSION_COOKIE_NAME`: in the environment.
    Variable,
    /// `SESSION_COOKIE_HTTPONLY`: in the environment of an application that shares its sessions with Flask. What is called
    /// otherwise there may be called as in any other environment too.
    FlaskVariable,
}

impl Naming {
    pub(crate) fn of(self, key: ConfigKey) -> String {
        match self {
            Naming::Dotted => key.dotted().to_owned(),
            Naming::Variable => key.variable(),
            Naming::FlaskVariable => match key.in_flask() {
                Some(name) => name.to_owned(),
                None => key.variable(),
            },
        }
    }

    pub(super) fn find(self, written: &str) -> Option<ConfigKey> {
        ConfigKey::ALL.into_iter().find(|&key| {
            let name = self.of(key);
            name == written
                || match self {
                    Naming::Dotted => name.replace('.', "_") == written,
                    Naming::Variable => false,
                    Naming::FlaskVariable => key.variable() == written,
                }
        })
    }

    pub(super) fn list(self) -> String {
        ConfigKey::ALL.map(|key| self.of(key)).join(", ")
    }

    /// The setting that was probably meant: at most one letter in four is wrong, and `cookie` may be left out.
    pub(super) fn nearest(self, written: &str) -> Option<String> {
        let written = letters(written.strip_prefix("SESSION_").unwrap_or(written));
        let (distance, length, key) = ConfigKey::ALL
            .into_iter()
            .flat_map(|key| {
                let whole = key.dotted();
                [whole, whole.trim_start_matches("cookie.")].map(|name| (letters(name), key))
            })
            .map(|(name, key)| (edit_distance(&written, &name), name.len(), key))
            .min_by_key(|&(distance, ..)| distance)?;
        (distance * 4 <= length).then(|| self.of(key))
    }
}

/// What is left of a name when its spelling is forgotten: `HttpOnly` and `http_only` are `httponly`.
fn letters(name: &str) -> Vec<u8> {
    // Nothing near a known name is longer, and the distance takes quadratic time.
    name.bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_lowercase())
        .take(40)
        .collect()
}

/// The number of letters to insert, remove or replace (Levenshtein).
fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_each_of_its_names() {
        for key in ConfigKey::ALL {
            let dotted = Naming::Dotted.of(key);
            assert_eq!(Naming::Dotted.find(&dotted), Some(key));
            assert_eq!(Naming::Dotted.find(&dotted.replace('.', "_")), Some(key));
            let variable = Naming::Variable.of(key);
            assert_eq!(Naming::Variable.find(&variable), Some(key));
            assert_eq!(Naming::Dotted.find(&variable), None);
        }
        assert_eq!(Naming::Variable.find("SESSION_COOKIE.NAME"), None);
    }

    #[test]
    fn a_slip_is_recognised_and_a_guess_is_not_made() {
        for (written, meant) in [
            ("lifetme", Some("lifetime")),
            ("Lifetime", Some("lifetime")),
            ("absolut_lifetime", Some("absolute_lifetime")),
            ("cookie.httponly", Some("cookie.http_only")),
            ("samesite", Some("cookie.same_site")),
            ("secure", Some("cookie.secure")),
            ("ulr", None),
            ("secret", None),
            ("", None),
        ] {
            assert_eq!(
                Naming::Dotted.nearest(written).as_deref(),
                meant,
                "{written}"
            );
        }
        assert_eq!(
            Naming::Variable
                .nearest("SESSION_COOKIE_HTTPONLY")
                .as_deref(),
            Some("SESSION_COOKIE_HTTP_ONLY")
        );
        assert_eq!(Naming::Variable.nearest(&"SESSION_".repeat(10_000)), None);
    }
}
