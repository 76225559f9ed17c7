//! The libraries, and what of axum itself a layer needs, each behind the same three routes.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anysession::{Config, MemoryStore, Sessions};
use axum::body::Body;
use axum::http::{Request, Response, header};
use axum::routing::get;
use axum::{Extension, Router};
use tokio::runtime::Runtime;
use tower_service::Service;

type Anysession = anysession_axum::Session;
type TowerSessions = tower_sessions::Session;
type AxumSession = axum_session::Session<axum_session::SessionNullPool>;

/// Where the session layer stands.
#[derive(Clone, Copy, PartialEq)]
pub enum Placement {
    /// `Router::layer`: around each route.
    Layer,
    /// Around the Router as a whole.
    Router,
}

impl Placement {
    /// As it is reported.
    pub fn name(self) -> &'static str {
        match self {
            Placement::Layer => "layer",
            Placement::Router => "router",
        }
    }
}

/// A service, as a connection calls it.
type Served = Box<dyn FnMut(Request<Body>) -> Response<Body>>;

/// Something to be measured.
pub struct Candidate {
    /// Whose it is.
    pub library: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Answers a request.
    pub served: Served,
    /// What a browser would send.
    pub cookie: String,
}

/// Ours.
pub const OURS: &str = "anysession";
/// A layer that does nothing: what axum takes for any layer.
pub const NO_OP: &str = "(no-op layer)";
/// A layer that puts one thing on the request, as every session layer must.
pub const EXTENSION: &str = "(extension)";

/// The bare route, ours, the peers, and what of axum itself a layer needs.
pub const LIBRARIES: [&str; 6] = [
    "bare",
    OURS,
    "tower-sessions",
    "axum_session",
    NO_OP,
    EXTENSION,
];

/// One of [`LIBRARIES`], with a session of ten short strings.
pub fn candidate_of(runtime: &Arc<Runtime>, library: &str, placement: Placement) -> Candidate {
    match library {
        OURS => ours(runtime, placement, 10),
        "tower-sessions" => tower_sessions(runtime, placement, 10),
        "axum_session" => axum_session(runtime, placement),
        NO_OP => {
            let layer = tower_layer::Identity::new();
            without_session(NO_OP, serve(runtime, plain(), layer, placement))
        }
        EXTENSION => {
            let layer = Extension(Arc::new(()));
            without_session(EXTENSION, serve(runtime, plain(), layer, placement))
        }
        _ => bare(runtime),
    }
}

/// The routes without sessions.
pub fn bare(runtime: &Arc<Runtime>) -> Candidate {
    without_session("bare", serve_router(runtime, plain()))
}

fn plain() -> Router {
    Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route("/read", get(|| async { "ok" }))
        .route("/write", get(|| async { "ok" }))
}

fn without_session(library: &'static str, served: Served) -> Candidate {
    candidate(library, "", served, "id=none")
}

