//! Poem, and its own session on the server.

use std::sync::Arc;

use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::http::header;
use poem::middleware::AddData;
use poem::session::{CookieConfig, MemoryStorage, ServerSession};
use poem::{Endpoint, EndpointExt, Request, Response, Route, get, handler};
use tokio::runtime::Runtime;

use super::candidate::{
    Answer, BARE, Candidate, EXTENSION, NO_OP, OURS, another, at_once, sessions, strings,
};

type Ours = anysession_poem::Session;
type Peers = poem::session::Session;

pub(super) const PEER: &str = "poem";

pub(super) fn candidates(runtime: &Arc<Runtime>) -> Vec<Candidate> {
    let ours = Route::new()
        .at("/ignore", get(ignore))
        .at("/read", get(read_ours))
        .at("/write", get(write_ours))
        .at("/new", get(new_ours))
        .at("/regenerate", get(regenerate_ours))
        .with(anysession_poem::SessionMiddleware::new(sessions()));
    let peers = {
        let _for_its_cleanup = runtime.enter();
        Route::new()
            .at("/ignore", get(ignore))
            .at("/read", get(read_peers))
            .at("/write", get(write_peers))
            .at("/new", get(new_peers))
            .at("/regenerate", get(regenerate_peers))
            .with(ServerSession::new(
                CookieConfig::default(),
                MemoryStorage::new(),
            ))
    };
    let no_op = plain().around(|inner, request| async move { inner.call(request).await });
    let extension = plain().with(AddData::new(Arc::new(())));
    vec![
        Candidate::without_session(BARE, serve(runtime, plain())),
        Candidate::new(OURS, env!("CARGO_PKG_VERSION"), serve(runtime, ours)),
        Candidate::new(PEER, "3.1.12", serve(runtime, peers)),
        Candidate::without_session(NO_OP, serve(runtime, no_op)),
        Candidate::without_session(EXTENSION, serve(runtime, extension)),
    ]
}

/// As Poem's server holds the endpoint, and calls it for each request.
fn serve(runtime: &Arc<Runtime>, endpoint: impl Endpoint + 'static) -> Answer {
    let runtime = runtime.clone();
    let endpoint: Arc<dyn DynEndpoint<Output = Response>> =
        Arc::new(ToDynEndpoint(endpoint.map_to_response()));
    Box::new(move |path, cookies, set| {
        let _inside = runtime.enter();
        let request = Request::builder()
            .uri_str(path)
            .header(header::COOKIE, cookies)
            .finish();
        let response = at_once(endpoint.get_response(request));
        assert!(response.status().is_success());
        for line in response.headers().get_all(header::SET_COOKIE) {
            set.take(line.to_str().expect("text"));
        }
    })
}

fn plain() -> Route {
    Route::new()
        .at("/ignore", get(ignore))
        .at("/read", get(ignore))
        .at("/write", get(ignore))
        .at("/new", get(ignore))
        .at("/regenerate", get(ignore))
}

#[handler]
async fn ignore() -> &'static str {
    "ok"
}

#[handler]
async fn read_ours(session: Ours) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    another(value.as_deref());
    "ok"
}

#[handler]
async fn write_ours(session: Ours) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    let value = another(value.as_deref());
    session.insert("key3", value).expect("there is room");
    "ok"
}

#[handler]
async fn new_ours(session: Ours) -> &'static str {
    for (key, value) in strings() {
        session.insert(key, value).expect("there is room");
    }
    "ok"
}

#[handler]
async fn regenerate_ours(session: Ours) -> &'static str {
    session.regenerate_id().expect("there is a session");
    "ok"
}

#[handler]
async fn read_peers(session: &Peers) -> &'static str {
    let value: Option<String> = session.get("key3");
    another(value.as_deref());
    "ok"
}

#[handler]
async fn write_peers(session: &Peers) -> &'static str {
    let value: Option<String> = session.get("key3");
    session.set("key3", another(value.as_deref()));
    "ok"
}

#[handler]
async fn new_peers(session: &Peers) -> &'static str {
    for (key, value) in strings() {
        session.set(&key, value);
    }
    "ok"
}

#[handler]
async fn regenerate_peers(session: &Peers) -> &'static str {
    session.renew();
    "ok"
}
