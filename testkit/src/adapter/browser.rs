//! A visitor.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http::{Connection, PATIENCE, Request, Response};
use super::multiplexed::Multiplexed;
use super::streaming::Streaming;
use super::websocket::WebSocket;
use crate::gate::{Gate, Stopped};
use crate::probe;
use crate::suite::{Failure, ensure};

/// A visitor who keeps the session's cookie as a browser does.
#[derive(Debug)]
pub(crate) struct Browser {
    server: SocketAddr,
    id: Mutex<Option<String>>,
}

impl Browser {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Browser {
            server,
            id: Mutex::default(),
        }
    }

    /// The id in the cookie.
    pub(crate) fn id(&self) -> Option<String> {
        self.id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The id in the cookie, of a visitor who has a session.
    pub(crate) fn own_id(&self) -> Result<String, Failure> {
        self.id()
            .ok_or_else(|| Failure::new("the visitor has a session by now, but got no cookie"))
    }

    /// Another one with the same cookie.
    pub(crate) fn twin(&self) -> Self {
        Browser {
            server: self.server,
            id: Mutex::new(self.id()),
        }
    }

    /// Comes with this id.
    pub(crate) fn with_id(self, id: impl Into<String>) -> Self {
        self.keep(Some(id.into()));
        self
    }

    /// Requests a page and keeps what it says about the cookie.
    pub(crate) async fn get(&self, path: &str) -> Result<Response, Failure> {
        self.send(self.request(path)).await
    }

    /// As [`get`](Self::get), of a page that is there: its text.
    pub(crate) async fn ok(&self, path: &str) -> Result<String, Failure> {
        let response = self.get(path).await?;
        ensure!(
            response.status == 200,
            "{path} is answered with 200, but it was {response:?}"
        );
        Ok(response.text())
    }

    /// Sends a request whose cookies are made already, and keeps what the response says about ours.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Failure> {
        let response = request.send(self.server).await?.response().await?;
        let response =
            response.ok_or_else(|| Failure::new("the connection was closed without a response"))?;
        self.receive(&response);
        Ok(response)
    }

    /// Requests a page on a connection that can break off.
    pub(crate) async fn connect(&self, path: &str) -> Result<Connection, Failure> {
        self.request(path).send(self.server).await
    }

    /// A connection of HTTP/2.
    pub(crate) async fn multiplexed(&self) -> Result<Multiplexed, Failure> {
        Multiplexed::connect(self.server).await
    }

    /// Requests a page whose body goes on, and keeps what its head says about the cookie.
    pub(crate) async fn stream(&self, path: &str) -> Result<Streaming, Failure> {
        let streaming = Streaming::begin(self.connect(path).await?).await?;
        self.receive(&streaming.response);
        Ok(streaming)
    }

    /// Opens a socket, and keeps what the 101 says about the cookie.
    pub(crate) async fn socket(&self, path: &str) -> Result<WebSocket, Failure> {
        let socket = WebSocket::open(self.upgrade(path).await?).await?;
        self.receive(&socket.response);
        Ok(socket)
    }

    /// Asks for a socket.
    pub(crate) async fn upgrade(&self, path: &str) -> Result<Connection, Failure> {
        let request = self.with_cookie(Request::upgrade(path));
        request.send(self.server).await
    }

    /// Sends a request and holds it when its session is loaded and nothing is done yet. What the response says about the
    /// cookie is not kept by itself: see [`receive`](Self::receive).
    pub(crate) async fn hold(&self, path: &str) -> Result<Held, Failure> {
        self.hold_at("gate", path).await
    }

    /// As [`hold`](Self::hold), at the gate that the route calls so.
    pub(crate) async fn hold_at(&self, parameter: &str, path: &str) -> Result<Held, Failure> {
        let (name, gate) = probe::hold();
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}{parameter}={name}");
        let connection = self.connect(&path).await?;
        let stopped = reached(gate, &path).await?;
        let response = tokio::spawn(connection.response());
        Ok(Held { stopped, response })
    }

    /// Keeps what a response says about the cookie.
    pub(crate) fn receive(&self, response: &Response) {
        for cookie in response.session_cookies() {
            if cookie.is_accepted() {
                let id = Some(cookie.value.clone()).filter(|_| !cookie.removes());
                self.keep(id);
            }
        }
    }

    fn request(&self, path: &str) -> Request {
        self.with_cookie(Request::get(path))
    }

    pub(crate) fn with_cookie(&self, request: Request) -> Request {
        match self.id() {
            Some(id) => request.id(id),
            None => request,
        }
    }

    fn keep(&self, id: Option<String>) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }
}

/// Waits until a request stands at a gate.
pub(crate) async fn reached(gate: Gate, page: &str) -> Result<Stopped, Failure> {
    match timeout(PATIENCE, gate.reached()).await {
        Ok(stopped) => Ok(stopped),
        Err(_) => Err(Failure::new(format!("{page} never came to its gate"))),
    }
}

/// A request that waits in its handler.
pub(crate) struct Held {
    stopped: Stopped,
    response: JoinHandle<Result<Option<Response>, Failure>>,
}

impl Held {
    /// Lets it go on, and waits for its response.
    pub(crate) async fn finish(self) -> Result<Response, Failure> {
        self.stopped.release();
        let response = self.response.await??;
        response.ok_or_else(|| Failure::new("a late request was not answered at all"))
    }

    /// Its client goes away. Gives the handler, which waits still or has been given up.
    pub(crate) fn disconnect(self) -> Stopped {
        self.response.abort();
        self.stopped
    }
}
