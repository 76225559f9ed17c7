//! A `Set-Cookie` line, read as a browser reads it.

use std::fmt;

/// What one `Set-Cookie` line says (RFC 6265bis, 5.6).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SetCookie {
    pub(crate) name: String,
    pub(crate) value: String,
    /// As they stand there, in their order.
    pub(crate) attributes: Vec<String>,
}

impl SetCookie {
    pub(crate) fn parse(line: &str) -> Self {
        let mut parts = line.split(';').map(|part| part.trim_matches([' ', '\t']));
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        SetCookie {
            name: name.trim_end_matches([' ', '\t']).to_owned(),
            value: value.trim_start_matches([' ', '\t']).to_owned(),
            attributes: parts.map(str::to_owned).collect(),
        }
    }

    /// The value of an attribute; an attribute without one has the empty value.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| {
            let (found, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn max_age(&self) -> Option<&str> {
        self.attribute("Max-Age")
    }

    /// Whether it makes the browser forget the cookie.
    pub(crate) fn removes(&self) -> bool {
        self.max_age() == Some("0")
    }

    /// All attributes but those that say how long, in alphabetical order.
    pub(crate) fn scope(&self) -> Vec<&str> {
        let lasting = |attribute: &&str| {
            let name = attribute.split('=').next().unwrap_or_default();
            !["max-age", "expires"].contains(&name.to_lowercase().as_str())
        };
        let attributes = self.attributes.iter().map(String::as_str);
        let mut scope: Vec<_> = attributes.filter(lasting).collect();
        scope.sort_unstable();
        scope
    }

    /// Whether a browser takes a cookie of this name with these attributes (RFC 6265bis, 5.7).
    pub(crate) fn is_accepted(&self) -> bool {
        !self.name.starts_with("__Host-")
            || (self.attribute("Secure").is_some()
                && self.attribute("Path") == Some("/")
                && self.attribute("Domain").is_none())
    }
}

/// Shows no value.
impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=({} bytes)", self.name, self.value.len())?;
        (self.attributes.iter()).try_for_each(|attribute| write!(f, "; {attribute}"))
    }
}
