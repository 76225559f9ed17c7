//! Flask and Rust beside each other, on one backend and with the same settings.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anysession::{Config, Session};
use end_to_end::{Flask, Python, Result, Server, Visitor};

use crate::request::Requests;

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
    lifetime_in_seconds: i64,
    /// None: Flask is on both sides.
    pub(crate) rust: Option<Vec<(String, String)>>,
    pub(crate) flask: Vec<(String, String)>,
}

impl Backend {
    /// With the setting that a Flask application should have as long as it is not alone: it writes what it changed only.
    pub(crate) fn new(kind: &str, url: &str) -> Self {
        let (name, session_type, flask_url) = match kind {
            "redis" => ("redis", "redis", url.to_owned()),
            "sqlite" => ("sqlite", "sqlalchemy", url.replacen("://", ":///", 1)),
            "postgres" => (
                "postgres",
                "sqlalchemy",
                url.replacen("postgres", "postgresql+psycopg2", 1),
            ),
            "mysql" => (
                "mariadb",
                "sqlalchemy",
                url.replacen("mysql", "mysql+pymysql", 1),
            ),
            _ => ("files", "cachelib", url.to_owned()),
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
    fn config(&self) -> Result<Option<Config>> {
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

/// A Flask probe and a Rust one on the same sessions.
pub(crate) struct Site {
    flask: Flask,
    rust: Option<Server>,
    requests: Option<Requests>,
    variables: Vec<(String, String)>,
    pub(crate) format: Format,
    pub(crate) lifetime_in_seconds: i64,
}

impl Site {
    pub(crate) fn start(python: &Python, backend: &Backend) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("flask");
        // As many threads as trials may hold at a time.
        let gunicorn = ["--workers", "2", "--threads", "8", "--preload", "probe:app"];
        // Flask first: it makes the table.
        Ok(Site {
            flask: Flask::start(python, &folder, &gunicorn, &backend.flask)?,
            rust: (backend.rust.clone())
                .map(|variables| Server::start("probe-axum", variables))
                .transpose()?,
            variables: backend.rust.clone().unwrap_or_default(),
            requests: (backend.config()?).map(Requests::connect).transpose()?,
            format: backend.format,
            lifetime_in_seconds: backend.lifetime_in_seconds,
        })
    }

    /// Both addresses, Flask's first.
    pub(crate) fn sides(&self) -> [&str; 2] {
        [self.flask(), self.rust()]
    }

    /// The address of Flask.
    pub(crate) fn flask(&self) -> &str {
        &self.flask.address
    }

    /// The address of the Rust probe.
    pub(crate) fn rust(&self) -> &str {
        let rust = self.rust.as_ref();
        rust.map_or(self.flask(), |rust| &rust.address)
    }

    /// One side and the other, both ways round.
    pub(crate) fn both_ways(&self) -> [[&str; 2]; 2] {
        let [flask, rust] = self.sides();
        [[flask, rust], [rust, flask]]
    }

    /// The Rust probe after the last route has moved: it takes over what is in Flask's layout, and Flask is not asked any
    /// more. Files go into another folder.
    pub(crate) fn leave_flask(&self) -> Result<Server> {
        let mut variables = vec![("SESSION_COOKIE_SECURE".to_owned(), "false".to_owned())];
        for (name, value) in self.variables.clone() {
            match name.as_str() {
                "SESSION_LAYOUT" => variables.push((name, "leaving_flask".to_owned())),
                "SESSION_URL" if self.format == Format::PythonJson => {
                    let folder = value.split('?').next().unwrap_or_default();
                    variables.push((name, format!("{folder}-native")));
                    variables.push(("SESSION_FILE_DIR".to_owned(), value));
                }
                _ => variables.push((name, value)),
            }
        }
        Server::start("probe-axum", variables)
    }

    /// Rust's side without a server: see [`Requests`].
    pub(crate) fn requests(&self) -> Result<&Requests> {
        Ok(self.requests.as_ref().ok_or("Flask is alone here")?)
    }

    /// A whole request of Rust's.
    pub(crate) fn request(&self, cookie: &str, handle: impl FnOnce(&Session) -> Result) -> Result {
        let request = self.requests()?.begin(cookie)?;
        handle(&request.session)?;
        request.end().map(drop)
    }

    /// What the store holds for a cookie, in hexadecimal; `-` for nothing.
    pub(crate) fn raw(&self, cookie: &str) -> Result<String> {
        let id = id_of(cookie)?;
        Visitor::default().body(self.flask(), &format!("/raw/{id}"))
    }

    /// Puts bytes into the store under an id, and gives the cookie for it.
    pub(crate) fn plant(&self, id: &str, bytes: &[u8]) -> Result<String> {
        let path = format!("/plant/{id}/{}", hex(bytes));
        Visitor::default().body(self.flask(), &path)
    }
}

/// The id in a cookie, without a signature.
pub(crate) fn id_of(cookie: &str) -> Result<&str> {
    let (_, value) = cookie.split_once('=').ok_or("no cookie")?;
    Ok(value.split('.').next().unwrap_or(value))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A site that is started when the first trial wants it, for all trials of its backend.
#[derive(Clone)]
pub(crate) struct Shared {
    python: Python,
    pub(crate) backend: Backend,
    site: Arc<OnceLock<std::result::Result<Site, String>>>,
}

impl Shared {
    pub(crate) fn new(python: &Python, backend: Backend) -> Self {
        Shared {
            python: python.clone(),
            backend,
            site: Arc::default(),
        }
    }

    pub(crate) fn site(&self) -> Result<&Site> {
        let start = || Site::start(&self.python, &self.backend).map_err(|error| error.to_string());
        Ok(self
            .site
            .get_or_init(start)
            .as_ref()
            .map_err(String::clone)?)
    }
}

/// Holds a request of Flask's when it has loaded its session and not acted yet.
pub(crate) struct Gate(TcpListener);

impl Gate {
    pub(crate) fn new() -> Result<Self> {
        Ok(Gate(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))
    }

    /// What the request asks for.
    pub(crate) fn query(&self) -> Result<String> {
        Ok(format!("gate={}", self.0.local_addr()?.port()))
    }

    /// Nobody need wait for the request any more: it was answered, whether it has come by here or not.
    pub(crate) fn give_up(&self) -> Result {
        TcpStream::connect(self.0.local_addr()?)?;
        Ok(())
    }

    /// Waits until the request is there. It goes on when what this returns is dropped.
    pub(crate) fn arrival(&self) -> Result<TcpStream> {
        Ok(self.0.accept()?.0)
    }
}
