//! The probe on Poem; its routes are those of [`anysession_testkit::probe`].

use std::net::SocketAddr;
use std::sync::Arc;

use anysession_poem::anysession::Sessions;
use anysession_poem::{Session, SessionMiddleware};
use anysession_testkit::{Suite, probe};
use futures_util::stream::unfold;
use futures_util::{SinkExt, StreamExt};
use poem::http::{HeaderName, HeaderValue, StatusCode, Uri};
use poem::listener::TcpListener;
use poem::web::websocket::{Message, WebSocket};
use poem::{
    Body, Endpoint, EndpointExt, Error, IntoResponse, Request, Response, Result, Route, Server,
    get, handler, post,
};

/// The probe with these sessions.
pub fn app(sessions: Sessions) -> impl Endpoint {
    Route::new()
        .at("/none", get(none))
        .at("/stream/:k/:v", get(stream))
        .at("/events/:k/:v", get(stream))
        .at("/socket/:k/:v", get(socket))
        .at("/error/:k/:v/:status", get(answer.around(fail)))
        .at("/body/:k", post(upload))
        .at("/*route", get(answer))
        .with(SessionMiddleware::new(sessions))
}

/// Serves the probe with these sessions on this address, and blocks: what the adapter suite asks for.
///
/// # Panics
///
/// If the address cannot be had.
pub fn serve(sessions: Sessions, address: SocketAddr) {
    let serving = Server::new(TcpListener::bind(address)).run(app(sessions));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    if let Err(error) = runtime.and_then(|runtime| runtime.block_on(serving)) {
        panic!("the probe cannot be served on {address}: {error}");
    }
}

/// The suite for the ways that Poem goes.
pub fn declare(suite: Suite) -> Suite {
    suite.declares("a_handler_goes_on_when_its_client_leaves")
}

#[handler]
fn none() -> &'static str {
    "ok"
}

#[handler]
async fn answer(session: Session, uri: &Uri) -> Response {
    response_of(probe::answer(&session, uri.path(), uri.query().unwrap_or_default()).await)
}

#[handler]
async fn upload(session: Session, uri: &Uri, body: String) -> Response {
    response_of(probe::answer(&session, &format!("{}/{body}", uri.path()), "").await)
}

/// A middleware whose error takes the place of the handler's response.
async fn fail(handler: Arc<impl Endpoint>, request: Request) -> Result<Response> {
    let status: u16 = request
        .raw_path_param("status")
        .and_then(|status| status.parse().ok())
        .unwrap_or_default();
    handler.get_response(request).await;
    Err(Error::from_status(
        StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
    ))
}

fn response_of(answered: probe::Answer) -> Response {
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = Response::builder().status(status).body(answered.body);
    for (name, value) in answered.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
    }
    response
}

#[handler]
async fn stream(session: Session, uri: &Uri) -> Response {
    let chunks = probe::stream(&session, uri.path(), uri.query().unwrap_or_default());
    let content_type = chunks.content_type();
    let body = Body::from_bytes_stream(unfold(chunks, async |mut chunks| {
        let chunk = chunks.next().await?;
        Some((Ok::<_, std::io::Error>(chunk), chunks))
    }));
    Response::builder().content_type(content_type).body(body)
}

#[handler]
async fn socket(session: Session, uri: &Uri, upgrade: WebSocket) -> impl IntoResponse + use<> {
    let conversation = probe::socket(&session, uri.path());
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let reply = conversation.reply(&text).await;
            if socket.send(Message::Text(reply)).await.is_err() {
                return;
            }
        }
    })
}
