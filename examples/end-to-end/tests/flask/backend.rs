//! Where both sides keep their sessions, in the words of each.

use anysession::Config;
use end_to_end::Result;

/// How sessions are written down there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    MessagePack,
    /// By msgspec, in Redis or SQL.
    Json,
    /// By Python's own `json`, in files.
    PythonJson,
}

/// Where both keep their sessions, and how each is told.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) lifetime_in_seconds: i64,
    /// None: Flask is on both sides.
    pub(crate) rust: Option<Vec<(String, String)>>,
    pub(crate) flask: Vec<(String, String)>,
}

impl Backend {
    /// With the setting that a Flask application should have as long as it is not alone: it writes what it changed only.
    pub(crate) fn new(kind: &str, url: &str) -> Self {
        // Its options are Rust's.
        let place = url.split('?').next().unwrap_or(url);
        let (name, session_type, flask_url) = match kind {
            "redis" => ("redis", "redis", place.to_owned()),
            "sqlite" => ("sqlite", "sqlalchemy", place.replacen("://", ":///", 1)),
            "postgres" => (
                "postgres",
                "sqlalchemy",
                place.replacen("postgres", "postgresql+psycopg2", 1),
            ),
            "mysql" => (
                "mariadb",
                "sqlalchemy",
                place.replacen("mysql", "mysql+pymysql", 1),
            ),
            _ => ("files", "cachelib", place.to_owned()),
        };
        let format = match kind {
            "filesystem" => Format::PythonJson,
            _ => Format::MessagePack,
        };
        let backend = Backend {
            name: name.to_owned(),
            format,
            lifetime_in_seconds: 31 * 24 * 60 * 60,
            rust: Some(vec![
                ("SESSION_LAYOUT".into(), "flask".into()),
                ("SESSION_TYPE".into(), session_type.into()),
                ("SESSION_URL".into(), url.into()),
            ]),
            flask: vec![("STORE_URL".into(), flask_url)],
        };
        backend.flask_only("SESSION_REFRESH_EACH_REQUEST", "false")
    }

    /// The same under another name, to be changed.
    #[must_use]
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Without Rust: what the trials ask for is what Flask does.
    #[must_use]
    pub(crate) fn flask_alone(mut self) -> Self {
        self.rust = None;
        self
    }

    /// A setting that both have by the same name.
    #[must_use]
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        match (name, value) {
            ("SESSION_SERIALIZATION_FORMAT", "json") => self.format = Format::Json,
            ("PERMANENT_SESSION_LIFETIME", seconds) => {
                self.lifetime_in_seconds = seconds.parse().expect("a number");
            }
            _ => {}
        }
        if let Some(rust) = &mut self.rust {
            rust.push((name.to_owned(), value.to_owned()));
        }
        self.flask_only(name, value)
    }

    /// A part of the address that only Rust has.
    #[must_use]
    pub(crate) fn option_of_rust(mut self, option: &str) -> Self {
        let mut variables = self.rust.iter_mut().flatten();
        if let Some((_, url)) = variables.find(|(name, _)| name == "SESSION_URL") {
            url.push_str(&format!("?{option}"));
        }
        self
    }

    /// A variable that is no setting, but the Flask probe's own.
    #[must_use]
    pub(crate) fn variable_of_probe(mut self, name: &str, value: &str) -> Self {
        self.flask.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the Rust probe reads in its environment.
    pub(crate) fn config(&self) -> Result<Option<Config>> {
        let pairs = |variables: &Vec<(String, String)>| {
            let pairs = variables.iter().map(|(name, value)| (key_of(name), value));
            Config::from_pairs(pairs)
        };
        Ok(self.rust.as_ref().map(pairs).transpose()?)
    }

    /// One that only Flask has.
    #[must_use]
    pub(crate) fn flask_only(mut self, name: &str, value: &str) -> Self {
        self.flask.push((format!("FLASK_{name}"), value.to_owned()));
        self
    }
}

/// What a variable is called in a configuration that comes in pairs.
fn key_of(variable: &str) -> String {
    match variable {
        "PERMANENT_SESSION_LIFETIME" => "lifetime".to_owned(),
        "SESSION_COOKIE_HTTPONLY" => "cookie_http_only".to_owned(),
        "SESSION_COOKIE_SAMESITE" => "cookie_same_site".to_owned(),
        _ => variable.trim_start_matches("SESSION_").to_lowercase(),
    }
}
