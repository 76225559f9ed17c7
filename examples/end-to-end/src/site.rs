//! The Flask application of `examples/flask-migration` and its successor, as a browser sees them.

use std::path::Path;

use anysession_testkit::servers::Redis;

use crate::{Flask, Nginx, Python, Result, Server};

/// Both behind one nginx, with a Redis for their sessions. All of it stops when this is dropped.
#[derive(Debug)]
pub struct FlaskSite {
    nginx: Nginx,
    flask: Flask,
    rust: Server,
    _redis: Redis,
}

impl FlaskSite {
    /// Starts it, with the pages under `/account` in Rust.
    ///
    /// # Errors
    ///
    /// When one of them is not installed, or does not come up.
    pub fn start(python: &Python) -> Result<Self> {
        let redis = Redis::setup().start()?;
        let variables = |pairs: &[(&str, &str)]| -> Vec<_> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let url = redis.url();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flask-migration");
        let flask = Flask::start(
            python,
            &folder,
            &["--workers", "2", "app:app"],
            &variables(&[("SESSION_URL", &url), ("SECRET_KEY", "for this run only")]),
        )?;
        let rust = Server::start(
            "flask-migration",
            variables(&[
                ("SESSION_LAYOUT", "flask"),
                ("SESSION_TYPE", "redis"),
                ("SESSION_URL", &url),
                ("SESSION_COOKIE_SAMESITE", "Lax"),
            ]),
        )?;
        let nginx = Nginx::start(&[("/", &flask.address), ("/account", &rust.address)])?;
        Ok(FlaskSite {
            nginx,
            flask,
            rust,
            _redis: redis,
        })
    }

    /// Where a browser finds it.
    pub fn address(&self) -> &str {
        &self.nginx.address
    }

    /// From now on signing in and out are Rust's too.
    ///
    /// # Errors
    ///
    /// Those of [`Nginx::route`].
    pub fn move_sign_in(&mut self) -> Result {
        let (flask, rust) = (&self.flask.address, &self.rust.address);
        let routes = [("/", flask), ("/account", rust), ("/sign-", rust)];
        let routes = routes.map(|(path, server)| (path, server.as_str()));
        Ok(self.nginx.route(&routes)?)
    }
}
