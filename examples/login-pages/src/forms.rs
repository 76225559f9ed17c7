//! What the forms of the pages send.

use serde::Deserialize;

use crate::Theme;

/// To `/sign-in`.
#[derive(Deserialize)]
#[cfg_attr(feature = "rocket", derive(rocket::FromForm))]
pub struct Credentials {
    name: String,
    password: String,
    /// Whether to stay signed in when the browser is closed.
    #[serde(default)]
    pub remember: bool,
}

impl Credentials {
    /// Who proved to be whom. This is a demonstration: yours looks the user up, compares the hash of a password, limits
    /// the tries, and answers with the user's primary key.
    pub fn user(&self) -> Option<&str> {
        let name = self.name.trim();
        let is_name = (1..=255).contains(&name.len()) && !name.contains(char::is_control);
        (is_name && self.password == "demo").then_some(name)
    }
}

/// To `/theme`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "rocket", derive(rocket::FromForm))]
pub struct Choice {
    /// The choice.
    pub theme: Theme,
}

/// To `/devices/end`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "rocket", derive(rocket::FromForm))]
pub struct Device {
    /// Which session to end; see [`SessionInfo::handle`](anysession::SessionInfo::handle).
    pub handle: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_that_a_session_can_hold_goes_with_the_password() {
        let long = "x".repeat(256);
        for (name, password, user) in [
            (" Ada ", "demo", Some("Ada")),
            ("Ada", "Demo", None),
            (" ", "demo", None),
            ("A\nda", "demo", None),
            (&long, "demo", None),
        ] {
            let (name, password) = (name.to_owned(), password.to_owned());
            let credentials = Credentials {
                name,
                password,
                remember: false,
            };
            assert_eq!(credentials.user(), user);
        }
    }
}