/// Our layer around the routes, with a session of so many short strings.
pub fn ours(runtime: &Arc<Runtime>, placement: Placement, keys: usize) -> Candidate {
    let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    let layer = anysession_axum::SessionLayer::new(sessions);
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route(
            "/read",
            get(|session: Anysession| async move {
                let value: Option<String> = session.get("key3").expect("a string");
                assert!(value.is_some());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: Anysession| async move {
                let value: Option<String> = session.get("key3").expect("a string");
                session
                    .insert("key3", another(value))
                    .expect("there is room");
                "ok"
            }),
        )
        .route(
            "/seed",
            get(move |session: Anysession| async move {
                for n in 0..keys {
                    session
                        .insert(format!("key{n}"), format!("value{n}"))
                        .expect("there is room");
                }
            }),
        );
    let served = serve(runtime, routes, layer, placement);
    candidate(OURS, env!("CARGO_PKG_VERSION"), served, "seed")
}

/// The layer of tower-sessions, with a session of so many short strings.
pub fn tower_sessions(runtime: &Arc<Runtime>, placement: Placement, keys: usize) -> Candidate {
    let layer = tower_sessions::SessionManagerLayer::new(tower_sessions::MemoryStore::default());
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route(
            "/read",
            get(|session: TowerSessions| async move {
                let value: Option<String> = session.get("key3").await.expect("a string");
                assert!(value.is_some());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: TowerSessions| async move {
                let value: Option<String> = session.get("key3").await.expect("a string");
                session
                    .insert("key3", another(value))
                    .await
                    .expect("it is stored");
                "ok"
            }),
        )
        .route(
            "/seed",
            get(move |session: TowerSessions| async move {
                for n in 0..keys {
                    session
                        .insert(&format!("key{n}"), format!("value{n}"))
                        .await
                        .expect("it is stored");
                }
            }),
        );
    let served = serve(runtime, routes, layer, placement);
    candidate("tower-sessions", "0.15.0", served, "seed")
}

fn axum_session(runtime: &Arc<Runtime>, placement: Placement) -> Candidate {
    let config = axum_session::SessionConfig::default();
    let store = axum_session::SessionStore::<axum_session::SessionNullPool>::new(None, config);
    let store = runtime.block_on(store).expect("it is in memory");
    let _inside = runtime.enter();
    let layer = axum_session::SessionLayer::new(store);
    let routes = Router::new()
        .route("/ignore", get(|| async { "ok" }))
        .route(
            "/read",
            get(|session: AxumSession| async move {
                let value: Option<String> = session.get("key3");
                assert!(value.is_some());
                "ok"
            }),
        )
        .route(
            "/write",
            get(|session: AxumSession| async move {
                let value: Option<String> = session.get("key3");
                session.set("key3", another(value));
                "ok"
            }),
        )
        .route(
            "/seed",
            get(|session: AxumSession| async move {
                for n in 0..10 {
                    session.set(&format!("key{n}"), format!("value{n}"));
                }
            }),
        );
    let served = serve(runtime, routes, layer, placement);
    candidate("axum_session", "0.22.1", served, "seed")
}

/// A value that differs from the one before: some libraries do not store what has not changed.
fn another(value: Option<String>) -> &'static str {
    if value.as_deref() == Some("value3") {
        "value4"
    } else {
        "value3"
    }
}

/// Seeds a session and keeps its cookie, between two others as a browser would send them.
fn candidate(
    library: &'static str,
    version: &'static str,
    mut served: Served,
    cookie: &str,
) -> Candidate {
    let mut cookies = cookie.to_owned();
    if cookie == "seed" {
        let response = served(request("/seed", "theme=dark"));
        let set = response.headers().get_all(header::SET_COOKIE).iter();
        let pairs = set.filter_map(|line| line.to_str().ok()?.split(';').next().map(str::to_owned));
        cookies = pairs.collect::<Vec<_>>().join("; ");
    }
    let cookie = format!("theme=dark; {cookies}; _ga=GA1.2.1234567890.1234567890");
    Candidate {
        library,
        version,
        served,
        cookie,
    }
}

fn serve<L>(runtime: &Arc<Runtime>, routes: Router, layer: L, placement: Placement) -> Served
where
    L: tower_layer::Layer<axum::routing::Route>
        + tower_layer::Layer<Router>
        + Clone
        + Send
        + Sync
        + 'static,
    <L as tower_layer::Layer<axum::routing::Route>>::Service: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    <<L as tower_layer::Layer<axum::routing::Route>>::Service as Service<Request<Body>>>::Future:
        Send + 'static,
    <L as tower_layer::Layer<Router>>::Service: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + 'static,
{
    match placement {
        Placement::Layer => serve_router(runtime, routes.layer(layer)),
        Placement::Router => serve_service(
            runtime,
            tower_layer::Layer::layer(&layer, routes.with_state(())),
        ),
    }
}

fn serve_router(runtime: &Arc<Runtime>, routes: Router) -> Served {
    serve_service(runtime, routes.with_state(()))
}

fn serve_service<S>(runtime: &Arc<Runtime>, mut service: S) -> Served
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + 'static,
{
    let runtime = runtime.clone();
    Box::new(move |request| {
        let _inside = runtime.enter();
        let response = pin!(service.call(request));
        // A store in memory never waits, so one poll is all that a runtime would do.
        match response.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => response,
            Poll::Pending => panic!("a store in memory had to wait"),
        }
    })
}

/// One thread, which all candidates share.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A request with these cookies.
pub fn request(path: &str, cookie: &str) -> Request<Body> {
    let request = Request::get(path).header(header::COOKIE, cookie);
    request
        .body(Body::empty())
        .expect("the request is well-formed")
}
