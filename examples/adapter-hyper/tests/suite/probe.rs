//! The probe on plain hyper; its routes are those of [`anysession_testkit::probe`].

use std::convert::Infallible;
use std::net::SocketAddr;

use adapter_hyper::{WithSessions, session};
use anysession::Sessions;
use anysession_testkit::probe::{self, Conversation};
use futures_util::{SinkExt, StreamExt, stream::unfold};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the probe over HTTP/1 and HTTP/2, and blocks.
pub(crate) fn serve(sessions: Sessions, address: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let service = WithSessions::new(sessions, service_fn(answer));
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.expect("the address can be had");
        loop {
            let (connection, _) = listener.accept().await.expect("a connection");
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let io = TokioIo::new(connection);
                // A client that leaves is no error of the probe's.
                let _left = server.serve_connection_with_upgrades(io, service).await;
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(match request.uri().path() {
        path if path.starts_with("/body/") && request.method() == Method::POST => {
            upload(request).await.unwrap_or_else(empty)
        }
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            empty(StatusCode::METHOD_NOT_ALLOWED)
        }
        "/none" => Response::new(whole("ok")),
        _ => with_session(request).await.unwrap_or_else(empty),
    })
}

async fn with_session(mut request: Request<Incoming>) -> Result<Response<Body>, StatusCode> {
    let session = session(&request).await?;
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    match path.split('/').nth(1) {
        Some("stream" | "events") => Ok(stream(probe::stream(&session, path, query))),
        Some("socket") => {
            let conversation = probe::socket(&session, path);
            socket(&mut request, conversation)
        }
        Some("error") => {
            probe::answer(&session, path, query).await;
            let status = path.rsplit('/').next().unwrap_or_default();
            Err(status.parse().unwrap_or(StatusCode::BAD_REQUEST))
        }
        _ => Ok(short(probe::answer(&session, path, query).await)),
    }
}

async fn upload(request: Request<Incoming>) -> Result<Response<Body>, StatusCode> {
    let session = session(&request).await?;
    let path = request.uri().path().to_owned();
    let collected = request.into_body().collect().await;
    let body = collected.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
    let path = format!("{path}/{}", String::from_utf8_lossy(&body));
    Ok(short(probe::answer(&session, &path, "").await))
}

fn short(answer: probe::Answer) -> Response<Body> {
    let mut response = Response::new(whole(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    for (name, value) in answer.headers {
        let line = HeaderValue::try_from(value).map(|value| (HeaderName::from_static(name), value));
        response.headers_mut().extend(line.ok());
    }
    response
}

fn stream(chunks: probe::Chunks) -> Response<Body> {
    let content_type = HeaderValue::from_static(chunks.content_type());
    let body = unfold(chunks, async |mut chunks| {
        let frame = Frame::data(Bytes::from(chunks.next().await?));
        Some((Ok(frame), chunks))
    });
    let mut response = Response::new(StreamBody::new(body).boxed_unsync());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn socket(
    request: &mut Request<Incoming>,
    conversation: Conversation,
) -> Result<Response<Body>, StatusCode> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = derive_accept_key(key.ok_or(StatusCode::BAD_REQUEST)?.as_bytes());
    let upgrading = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrading.await {
            converse(upgraded, conversation).await;
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::default())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn converse(upgraded: Upgraded, conversation: Conversation) {
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let reply = conversation.reply(&text).await;
        if socket.send(reply.into()).await.is_err() {
            return;
        }
    }
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
