//! The probe on axum; its routes are those of [`anysession_testkit::probe`].

use std::convert::Infallible;
use std::net::SocketAddr;

use anysession_axum::anysession::Sessions;
use anysession_axum::{Session, SessionLayer};
use anysession_testkit::probe;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::unfold;

/// The probe with these sessions.
pub fn app(sessions: Sessions) -> Router {
    Router::new()
        .route("/none", get(async || "ok"))
        .route("/stream/{k}/{v}", get(stream))
        .route("/events/{k}/{v}", get(stream))
        .route("/socket/{k}/{v}", get(socket))
        .route("/error/{k}/{v}/{status}", get(answer).layer(from_fn(fail)))
        .route("/body/{k}", post(upload))
        .route("/{*route}", get(answer))
        .layer(SessionLayer::new(sessions))
}

/// Serves the probe with these sessions on this address, and blocks: what the adapter suite asks for.
///
/// # Panics
///
/// If the address cannot be had.
pub fn serve(sessions: Sessions, address: SocketAddr) {
    let serving = async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, app(sessions)).await
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    if let Err(error) = runtime.and_then(|runtime| runtime.block_on(serving)) {
        panic!("the probe cannot be served on {address}: {error}");
    }
}

async fn answer(session: Session, uri: Uri) -> Response {
    response_of(probe::answer(&session, uri.path(), uri.query().unwrap_or_default()).await)
}

async fn upload(session: Session, uri: Uri, body: String) -> Response {
    response_of(probe::answer(&session, &format!("{}/{body}", uri.path()), "").await)
}

/// A middleware whose error takes the place of the handler's response.
async fn fail(
    Path((_, _, status)): Path<(String, String, u16)>,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    next.run(request).await;
    Err(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
}

fn response_of(answer: probe::Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
    }
    response
}

async fn stream(session: Session, uri: Uri) -> impl IntoResponse {
    let chunks = probe::stream(&session, uri.path(), uri.query().unwrap_or_default());
    let content_type = [(header::CONTENT_TYPE, chunks.content_type())];
    let body = unfold(chunks, async |mut chunks| {
        let chunk = chunks.next().await?;
        Some((Ok::<_, Infallible>(chunk), chunks))
    });
    (content_type, Body::from_stream(body))
}

async fn socket(session: Session, uri: Uri, upgrade: WebSocketUpgrade) -> Response {
    let conversation = probe::socket(&session, uri.path());
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            let Message::Text(text) = message else {
                continue;
            };
            let reply = conversation.reply(&text).await;
            if socket.send(reply.into()).await.is_err() {
                return;
            }
        }
    })
}
