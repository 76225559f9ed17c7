//! The HTML pages of the login examples. No framework: a page is a value, and its text is its `Display`.
//!
//! The templates are compiled in and escape what they are given. The pages work without JavaScript: every change is a
//! form that is posted.

mod ago;
mod device;
mod forms;
mod origin;

use std::fmt;

use anysession::{Flash, SessionInfo, Timestamp};
use askama::Template;
use serde::{Deserialize, Serialize};

pub use device::device_name;
pub use forms::{Choice, Credentials, Device};
pub use origin::is_from_here;

/// The stylesheet, to be served as `/style.css`.
pub const STYLE: &str = include_str!("../templates/style.css");

/// What the pages need, for the header `Content-Security-Policy`: our own stylesheet and forms, no scripts, no frames.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// The colours that a visitor prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rocket", derive(rocket::FromFormField))]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the browser or the operating system is set.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    const ALL: [Theme; 3] = [Theme::Auto, Theme::Light, Theme::Dark];
}

/// As a form names it.
impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        })
    }
}

/// For a visitor who is not signed in.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    /// The colours.
    pub theme: Theme,
    /// The messages to show, once.
    pub messages: Vec<Flash>,
}

/// For a user who is signed in.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    /// The colours.
    pub theme: Theme,
    /// The messages to show, once.
    pub messages: Vec<Flash>,
    /// Who is signed in.
    pub user: &'a str,
    /// How often this page was shown.
    pub visits: u64,
    /// Whether this browser stays signed in after it was closed.
    pub permanent: bool,
    /// Where the user is signed in.
    pub devices: Vec<SessionInfo>,
    /// The time now.
    pub now: Timestamp,
}

impl Account<'_> {
    fn ago(&self, then: &Timestamp) -> ago::Ago {
        ago::Ago(self.now.since(*then))
    }
}

/// For a request that could not be served, with the status of its response.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct Problem(pub u16);
