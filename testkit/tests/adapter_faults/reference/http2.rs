//! The same over HTTP/2, but for what goes on behind a head.

use std::borrow::Cow;
use std::future::poll_fn;

use anysession::Sessions;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, header};
use tokio::net::TcpStream;

use super::flaw::{Flaw, misread};
use super::respond;

/// Whether a client begins with HTTP/2 (RFC 9113, 3.4).
pub(super) async fn is_spoken(stream: &TcpStream) -> std::io::Result<bool> {
    let mut start = [0; 3];
    stream.peek(&mut start).await?;
    Ok(start == *b"PRI")
}

pub(super) async fn connection(stream: TcpStream, sessions: Sessions, flaw: Flaw) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, reply))) = connection.accept().await {
        let sessions = sessions.clone();
        tokio::spawn(async move { answer(&sessions, &request, reply, flaw).await });
    }
}

/// Answers one request. It gives a handler up whose stream has been reset.
async fn answer(
    sessions: &Sessions,
    request: &Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
    flaw: Flaw,
) -> Result<(), h2::Error> {
    let lines = request.headers().get_all(header::COOKIE).iter();
    let cookies: Vec<Cow<'_, [u8]>> = lines
        .map(|line| misread(line.as_bytes(), flaw))
        .take(flaw.cookie_headers())
        .collect();
    let target = request.uri().path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let method = request.method().as_str();
    let response = tokio::select! {
        begun = respond(sessions, method, &cookies, target, flaw) => begun.response,
        _reset = poll_fn(|context| reply.poll_reset(context)), if flaw != Flaw::HandlerGoesOn => return Ok(()),
    };
    let mut head = http::Response::builder().status(response.status);
    for (name, value) in response.headers {
        head = head.header(name, value);
    }
    let head = head.body(()).expect("a response");
    reply
        .send_response(head, false)?
        .send_data(response.body.into(), true)
}
