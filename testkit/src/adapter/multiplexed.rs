//! As much of an HTTP/2 client as it takes to send a cookie in crumbs, and to leave a stream or all of them.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, Request, Version, header};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http::PATIENCE;
use crate::suite::Failure;

/// A connection that begins with HTTP/2 (RFC 9113, 3.3). It breaks off when it is dropped.
pub(crate) struct Multiplexed {
    client: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Multiplexed {
    pub(crate) async fn connect(server: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(server).await.map_err(broken)?;
        let (client, connection) = in_time(h2::client::handshake(stream)).await?;
        Ok(Multiplexed {
            client,
            connection: tokio::spawn(connection),
        })
    }

    /// Requests a page, with each of these in a `Cookie` field of its own.
    pub(crate) async fn request(&self, path: &str, crumbs: &[&str]) -> Result<Stream, Failure> {
        let mut request = Request::get(format!("http://localhost{path}")).version(Version::HTTP_2);
        for crumb in crumbs {
            request = request.header(header::COOKIE, *crumb);
        }
        let request = request.body(()).map_err(broken)?;
        let mut client = in_time(self.client.clone().ready()).await?;
        let (response, sending) = client.send_request(request, true).map_err(broken)?;
        Ok(Stream { response, sending })
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A request under way.
pub(crate) struct Stream {
    response: ResponseFuture,
    sending: SendStream<Bytes>,
}

impl Stream {
    /// The headers and the body of the response.
    pub(crate) async fn answer(self) -> Result<(HeaderMap, String), Failure> {
        let (head, mut body) = in_time(self.response).await?.into_parts();
        let mut text = Vec::new();
        let whole = async {
            while let Some(piece) = body.data().await {
                text.extend_from_slice(&piece?);
            }
            Ok(())
        };
        in_time(whole).await?;
        Ok((head.headers, String::from_utf8_lossy(&text).into_owned()))
    }

    /// Tells the server that the response is not wanted any more, as a browser does whose visitor goes to another page.
    pub(crate) fn reset(mut self) {
        self.sending.send_reset(Reason::CANCEL);
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, h2::Error>>) -> Result<T, Failure> {
    match timeout(PATIENCE, answer).await {
        Ok(answered) => answered.map_err(broken),
        Err(_) => Err(broken("no answer")),
    }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the server does not speak HTTP/2: {error}"))
}
