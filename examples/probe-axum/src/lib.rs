//! The probe on axum; its routes are those of [`anysession_testkit::probe`].

use std::net::SocketAddr;

use anysession_axum::anysession::Sessions;
use anysession_axum::{Session, SessionLayer};
use anysession_testkit::probe;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;

/// The probe with these sessions.
pub fn app(sessions: Sessions) -> Router {
    Router::new()
        .route("/none", get(async || "ok"))
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
    let answer = probe::answer(&session, uri.path(), uri.query().unwrap_or_default()).await;
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
