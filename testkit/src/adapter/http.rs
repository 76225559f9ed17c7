//! As much of an HTTP/1.1 client as it takes to send whatever a hostile one could.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cookie::SetCookie;
use crate::suite::{Failure, ensure};

/// The session's cookie under the default configuration.
pub(crate) const COOKIE: &str = "__Host-id";

/// Longer than any request takes that is not held.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough to see that something does not happen, if only on most runs: a trial that waits for this finds a mistake,
/// and never one where there is none.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(50);

/// A request, header lines byte for byte as they will be sent.
#[derive(Clone)]
pub(crate) struct Request {
    head: bool,
    bytes: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn head(path: &str) -> Self {
        Self::new("HEAD", path)
    }

    /// A method that no route of the probe has.
    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path).line("Content-Length: 0")
    }

    /// Brings a body, whose length or framing is still to be said.
    pub(crate) fn upload(path: &str) -> Self {
        Self::new("POST", path).line("Content-Type: text/plain")
    }

    /// Asks for a WebSocket (RFC 6455, 4.1).
    pub(crate) fn upgrade(path: &str) -> Self {
        Self::begin("GET", path)
            .line("Connection: Upgrade")
            .line("Upgrade: websocket")
            .line("Sec-WebSocket-Version: 13")
            .line("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    }

    fn new(method: &str, path: &str) -> Self {
        Self::begin(method, path).line("Connection: close")
    }

    fn begin(method: &str, path: &str) -> Self {
        let start = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        Request {
            head: method == "HEAD",
            bytes: start.into_bytes(),
            body: Vec::new(),
        }
    }

    pub(crate) fn line(mut self, line: &str) -> Self {
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// What comes behind the head, byte for byte.
    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// One more `Cookie` header.
    pub(crate) fn cookies(mut self, value: impl AsRef<[u8]>) -> Self {
        self.bytes.extend_from_slice(b"Cookie: ");
        self.bytes.extend_from_slice(value.as_ref());
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// One more `Cookie` header, with this id in it.
    pub(crate) fn id(self, id: impl AsRef<[u8]>) -> Self {
        self.cookies([COOKIE.as_bytes(), b"=", id.as_ref()].concat())
    }

    /// Sends it on a connection of its own, which breaks off when it is dropped.
    pub(crate) async fn send(&self, to: SocketAddr) -> Result<Connection, Failure> {
        let broken = |error| Failure::new(format!("the server does not take a request: {error}"));
        let mut stream = TcpStream::connect(to).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let bytes = [&self.bytes[..], b"\r\n", &self.body].concat();
        stream.write_all(&bytes).await.map_err(broken)?;
        Ok(Connection {
            head: self.head,
            stream,
        })
    }
}

/// A connection with a request under way.
pub(crate) struct Connection {
    head: bool,
    stream: TcpStream,
}

impl Connection {
    /// Whether nothing comes for a moment.
    pub(crate) async fn is_silent(&self) -> bool {
        let readable = self.stream.readable();
        tokio::time::timeout(A_MOMENT, readable).await.is_err()
    }

    /// The head of a response that goes on, and the connection.
    pub(crate) async fn head(mut self) -> Result<(Response, Wire), Failure> {
        let mut bytes = Vec::new();
        loop {
            if let Some((response, length)) = Response::parse_head(&bytes)? {
                let unread = bytes.split_off(length);
                let stream = self.stream;
                return Ok((response, Wire { stream, unread }));
            }
            if !fill(&mut self.stream, &mut bytes).await? {
                return Err(Failure::new("the connection was closed without a response"));
            }
        }
    }

    /// The response, `None` if the server closes the connection without one.
    pub(crate) async fn response(mut self) -> Result<Option<Response>, Failure> {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await;
        ensure!(
            read.is_ok(),
            "every request is answered, but this one was not within {PATIENCE:?}"
        );
        // A reset behind the response does not matter; one before it leaves nothing to parse.
        if bytes.is_empty() {
            return Ok(None);
        }
        Response::parse(&bytes, self.head).map(Some)
    }
}

/// A connection whose response has begun.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    /// What has come and was not read.
    pub(crate) unread: Vec<u8>,
}

impl Wire {
    /// Sends more of the request, whose response is still to come.
    pub(crate) async fn go_on(mut self, bytes: &[u8]) -> Result<Connection, Failure> {
        ensure!(
            self.unread.is_empty(),
            "an interim response is followed by nothing until the request is complete"
        );
        let sent = self.stream.write_all(bytes).await;
        sent.map_err(|error| Failure::new(format!("the server takes no body: {error}")))?;
        let stream = self.stream;
        Ok(Connection {
            head: false,
            stream,
        })
    }

    /// Waits for more. `false` if the connection is closed.
    pub(crate) async fn fill(&mut self) -> Result<bool, Failure> {
        fill(&mut self.stream, &mut self.unread).await
    }
}

async fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
    match tokio::time::timeout(PATIENCE, stream.read_buf(bytes)).await {
        Ok(read) => Ok(read.is_ok_and(|length| length > 0)),
        Err(_) => Err(Failure::new(format!("nothing came within {PATIENCE:?}"))),
    }
}

/// A response, header lines byte for byte as they came.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    fn parse(bytes: &[u8], of_head: bool) -> Result<Self, Failure> {
        let (mut response, length) = Self::parse_head(bytes)?
            .ok_or_else(|| Failure::new("the head of the response is cut off"))?;
        let body = &bytes[length..];
        if of_head || matches!(response.status, 204 | 304) {
            ensure!(
                body.is_empty(),
                "a response to HEAD, 204 and 304 have no body, but {} bytes came",
                body.len()
            );
        } else if response.line("transfer-encoding").as_deref() == Some("chunked") {
            response.body = unchunked(body)?;
        } else {
            response.body = body.to_vec();
        }
        Ok(response)
    }

    /// The head of a response and its length; `None` if more is to come.
    fn parse_head(bytes: &[u8]) -> Result<Option<(Self, usize)>, Failure> {
        let mut lines = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Response::new(&mut lines);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(Failure::new(format!("this is no response: {error}"))),
        };
        let headers = parsed.headers.iter();
        let response = Response {
            status: parsed.code.unwrap_or_default(),
            headers: headers
                .map(|line| (line.name.to_ascii_lowercase(), line.value.to_vec()))
                .collect(),
            body: Vec::new(),
        };
        Ok(Some((response, length)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// All lines of this name, in order.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(line, _)| line == name)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The first line of this name.
    pub(crate) fn line(&self, name: &str) -> Option<String> {
        self.lines(name).into_iter().next()
    }

    /// What the response says about the session's cookie, every time it does.
    pub(crate) fn session_cookies(&self) -> Vec<SetCookie> {
        let lines = self.lines("set-cookie").into_iter();
        lines
            .map(|line| SetCookie::parse(&line))
            .filter(|cookie| cookie.name == COOKIE)
            .collect()
    }

    /// The one cookie of the session that the response sets.
    pub(crate) fn session_cookie(&self) -> Result<SetCookie, Failure> {
        let mut cookies = self.session_cookies();
        match (cookies.pop(), cookies.is_empty()) {
            (Some(cookie), true) => Ok(cookie),
            _ => Err(Failure::new(format!(
                "the response sets exactly one cookie of the session, but it is {self:?}"
            ))),
        }
    }

    /// The values of all `Vary` lines, in lower case.
    pub(crate) fn vary(&self) -> Vec<String> {
        let lines = self.lines("vary").join(",");
        let values = lines.split(',').map(|value| value.trim().to_lowercase());
        values.filter(|value| !value.is_empty()).collect()
    }
}

/// Shows no value of a `Set-Cookie`: a test's output is a log too.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            match name.as_str() {
                "set-cookie" => write!(f, "; set-cookie: {} bytes", value.len())?,
                "date" | "content-length" | "connection" | "content-type" => {}
                _ => write!(f, "; {name}: {}", String::from_utf8_lossy(value))?,
            }
        }
        write!(f, "; body {:?}", self.text())
    }
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let (at, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((at, size))) => (at, size as usize),
            other => return Err(Failure::new(format!("this is no chunk: {other:?}"))),
        };
        if size == 0 {
            return Ok(body);
        }
        ensure!(rest.len() >= at + size + 2, "the last chunk is cut off");
        body.extend_from_slice(&rest[at..at + size]);
        rest = &rest[at + size + 2..];
    }
}
