//! Somebody with a browser's cookie.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use ureq::Agent;
use ureq::config::Config;

use crate::Result;

/// What a [`Visitor`] says that it is.
pub const USER_AGENT: &str = "visitor";

/// Keeps the one cookie that it is given, for all servers, as a browser does for all ports of a host.
#[derive(Clone, Debug)]
pub struct Visitor {
    agent: Agent,
    cookie: Arc<Mutex<Option<String>>>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
    /// The cookie that it sets, `name=value`; of a removal the value is empty.
    pub cookie: Option<String>,
    /// The same with its attributes.
    pub set_cookie: Option<String>,
}

impl Default for Visitor {
    fn default() -> Self {
        Visitor::with_cookie(None)
    }
}

impl Visitor {
    /// Somebody who has this cookie.
    pub fn with_cookie(cookie: Option<String>) -> Self {
        let config = Config::builder()
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(USER_AGENT)
            .max_redirects(0);
        Visitor {
            agent: config.build().into(),
            cookie: Arc::new(Mutex::new(cookie)),
        }
    }

    /// The cookie as it is sent.
    pub fn cookie(&self) -> Option<String> {
        self.cookie
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Requests a page with the cookie, and takes the one that the response sets.
    ///
    /// # Errors
    ///
    /// When there is no response.
    pub fn ask(&self, address: &str, page: &str) -> Result<Answer> {
        let answer = self.ask_with(address, page, self.cookie().as_deref())?;
        if let Some(cookie) = &answer.cookie {
            let cookie = Some(cookie.clone()).filter(|cookie| !cookie.ends_with('='));
            *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = cookie;
        }
        Ok(answer)
    }

    /// Requests a page with this cookie, whatever the visitor has, and keeps nothing.
    ///
    /// # Errors
    ///
    /// When there is no response.
    pub fn ask_with(&self, address: &str, page: &str, cookie: Option<&str>) -> Result<Answer> {
        let mut request = self.agent.get(format!("{address}{page}"));
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let mut response = request.call()?;
        let line = response.headers().get("set-cookie");
        let set_cookie = line.and_then(|line| line.to_str().ok()).map(str::to_owned);
        let cookie = set_cookie
            .as_ref()
            .and_then(|line| line.split(';').next())
            .map(str::to_owned);
        let status = response.status().as_u16();
        Ok(Answer {
            status,
            body: response.body_mut().read_to_string()?,
            cookie,
            set_cookie,
        })
    }

    /// The body of a page that must be answered with 200.
    ///
    /// # Errors
    ///
    /// When it is answered otherwise.
    pub fn body(&self, address: &str, page: &str) -> Result<String> {
        let answer = self.ask(address, page)?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(format!(
                "{page} of {address} is answered with {status}: {}",
                answer.body
            )
            .into()),
        }
    }

    /// What a server knows of this visitor.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub fn dump(&self, address: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.body(address, "/dump")?)?)
    }
}
