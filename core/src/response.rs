//! What a response gets because of its session.

use std::borrow::Cow;
use std::mem::take;

/// The header lines that a response is to get because of its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders(pub(crate) Due);

/// What is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Due {
    /// The session was not asked for.
    #[default]
    Nothing,
    /// The response depends on the cookie.
    Vary,
    /// It sets one, too.
    SetCookie(HeaderText),
}

/// A header's value that carries an id.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeaderText(pub(crate) String);

impl std::fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}

/// One header line.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderLine {
    /// In lower case.
    pub name: &'static str,
    /// Visible ASCII. It may be the cookie: do not log it.
    pub value: Cow<'static, str>,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Append,
    UnlessPresent,
    UnlessListed,
}

impl ResponseHeaders {
    /// The lines, each to be appended if [`HeaderLine::is_wanted`] says so.
    pub fn into_lines(self) -> impl Iterator<Item = HeaderLine> {
        let mut vary = self.0 != Due::Nothing;
        let mut set_cookie = match self.0 {
            Due::SetCookie(value) => Some(value),
            Due::Nothing | Due::Vary => None,
        };
        let mut private = set_cookie.is_some();
        std::iter::from_fn(move || {
            if take(&mut vary) {
                return Some(HeaderLine {
                    name: "vary",
                    value: Cow::Borrowed("Cookie"),
                    rule: Rule::UnlessListed,
                });
            }
            // A shared cache must not hand one visitor's cookie to another (RFC 9111 5.2.2.7).
            if take(&mut private) {
                return Some(HeaderLine {
                    name: "cache-control",
                    value: Cow::Borrowed("private"),
                    rule: Rule::UnlessPresent,
                });
            }
            let HeaderText(value) = set_cookie.take()?;
            Some(HeaderLine {
                name: "set-cookie",
                value: Cow::Owned(value),
                rule: Rule::Append,
            })
        })
    }
}

impl HeaderLine {
    /// Whether the line is to be appended to a response that has these lines of the same name already.
    pub fn is_wanted<'h>(&self, mut present: impl Iterator<Item = &'h [u8]>) -> bool {
        match self.rule {
            Rule::Append => true,
            Rule::UnlessPresent => present.next().is_none(),
            Rule::UnlessListed => {
                !present
                    .flat_map(|line| line.split(|&b| b == b','))
                    .any(|listed| {
                        let listed = listed.trim_ascii();
                        listed == b"*" || listed.eq_ignore_ascii_case(self.value.as_bytes())
                    })
            }
        }
    }
}

impl std::fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeaderLine({})", self.name)
    }
}
