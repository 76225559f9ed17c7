//! Flask and Rust beside each other, on one backend and with the same settings.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anysession::Session;
use end_to_end::{Flask, Python, Result, Server, Visitor};

use crate::backend::{Backend, Format};
use crate::request::Requests;

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
